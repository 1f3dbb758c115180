//! Defaults of a definition's schema: each has to be a value that its own schema takes.
//!
//! Source: `ValidateDefaults` of `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting`.

use crate::api::Cause;
use crate::builtin::field::{self, Path};
use crate::json::Value;
use crate::schema::parse;
use crate::structural;

/// What is wrong with the defaults of a whole schema. Below the values of maps are none.
pub(super) fn check(schema: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    node(schema, (true, false), path, causes);
}

fn node(schema: &Value, (root, in_meta): (bool, bool), path: &Path<'_>, causes: &mut Vec<Cause>) {
    let whole = root || super::schema::flag(schema, "x-kubernetes-embedded-resource");
    let in_meta = in_meta && !whole;
    if let Some(value) = schema.get("default").filter(|value| !value.is_null()) {
        of(schema, value, in_meta, &path.field("default"), causes);
    }
    if let Some(items) = schema.get("items") {
        node(items, (false, in_meta), &path.field("items"), causes);
    }
    let below = path.field("properties");
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, child) in properties.into_iter().flatten() {
        let meta = whole && matches!(name.as_str(), "metadata" | "apiVersion" | "kind");
        node(child, (false, in_meta || meta), &below.key(name), causes);
    }
}

fn of(schema: &Value, value: &Value, in_meta: bool, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let rules = parse::parse(schema);
    let mut schema = schema.clone();
    forget_both(&mut schema);
    let parsed = parse::parse(&schema);
    if !in_meta {
        if structural::is_surplus(&parsed, value) {
            causes.push(field::invalid(path, value, "must not have unknown fields"));
        }
        let before = causes.len();
        structural::resources(&parsed, value, path, causes);
        if causes.len() > before {
            return;
        }
    }
    causes.extend(structural::of_default(&parsed, &rules, value, &path.to_string()));
}

/// Whether a value is an integer or a string is not looked at here.
fn forget_both(schema: &mut Value) {
    if super::schema::flag(schema, "x-kubernetes-int-or-string")
        && let Some(map) = schema.as_object_mut()
    {
        map.remove("x-kubernetes-int-or-string");
    }
    for list in ["properties", "items", "additionalProperties"] {
        let Some(below) = schema.get_mut(list) else { continue };
        match (list, below.as_object_mut()) {
            ("properties", Some(all)) => all.values_mut().for_each(forget_both),
            (_, Some(_)) => forget_both(below),
            _ => {}
        }
    }
}
