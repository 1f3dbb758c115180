//! Merging an applied configuration into the live tree (structured-merge-diff's merge).

use std::collections::{BTreeMap, BTreeSet};

use super::shape::{Form, Items, Ty};
use crate::json::{Value, json};

/// What becomes of a null in a configuration, which leaves a granular field as it is in any case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Nulls {
    /// Whoever reads the tree into Go's types takes it for absent.
    Absent,
    /// It is a value, as long as nothing drops it.
    Values,
}

/// Merges `config` into `live`: granular maps and lists item by item, all else replaced.
pub(crate) fn merge(ty: Ty<'_>, nulls: Nulls, live: &mut Value, config: &Value) {
    match ty.form(Some(config)) {
        Form::Map(fields) => {
            if !matches!(ty.form(Some(live)), Form::Map(_)) {
                *live = Value::Object(crate::json::Map::new());
            }
            let Value::Object(map) = live else { return };
            for (name, value) in fields {
                let child = ty.child(name);
                match map.get_mut(name) {
                    Some(live) if value.is_null() && nulls == Nulls::Values => {
                        if !is_granular(child, live) {
                            *live = Value::Null;
                        }
                    }
                    // It clears a scalar.
                    Some(live) if value.is_null() => {
                        if !matches!(child.form(Some(live)), Form::Leaf) {
                            continue;
                        }
                        // A key of a map stays with a null, which a typed server reads as empty.
                        if ty.is_key(name) {
                            *live = Value::Null;
                        } else {
                            map.remove(name);
                        }
                    }
                    Some(live) => merge(child, nulls, live, value),
                    None if value.is_null() && nulls == Nulls::Absent => {}
                    None => {
                        map.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        Form::List(items, config) => {
            let taken = match ty.form(Some(live)) {
                Form::List(..) => live.take(),
                _ => json!([]),
            };
            let Value::Array(list) = taken else { return };
            *live = merge_list((ty.item(), nulls), items, list.into_vec(), config).into();
        }
        Form::Leaf | Form::Wild => *live = config.clone(),
    }
}

/// Whether something is in it that has owners of its own.
fn is_granular(ty: Ty<'_>, live: &Value) -> bool {
    match ty.form(Some(live)) {
        Form::Map(fields) => !fields.is_empty(),
        Form::List(_, items) => !items.is_empty(),
        Form::Leaf | Form::Wild => false,
    }
}

/// Items keep the live order where the configuration says nothing about them; items that both
/// have come in the configuration's order, each as near as possible to where it was.
fn merge_list(
    (item, nulls): (Ty<'_>, Nulls),
    items: Items<'_>,
    live: Vec<Value>,
    config: &[Value],
) -> Vec<Value> {
    let mut wanted: Vec<(String, &Value)> = Vec::with_capacity(config.len());
    let mut wanted_names = BTreeSet::new();
    for value in config {
        if let Some(element) = item.element(items, value)
            && wanted_names.insert(element.clone())
        {
            wanted.push((element, value));
        }
    }
    let left: Vec<String> =
        live.iter().map(|value| item.element(items, value).unwrap_or_default()).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for element in &left {
        *counts.entry(element).or_default() += 1;
    }
    let shared: Vec<&str> = wanted
        .iter()
        .map(|(element, _)| element.as_str())
        .filter(|element| counts.contains_key(element))
        .collect();
    let mut merged_items = BTreeMap::new();
    for (element, value) in &wanted {
        // Live items that share one identity are replaced by the configured one.
        let single = counts.get(element.as_str()) == Some(&1);
        let base = left.iter().position(|e| single && e == element).and_then(|at| live.get(at));
        let merged = match base {
            Some(base) => {
                let mut base = base.clone();
                merge(item, nulls, &mut base, value);
                base
            }
            None => (*value).clone(),
        };
        merged_items.insert(element.as_str(), merged);
    }
    order(live, &left, &wanted, &shared, merged_items)
}

fn order(
    live: Vec<Value>,
    left: &[String],
    wanted: &[(String, &Value)],
    shared: &[&str],
    mut merged: BTreeMap<&str, Value>,
) -> Vec<Value> {
    let is_wanted: BTreeSet<&str> = wanted.iter().map(|(element, _)| element.as_str()).collect();
    let mut live: Vec<Option<Value>> = live.into_iter().map(Some).collect();
    let mut out = Vec::with_capacity(live.len() + wanted.len());
    let (mut l, mut r, mut next_shared) = (0, 0, 0);
    while l < left.len() || r < wanted.len() {
        let here = left.get(l).map(String::as_str);
        let there = wanted.get(r).map(|(element, _)| element.as_str());
        if let Some(element) = here {
            if !is_wanted.contains(element) {
                // Nobody asked for a change of this one.
                out.extend(live.get_mut(l).and_then(Option::take));
                l += 1;
                continue;
            }
            if there != Some(element) {
                let expected = shared.get(next_shared).copied();
                if there.is_some() && expected.is_some_and(|e| e != element) {
                    // To be placed when the configuration comes to it.
                    l += 1;
                    continue;
                }
                if !merged.contains_key(element) {
                    l += 1;
                }
            }
        }
        let Some(element) = there else { continue };
        out.extend(merged.remove(element));
        r += 1;
        if here == Some(element) {
            l += 1;
        }
        if shared.get(next_shared) == Some(&element) {
            next_shared += 1;
        }
    }
    out
}
