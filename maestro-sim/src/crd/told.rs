//! What a server stores of a definition and yet warns of: formats that it does not know, and sets
//! of what cannot be told apart.
//!
//! Source: `WarningsOnCreate` of
//! `k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition`.

use std::collections::BTreeSet;

use super::schema::{schemas, text};
use crate::json::Value;
use crate::object::at;
use crate::structural::format_is_known;

/// What a server says of a new definition, or of one that was another before.
pub fn warnings(crd: &Value, old: Option<&Value>) -> Vec<String> {
    let before = old.map(of).unwrap_or_default();
    let (formats, sets) = of(crd);
    let formats = formats.into_iter().filter(|format| !before.0.contains(format));
    let formats = formats.map(|format| format!("unrecognized format {format:?}"));
    let sets = sets.difference(&before.1).map(|kind| {
        format!(
            "x-kubernetes-list-type: set for items of type {kind:?} is not supported by \
             server-side apply or CEL validation rules"
        )
    });
    formats.chain(sets).collect()
}

/// The formats that nothing knows, and the types of the items of sets that have parts.
fn of(crd: &Value) -> (Vec<String>, BTreeSet<String>) {
    let (mut formats, mut sets) = (Vec::new(), BTreeSet::new());
    let versions = at(crd, &["spec", "versions"]).and_then(Value::as_array);
    let all = versions.into_iter().flatten();
    let mut all: Vec<&Value> =
        all.filter_map(|version| version.pointer("/schema/openAPIV3Schema")).collect();
    // What all versions have alike is looked at once.
    if all.len() > 1 && all.iter().all(|schema| *schema == all[0]) {
        all.truncate(1);
    }
    for schema in all {
        node(schema, &mut formats, &mut sets);
    }
    (formats, sets)
}

fn node(schema: &Value, formats: &mut Vec<String>, sets: &mut BTreeSet<String>) {
    let (kind, format) = (text(schema, "type"), text(schema, "format"));
    if !format.is_empty() && !is_known(kind, format) {
        formats.push(format.to_owned());
    }
    if text(schema, "x-kubernetes-list-type") == "set" {
        let items = schema.get("items").map_or("", |items| text(items, "type"));
        if matches!(items, "object" | "array") {
            sets.insert(items.to_owned());
        }
    }
    let single = ["items", "additionalProperties", "not"];
    let single = single.into_iter().filter_map(|name| schema.get(name));
    let listed = ["allOf", "oneOf", "anyOf"].into_iter().flat_map(|name| schemas(schema, name));
    let named = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for child in single.chain(listed).chain(named.map(|(_, child)| child)) {
        node(child, formats, sets);
    }
}

fn is_known(kind: &str, format: &str) -> bool {
    match kind {
        "" | "string" => format_is_known(format),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => true,
    }
}
