//! Lists that are maps or sets: no two items may be the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::path::Path;
use super::problem::Problem;
use crate::api::status::Cause;
use crate::json::{Map, Value};
use crate::schema::{ListType, Schema};

/// Adds a cause for every item that repeats an earlier one.
pub(super) fn duplicates(schema: &Schema, list: &[Value], path: &Path, out: &mut Vec<Cause>) {
    match &schema.list_type {
        ListType::Atomic => {}
        ListType::Set => each(list, path, out, |a, b| a == b, Value::clone),
        ListType::Map(keys) => each(
            list,
            path,
            out,
            |a, b| same_keys(schema, keys, a, b),
            |item| Value::Object(key_of(schema, keys, item)),
        ),
    }
}

/// Above this many items, comparing each with each costs more than a sorted set of their texts.
const FEW: usize = 32;

fn each(
    list: &[Value],
    path: &Path,
    out: &mut Vec<Cause>,
    same: impl Fn(&Value, &Value) -> bool,
    shown: impl Fn(&Value) -> Value,
) {
    if list.len() <= FEW {
        for (index, item) in list.iter().enumerate() {
            if list.iter().take(index).any(|other| same(other, item)) {
                out.push(Problem::duplicate(&path.index(index), &shown(item)));
            }
        }
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, item) in list.iter().enumerate() {
        let key = shown(item);
        if !seen.insert(key.to_string()) {
            out.push(Problem::duplicate(&path.index(index), &key));
        }
    }
}

/// One key of an item, or its default where the item leaves it out.
fn key<'a>(schema: &'a Schema, item: &'a Value, name: &str) -> Option<&'a Value> {
    item.get(name).or_else(|| schema.items.as_ref()?.properties.get(name)?.default.as_ref())
}

fn same_keys(schema: &Schema, keys: &[Arc<str>], a: &Value, b: &Value) -> bool {
    !keys.is_empty() && keys.iter().all(|name| key(schema, a, name) == key(schema, b, name))
}

fn key_of(schema: &Schema, keys: &[Arc<str>], item: &Value) -> Map {
    let parts = keys.iter().filter_map(|name| Some((name, key(schema, item, name)?)));
    parts.map(|(name, value)| (name.to_string(), value.clone())).collect()
}

/// The item of `old` that an item of a list now was before; only maps have such identity.
pub(super) fn before<'a>(
    schema: &Schema,
    old: Option<&'a Value>,
    item: &Value,
) -> Option<&'a Value> {
    let ListType::Map(keys) = &schema.list_type else { return None };
    old?.as_array()?.iter().find(|other| same_keys(schema, keys, other, item))
}
