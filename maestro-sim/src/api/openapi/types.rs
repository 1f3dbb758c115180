//! The types of one document, and all that they refer to.

use std::collections::BTreeMap;

use super::{definition, own_kind};
use crate::api::Verb;
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::facts::facts;
use crate::facts::words::words;
use crate::json::{Value, json};
use crate::object::map_at;

pub(super) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const CONVENTIONS: &str =
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";
const KINDS: &str = "x-kubernetes-group-version-kind";

/// The types of one document.
#[derive(Default)]
pub(super) struct Types {
    pub(super) found: BTreeMap<String, Value>,
    missing: Vec<String>,
}

impl Types {
    /// Takes in a kind and its list; its name.
    pub(super) fn kind(&mut self, server: &Server, served: &Served) -> String {
        let Some(name) = served.type_name() else {
            return self.custom(server, served);
        };
        self.refer(name);
        if served.serves(Verb::List, "") {
            self.refer(&list_name(name));
        }
        name.to_owned()
    }

    /// A custom kind's type, as its definition says it.
    fn custom(&mut self, server: &Server, served: &Served) -> String {
        let versions = definition(server, served).map(|crd| crd.items(&["spec", "versions"]));
        let version = versions.into_iter().flatten().find(|one| one["name"] == *served.version);
        let schema = version.and_then(|one| one.pointer("/schema/openAPIV3Schema"));
        let mut schema = schema.cloned().unwrap_or_else(|| json!({"type": "object"}));
        if !schema["properties"].is_object() {
            schema["properties"] = json!({});
        }
        self.embedded(&mut schema);
        type_meta(&mut schema);
        schema["properties"]["metadata"] =
            self.described(OBJECT_META, "Standard object's metadata. More info: {}#metadata");
        schema[KINDS] = json!([own_kind(served)]);
        let name = custom_name(served);
        self.found.insert(name.clone(), schema);
        let mut of_list = own_kind(served);
        of_list["kind"] = served.list_kind.as_str().into();
        let plural = &served.resource.resource;
        let mut list = json!({
            "description": format!("{} is a list of {}", served.list_kind, served.kind),
            "type": "object",
            "required": ["items"],
            "properties": {
                "items": {
                    "description": format!("List of {plural}. More info: {CONVENTIONS}"),
                    "type": "array",
                    "items": self.reference(&name),
                },
                "metadata": self.described(
                    LIST_META,
                    "Standard list metadata. More info: {}#types-kinds",
                ),
            },
            KINDS: [of_list],
        });
        type_meta(&mut list);
        self.found.insert(list_name(&name), list);
        name
    }

    /// Objects inside an object (`x-kubernetes-embedded-resource`) have what every object has.
    fn embedded(&mut self, schema: &mut Value) {
        let Value::Object(fields) = schema else { return };
        if let Some(Value::Object(properties)) = fields.get_mut("properties") {
            properties.values_mut().for_each(|field| self.embedded(field));
        }
        for inner in ["items", "additionalProperties"] {
            if let Some(inner) = fields.get_mut(inner) {
                self.embedded(inner);
            }
        }
        if fields.get("x-kubernetes-embedded-resource") != Some(&Value::Bool(true)) {
            return;
        }
        let told = |what: &str, anchor: &str| {
            json!({"type": "string",
                   "description": format!("{what}. More info: {CONVENTIONS}#{anchor}")})
        };
        let properties = map_at(schema, &["properties"]);
        let version = "apiVersion defines the versioned schema of this representation of an object";
        properties.insert("apiVersion", told(version, "resources"));
        let kind = "kind is a string value representing the type of this object. In CamelCase";
        properties.insert("kind", told(kind, "types-kinds"));
        let meta =
            self.described(OBJECT_META, "Standard object's metadata. More info: {}#metadata");
        properties.insert("metadata", meta);
        let required = map_at(schema, &[]).entry("required").or_insert_with(|| json!([]));
        let Some(required) = required.as_array_mut() else { return };
        for name in ["kind", "apiVersion"] {
            if required.iter().all(|known| known != name) {
                required.push(name.into());
            }
        }
    }

    /// A reference with a description, in which `{}` stands for the page of conventions.
    fn described(&mut self, name: &str, text: &str) -> Value {
        let text = text.replace("{}", CONVENTIONS);
        json!({"description": text, "allOf": [self.reference(name)]})
    }

    fn refer(&mut self, name: &str) {
        if !self.found.contains_key(name) && !self.missing.iter().any(|known| known == name) {
            self.missing.push(name.to_owned());
        }
    }

    pub(super) fn reference(&mut self, name: &str) -> Value {
        self.refer(name);
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// Takes in every type that is referred to.
    pub(super) fn close(&mut self) {
        while let Some(name) = self.missing.pop() {
            if self.found.contains_key(&name) {
                continue;
            }
            let mut schema = facts().document(&name).unwrap_or_else(|| json!({}));
            words().add(&name, &mut schema);
            // It may refer to itself.
            self.found.insert(name.clone(), Value::Null);
            self.rewrite(&mut schema);
            self.found.insert(name, schema);
        }
    }

    /// From the table's own form to OpenAPI's.
    fn rewrite(&mut self, node: &mut Value) {
        let Value::Object(fields) = node else { return };
        fields.remove("x-go");
        fields.remove("x-kubernetes-int-or-string");
        if fields.get("format").is_some_and(|format| format == "quantity") {
            fields.remove("format");
        }
        if let Some(Value::Object(properties)) = fields.get_mut("properties") {
            properties.values_mut().for_each(|property| self.rewrite(property));
        }
        for inner in ["items", "additionalProperties", "not"] {
            if let Some(inner) = fields.get_mut(inner) {
                self.rewrite(inner);
            }
        }
        let Some(Value::String(target)) = fields.remove("$ref") else { return };
        let reference = self.reference(&target);
        // What is said beside a reference needs an `allOf`.
        if fields.is_empty() {
            *node = reference;
        } else {
            fields.insert("allOf", json!([reference]));
        }
    }

    /// Of kinds that every group has, as options of a deletion, keeps those of one version.
    pub(super) fn keep_kinds_of(&mut self, group: &str, version: &str) {
        for schema in self.found.values_mut() {
            let Some(Value::Array(kinds)) = schema.get_mut(KINDS) else { continue };
            if kinds.len() > 1 {
                kinds.retain(|kind| {
                    kind["group"] == "" || kind["group"] == group && kind["version"] == version
                });
            }
        }
    }
}

/// Every object says its version and kind.
fn type_meta(schema: &mut Value) {
    let texts = [
        (
            "apiVersion",
            format!(
                "APIVersion defines the versioned schema of this representation of an \
          object. Servers should convert recognized schemas to the latest internal value, and may \
          reject unrecognized values. More info: {CONVENTIONS}#resources"
            ),
        ),
        (
            "kind",
            format!(
                "Kind is a string value representing the REST resource this object \
          represents. Servers may infer this from the endpoint the client submits requests to. \
          Cannot be updated. In CamelCase. More info: {CONVENTIONS}#types-kinds"
            ),
        ),
    ];
    for (name, description) in texts {
        schema["properties"][name] = json!({"description": description, "type": "string"});
    }
}

/// `Certificate` of `v1` in `cert-manager.io` is `io.cert-manager.v1.Certificate`.
fn custom_name(served: &Served) -> String {
    let words: Vec<&str> = served.resource.group.rsplit('.').collect();
    format!("{}.{}.{}", words.join("."), served.version, served.kind)
}

pub(super) fn list_name(name: &str) -> String {
    format!("{name}List")
}
