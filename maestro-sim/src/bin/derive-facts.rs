//! Makes the table of built-in kinds from what a running API server serves.
//!
//! `derive-facts DIR > maestro-sim/src/facts/1.37.txt`, where DIR holds the documents as served:
//! `discovery-api.json` and `discovery-apis.json` (`kubectl get --raw /api`, `/apis`, with the
//! aggregated-discovery Accept header), `openapi-v3/*.json` (`kubectl get --raw
//! /openapi/v3/…`), `table-columns.json` (the columns of every collection's Table, by path), and
//! `encoding.json` (`go run ./encoding` in `ci/control-plane/kubernetes`).
//! Descriptions are left out; each type stands once, on a line of its own, so that a simulator
//! parses only the types it is asked for.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, Value};

fn main() -> ExitCode {
    let Some(dir) = std::env::args().nth(1) else {
        eprintln!("usage: derive-facts DIR");
        return ExitCode::from(64);
    };
    match derive(Path::new(&dir)) {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("derive-facts: {error}");
            ExitCode::from(1)
        }
    }
}

fn read(path: &Path) -> Result<Value, String> {
    let text = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))
}

fn derive(dir: &Path) -> Result<String, String> {
    let mut types = BTreeMap::new();
    let mut kinds = BTreeMap::new();
    let encoding = read(&dir.join("encoding.json"))?;
    let documents = dir.join("openapi-v3");
    let mut files: Vec<_> = std::fs::read_dir(&documents)
        .map_err(|e| format!("{}: {e}", documents.display()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for file in files {
        let document = read(&file)?;
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
        for (name, schema) in schemas.into_iter().flatten() {
            note_kinds(name, schema, &mut kinds);
            let mut stripped = strip(schema);
            note_type(name, &mut stripped, encoding.get(name));
            types.insert(name.clone(), stripped);
        }
    }
    let mut out = String::new();
    for file in ["discovery-api.json", "discovery-apis.json"] {
        for line in resources(&read(&dir.join(file))?, &kinds) {
            out.push_str(&format!("R {line}\n"));
        }
    }
    let columns = read(&dir.join("table-columns.json"))?;
    for (path, columns) in columns.as_object().into_iter().flatten() {
        out.push_str(&format!("C {path} {columns}\n"));
    }
    for (name, schema) in types {
        out.push_str(&format!("T {name} {schema}\n"));
    }
    Ok(out)
}

/// Remembers which type a group, version and kind has.
fn note_kinds(name: &str, schema: &Value, kinds: &mut BTreeMap<(String, String, String), String>) {
    let list = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
    let [gvk] = list.map_or(&[][..], Vec::as_slice) else { return };
    let text = |field: &str| gvk.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
    kinds.insert((text("group"), text("version"), text("kind")), name.to_owned());
}

/// Adds what OpenAPI does not say: how Go encodes each field, and which texts are amounts or
/// times in microseconds.
fn note_type(name: &str, schema: &mut Value, encoding: Option<&Value>) {
    let format = match name.rsplit('.').next() {
        Some("Quantity") => Some("quantity"),
        Some("MicroTime") => Some("micro-time"),
        _ => None,
    };
    if let Some(format) = format {
        schema["format"] = format.into();
    }
    let fields = encoding.and_then(Value::as_object).into_iter().flatten();
    for (field, said) in fields {
        if let Some(property) = schema.pointer_mut(&format!("/properties/{field}")) {
            property["x-go"] = said.clone();
        }
    }
}

/// A node without what only people read; references become `{"$ref": NAME}`.
fn strip(schema: &Value) -> Value {
    let Some(map) = schema.as_object() else { return schema.clone() };
    let parts = map.get("allOf").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if let [Value::Object(one)] = parts
        && let Some(Value::String(reference)) = one.get("$ref")
    {
        let mut out = rest(map, &["allOf", "description"]);
        out.insert("$ref".into(), short(reference));
        return Value::Object(out);
    }
    let mut out = rest(map, &["description", "x-kubernetes-group-version-kind", "title"]);
    if let Some(Value::String(reference)) = map.get("$ref") {
        out.insert("$ref".into(), short(reference));
    }
    // `oneOf: [integer, string]` is how v3 documents say int-or-string.
    if map.get("format").and_then(Value::as_str) == Some("int-or-string") {
        out.remove("oneOf");
        out.insert("x-kubernetes-int-or-string".into(), true.into());
        out.remove("format");
    }
    Value::Object(out)
}

fn rest(map: &Map<String, Value>, without: &[&str]) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in map {
        if without.contains(&name.as_str()) {
            continue;
        }
        let value = match name.as_str() {
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                Value::Object(fields.map(|(n, s)| (n.clone(), strip(s))).collect())
            }
            "items" | "additionalProperties" | "not" => strip(value),
            _ => value.clone(),
        };
        // An empty default only says that Go always writes the field, which `x-go` says better.
        if name == "default" && (value == Value::Object(Map::new()) || value == "") {
            continue;
        }
        out.insert(name.clone(), value);
    }
    out
}

fn short(reference: &str) -> Value {
    reference.rsplit('/').next().unwrap_or(reference).into()
}

fn resources(discovery: &Value, kinds: &BTreeMap<(String, String, String), String>) -> Vec<String> {
    let list = |v: &Value, field: &str| -> Vec<Value> {
        v.get(field).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let text = |v: &Value, pointer: &str| {
        v.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned()
    };
    let mut out = Vec::new();
    for group in list(discovery, "items") {
        let group_name = text(&group, "/metadata/name");
        for version in list(&group, "versions") {
            let version_name = text(&version, "/version");
            for mut resource in list(&version, "resources") {
                let kind = text(&resource, "/responseKind/kind");
                let gvk = (group_name.clone(), version_name.clone(), kind.clone());
                resource["group"] = group_name.clone().into();
                resource["version"] = version_name.clone().into();
                resource["kind"] = kind.into();
                if let Some(type_name) = kinds.get(&gvk) {
                    resource["type"] = type_name.clone().into();
                }
                if let Some(map) = resource.as_object_mut() {
                    map.remove("responseKind");
                }
                out.push(resource.to_string());
            }
        }
    }
    out
}
