//! Path elements: their `fieldsV1` spelling, and the spelling people read.

use std::fmt::Write as _;

use super::{FieldSetError, Node, dot, is_member};
use crate::json::{Map, Value};

/// `f:name`.
pub(crate) fn field(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push_str("f:");
    out.push_str(name);
    out
}

/// `v:"finalizer"`.
pub(crate) fn value(value: &Value) -> String {
    match value {
        // Most set items are plain words, whose JSON needs no escapes.
        Value::String(text) if is_plain(text) => format!("v:\"{text}\""),
        other => format!("v:{other}"),
    }
}

/// `k:{"containerPort":80,"protocol":"TCP"}`, the keys sorted by name.
pub(crate) fn keys(pairs: &[(&str, &Value)]) -> String {
    if let [(name, Value::String(text))] = pairs
        && is_plain(text)
    {
        return format!("k:{{\"{name}\":\"{text}\"}}");
    }
    let map: Map =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect();
    format!("k:{}", Value::Object(map))
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\')
}

/// The element as it stands in a printed path: `.name`, `[name="a"]`, `[="v"]`, `[0]`.
pub(crate) fn display(element: &str) -> String {
    let Some((prefix, rest)) = element.split_at_checked(2) else { return element.to_owned() };
    match prefix {
        "f:" => format!(".{rest}"),
        "i:" => format!("[{rest}]"),
        "v:" => format!("[={rest}]"),
        _ => {
            let map: Map = serde_json::from_str(rest).unwrap_or_default();
            let mut out = String::from("[");
            for (index, (name, value)) in map.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                // Writing to a String cannot fail.
                let _ = write!(out, "{comma}{name}={value}");
            }
            out.push(']');
            out
        }
    }
}

/// Appends every member below `node` to `out`; `prefix` is the path so far and is restored.
pub(super) fn print(node: &Node, prefix: &mut String, out: &mut Vec<String>) {
    for (element, child) in node.iter().filter(|(element, _)| *element != ".") {
        let Value::Object(child) = child else { continue };
        let length = prefix.len();
        prefix.push_str(&display(element));
        if is_member(child) {
            out.push(prefix.clone());
        }
        print(child, prefix, out);
        prefix.truncate(length);
    }
}

/// As [`print`], but at each level what is in the set comes before what lies below it: the order
/// in which the server lists conflicts.
pub(super) fn print_by_level(node: &Node, prefix: &mut String, out: &mut Vec<String>) {
    let below = |node: &Node, prefix: &mut String, act: &mut dyn FnMut(&Node, &mut String)| {
        for (element, child) in node.iter().filter(|(element, _)| *element != ".") {
            let Value::Object(child) = child else { continue };
            let length = prefix.len();
            prefix.push_str(&display(element));
            act(child, prefix);
            prefix.truncate(length);
        }
    };
    below(node, prefix, &mut |child, prefix| {
        if is_member(child) {
            out.push(prefix.clone());
        }
    });
    below(node, prefix, &mut |child, prefix| print_by_level(child, prefix, out));
}

/// Checks every element below `node`, sorts the keys inside `k:` elements, and writes a member
/// without children as `{}`.
pub(super) fn canonical(node: Node) -> Result<Node, FieldSetError> {
    let mut out = Node::new();
    let member = node.contains_key(".");
    for (element, child) in node {
        let Value::Object(child) = child else {
            return Err(FieldSetError::NotAnObject(element.into()));
        };
        if element == "." {
            continue;
        }
        let element = canonical_element(element.into())?;
        out.insert(element, Value::Object(canonical(child)?));
    }
    if member && !out.is_empty() {
        out.insert(".", dot());
    }
    Ok(out)
}

fn canonical_element(element: String) -> Result<String, FieldSetError> {
    let known = match element.split_at_checked(2) {
        Some(("f:", _)) => return Ok(element),
        Some(("i:", index)) => index.parse::<i64>().ok().map(|index| format!("i:{index}")),
        Some(("v:", json)) => serde_json::from_str::<Value>(json).ok().map(|json| value(&json)),
        Some(("k:", json)) => {
            serde_json::from_str::<Map>(json).ok().map(|map| format!("k:{}", Value::Object(map)))
        }
        _ => None,
    };
    known.ok_or(FieldSetError::UnknownElement(element))
}
