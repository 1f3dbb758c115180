//! Lists that are maps or sets: no two items may be the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::path::Path;
use super::problem::Problem;
use crate::api::status::Cause;
use crate::json::{Map, Value};
use crate::schema::{ListType, Schema};

/// Adds a cause for each that is there more than once, where it is for the second time.
pub(super) fn duplicates(schema: &Schema, list: &[Value], path: &Path, out: &mut Vec<Cause>) {
    let is_other = |item: &Value| !item.is_object() && !item.is_null();
    match &schema.list_type {
        ListType::Atomic => {}
        ListType::Set => each(list, path, out, |a, b| a == b, Value::clone),
        ListType::Map(keys) => match list.iter().enumerate().find(|(_, item)| is_other(item)) {
            Some((at, item)) => {
                let detail = "must be an object for an array of list-type map";
                out.push(Problem::invalid(&path.index(at), item, detail));
            }
            None => each(
                list,
                path,
                out,
                |a, b| same_keys(schema, keys, a, b),
                |item| Value::Object(key_of(schema, keys, item)),
            ),
        },
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
            if list.iter().take(index).filter(|other| same(other, item)).count() == 1 {
                out.push(Problem::duplicate(&path.index(index), &shown(item)));
            }
        }
        return;
    }
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for (index, item) in list.iter().enumerate() {
        let key = shown(item);
        let times = seen.entry(key.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            out.push(Problem::duplicate(&path.index(index), &key));
        }
    }
}

/// One key of an item, or its default where the item leaves it out.
fn key<'a>(schema: &'a Schema, item: &'a Value, name: &str) -> Option<&'a Value> {
    // What is no object says nothing, not even by default.
    item.as_object()?
        .get(name)
        .or_else(|| schema.items.as_ref()?.properties.get(name)?.default.as_ref())
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
