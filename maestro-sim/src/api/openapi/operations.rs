//! The operations of a kind: paths, what stands in their queries and bodies, what is answered.
//!
//! Source: what kube-apiserver 1.37 serves, and `GetOperationIDAndTagsFromRoute` and
//! `GetArticleForNoun` of `k8s.io/apiserver`.

use super::types::{Types, list_name};
use super::{own_kind, prefix};
use crate::api::Verb;
use crate::api::registry::Served;
use crate::facts::words::words;
use crate::json::{Map, Value, json};

const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];
const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Subresources that are connections rather than objects: they are not described.
const CONNECTIONS: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];

/// Kinds that a deletion answers with the object itself, not with a Status.
const ANSWERED_WHOLE: [&str; 16] = [
    "io.k8s.api.core.v1.PersistentVolume",
    "io.k8s.api.core.v1.PersistentVolumeClaim",
    "io.k8s.api.core.v1.Pod",
    "io.k8s.api.core.v1.PodTemplate",
    "io.k8s.api.core.v1.ResourceQuota",
    "io.k8s.api.core.v1.Service",
    "io.k8s.api.core.v1.ServiceAccount",
    "io.k8s.api.resource.v1.DeviceClass",
    "io.k8s.api.resource.v1.ResourceClaim",
    "io.k8s.api.resource.v1.ResourceClaimTemplate",
    "io.k8s.api.resource.v1.ResourceSlice",
    "io.k8s.api.storage.v1.CSIDriver",
    "io.k8s.api.storage.v1.CSINode",
    "io.k8s.api.storage.v1.StorageClass",
    "io.k8s.api.storage.v1.VolumeAttachment",
    "io.k8s.api.storage.v1.VolumeAttributesClass",
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
    operation("delete", Verb::DeleteCollection, "deletecollection", "delete"),
];
const ON_OBJECT: [Operation; 4] = [
    operation("get", Verb::Get, "get", "read"),
    operation("put", Verb::Update, "put", "replace"),
    operation("patch", Verb::Patch, "patch", "patch"),
    operation("delete", Verb::Delete, "delete", "delete"),
];
const ON_SUBRESOURCE: [Operation; 4] = [
    operation("post", Verb::Create, "post", "create"),
    operation("get", Verb::Get, "get", "read"),
    operation("put", Verb::Update, "put", "replace"),
    operation("patch", Verb::Patch, "patch", "patch"),
];

/// Where operations stand.
struct Place<'a> {
    served: &'a Served,
    /// The name of the kind's type.
    name: &'a str,
    path: String,
    /// Names in the path.
    named: &'a [&'static str],
    subresource: &'a str,
    /// Whether it is a collection over all namespaces.
    everywhere: bool,
}

/// Adds a kind's paths.
pub(super) fn operations(served: &Served, name: &str, types: &mut Types, paths: &mut Map) {
    let root = format!("/{}", prefix(served));
    let resource = &served.resource.resource;
    let (path, scope): (_, &[&str]) = match served.namespaced {
        true => (format!("{root}/namespaces/{{namespace}}/{resource}"), &["namespace"]),
        false => (format!("{root}/{resource}"), &[]),
    };
    let named: &[&str] = if served.namespaced { &["name", "namespace"] } else { &["name"] };
    let place = Place { served, name, path, named: scope, subresource: "", everywhere: false };
    if served.namespaced {
        let path = format!("{root}/{resource}");
        let all = Place { path, named: &[], everywhere: true, ..place };
        all.put(&ON_COLLECTION[..1], types, paths);
    }
    place.put(&ON_COLLECTION, types, paths);
    let path = format!("{}/{{name}}", place.path);
    Place { path, named, ..place }.put(&ON_OBJECT, types, paths);
    for subresource in served.subresource_names().filter(|name| !CONNECTIONS.contains(name)) {
        let path = format!("{}/{{name}}/{subresource}", place.path);
        Place { path, named, subresource, ..place }.put(&ON_SUBRESOURCE, types, paths);
    }
}

impl Place<'_> {
    fn put(&self, all: &[Operation], types: &mut Types, paths: &mut Map) {
        let served = |one: &&Operation| self.served.serves(one.verb, self.subresource);
        let all: Vec<&Operation> = all.iter().filter(served).collect();
        let mut queries: Vec<Vec<Value>> = all.iter().map(|one| self.query(one)).collect();
        let Some(first) = queries.first().cloned() else { return };
        // What every operation takes stands once, at the path.
        let common = |one: &Value| queries.iter().all(|query| query.contains(one));
        let common: Vec<Value> = first.into_iter().filter(common).collect();
        queries.iter_mut().for_each(|query| query.retain(|one| !common.contains(one)));
        let mut item = Map::new();
        for (one, query) in all.iter().zip(queries) {
            let mut operation = self.describe(one, types);
            if !query.is_empty() {
                operation["parameters"] = query.into();
            }
            item.insert(one.method, operation);
        }
        let mut parameters = common;
        parameters.extend(self.path_parameters());
        parameters.sort_by_key(|one| one["name"].as_str().unwrap_or_default().to_owned());
        item.insert("parameters", parameters.into());
        paths.insert(self.path.clone(), item.into());
    }

    fn path_parameters(&self) -> Vec<Value> {
        let mut all = words().query("path");
        all.retain(|one| {
            one["name"] == "pretty" || self.named.iter().any(|name| one["name"] == *name)
        });
        for one in all.iter_mut().filter(|one| one["name"] == "name") {
            one["description"] =
                format!("name of the {}", self.kind().1["kind"].as_str().unwrap_or("")).into();
        }
        all
    }

    fn query(&self, one: &Operation) -> Vec<Value> {
        let custom = self.served.is_custom();
        match one.verb {
            Verb::DeleteCollection if custom => words().query("list"),
            Verb::Get if custom => {
                let mut query = words().query("list");
                query.retain(|one| one["name"] == "resourceVersion");
                query
            }
            _ => words().query(one.action),
        }
    }

    /// The type that is read and written here, and its kind.
    fn kind(&self) -> (&str, Value) {
        let of = |group: &str, kind: &str| json!({"group": group, "version": "v1", "kind": kind});
        match self.subresource {
            "scale" if self.served.is_custom() => {
                ("io.k8s.api.autoscaling.v1.Scale", own_kind(self.served))
            }
            "scale" => ("io.k8s.api.autoscaling.v1.Scale", of("autoscaling", "Scale")),
            "eviction" => ("io.k8s.api.policy.v1.Eviction", of("policy", "Eviction")),
            "binding" => ("io.k8s.api.core.v1.Binding", of("", "Binding")),
            "token" => (
                "io.k8s.api.authentication.v1.TokenRequest",
                of("authentication.k8s.io", "TokenRequest"),
            ),
            _ => (self.name, own_kind(self.served)),
        }
    }

    fn describe(&self, one: &Operation, types: &mut Types) -> Value {
        let (name, of) = self.kind();
        let whole = ANSWERED_WHOLE.contains(&name);
        let answered = match one.verb {
            Verb::List => list_name(name),
            Verb::DeleteCollection => STATUS.to_owned(),
            Verb::Delete if !whole => STATUS.to_owned(),
            _ => name.to_owned(),
        };
        let answer = types.reference(&answered);
        let mut responses = Map::new();
        for (code, words) in codes(one.verb, self.served.is_custom()) {
            let content = content(&self.media(one.verb), &answer);
            responses.insert(*code, json!({"description": words, "content": content}));
        }
        responses.insert("401", json!({"description": "Unauthorized"}));
        let mut operation = json!({
            "tags": [format!("{}_{}", group_word(self.served), self.served.version)],
            "description": self.text(one.verb),
            "operationId": self.id(one),
            "responses": responses,
            "x-kubernetes-action": one.action,
            "x-kubernetes-group-version-kind": of,
        });
        if let Some(body) = self.body(one.verb, name, types) {
            operation["requestBody"] = body;
        }
        operation
    }

    fn media(&self, verb: Verb) -> Vec<String> {
        let mut media = vec![JSON.to_owned(), YAML.to_owned()];
        if !self.served.is_custom() {
            media.push(PROTOBUF.to_owned());
            if verb == Verb::List {
                media.extend([JSON, PROTOBUF].map(|media| format!("{media};stream=watch")));
            }
        }
        media
    }

    fn body(&self, verb: Verb, name: &str, types: &mut Types) -> Option<Value> {
        let custom = self.served.is_custom();
        let any = || match custom {
            true => vec![JSON.to_owned(), YAML.to_owned()],
            false => vec!["*/*".to_owned()],
        };
        match verb {
            Verb::Patch => {
                // Custom kinds have no strategies to merge by.
                let count = PATCHES.len() - usize::from(custom);
                let media: Vec<String> = PATCHES.iter().take(count).map(|m| (*m).into()).collect();
                let content = content(&media, &types.reference(PATCH));
                Some(json!({"required": true, "content": content}))
            }
            Verb::Create | Verb::Update => {
                let content = content(&any(), &types.reference(name));
                Some(json!({"required": true, "content": content}))
            }
            Verb::DeleteCollection if custom => None,
            Verb::Delete | Verb::DeleteCollection => {
                Some(json!({"content": content(&any(), &types.reference(DELETE_OPTIONS))}))
            }
            Verb::Get | Verb::List | Verb::Watch => None,
        }
    }

    fn text(&self, verb: Verb) -> String {
        let (kind, sub) = (&self.served.kind, self.subresource);
        let of = if sub.is_empty() { String::new() } else { format!("{sub} of ") };
        match verb {
            Verb::List | Verb::Watch => {
                let watches = self.served.serves(Verb::Watch, "") && !self.served.is_custom();
                let watch = if watches { "or watch " } else { "" };
                format!("list {watch}objects of kind {kind}")
            }
            Verb::Create => format!("create {of}{}{kind}", article(kind)),
            Verb::DeleteCollection => format!("delete collection of {kind}"),
            Verb::Get => format!("read {of}the specified {kind}"),
            Verb::Update => format!("replace {of}the specified {kind}"),
            Verb::Patch => format!("partially update {of}the specified {kind}"),
            Verb::Delete => format!("delete {}{kind}", article(kind)),
        }
    }

    /// `patchAppsV1NamespacedDeployment`.
    fn id(&self, one: &Operation) -> String {
        let (served, word) = (self.served, one.word);
        let [group, version, kind, sub] =
            [&group_word(served), &*served.version, &*served.kind, self.subresource].map(upper);
        let scope = if served.namespaced && !self.everywhere { "Namespaced" } else { "" };
        let collection = if one.verb == Verb::DeleteCollection { "Collection" } else { "" };
        let all = if self.everywhere { "ForAllNamespaces" } else { "" };
        format!("{word}{group}{version}{collection}{scope}{kind}{sub}{all}")
    }
}

fn content(media: &[String], schema: &Value) -> Map {
    media.iter().map(|media| (media.clone(), json!({"schema": schema}))).collect()
}

const fn codes(verb: Verb, custom: bool) -> &'static [(&'static str, &'static str)] {
    match verb {
        Verb::Create => &[("200", "OK"), ("201", "Created"), ("202", "Accepted")],
        Verb::Patch if custom => &[("200", "OK")],
        Verb::Update | Verb::Patch => &[("200", "OK"), ("201", "Created")],
        Verb::Delete => &[("200", "OK"), ("202", "Accepted")],
        _ => &[("200", "OK")],
    }
}

/// The article of a kind and a space; plurals have none.
fn article(kind: &str) -> &'static str {
    match kind.chars().next() {
        _ if kind.ends_with('s') && !kind.ends_with("ss") => "",
        Some('A' | 'E' | 'I' | 'O' | 'U') => "an ",
        _ => "a ",
    }
}

/// `flowcontrolApiserver` for `flowcontrol.apiserver.k8s.io`.
pub(super) fn group_word(served: &Served) -> String {
    let group = match &*served.resource.group {
        "" => "core",
        group => group.strip_suffix(".k8s.io").unwrap_or(group),
    };
    let mut words = group.split('.');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |all, word| all + &upper(word))
}

pub(super) fn upper(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
