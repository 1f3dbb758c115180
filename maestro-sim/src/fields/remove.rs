//! Taking fields out of a tree.

use super::shape::{Form, Ty};
use super::{FieldSet, Node, child, is_member, path};
use crate::json::Value;

/// The tree without the members of `fields`; a map or list that loses its last item is null.
pub(crate) fn remove(ty: Ty<'_>, value: &Value, fields: &FieldSet) -> Value {
    without(ty, value, fields.root())
}

fn without(ty: Ty<'_>, value: &Value, fields: &Node) -> Value {
    match ty.form(Some(value)) {
        Form::Map(map) => {
            let mut out = crate::json::Map::new();
            for (name, value) in map {
                match child(fields, &path::field(name)) {
                    None => out.insert(name.clone(), value.clone()),
                    Some(node) if is_member(node) => continue,
                    Some(node) => out.insert(name.clone(), without(ty.child(name), value, node)),
                };
            }
            if out.is_empty() { Value::Null } else { Value::Object(out) }
        }
        Form::List(items, list) => {
            let item = ty.item();
            let mut out = Vec::with_capacity(list.len());
            for value in list {
                let element = item.element(items, value);
                match element.and_then(|element| child(fields, &element)) {
                    None => out.push(value.clone()),
                    Some(node) if is_member(node) => {}
                    Some(node) => out.push(without(item, value, node)),
                }
            }
            if out.is_empty() { Value::Null } else { Value::from(out) }
        }
        Form::Leaf | Form::Wild if fields.is_empty() => value.clone(),
        Form::Leaf if !value.is_object() && !value.is_array() => value.clone(),
        // Something below an atomic map or list was owned once: it can only go as a whole.
        Form::Leaf | Form::Wild => Value::Null,
    }
}
