//! Makes the tables of built-in kinds from what a running API server serves.
//!
//! `derive-facts DIR > maestro-sim/src/facts/1.37.txt`, then `derive-facts --words DIR >
//! maestro-sim/src/facts/words-1.37.zlib`, and `derive-facts DIR BASE >
//! maestro-sim/src/facts/1.34.txt` for what another version lacks that BASE has, where both hold
//! `metrics.txt` (`kubectl get --raw /metrics`), too, which tells of features. DIR holds the
//! documents as served:
//! `discovery-api.json` and `discovery-apis.json` (`kubectl get --raw /api`, `/apis`, with the
//! aggregated-discovery Accept header), `openapi-v3/*.json` (`kubectl get --raw /openapi/v3/…`),
//! `openapi-v2.json` (`/openapi/v2`, for the words), `table-columns.json` (the columns of every
//! collection's Table, by path), and `encoding.json` (`go run ./encoding` in
//! `ci/control-plane/kubernetes`).
//! Each type stands once, on a line of its own, so that a simulator parses only the types it is
//! asked for. What only people read is the other table's: it is compressed, and read only by those
//! who ask for OpenAPI.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use maestro_sim::json::{Map, Value, json};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let table = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--words", dir] => words(Path::new(dir)).and_then(|text| compressed(&text)),
        [dir] => derive(Path::new(dir)).map(String::into_bytes),
        [dir, base] => differences(Path::new(dir), Path::new(base)).map(String::into_bytes),
        _ => {
            eprintln!("usage: derive-facts [--words] DIR [BASE]");
            return ExitCode::from(64);
        }
    };
    match table.and_then(|bytes| std::io::stdout().write_all(&bytes).map_err(|e| e.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
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

/// The documents of OpenAPI v3, a group and version each.
fn documents(dir: &Path) -> Result<Vec<Value>, String> {
    let documents = dir.join("openapi-v3");
    let mut files: Vec<_> = std::fs::read_dir(&documents)
        .map_err(|e| format!("{}: {e}", documents.display()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn compressed(text: &str) -> Result<Vec<u8>, String> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).map_err(|e| e.to_string())
}

/// What the table of facts leaves out: for each type the part that people read (`T NAME JSON`), and
/// for each action the parameters of its query (`Q ACTION JSON`), of which those of `path` may
/// stand with any.
fn words(dir: &Path) -> Result<String, String> {
    let mut types = BTreeMap::new();
    let mut queries = BTreeMap::new();
    for document in documents(dir)? {
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
        for (name, schema) in schemas.into_iter().flatten() {
            types.insert(name.clone(), said(schema));
        }
        let items = document.get("paths").and_then(Value::as_object);
        for item in items.into_iter().flat_map(Map::values) {
            note_queries(item, &mut queries);
        }
    }
    // The documents of v3 name the kinds of their own group alone.
    let second = read(&dir.join("openapi-v2.json"))?;
    let definitions = second.get("definitions").and_then(Value::as_object);
    for (name, schema) in definitions.into_iter().flatten() {
        if let (Some(kinds), Some(own)) = (schema.get(KINDS), types.get_mut(name)) {
            own[KINDS] = kinds.clone();
        }
    }
    let types = types.iter().map(|(name, said)| format!("T {name} {said}\n"));
    let queries = queries.iter().map(|(action, query)| format!("Q {action} {query}\n"));
    Ok(types.chain(queries).collect())
}

const KINDS: &str = "x-kubernetes-group-version-kind";

/// The counterpart of [`strip`].
fn said(schema: &Value) -> Value {
    let mut out = Map::new();
    for (name, value) in schema.as_object().into_iter().flatten() {
        let int_or_string = schema.get("format").is_some_and(|format| format == "int-or-string");
        let own = match name.as_str() {
            "description" | "title" | KINDS | "format" => true,
            "default" => *value == Value::Object(Map::new()) || value == "",
            "oneOf" => int_or_string,
            _ => false,
        };
        let inner = match name.as_str() {
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                let fields = fields.map(|(name, schema)| (name.clone(), said(schema)));
                let fields: Map = fields.filter(|(_, said)| *said != empty()).collect();
                Value::Object(fields)
            }
            "items" | "additionalProperties" | "not" => said(value),
            _ => empty(),
        };
        if own {
            out.insert(name.clone(), value.clone());
        } else if inner != empty() {
            out.insert(name.clone(), inner);
        }
    }
    Value::Object(out)
}

fn empty() -> Value {
    Value::Object(Map::new())
}

/// Remembers the parameters of every operation on config maps, and those of their paths.
fn note_queries(item: &Value, queries: &mut BTreeMap<String, Value>) {
    let operations = item.as_object().into_iter().flat_map(Map::values);
    for operation in operations {
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let action = operation.get("x-kubernetes-action").and_then(Value::as_str);
        let alike = id.ends_with("V1NamespacedConfigMap")
            || id.ends_with("V1CollectionNamespacedConfigMap");
        let (Some(action), true) = (action.filter(|action| !action.starts_with("watch")), alike)
        else {
            continue;
        };
        let list = |of: &Value| of.get("parameters").cloned().unwrap_or_else(|| json!([]));
        queries.insert(action.to_owned(), list(operation));
        queries.insert("path".to_owned(), list(item));
    }
}

fn derive(dir: &Path) -> Result<String, String> {
    let mut types = BTreeMap::new();
    let mut kinds = BTreeMap::new();
    let encoding = read(&dir.join("encoding.json"))?;
    for document in documents(dir)? {
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
    let [gvk] = list.map_or(&[][..], |list| list.as_slice()) else { return };
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
    let parts = map.get("allOf").and_then(Value::as_array).map_or(&[][..], |list| list.as_slice());
    if let [Value::Object(one)] = parts
        && let Some(Value::String(reference)) = one.get("$ref")
    {
        let mut out = rest(map, &["allOf", "description"]);
        out.insert("$ref", short(reference));
        return Value::Object(out);
    }
    let mut out = rest(map, &["description", "x-kubernetes-group-version-kind", "title"]);
    if let Some(Value::String(reference)) = map.get("$ref") {
        out.insert("$ref", short(reference));
    }
    // `oneOf: [integer, string]` is how v3 documents say int-or-string.
    if map.get("format").and_then(Value::as_str) == Some("int-or-string") {
        out.remove("oneOf");
        out.insert("x-kubernetes-int-or-string", true.into());
        out.remove("format");
    }
    Value::Object(out)
}

fn rest(map: &Map, without: &[&str]) -> Map {
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
        v.get(field).and_then(Value::as_array).cloned().unwrap_or_default().into_vec()
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
