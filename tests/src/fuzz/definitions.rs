//! Schemas of custom kinds: structural ones, their defaults, and objects that they judge.

use maestro_sim::json::{Map, Value, json};

use super::message::{Message, parts};
use super::server::Server;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const OBJECTS: &str = "/apis/fuzz.example.com/v1/namespaces/fuzz/tries";

/// The first part is an `openAPIV3Schema`; the others are objects, each put where the last was.
pub(super) fn definition(input: &[u8]) {
    let parts = parts(input);
    let Some(schema) = read(parts.first().copied().unwrap_or_default()) else { return };
    let objects: Vec<Value> = parts.iter().skip(1).filter_map(|part| read(part)).collect();
    tried(schema, &objects);
}

/// JSON or YAML.
fn read(part: &[u8]) -> Option<Value> {
    let json = serde_json::from_slice(part);
    json.ok().or_else(|| serde_yaml::from_slice(part).ok())
}

pub(super) fn tried(schema: Value, objects: &[Value]) {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "tries.fuzz.example.com"},
        "spec": {"group": "fuzz.example.com", "scope": "Namespaced",
                 "names": {"plural": "tries", "singular": "try", "kind": "Try"},
                 "versions": [{"name": "v1", "served": true, "storage": true,
                               "subresources": {"status": {}},
                               "schema": {"openAPIV3Schema": schema}}]}});
    Server::with(|server| {
        let told = server.ask(&Message::new("POST", DEFINITIONS, definition.to_string()));
        if !told.is_success() {
            return;
        }
        let mut version = Value::Null;
        for object in objects {
            let mut object = named(object);
            let message = match version.as_str() {
                None => Message::new("POST", OBJECTS, object.to_string()),
                Some(version) => {
                    object["metadata"]["resourceVersion"] = version.into();
                    Message::new("PUT", &format!("{OBJECTS}/one"), object.to_string())
                }
            };
            let told = server.ask(&message);
            if told.is_success() {
                version = told.value["metadata"]["resourceVersion"].clone();
            }
            let apply = Message::new("PATCH", &format!("{OBJECTS}/two?fieldManager=f"), {
                let mut other = named(&object);
                other["metadata"] = json!({"name": "two"});
                other.to_string()
            });
            server.ask(&apply.header("content-type", "application/apply-patch+yaml"));
        }
    });
}

/// An object with what every object has.
fn named(object: &Value) -> Value {
    let mut map: Map = object.as_object().cloned().unwrap_or_default();
    map.insert("apiVersion", "fuzz.example.com/v1".into());
    map.insert("kind", "Try".into());
    let mut object = Value::Object(map);
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    object["metadata"]["name"] = "one".into();
    object
}
