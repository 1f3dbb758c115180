//! Fields of a definition's schemas that nothing knows, or that Go would not write: the server's
//! own type of a schema is made of itself, which the tables of types leave open.
//!
//! Source: `JSONSchemaProps` of `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1`.

use std::sync::LazyLock;

use crate::facts::facts;
use crate::json::Value;
use crate::schema::{Schema, parse};
use crate::structural::Path;
use crate::typed::is_left_out;

const SCHEMA: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
const RULE: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ValidationRule";

/// A type by its fields, each of which is left open.
fn fields(of: &str) -> Schema {
    parse::parse(&facts().document(of).unwrap_or_default())
}

/// Takes what is unknown, and what is empty, out of every schema of a definition; the paths of
/// what is unknown.
pub fn surplus(crd: &mut Value) -> Vec<String> {
    let mut found = Vec::new();
    let versions = crd.pointer_mut("/spec/versions").and_then(Value::as_array_mut);
    let root = Path::root("");
    let spec = root.field("spec");
    let all = spec.field("versions");
    for (index, version) in versions.into_iter().flatten().enumerate() {
        if let Some(Value::Object(status)) = version.pointer_mut("/subresources/status") {
            let version = all.index(index);
            let here = version.field("subresources");
            let here = here.field("status");
            // Whatever is said of it, there is nothing to say.
            found.extend(status.keys().map(|name| here.field(name).to_string()));
            *status = crate::json::Map::new();
        }
        if let Some(node) = version.pointer_mut("/schema/openAPIV3Schema") {
            let version = all.index(index);
            let schema = version.field("schema");
            of_schema(node, &schema.field("openAPIV3Schema"), &mut found);
        }
    }
    found
}

fn of_schema(node: &mut Value, path: &Path<'_>, found: &mut Vec<String>) {
    static KNOWN: LazyLock<[Schema; 2]> = LazyLock::new(|| [SCHEMA, RULE].map(fields));
    if node.is_null() {
        // Nothing said of a field or an item is an empty schema.
        *node = Value::Object(crate::json::Map::new());
    }
    let Some(map) = node.as_object_mut() else { return };
    let [schemas, rules] = &*KNOWN;
    keep(map, schemas, path, found);
    for (name, value) in map.iter_mut() {
        let here = path.field(name);
        match (name.as_str(), value) {
            ("properties" | "patternProperties" | "definitions", value) => {
                for (key, value) in value.as_object_mut().into_iter().flatten() {
                    of_schema(value, &here.field(key), found);
                }
            }
            // Types with decoders of their own, which take out what they do not know, and do not
            // tell of it.
            ("items" | "additionalProperties" | "additionalItems", value) => {
                unheard(value, &here);
            }
            ("dependencies", value) => {
                for value in value.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
                    unheard(value, &here);
                }
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(list)) => {
                for (index, value) in list.iter_mut().enumerate() {
                    of_schema(value, &here.index(index), found);
                }
            }
            ("not", value) => of_schema(value, &here, found),
            ("x-kubernetes-validations", Value::Array(list)) => {
                for (index, value) in list.iter_mut().enumerate() {
                    if let Some(rule) = value.as_object_mut() {
                        keep(rule, rules, &here.index(index), found);
                    }
                }
            }
            _ => {}
        }
    }
}

/// A schema, or a list of schemas, whose unknown fields nobody hears of.
fn unheard(value: &mut Value, path: &Path<'_>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|one| unheard(one, path)),
        other => of_schema(other, path, &mut Vec::new()),
    }
}

/// Keeps the known fields that say something, and notes those that nothing knows.
fn keep(map: &mut crate::json::Map, known: &Schema, path: &Path<'_>, found: &mut Vec<String>) {
    map.retain(|name, value| match known.properties.get(name.as_str()) {
        Some(field) => !is_left_out(field, value),
        None => {
            found.push(path.field(name).to_string());
            false
        }
    });
}
