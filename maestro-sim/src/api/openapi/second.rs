//! OpenAPI v2: what v3 says of all groups, in one document.
//!
//! Source: `k8s.io/kube-openapi` (`pkg/handler`, `pkg/builder`), and for custom kinds
//! `ToStructuralOpenAPIV2` of `k8s.io/apiextensions-apiserver`: what v2 cannot say is left out.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use super::operations::operations;
use super::types::Types;
use super::{gnostic, prefix, unacceptable};
use crate::api::http::{json_answer, respond};
use crate::api::server::Server;
use crate::body::Body;
use crate::json::{Map, Value, json};

const ASKED: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
];

pub(super) fn answer(server: &Server, headers: &HeaderMap) -> http::Response<Body> {
    match wanted(headers) {
        Some(false) => json_answer(200, &document(server)),
        Some(true) => {
            let bytes = Bytes::from(gnostic::encode(&document(server)));
            let mut answer = respond(200, Body::full(bytes));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(ASKED[1]));
            answer
        }
        None => unacceptable(),
    }
}

/// Whether the client wants protobuf; `None` where it reads neither of both forms.
fn wanted(headers: &HeaderMap) -> Option<bool> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let mut clauses: Vec<(f64, &str)> = accept
        .split(',')
        .map(|clause| {
            let mut words = clause.split(';').map(str::trim);
            let media = words.next().unwrap_or_default();
            let quality = words.find_map(|word| word.strip_prefix("q=")?.parse().ok());
            (quality.unwrap_or(1.0), media)
        })
        .collect();
    clauses.sort_by(|a, b| b.0.total_cmp(&a.0));
    clauses.into_iter().find_map(|(_, media)| match media {
        "application/json" | "application/*" | "*/*" => Some(false),
        media if ASKED.contains(&media) => Some(true),
        _ => None,
    })
}

/// The document.
pub(super) fn document(server: &Server) -> Value {
    let mut types = Types::default();
    let mut paths = Map::new();
    let (mut custom, mut roots) = (Vec::new(), BTreeSet::new());
    for served in server.registry.all() {
        let name = types.kind(server, served);
        operations(served, &name, &mut types, &mut paths);
        if served.is_custom() {
            custom.push(name);
            roots.insert(format!("/{}/", prefix(served)));
        }
    }
    types.close();
    for (name, schema) in &mut types.found {
        if custom.contains(name) {
            open_root(schema);
            structural(schema);
        }
        plainer(schema);
    }
    for (place, item) in &mut paths {
        let of_custom = roots.iter().any(|root| place.starts_with(root));
        let any: &[&str] = match of_custom {
            true => &["application/json", "application/yaml"],
            false => &["*/*"],
        };
        path(item, any);
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": server.registry.version().name()},
        "paths": paths,
        "definitions": types.found,
        "securityDefinitions": {"BearerToken": super::bearer_token()},
        "security": [{"BearerToken": []}],
    })
}

/// Applies `change` to every schema inside a schema.
fn inside(schema: &mut Map, change: fn(&mut Value)) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(change);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(inner) {
            change(inner);
        }
    }
}

/// An object that may hold anything is described as nothing else: what a description names, its
/// readers would take for everything.
fn open_root(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    if fields.get(PRESERVE) == Some(&Value::Bool(true)) {
        fields.retain(|name, _| name == "type" || name == "x-kubernetes-group-version-kind");
    }
}

/// What a definition says and v2 cannot.
fn structural(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    let is = |fields: &Map, name: &str| fields.get(name) == Some(&Value::Bool(true));
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("");
    let gone: &[&str] = match (is(fields, "nullable"), is(fields, PRESERVE)) {
        (true, _) => &["nullable", "type", "items", "properties", "additionalProperties"],
        // The readers of v2 take objects and lists for known where they have a type.
        (_, true) if matches!(kind, "object" | "array") => &["type", "items", "properties"],
        (_, true) => &["items", "properties"],
        (_, false) if kind == "array" && !fields.contains_key("items") => &["type"],
        _ => &["nullable"],
    };
    let embedded = is(fields, "x-kubernetes-embedded-resource") && is(fields, PRESERVE);
    for name in gone.iter().chain(&["anyOf", "oneOf", "not"]) {
        fields.remove(name);
    }
    if embedded {
        fields.remove("required");
    }
    inside(fields, structural);
}

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

/// From the form of v3 to that of v2.
fn plainer(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    fields.remove("default");
    if let Some(Value::Array(parts)) = fields.get_mut("allOf")
        && let [Value::Object(part)] = &mut parts[..]
    {
        let part = std::mem::take(part);
        fields.remove("allOf");
        fields.extend(part);
    }
    if let Some(Value::String(target)) = fields.get_mut("$ref") {
        *target = target.replace("#/components/schemas/", "#/definitions/");
    }
    // An amount, or a number or text: v2 has no word for it.
    if fields.remove("oneOf").is_some() {
        fields.insert("type", "string".into());
    }
    inside(fields, plainer);
}

/// `any` is what an operation reads that has no body.
fn path(item: &mut Value, any: &[&str]) {
    let Value::Object(item) = item else { return };
    for (method, said) in item.iter_mut() {
        match (method.as_str(), said) {
            ("parameters", Value::Array(all)) => all.iter_mut().for_each(parameter),
            (_, Value::Object(operation)) => self::operation(operation, any),
            _ => {}
        }
    }
}

/// `schema` of a parameter in a query or path holds but its type.
fn parameter(one: &mut Value) {
    let Value::Object(fields) = one else { return };
    if let Some(Value::Object(schema)) = fields.remove("schema") {
        fields.extend(schema);
    }
}

fn operation(operation: &mut Map, any: &[&str]) {
    let mut parameters = Vec::new();
    let mut consumes = any.iter().map(|media| Value::from(*media)).collect::<Vec<_>>();
    if let Some(mut body) = operation.remove("requestBody") {
        let (media, schema) = content(&mut body);
        consumes = media;
        let mut given = json!({"name": "body", "in": "body", "schema": schema});
        if body["required"] == true {
            given["required"] = true.into();
        }
        parameters.push(given);
    }
    if let Some(Value::Array(mut query)) = operation.remove("parameters") {
        query.iter_mut().for_each(parameter);
        parameters.extend(query);
    }
    let mut produces = Vec::new();
    for answer in operation["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        let (media, schema) = content(answer);
        if !media.is_empty() {
            produces = media;
            answer["schema"] = schema;
        }
    }
    operation.insert("consumes", consumes.into());
    operation.insert("produces", produces.into());
    operation.insert("schemes", json!(["https"]));
    if !parameters.is_empty() {
        operation.insert("parameters", parameters.into());
    }
}

/// The media types of a body, JSON before the others, and its one schema.
fn content(of: &mut Value) -> (Vec<Value>, Value) {
    let content = of.as_object_mut().and_then(|fields| fields.remove("content"));
    let Some(Value::Object(content)) = content else { return Default::default() };
    let mut media: Vec<String> = content.keys().map(|name| name.to_string()).collect();
    let place = |media: &str| {
        let order = ["json-patch", "merge-patch", "strategic", "apply", "json", "yaml", "protobuf"];
        let found = order.iter().position(|word| media.contains(word));
        (media.contains(';'), found)
    };
    media.sort_by_key(|media| place(media));
    let schema = content.into_iter().next().map(|(_, one)| one["schema"].clone());
    let mut schema = schema.unwrap_or_default();
    plainer(&mut schema);
    (media.into_iter().map(Value::from).collect(), schema)
}
