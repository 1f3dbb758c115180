//! The set of fields a configuration names, and whether it fits its schema.

use std::collections::BTreeMap;

use super::shape::{Form, Items, Ty};
use super::{FieldSet, Node, dot, is_member, path};
use crate::json::{Map, Value};
use crate::patch::{go_print, go_syntax};
use crate::schema::{Kind, Schema};

impl FieldSet {
    /// The fields an applied configuration names: leaves, keys of maps, items of granular lists.
    /// A struct is not a member itself unless it is empty.
    pub fn of(schema: &Schema, value: &Value) -> FieldSet {
        FieldSet::trusted(children(Ty::root(schema), value))
    }

    /// This set, with every struct field on the way to a member a member too.
    pub(crate) fn with_named_parents(&self, ty: Ty<'_>) -> FieldSet {
        FieldSet::trusted(named_parents(self.root(), ty))
    }
}

fn children(ty: Ty<'_>, value: &Value) -> Node {
    let mut out = Node::new();
    match ty.form(Some(value)) {
        Form::Map(map) => {
            for (name, value) in map {
                let child = ty.child(name);
                if let Some(node) = node(child, value, !ty.names(name)) {
                    out.insert(path::field(name), Value::Object(node));
                }
            }
        }
        Form::List(items, list) => {
            let item = ty.item();
            let mut seen = BTreeMap::new();
            for value in list {
                if let Some(element) = item.element(items, value) {
                    *seen.entry(element).or_insert(0_usize) += 1;
                }
            }
            for value in list {
                let Some(element) = item.element(items, value) else { continue };
                // Items with the same identity have no owners below them.
                let duplicated = seen.get(&element).is_some_and(|count| *count > 1);
                let node = if duplicated { Some(Node::new()) } else { node(item, value, true) };
                out.insert(element, Value::Object(node.unwrap_or_default()));
            }
        }
        Form::Wild | Form::Leaf => {}
    }
    out
}

/// The node of one field; `member` asks that it be in the set even if it has fields below.
fn node(ty: Ty<'_>, value: &Value, member: bool) -> Option<Node> {
    match ty.form(Some(value)) {
        Form::Wild | Form::Leaf => Some(Node::new()),
        Form::Map(map) if map.is_empty() => Some(Node::new()),
        Form::List(_, []) if !member => None,
        Form::Map(_) | Form::List(..) => {
            let mut out = children(ty, value);
            if out.is_empty() {
                return member.then_some(out);
            }
            if member {
                out.insert(".", dot());
            }
            Some(out)
        }
    }
}

fn named_parents(node: &Node, ty: Ty<'_>) -> Node {
    let mut out = Node::new();
    for (element, below) in node.iter().filter(|(element, _)| *element != ".") {
        let Value::Object(below) = below else { continue };
        let field = element.strip_prefix("f:");
        let (child, named) = match field {
            Some(name) => (ty.child(name), ty.names(name)),
            None => (ty.item(), false),
        };
        let mut inner = named_parents(below, child);
        if !inner.is_empty() && (named || is_member(below)) {
            inner.insert(".", dot());
        }
        out.insert(element.clone(), Value::Object(inner));
    }
    out
}

/// What of an applied configuration does not fit its schema, in a real server's words: fields
/// nobody declared, list items without their keys or given twice, values of another type.
pub(crate) fn problems(schema: &Schema, value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    check(Ty::root(schema), value, &mut String::new(), &mut out);
    out
}

fn check(ty: Ty<'_>, value: &Value, at: &mut String, out: &mut Vec<String>) {
    if let Some(problem) = wrong_type(ty, value) {
        out.push(format!("{at}: {problem}"));
        return;
    }
    match ty.form(Some(value)) {
        Form::Map(map) => check_fields(ty, map, at, out),
        Form::List(items, list) => check_list(ty, items, list, at, out),
        // What changes as a whole has parts of its types, too.
        Form::Wild | Form::Leaf => match value {
            Value::Object(map) if ty.has_fields() => check_fields(ty, map, at, out),
            Value::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    let length = at.len();
                    at.push_str(&format!("[{index}]"));
                    check(ty.item(), value, at, out);
                    at.truncate(length);
                }
            }
            _ => {}
        },
    }
}

fn check_fields(ty: Ty<'_>, map: &Map, at: &mut String, out: &mut Vec<String>) {
    let length = at.len();
    for (name, value) in map {
        // Nobody looks at the bookkeeping itself.
        if at == ".metadata" && name == "managedFields" {
            continue;
        }
        let child = ty.child(name);
        at.push('.');
        at.push_str(name);
        if child.schema().is_none() && ty.is_closed() {
            out.push(format!("{at}: field not declared in schema"));
        } else {
            check(child, value, at, out);
        }
        at.truncate(length);
    }
}

fn check_list(
    ty: Ty<'_>,
    items: Items<'_>,
    list: &[Value],
    at: &mut String,
    out: &mut Vec<String>,
) {
    let item = ty.item();
    let length = at.len();
    let mut seen = BTreeMap::new();
    for (index, value) in list.iter().enumerate() {
        let Some(element) = item.element(items, value) else {
            let why = match items {
                Items::Set => "associative list without keys has an element that's a map \
                               or list type"
                    .to_owned(),
                Items::Keyed(keys) => {
                    let missing = keys.iter().find(|k| item.key_value(value, k).is_none());
                    let missing = missing.map_or("", |k| &**k);
                    format!(
                        "associative list with keys has an element that omits key field \
                         {missing:?} (and doesn't have default value)"
                    )
                }
            };
            out.push(format!("{at}: element {index}: {why}"));
            continue;
        };
        let shown = path::display(&element);
        if seen.insert(element, ()).is_some() {
            out.push(format!("{at}: duplicate entries for key {shown}"));
            continue;
        }
        at.push_str(&shown);
        check(item, value, at, out);
        at.truncate(length);
    }
}

fn wrong_type(ty: Ty<'_>, value: &Value) -> Option<String> {
    let got = match value {
        Value::Null => return None,
        Value::Bool(_) => "bool",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    let schema = ty.schema()?;
    let has_format = schema.format().is_some_and(|format| format != "byte");
    let is_nested = value.is_array() || value.is_object();
    let any_scalar = || Some(format!("expected any scalar, got &{{{}}}", go_print(value)));
    match schema.kind {
        Kind::Object if !value.is_object() => {
            Some(format!("expected map, got &{{{}}}", go_print(value)))
        }
        Kind::Array if !value.is_array() => {
            Some(format!("expected list, got &{{{}}}", go_print(value)))
        }
        Kind::Integer | Kind::Number if !value.is_number() => {
            Some(format!("expected numeric (int or float), got {got}"))
        }
        Kind::Boolean if !value.is_boolean() => Some(format!("expected boolean, got &{{{value}}}")),
        // Of a format it is any scalar; what may be a number, too, is anything.
        Kind::String if has_format => any_scalar().filter(|_| is_nested),
        Kind::String if !value.is_string() => {
            let got = go_syntax(value, "string");
            Some(format!("expected string, got &value.valueUnstructured{{Value:{got}}}"))
        }
        _ => None,
    }
}
