//! OpenAPI v3: an index of groups and versions, and a document for each (KEP-2896).
//!
//! Made when somebody asks, from the table of facts and from the definitions stored: clients read
//! the types, and which operations take `fieldValidation`. Nothing is described in words.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use serde_json::{Map, Value, json};

use crate::api::Verb;
use crate::api::http::json_answer;
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::body::Body;
use crate::facts::facts;
use crate::object::{GroupResource, Key};

mod operations;

use operations::operations;

const DEFINITIONS: GroupResource =
    GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";

/// The answer to a path under `/openapi/v3`; `None` for any other path.
pub fn answer(server: &Server, path: &str) -> Option<http::Response<Body>> {
    let rest = path.strip_prefix("/openapi/v3")?.trim_matches('/');
    if rest.is_empty() {
        return Some(json_answer(200, &index(server)));
    }
    let (group, version) = match rest.split('/').collect::<Vec<_>>().as_slice() {
        ["api", version] => ("", *version),
        ["apis", group, version] => (*group, *version),
        _ => return Some(crate::api::discovery::page_not_found()),
    };
    let kinds: Vec<&Served> = kinds(server, group, version).collect();
    if kinds.is_empty() {
        return Some(crate::api::discovery::page_not_found());
    }
    Some(json_answer(200, &document(server, &kinds)))
}

fn kinds<'a>(
    server: &'a Server,
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'a Served> {
    let all = server.registry.all().map(|served| &**served);
    all.filter(move |served| served.resource.group == group && served.version == version)
}

/// Every group and version, with a hash by which clients keep what they have read.
fn index(server: &Server) -> Value {
    let all = server.registry.all();
    let places: BTreeSet<String> = all.map(|served| prefix(served)).collect();
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let paths: Map<String, Value> = places
        .into_iter()
        .map(|place| {
            let (group, version) = split(&place);
            // A definition's stored version says whether its document is another.
            let stored: Vec<u64> = kinds(server, group, version)
                .filter_map(|served| definition(server, served))
                .map(|crd| crd.resource_version())
                .collect();
            let hash = hasher.hash_one((&place, stored));
            let url = format!("/openapi/v3/{place}?hash={hash:016X}");
            (place, json!({"serverRelativeURL": url}))
        })
        .collect();
    json!({"paths": paths})
}

fn prefix(served: &Served) -> String {
    match &*served.resource.group {
        "" => format!("api/{}", served.version),
        group => format!("apis/{group}/{}", served.version),
    }
}

fn split(prefix: &str) -> (&str, &str) {
    let (group, version) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    (group.strip_prefix("apis/").unwrap_or(""), version)
}

fn definition<'a>(server: &'a Server, served: &Served) -> Option<&'a crate::object::Object> {
    let name = format!("{}.{}", served.resource.resource, served.resource.group);
    let stored = || server.store.get(&DEFINITIONS, &Key::new("", &name)).map(AsRef::as_ref);
    served.is_custom().then(stored)?
}

fn document(server: &Server, kinds: &[&Served]) -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for served in kinds {
        let name = schemas.kind(server, served);
        operations(served, &name, &mut schemas, &mut paths);
    }
    for name in [STATUS, DELETE_OPTIONS] {
        schemas.refer(name);
    }
    schemas.close();
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": server.registry.version().git()},
        "paths": paths,
        "components": {
            "schemas": schemas.found,
            "securitySchemes": {"BearerToken":
                {"type": "apiKey", "in": "header", "name": "authorization"}},
        },
    })
}

/// The types of one document.
#[derive(Default)]
struct Schemas {
    found: BTreeMap<String, Value>,
    missing: Vec<String>,
}

impl Schemas {
    /// Takes in a kind and its list; its name.
    fn kind(&mut self, server: &Server, served: &Served) -> String {
        let name = match served.type_name() {
            Some(name) => name.to_owned(),
            None => custom_name(served),
        };
        let mut schema = match served.type_name() {
            Some(name) => facts().document(name).unwrap_or_else(|| json!({"type": "object"})),
            None => custom(server, served),
        };
        let id = json!([own_kind(served)]);
        self.rewrite(&mut schema);
        if served.is_custom() {
            schema["properties"]["metadata"] = self.reference(OBJECT_META);
        }
        schema["x-kubernetes-group-version-kind"] = id;
        self.found.insert(name.clone(), schema);
        if served.serves(Verb::List, "") {
            let list = list_name(&name);
            let mut of_list = own_kind(served);
            of_list["kind"] = served.list_kind.as_str().into();
            let schema = json!({
                "type": "object",
                "required": ["items"],
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": self.reference(LIST_META),
                    "items": {"type": "array", "items": self.reference(&name)},
                },
                "x-kubernetes-group-version-kind": [of_list],
            });
            self.found.insert(list, schema);
        }
        name
    }

    fn refer(&mut self, name: &str) {
        if !self.found.contains_key(name) && !self.missing.iter().any(|known| known == name) {
            self.missing.push(name.to_owned());
        }
    }

    fn reference(&mut self, name: &str) -> Value {
        self.refer(name);
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// Takes in every type that is referred to.
    fn close(&mut self) {
        while let Some(name) = self.missing.pop() {
            if self.found.contains_key(&name) {
                continue;
            }
            let mut schema = facts().document(&name).unwrap_or_else(|| json!({}));
            // It may refer to itself.
            self.found.insert(name.clone(), Value::Null);
            self.rewrite(&mut schema);
            self.found.insert(name, schema);
        }
    }

    /// From the table's own form to OpenAPI's: what is said beside a reference needs an `allOf`.
    fn rewrite(&mut self, node: &mut Value) {
        match node {
            Value::Object(fields) => {
                fields.remove("x-go");
                let target = fields.get("$ref").and_then(Value::as_str).map(str::to_owned);
                if let Some(target) = target.filter(|target| !target.starts_with('#')) {
                    fields.remove("$ref");
                    let reference = self.reference(&target);
                    if fields.is_empty() {
                        *node = reference;
                        return;
                    }
                    fields.insert("allOf".into(), json!([reference]));
                }
                for (name, child) in fields.iter_mut() {
                    if !matches!(name.as_str(), "allOf" | "default" | "enum") {
                        self.rewrite(child);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rewrite(item)),
            _ => {}
        }
    }
}

/// A custom kind's type, as its definition says it.
fn custom(server: &Server, served: &Served) -> Value {
    let versions = definition(server, served).map(|crd| crd.items(&["spec", "versions"]));
    let version = versions.into_iter().flatten().find(|one| one["name"] == *served.version);
    let schema = version.and_then(|one| one.pointer("/schema/openAPIV3Schema"));
    let mut schema = schema.cloned().unwrap_or_else(|| json!({"type": "object"}));
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    for name in ["apiVersion", "kind"] {
        schema["properties"][name] = json!({"type": "string"});
    }
    schema
}

/// `Certificate` of `v1` in `cert-manager.io` is `io.cert-manager.v1.Certificate`.
fn custom_name(served: &Served) -> String {
    let words: Vec<&str> = served.resource.group.rsplit('.').collect();
    format!("{}.{}.{}", words.join("."), served.version, served.kind)
}

fn list_name(name: &str) -> String {
    format!("{name}List")
}

fn own_kind(served: &Served) -> Value {
    json!({"group": served.resource.group, "version": served.version, "kind": served.kind})
}
