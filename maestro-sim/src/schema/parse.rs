//! From an OpenAPI v3 schema (as a CRD or a server's `/openapi/v3` writes it) to [`Schema`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Constraints, Encoding, Kind, ListType, PatchStrategy, Rule, Schema};
use crate::json::Value;

/// Reads one node and all below it.
pub fn parse(value: &Value) -> Schema {
    let flag = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
    let preserve_unknown = flag("x-kubernetes-preserve-unknown-fields");
    let child = |v: &Value| Arc::new(parse(v));
    let properties = value.get("properties").and_then(Value::as_object);
    let go = text(value, "x-go");
    let additional = value.get("additionalProperties").and_then(|a| match a {
        Value::Object(_) => Some(child(a)),
        // Anything may stand there, of which nothing is known; or nothing may, which validation
        // says.
        Value::Bool(_) => Some(Arc::new(Schema { undeclared: true, ..Schema::default() })),
        _ => None,
    });
    let properties: BTreeMap<Arc<str>, Arc<Schema>> = properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| (Arc::from(name.as_str()), child(schema)))
        .collect();
    let items = value.get("items").map(child);
    let embedded_resource = flag("x-kubernetes-embedded-resource");
    let mut below = properties.values().chain(&additional).chain(&items);
    let holds_resources = embedded_resource || below.any(|child| child.holds_resources);
    Schema {
        kind: kind(value),
        properties,
        additional,
        items,
        required: strings(value.get("required")),
        default: value.get("default").cloned(),
        encoding: encoding(go),
        go_type: Arc::from(go.get(2..).unwrap_or("")),
        list_type: list_type(value),
        atomic_map: text(value, "x-kubernetes-map-type") == "atomic",
        patch_merge_key: value
            .get("x-kubernetes-patch-merge-key")
            .and_then(Value::as_str)
            .map(Arc::from),
        patch_strategy: strategy(text(value, "x-kubernetes-patch-strategy")),
        nullable: flag("nullable"),
        preserve_unknown,
        embedded_resource,
        holds_resources,
        undeclared: false,
        constraints: constraints(value),
        rules: rules(value),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

fn strings(value: Option<&Value>) -> Vec<Arc<str>> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(Arc::from).collect()
}

fn kind(value: &Value) -> Kind {
    let int_or_string =
        value.get("x-kubernetes-int-or-string").and_then(Value::as_bool).unwrap_or(false);
    match text(value, "type") {
        _ if int_or_string => Kind::IntOrString,
        "object" => Kind::Object,
        "array" => Kind::Array,
        "string" if text(value, "format") == "int-or-string" => Kind::IntOrString,
        "string" => Kind::String,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        _ if value.get("properties").is_some() => Kind::Object,
        _ => Kind::Any,
    }
}

fn list_type(value: &Value) -> ListType {
    match text(value, "x-kubernetes-list-type") {
        "set" => ListType::Set,
        "map" => ListType::Map(strings(value.get("x-kubernetes-list-map-keys"))),
        _ => ListType::Atomic,
    }
}

/// The letter of `x-go`, as the encoding command of the control plane's Go module prints it.
fn encoding(go: &str) -> Encoding {
    match go.as_bytes().first() {
        Some(b'a') => Encoding::Always,
        Some(b'n') => Encoding::Null,
        Some(b'p') => Encoding::Pointer,
        Some(b's') => Encoding::Struct,
        Some(b'z') => Encoding::OmitZero,
        _ => Encoding::OmitEmpty,
    }
}

fn strategy(text: &str) -> PatchStrategy {
    PatchStrategy {
        merge: text.contains("merge"),
        replace: text.contains("replace"),
        retain_keys: text.contains("retainKeys"),
    }
}

fn constraints(value: &Value) -> Option<Box<Constraints>> {
    let number = |name: &str| value.get(name).and_then(Value::as_f64);
    let count = |name: &str| value.get(name).and_then(Value::as_u64);
    let flag = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
    let owned = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let many = |name: &str| -> Vec<Schema> {
        value.get(name).and_then(Value::as_array).into_iter().flatten().map(condition).collect()
    };
    let found = Constraints {
        one_of: value.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
        minimum: number("minimum"),
        maximum: number("maximum"),
        exclusive_minimum: flag("exclusiveMinimum"),
        exclusive_maximum: flag("exclusiveMaximum"),
        closed: value.get("additionalProperties") == Some(&Value::Bool(false)),
        multiple_of: number("multipleOf"),
        min_length: count("minLength"),
        max_length: count("maxLength"),
        pattern: owned("pattern"),
        format: owned("format"),
        min_items: count("minItems"),
        max_items: count("maxItems"),
        unique_items: flag("uniqueItems"),
        min_properties: count("minProperties"),
        max_properties: count("maxProperties"),
        all_of: many("allOf"),
        any_of: many("anyOf"),
        exactly_one_of: many("oneOf"),
        not: value.get("not").map(|n| Box::new(condition(n))),
    };
    (found != Constraints::default()).then(|| Box::new(found))
}

/// A part of a condition: it closes nothing.
fn condition(value: &Value) -> Schema {
    let mut schema = parse(value);
    if let Some(limits) = &mut schema.constraints {
        limits.closed = false;
    }
    schema
}

fn rules(value: &Value) -> Vec<Rule> {
    let list = value.get("x-kubernetes-validations").and_then(Value::as_array);
    let owned = |rule: &Value, name: &str| text(rule, name).to_owned();
    list.into_iter()
        .flatten()
        .map(|rule| Rule {
            rule: owned(rule, "rule"),
            message: owned(rule, "message"),
            message_expression: owned(rule, "messageExpression"),
            reason: owned(rule, "reason"),
            field_path: owned(rule, "fieldPath"),
            optional_old_self: rule
                .get("optionalOldSelf")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            ..Rule::default()
        })
        .collect()
}
