//! What any schema of a definition may not say, whether it is structural or not.
//!
//! Source: `ValidateCustomResourceDefinitionOpenAPISchema` of
//! `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation`.

use crate::api::Cause;
use crate::builtin::field::{self, Path};
use crate::json::Value;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

pub(super) fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name) == Some(&Value::Bool(true))
}

pub(super) fn text<'v>(schema: &'v Value, name: &str) -> &'v str {
    schema.get(name).and_then(Value::as_str).unwrap_or("")
}

/// The schemas of a list of them.
pub(super) fn schemas<'v>(schema: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    schema.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Whether the items of a list have a schema each.
pub(super) fn several(schema: &Value) -> bool {
    schema.get("items").and_then(Value::as_array).is_some_and(|all| !all.is_empty())
}

/// What holds of a schema because of where it stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    root: bool,
    /// In the metadata or the type of a whole resource.
    in_meta: bool,
    /// Why there may be no default.
    no_defaults: Option<&'a str>,
}

/// What is wrong with the schema of a whole object.
pub(super) fn check(schema: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let place = Place { root: true, in_meta: false, no_defaults: None };
    node(schema, place, path, causes);
}

fn node(schema: &Value, place: Place<'_>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if schema.as_object().is_none() {
        return;
    }
    allowed(schema, place, path, causes);
    if flag(schema, "uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes \
                      quadratic";
        causes.push(field::forbidden(&path.field("uniqueItems"), detail));
    }
    children(schema, place, path, causes);
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let here = path.field("x-kubernetes-preserve-unknown-fields");
        causes.push(field::invalid(&here, &false.into(), "must be true or undefined"));
    }
    map_type(schema, path, causes);
    list_type(schema, path, causes);
    list_keys(schema, path, causes);
    super::rules::written(schema, path, causes);
}

fn children(schema: &Value, place: Place<'_>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let inner = Place { root: false, ..place };
    let properties = schema.get("properties").and_then(Value::as_object);
    if let Some(values) = schema.get("additionalProperties") {
        let here = path.field("additionalProperties");
        // Fields beside which anything may stand are allowed, fields beside which only one thing
        // may stand, or nothing, are not.
        if *values != true && properties.is_some_and(|properties| !properties.is_empty()) {
            let detail = "additionalProperties and properties are mutual exclusive";
            causes.push(field::forbidden(&here, detail));
        }
        let below = match place.in_meta {
            true => Place {
                no_defaults: Some("inside additionalProperties applying to object metadata"),
                ..inner
            },
            false => inner,
        };
        node(values, below, &here, causes);
    }
    let below = path.field("properties");
    let whole = place.root || flag(schema, "x-kubernetes-embedded-resource");
    for (name, child) in properties.into_iter().flatten() {
        let why = format!("in top-level {name}");
        let mut inner = inner;
        if whole && matches!(name.as_str(), "metadata" | "kind" | "apiVersion") {
            inner.in_meta = true;
            if place.root {
                inner.no_defaults = Some(&why);
            }
        }
        node(child, inner, &below.key(name), causes);
    }
    if let Some(not) = schema.get("not") {
        node(not, inner, &path.field("not"), causes);
    }
    for list in ["allOf", "oneOf", "anyOf"] {
        let all = path.field(list);
        for (index, child) in schemas(schema, list).enumerate() {
            node(child, inner, &all.index(index), causes);
        }
    }
    for map in ["definitions", "dependencies"] {
        let all = path.field(map);
        let found = schema.get(map).and_then(Value::as_object);
        for (name, child) in found.into_iter().flatten() {
            node(child, inner, &all.key(name), causes);
        }
    }
    let here = path.field("items");
    match schema.get("items") {
        Some(Value::Array(list)) => {
            for (index, child) in list.iter().enumerate() {
                node(child, inner, &here.index(index), causes);
            }
        }
        Some(child) => node(child, inner, &here, causes),
        None => {}
    }
}

/// What JSON schemas may say, and those of definitions may not.
fn allowed(schema: &Value, place: Place<'_>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let kind = text(schema, "type");
    if !kind.is_empty() && !TYPES.contains(&kind) {
        causes.push(field::not_supported(&path.field("type"), &kind.into(), &TYPES));
    }
    if let (Some(why), Some(_)) = (place.no_defaults, schema.get("default")) {
        causes.push(field::forbidden(&path.field("default"), &format!("must not be set {why}")));
    }
    for name in
        ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"]
    {
        let empty = |value: &Value| match value {
            Value::String(text) => text.is_empty() && name == "id",
            Value::Object(map) => map.is_empty() && name != "additionalItems",
            value => value.is_null(),
        };
        if schema.get(name).is_some_and(|value| !empty(value)) {
            causes.push(field::forbidden(&path.field(name), &format!("{name} is not supported")));
        }
    }
    if kind == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        causes.push(field::forbidden(&path.field("type"), detail));
    }
    if several(schema) {
        let detail = "items must be a schema object and not an array";
        causes.push(field::forbidden(&path.field("items"), detail));
    }
    if place.in_meta && flag(schema, "x-kubernetes-embedded-resource") {
        let detail = "must not be used inside of resource meta";
        causes.push(field::forbidden(&path.field("x-kubernetes-embedded-resource"), detail));
    }
}

/// A type that a marker wants, if it is another.
fn wants(schema: &Value, kind: &str, marker: &str, path: &Path<'_>) -> Option<Cause> {
    let here = path.field("type");
    let detail = format!("must be {kind} if {marker} is specified");
    match text(schema, "type") {
        "" => Some(field::required(&here, &detail)),
        found if found != kind => Some(field::invalid(&here, &found.into(), &detail)),
        _ => None,
    }
}

fn map_type(schema: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    const MARKER: &str = "x-kubernetes-map-type";
    let Some(found) = schema.get(MARKER).and_then(Value::as_str) else { return };
    causes.extend(wants(schema, "object", MARKER, path));
    let known = ["atomic", "granular"];
    if !known.contains(&found) {
        causes.push(field::not_supported(&path.field(MARKER), &found.into(), &known));
    }
}

const LIST_TYPE: &str = "x-kubernetes-list-type";
const LIST_KEYS: &str = "x-kubernetes-list-map-keys";

fn list_type(schema: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let Some(found) = schema.get(LIST_TYPE).and_then(Value::as_str) else { return };
    let items = schema.get("items").filter(|items| items.is_object());
    let wrong = wants(schema, "array", LIST_TYPE, path);
    if let (None, "set", Some(items)) = (&wrong, found, items) {
        let here = path.field("items");
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        let own = items.get(LIST_TYPE);
        match text(items, "type") {
            "array" if own.is_some_and(|own| own != "atomic") => {
                let own = own.cloned().unwrap_or_default();
                causes.push(field::invalid(&here.field(LIST_TYPE), &own, detail));
            }
            "object" if text(items, "x-kubernetes-map-type") != "atomic" => {
                let own = own.cloned().unwrap_or_default();
                causes.push(field::invalid(&here.field("x-kubernetes-map-type"), &own, detail));
            }
            _ => {}
        }
    }
    causes.extend(wrong);
    let known = ["atomic", "set", "map"];
    if !known.contains(&found) {
        causes.push(field::not_supported(&path.field(LIST_TYPE), &found.into(), &known));
    }
}

fn list_keys(schema: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let keys: Vec<&str> = schemas(schema, LIST_KEYS).filter_map(Value::as_str).collect();
    let found = schema.get(LIST_TYPE).and_then(Value::as_str);
    if !keys.is_empty() && found != Some("map") {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        let here = path.field(LIST_TYPE);
        causes.push(match found {
            None => field::required(&here, detail),
            Some(other) => field::invalid(&here, &other.into(), detail),
        });
    }
    let items = schema.get("items");
    if found == Some("map") {
        keyed(schema, &keys, path, causes);
    }
    let (Some(found @ ("map" | "set")), Some(items)) = (found, items) else { return };
    if !items.is_object() {
        return;
    }
    let here = path.field("items");
    if flag(items, "nullable") {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {found}");
        causes.push(field::forbidden(&here.field("nullable"), &detail));
    }
    if found == "set" {
        return;
    }
    let below = here.field("properties");
    for key in keys {
        let Some(property) = items.get("properties").and_then(|all| all.get(key)) else { continue };
        let required = schemas(items, "required").any(|name| name == key);
        let place = below.key(key);
        let because = "this property is in x-kubernetes-list-map-keys, so it";
        if !required && property.get("default").is_none() {
            let detail = format!("{because} must have a default or be a required property");
            causes.push(field::required(&place.field("default"), &detail));
        }
        if flag(property, "nullable") {
            let detail = format!("{because} cannot be nullable");
            causes.push(field::forbidden(&place.field("nullable"), &detail));
        }
    }
}

/// The keys of a list whose items have some.
fn keyed(schema: &Value, keys: &[&str], path: &Path<'_>, causes: &mut Vec<Cause>) {
    let here = path.field(LIST_KEYS);
    if keys.is_empty() {
        let detail = "must not be empty if x-kubernetes-list-type is map";
        causes.push(field::required(&here, detail));
    }
    let place = path.field("items");
    let Some(items) = schema.get("items") else {
        let detail = "must have a schema if x-kubernetes-list-type is map";
        causes.push(field::required(&place, detail));
        return;
    };
    if items.is_array() {
        let detail = "must only have a single schema if x-kubernetes-list-type is map";
        causes.push(field::invalid(&place, items, detail));
        return;
    }
    if text(items, "type") != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        causes.push(field::invalid(&place.field("type"), &text(items, "type").into(), detail));
        return;
    }
    let shown = schema.get(LIST_KEYS).cloned().unwrap_or_default();
    let below = place.field("properties");
    for (index, key) in keys.iter().enumerate() {
        match items.get("properties").and_then(|all| all.get(*key)) {
            None => {
                let detail = "entries must all be names of item properties";
                causes.push(field::invalid(&here, &shown, detail));
            }
            Some(found) if matches!(text(found, "type"), "array" | "object") => {
                let detail =
                    "must be a scalar type if parent array's x-kubernetes-list-type is map";
                let here = below.key(key);
                causes.push(field::invalid(&here.field("type"), &"object".into(), detail));
            }
            Some(_) => {}
        }
        if keys[..index].contains(key) {
            causes.push(field::invalid(&here, &shown, "must not contain duplicate entries"));
        }
    }
}
