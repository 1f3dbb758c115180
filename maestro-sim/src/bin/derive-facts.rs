//! Makes the table of built-in kinds from what a running API server serves.
//!
//! `derive-facts DIR > maestro-sim/src/facts/1.37.txt`, where DIR holds the documents as served,
//! and `derive-facts DIR BASE > maestro-sim/src/facts/1.34.txt` for what another version lacks
//! that BASE has, where both hold `metrics.txt` (`kubectl get --raw /metrics`), too, which tells
//! of features. The documents are
//! `discovery-api.json` and `discovery-apis.json` (`kubectl get --raw /api`, `/apis`, with the
//! aggregated-discovery Accept header), `openapi-v3/*.json` (`kubectl get --raw
//! /openapi/v3/…`), `table-columns.json` (the columns of every collection's Table, by path), and
//! `encoding.json` (`go run ./encoding` in `ci/control-plane/kubernetes`).
//! Descriptions are left out; each type stands once, on a line of its own, so that a simulator
//! parses only the types it is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, Value};

fn main() -> ExitCode {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    let derived = match folders.as_slice() {
        [dir] => derive(Path::new(dir)),
        [dir, base] => differences(Path::new(dir), Path::new(base)),
        _ => {
            eprintln!("usage: derive-facts DIR [BASE]");
            return ExitCode::from(64);
        }
    };
    match derived {
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

/// What a version lacks that the base has, a line each: `- GROUP/VERSION/RESOURCE` for what is not
/// served, `off NAME` for a feature that is on in the base alone, `on NAME` for the contrary.
fn differences(dir: &Path, base: &Path) -> Result<String, String> {
    let (own, known) = (derive(dir)?, derive(base)?);
    let mut out = String::new();
    let own: BTreeSet<&str> = own.lines().collect();
    let known: BTreeSet<&str> = known.lines().collect();
    if let Some(line) = own.difference(&known).next() {
        let line: String = line.chars().take(80).collect();
        return Err(format!("only in {}: there is no word for that: {line}", dir.display()));
    }
    for line in known.difference(&own) {
        let Some(entry) = line.strip_prefix("R ") else { continue };
        let entry: Value = serde_json::from_str(entry).map_err(|e| e.to_string())?;
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or("");
        let (group, version) = (text("group"), text("version"));
        out.push_str(&format!("- {group}/{version}/{}\n", text("resource")));
    }
    let (own, known) = (features(dir)?, features(base)?);
    out.extend(known.difference(&own).map(|name| format!("off {name}\n")));
    out.extend(own.difference(&known).map(|name| format!("on {name}\n")));
    Ok(out)
}

/// The features that are on, as a server's metrics say.
fn features(dir: &Path) -> Result<BTreeSet<String>, String> {
    let path = dir.join("metrics.txt");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("kubernetes_feature_enabled{"));
    let on = lines.filter(|line| line.ends_with(" 1"));
    let name = |line: &str| Some(line.split_once("name=\"")?.1.split('"').next()?.to_owned());
    Ok(on.filter_map(name).collect())
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
