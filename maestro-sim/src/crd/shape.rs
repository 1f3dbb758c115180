//! Whether a schema is structural: what a value is, and what it may be, stand apart.
//!
//! Source: `ValidateStructural` and `NewStructural` of
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/schema`,
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>.

use std::sync::LazyLock;

use super::schema::{flag, schemas, several, text};
use crate::api::Cause;
use crate::builtin::field::{self, Path};
use crate::json::{Map, Value, json};

/// Where in a schema something stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Why a schema cannot be read as a structural one at all: it has something that none has.
pub(super) fn unsupported(schema: &Value) -> Option<String> {
    let here = schema.as_object()?;
    let holds = |name: &&str| match here.get(name) {
        Some(Value::Object(map)) => !map.is_empty() || *name == "additionalItems",
        Some(Value::String(text)) => !text.is_empty(),
        found => found.is_some(),
    };
    let names = [
        ("id", "id"),
        ("$schema", "schema"),
        ("$ref", "$ref"),
        ("patternProperties", "patternProperties"),
        ("dependencies", "dependencies"),
        ("additionalItems", "additionalItems"),
        ("definitions", "definitions"),
    ];
    if let Some((_, told)) = names.iter().find(|(name, _)| holds(name)) {
        return Some(format!("OpenAPIV3Schema '{told}' is not supported"));
    }
    if here.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let why =
            "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
        return Some(why.to_owned());
    }
    if several(schema) {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
    }
    let nested = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|name| schemas(schema, name));
    let single = ["not", "items", "additionalProperties"].into_iter().filter_map(|n| here.get(n));
    nested.chain(single).chain(fields(schema).map(|(_, child)| child)).find_map(unsupported)
}

/// What keeps a schema from being structural, in the order of its words.
pub(super) fn check(schema: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mut found = Vec::new();
    invariants(schema, Level::Root, path, &mut found);
    complete(schema, Some(schema), (path, path), &mut found);
    found.sort_by_key(|cause| format!("{}: {}", cause.field, cause.message));
    causes.append(&mut found);
}

fn fields(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let map = schema.get("properties").and_then(Value::as_object);
    map.into_iter().flatten().map(|(name, child)| (name.as_str(), child))
}

fn invariants(schema: &Value, level: Level, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let kind = text(schema, "type");
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        invariants(items, Level::Item, &path.field("items"), causes);
    } else if kind == "array" {
        causes.push(field::required(&path.field("items"), "must be specified"));
    }
    let below = path.field("properties");
    for (name, child) in fields(schema) {
        invariants(child, Level::Field, &below.key(name), causes);
    }
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    if let Some(values) = schema.get("additionalProperties") {
        let here = path.field("additionalProperties");
        if level == Level::Root {
            causes.push(field::forbidden(&here, "must not be used at the root"));
        }
        if values.is_object() {
            invariants(values, Level::Field, &here, causes);
        }
        if embedded {
            let detail = "must not be used if x-kubernetes-embedded-resource is set";
            causes.push(field::forbidden(&here, detail));
        }
    }
    extensions(schema, path, causes);
    let (of_any, of_all) = int_or_string(schema);
    values(schema, (of_any, of_all), path, causes);
    typed(schema, level, path, causes);
    let whole = level == Level::Root || embedded;
    for name in ["apiVersion", "kind"] {
        let found = schema.get("properties").and_then(|all| all.get(name));
        if let Some(found) = found.filter(|found| whole && text(found, "type") != "string") {
            let here = below.key(name);
            let kind = text(found, "type").into();
            causes.push(field::invalid(&here.field("type"), &kind, "must be string"));
        }
    }
    if let Some(metadata) = schema.get("properties").and_then(|all| all.get("metadata")) {
        let here = below.key("metadata");
        if whole && text(metadata, "type") != "object" {
            let kind = text(metadata, "type").into();
            causes.push(field::invalid(&here.field("type"), &kind, "must be object"));
        }
        if level == Level::Root && !names_alone(metadata) {
            let detail = "must not specify anything other than name and generateName, but \
                          metadata is implicitly specified";
            causes.push(field::forbidden(&here, detail));
        }
    }
    let preserves = flag(schema, "x-kubernetes-preserve-unknown-fields");
    if embedded && !preserves && fields(schema).next().is_none() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without \
                      x-kubernetes-preserve-unknown-fields";
        causes.push(field::required(&below, detail));
    }
}

/// The type of a node: everywhere one, an object at the root and of a whole resource.
fn typed(schema: &Value, level: Level, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let (kind, here) = (text(schema, "type"), path.field("type"));
    let free = ["x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"];
    if flag(schema, "x-kubernetes-embedded-resource") && kind != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        causes.push(match kind {
            "" => field::required(&here, detail),
            kind => field::invalid(&here, &kind.into(), detail),
        });
    } else if kind.is_empty() && !free.iter().any(|name| flag(schema, name)) {
        let place = match level {
            Level::Root => "at the root",
            Level::Item => "for specified array items",
            Level::Field => "for specified object fields",
        };
        causes.push(field::required(&here, &format!("must not be empty {place}")));
    }
    if level == Level::Root && !matches!(kind, "" | "object") {
        causes.push(field::invalid(&here, &kind.into(), "must be object at the root"));
    }
}

/// Whether the schema of the root's metadata says something of names only.
fn names_alone(metadata: &Value) -> bool {
    let others = fields(metadata).any(|(name, _)| !matches!(name, "name" | "generateName"));
    let ignored = |name: &str| matches!(name, "type" | "default" | "properties");
    let says = |value: &Value| match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Null | Value::Bool(false) => false,
        _ => true,
    };
    let map = metadata.as_object();
    let open = metadata.get("additionalProperties").is_some();
    let says = |map: &Map| map.iter().any(|(name, value)| !ignored(name) && says(value));
    !others && !open && !map.is_some_and(says)
}

fn extensions(schema: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if !flag(schema, "x-kubernetes-int-or-string") {
        return;
    }
    for name in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if flag(schema, name) {
            let detail = "must be false if x-kubernetes-int-or-string is true";
            causes.push(field::invalid(&path.field(name), &true.into(), detail));
        }
    }
}

/// Whether `anyOf`, and whether the first of `allOf`, says no more than that a value is an integer
/// or a string.
fn int_or_string(schema: &Value) -> (bool, bool) {
    static BOTH: LazyLock<Value> =
        LazyLock::new(|| json!([{"type": "integer"}, {"type": "string"}]));
    let of = |schema: &Value| schema.get("anyOf").is_some_and(|any| *any == *BOTH);
    let all = schemas(schema, "allOf").next();
    (of(schema), all.is_some_and(of))
}

/// What a value may be; `skip` are those parts that say that it is an integer or a string.
fn values(schema: &Value, skip: (bool, bool), path: &Path<'_>, causes: &mut Vec<Cause>) {
    let (of_any, of_all) = skip;
    if !of_any {
        let all = path.field("anyOf");
        for (index, part) in schemas(schema, "anyOf").enumerate() {
            nested(part, false, &all.index(index), causes);
        }
    }
    for list in ["allOf", "oneOf"] {
        let all = path.field(list);
        for (index, part) in schemas(schema, list).enumerate() {
            let skips = list == "allOf" && of_all && index == 0;
            nested(part, skips, &all.index(index), causes);
        }
    }
    if let Some(not) = schema.get("not") {
        nested(not, false, &path.field("not"), causes);
    }
    let pattern = text(schema, "pattern");
    if let Err(why) = crate::structural::go_pattern(pattern) {
        let detail = format!("must be a valid regular expression, but isn't: {why}");
        causes.push(field::invalid(&path.field("pattern"), &pattern.into(), &detail));
    }
}

/// A part of a condition says nothing of what a value is.
fn nested(schema: &Value, skip_any: bool, path: &Path<'_>, causes: &mut Vec<Cause>) {
    values(schema, (skip_any, false), path, causes);
    if let Some(items) = schema.get("items") {
        nested(items, false, &path.field("items"), causes);
    }
    let below = path.field("properties");
    for (name, child) in fields(schema) {
        nested(child, false, &below.key(name), causes);
        if name == "metadata" {
            let detail = "must not be specified in a nested context";
            causes.push(field::forbidden(&below.key(name), detail));
        }
    }
    let none = Map::new();
    let map = schema.as_object().unwrap_or(&none);
    let mut forbid = |name: &str, must: &str| {
        causes
            .push(field::forbidden(&path.field(name), &format!("must be {must} to be structural")));
    };
    if map.get("additionalProperties").is_some_and(|values| *values != false) {
        forbid("additionalProperties", "undefined");
    }
    for (name, must) in [
        ("type", "empty"),
        ("title", "empty"),
        ("description", "empty"),
        ("x-kubernetes-list-map-keys", "empty"),
        ("x-kubernetes-validations", "empty"),
    ] {
        let filled = match map.get(name) {
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(list)) => !list.is_empty(),
            _ => false,
        };
        if filled {
            forbid(name, must);
        }
    }
    for name in ["default", "x-kubernetes-list-type", "x-kubernetes-map-type"] {
        if map.get(name).is_some_and(|value| !value.is_null()) {
            forbid(name, "undefined");
        }
    }
    for name in [
        "nullable",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
    ] {
        if flag(schema, name) {
            forbid(name, "false");
        }
    }
}

/// Whatever a condition speaks of stands in the schema itself: `known` is the part of it that says
/// what the value is, at the first of both paths.
fn complete(
    schema: &Value,
    known: Option<&Value>,
    (at, path): (&Path<'_>, &Path<'_>),
    causes: &mut Vec<Cause>,
) {
    if let Some(not) = schema.get("not") {
        complete_nested(not, known, (at, &path.field("not")), causes);
    }
    for list in ["allOf", "anyOf", "oneOf"] {
        let all = path.field(list);
        for (index, part) in schemas(schema, list).enumerate() {
            complete_nested(part, known, (at, &all.index(index)), causes);
        }
    }
}

fn complete_nested(
    schema: &Value,
    known: Option<&Value>,
    (at, path): (&Path<'_>, &Path<'_>),
    causes: &mut Vec<Cause>,
) {
    let Some(known) = known else {
        causes.push(field::required(at, &format!("because it is defined in {path}")));
        return;
    };
    complete(schema, Some(known), (at, path), causes);
    if let Some(items) = schema.get("items") {
        let places = (&at.field("items"), &path.field("items"));
        complete_nested(items, known.get("items"), places, causes);
    }
    let (inner, below) = (at.field("properties"), path.field("properties"));
    for (name, child) in fields(schema) {
        let places = (&inner.key(name), &below.key(name));
        let own = known.get("properties").and_then(|all| all.get(name));
        complete_nested(child, own, places, causes);
    }
}
