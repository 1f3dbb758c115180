//! Lists of which a schema says that they are sets or maps: rules compare and add them as such,
//! whatever the order of their items.
//!
//! Source: `unstructuredSetList` and `unstructuredMapList` of
//! `k8s.io/apiserver/pkg/cel/common/valuesunstructured.go`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use kube_cel::cel::Value;
use kube_cel::cel::objects::Key;

use super::interpret::shown;
use super::values::{entries, key_value, type_name};

/// The names of the fields that tell items apart; none where an item stands for itself.
type Keys = Arc<[String]>;

/// Lists by their places in memory.
type Places = BTreeMap<usize, (Arc<Vec<Value>>, Keys)>;

/// Which values are such lists: told by where they are in memory, which keeps them there.
#[derive(Default)]
pub(crate) struct Lists(RefCell<Places>);

impl Lists {
    /// Says of a list that it is a set, or a map by some fields of its items.
    pub(super) fn add(&self, list: &Arc<Vec<Value>>, keys: &[String]) {
        self.insert(list, keys.into());
    }

    fn insert(&self, list: &Arc<Vec<Value>>, keys: Keys) {
        self.0.borrow_mut().insert(place(list), (Arc::clone(list), keys));
    }

    fn keys(&self, list: &Arc<Vec<Value>>) -> Option<Keys> {
        self.0.borrow().get(&place(list)).map(|(_, keys)| Arc::clone(keys))
    }

    /// Whether two lists are equal, if the first is a set or a map.
    pub(super) fn equal(
        &self,
        left: &Arc<Vec<Value>>,
        right: &[Value],
        same: &dyn Fn(&Value, &Value) -> bool,
    ) -> Option<bool> {
        let keys = self.keys(left)?;
        if left.len() != right.len() {
            return Some(false);
        }
        let own: BTreeMap<String, &Value> =
            left.iter().map(|item| (mark(item, &keys), item)).collect();
        let found = |item: &Value| own.get(&mark(item, &keys)).is_some_and(|own| same(own, item));
        Some(right.iter().all(found))
    }

    /// The first list with what the second adds to it or has otherwise, if the first is a set or a
    /// map.
    pub(super) fn sum(&self, left: &Arc<Vec<Value>>, right: &[Value]) -> Option<Value> {
        let keys = self.keys(left)?;
        let mut all = left.as_ref().clone();
        let mut places: BTreeMap<String, usize> =
            all.iter().enumerate().map(|(at, item)| (mark(item, &keys), at)).collect();
        for item in right {
            match places.entry(mark(item, &keys)) {
                Entry::Occupied(own) => {
                    if let Some(place) = all.get_mut(*own.get()) {
                        item.clone_into(place);
                    }
                }
                Entry::Vacant(free) => {
                    free.insert(all.len());
                    all.push(item.clone());
                }
            }
        }
        let all = Arc::new(all);
        self.insert(&all, keys);
        Some(Value::List(all))
    }
}

fn place(list: &Arc<Vec<Value>>) -> usize {
    Arc::as_ptr(list).addr()
}

/// What tells an item of a set or of a map apart from all others.
fn mark(item: &Value, keys: &[String]) -> String {
    let mut out = String::new();
    match item {
        Value::Map(map) if !keys.is_empty() => {
            for key in keys {
                if let Some(value) = map.map.get(&Key::from(key.as_str())) {
                    write(value, &mut out);
                }
                out.push(';');
            }
        }
        item => write(item, &mut out),
    }
    out
}

/// A value as a text that only what is equal to it has.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::List(items) => {
            out.push('[');
            items.iter().for_each(|item| write(item, out));
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (key, value) in entries(map) {
                write(&key_value(key), out);
                write(value, out);
            }
            out.push('}');
        }
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => {
            // A number is the same in all its types.
            out.push_str(&shown(value));
            out.push('n');
        }
        other => {
            let text = shown(other);
            let _ = std::fmt::Write::write_fmt(
                out,
                format_args!("{}{}:{text}", type_name(other), text.len()),
            );
        }
    }
}
