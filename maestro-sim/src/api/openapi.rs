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

const DEFINITIONS: GroupResource =
    GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

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
        "info": {"title": "Kubernetes", "version": "v1.37.2"},
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

/// One operation of a path.
struct Operation {
    /// The method, as paths name it.
    method: &'static str,
    verb: Verb,
    /// `x-kubernetes-action`.
    action: &'static str,
    /// What `operationId` begins with.
    word: &'static str,
}

const fn operation(
    method: &'static str,
    verb: Verb,
    action: &'static str,
    word: &'static str,
) -> Operation {
    Operation { method, verb, action, word }
}

const ON_COLLECTION: [Operation; 3] = [
    operation("get", Verb::List, "list", "list"),
    operation("post", Verb::Create, "post", "create"),
    operation("delete", Verb::DeleteCollection, "deletecollection", "deleteCollection"),
];
const ON_OBJECT: [Operation; 4] = [
    operation("get", Verb::Get, "get", "read"),
    operation("put", Verb::Update, "put", "replace"),
    operation("patch", Verb::Patch, "patch", "patch"),
    operation("delete", Verb::Delete, "delete", "delete"),
];

fn operations(served: &Served, name: &str, schemas: &mut Schemas, paths: &mut Map<String, Value>) {
    let root = format!("/{}", prefix(served));
    let resource = &served.resource.resource;
    let (place, scope) = match served.namespaced {
        true => (format!("{root}/namespaces/{{namespace}}/{resource}"), vec!["namespace"]),
        false => (format!("{root}/{resource}"), Vec::new()),
    };
    let named: Vec<&str> = scope.iter().copied().chain(["name"]).collect();
    let mut put = |path: String, parameters: &[&str], sub: &str, all: &[Operation]| {
        let mut item = Map::new();
        for one in all.iter().filter(|one| served.serves(one.verb, sub)) {
            let operation = describe(served, name, sub, one, schemas);
            item.insert(one.method.into(), operation);
        }
        if !item.is_empty() {
            let parameters: Vec<Value> = parameters
                .iter()
                .map(|name| {
                    json!({"name": name, "in": "path", "required": true,
                           "schema": {"type": "string", "uniqueItems": true}})
                })
                .collect();
            item.insert("parameters".into(), parameters.into());
            paths.insert(path, item.into());
        }
    };
    if served.namespaced {
        put(format!("{root}/{resource}"), &[], "", &ON_COLLECTION[..1]);
    }
    put(place.clone(), &scope, "", &ON_COLLECTION);
    put(format!("{place}/{{name}}"), &named, "", &ON_OBJECT);
    for sub in served.subresource_names() {
        let all: Vec<Operation> =
            ON_COLLECTION.into_iter().skip(1).take(1).chain(ON_OBJECT).collect();
        put(format!("{place}/{{name}}/{sub}"), &named, sub, &all);
    }
}

fn describe(
    served: &Served,
    name: &str,
    sub: &str,
    one: &Operation,
    schemas: &mut Schemas,
) -> Value {
    let kind = match (one.verb, sub) {
        (Verb::List, _) => list_name(name),
        (_, "scale") => "io.k8s.api.autoscaling.v1.Scale".to_owned(),
        (_, "eviction") => "io.k8s.api.policy.v1.Eviction".to_owned(),
        (_, "binding") => "io.k8s.api.core.v1.Binding".to_owned(),
        _ => name.to_owned(),
    };
    let of = match sub {
        "scale" => json!({"group": "autoscaling", "version": "v1", "kind": "Scale"}),
        "eviction" => json!({"group": "policy", "version": "v1", "kind": "Eviction"}),
        "binding" => json!({"group": "", "version": "v1", "kind": "Binding"}),
        _ => own_kind(served),
    };
    let deletes = matches!(one.verb, Verb::Delete | Verb::DeleteCollection);
    let given = if deletes { DELETE_OPTIONS } else { &kind };
    let answered = if deletes { STATUS } else { &kind };
    let parameters: Vec<Value> = query(one.verb)
        .iter()
        .map(|(name, kind)| {
            json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
        })
        .collect();
    let answer = schemas.reference(answered);
    let mut operation = json!({
        "operationId": operation_id(served, sub, one),
        "tags": [tag(served)],
        "parameters": parameters,
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": answer}}},
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": one.action,
        "x-kubernetes-group-version-kind": of,
    });
    let body = schemas.reference(given);
    match one.verb {
        Verb::Patch => {
            let patches = PATCHES.iter().filter(|media| {
                // Custom kinds have no strategies to merge by.
                !(served.is_custom() && media.contains("strategic"))
            });
            let content: Map<String, Value> = patches
                .map(|media| ((*media).to_owned(), json!({"schema": {"type": "object"}})))
                .collect();
            operation["requestBody"] = json!({"required": true, "content": content});
        }
        Verb::Create | Verb::Update => {
            operation["requestBody"] =
                json!({"required": true, "content": {"*/*": {"schema": body}}});
        }
        Verb::Delete | Verb::DeleteCollection => {
            operation["requestBody"] = json!({"content": {"*/*": {"schema": body}}});
        }
        Verb::Get | Verb::List | Verb::Watch => {}
    }
    operation
}

/// What may stand in the query of an operation.
fn query(verb: Verb) -> &'static [(&'static str, &'static str)] {
    match verb {
        Verb::Create | Verb::Update => {
            &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")]
        }
        Verb::Patch => &[
            ("dryRun", "string"),
            ("fieldManager", "string"),
            ("fieldValidation", "string"),
            ("force", "boolean"),
        ],
        Verb::Delete => &[
            ("dryRun", "string"),
            ("gracePeriodSeconds", "integer"),
            ("orphanDependents", "boolean"),
            ("propagationPolicy", "string"),
        ],
        Verb::List | Verb::Watch | Verb::DeleteCollection => &[
            ("allowWatchBookmarks", "boolean"),
            ("continue", "string"),
            ("fieldSelector", "string"),
            ("labelSelector", "string"),
            ("limit", "integer"),
            ("resourceVersion", "string"),
            ("resourceVersionMatch", "string"),
            ("sendInitialEvents", "boolean"),
            ("timeoutSeconds", "integer"),
            ("watch", "boolean"),
        ],
        Verb::Get => &[],
    }
}

fn tag(served: &Served) -> String {
    let group = match &*served.resource.group {
        "" => "core",
        group => group.split('.').next().unwrap_or(group),
    };
    format!("{group}_{}", served.version)
}

/// `patchAppsV1NamespacedDeployment`.
fn operation_id(served: &Served, sub: &str, one: &Operation) -> String {
    let upper = |text: &str| {
        let mut letters = text.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect::<String>()
        })
    };
    let group = match &*served.resource.group {
        "" => "core",
        group => group.split('.').next().unwrap_or(group),
    };
    let scope = if served.namespaced { "Namespaced" } else { "" };
    let [group, version, kind, sub] = [group, &served.version, &served.kind, sub].map(upper);
    format!("{}{group}{version}{scope}{kind}{sub}", one.word)
}
