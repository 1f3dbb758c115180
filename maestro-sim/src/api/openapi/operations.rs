//! The operations of a kind: paths, what stands in their queries and bodies, what is answered.

use serde_json::{Map, Value, json};

use super::{DELETE_OPTIONS, STATUS, Schemas, list_name, own_kind, prefix};
use crate::api::Verb;
use crate::api::registry::Served;

const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

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

pub(super) fn operations(
    served: &Served,
    name: &str,
    schemas: &mut Schemas,
    paths: &mut Map<String, Value>,
) {
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
