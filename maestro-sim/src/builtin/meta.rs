//! Names, labels, annotations and finalizers: rules of every kind.

use serde_json::{Map, Value};

use super::field::{self, Path};
use crate::api::Cause;
use crate::object::{GroupResource, at};
use crate::selector::validate::{key_problem, value_problem};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric \
    characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  \
    or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// What is wrong with an object's metadata.
pub fn metadata(resource: &GroupResource, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let root = Path::Root;
    let path = root.field("metadata");
    let name = at(object, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
    if name.is_empty() {
        let detail = "name or generateName is required";
        causes.push(field::required(&path.field("name"), detail));
    } else if let Some(problem) = name_problem(resource, name) {
        causes.push(field::invalid(&path.field("name"), &name.into(), &problem));
    }
    if let Some(labels) = at(object, &["metadata", "labels"]).and_then(Value::as_object) {
        check_labels(labels, &path.field("labels"), &mut causes);
    }
    if let Some(notes) = at(object, &["metadata", "annotations"]).and_then(Value::as_object) {
        annotations(notes, &path.field("annotations"), &mut causes);
    }
    owners(object, &path.field("ownerReferences"), &mut causes);
    let finalizers = at(object, &["metadata", "finalizers"]).and_then(Value::as_array);
    for finalizer in finalizers.into_iter().flatten().filter_map(Value::as_str) {
        if let Some(problem) = key_problem(finalizer) {
            causes.push(field::invalid(&path.field("finalizers"), &finalizer.into(), &problem));
        }
    }
    causes
}

/// What is wrong with the finalizers of a kind that Kubernetes' own API server defines: without a
/// domain only the standard ones are known (`k8s.io/kubernetes/pkg/apis/core/validation`). Kinds
/// of the extension API server and of the aggregator are held to the rules of `metadata` alone,
/// as custom resources are: a CustomResourceDefinition's own finalizer has no domain.
pub fn finalizers(resource: &GroupResource, object: &Value, causes: &mut Vec<Cause>) {
    if matches!(&*resource.group, "apiextensions.k8s.io" | "apiregistration.k8s.io") {
        return;
    }
    let root = Path::Root;
    let path = root.field("metadata");
    let list = path.field("finalizers");
    let all = at(object, &["metadata", "finalizers"]).and_then(Value::as_array);
    for (index, finalizer) in all.into_iter().flatten().enumerate() {
        let text = finalizer.as_str().unwrap_or("");
        if !text.contains('/') && !STANDARD.contains(&text) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(field::invalid(&list.index(index), finalizer, detail));
        }
    }
}

/// The finalizers that need no domain.
const STANDARD: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];

/// Owners must be named fully, must not be Events, and one at most controls.
fn owners(object: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let list = at(object, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    let Some(list) = list else { return };
    let mut controller: Option<String> = None;
    for (index, owner) in list.iter().enumerate() {
        let here = path.index(index);
        let text = |name: &str| owner.get(name).and_then(Value::as_str).unwrap_or("");
        for name in ["apiVersion", "kind", "name", "uid"] {
            if text(name).is_empty() {
                causes.push(field::required(&here.field(name), "must not be empty"));
            }
        }
        if text("kind") == "Event" && matches!(text("apiVersion"), "v1" | "events.k8s.io/v1") {
            let slash = if text("apiVersion").contains('/') { "" } else { "/" };
            let detail = format!(
                "{slash}{}, Kind=Event is disallowed from being an owner",
                text("apiVersion")
            );
            causes.push(field::invalid(&here, owner, &detail));
        }
        if owner.get("controller") == Some(&Value::Bool(true)) {
            let shown = format!("{}/{}", text("kind"), text("name"));
            match &controller {
                None => controller = Some(shown),
                Some(first) => {
                    let detail = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in \
                         references for {first} and {shown}"
                    );
                    causes.push(field::invalid(path, &Value::Array(list.clone()), &detail));
                }
            }
        }
    }
}

/// What is wrong with the labels at `path`.
pub(super) fn check_labels(labels: &Map<String, Value>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for (key, value) in labels {
        if let Some(problem) = key_problem(key) {
            causes.push(field::invalid(path, &key.as_str().into(), &problem));
        }
        if let Some(problem) = value.as_str().and_then(value_problem) {
            causes.push(field::invalid(path, value, &problem));
        }
    }
}

/// Annotations together have at most 256 KiB.
fn annotations(notes: &Map<String, Value>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    const MOST: usize = 256 << 10;
    for key in notes.keys() {
        if let Some(problem) = key_problem(&key.to_lowercase()) {
            causes.push(field::invalid(path, &key.as_str().into(), &problem));
        }
    }
    let size: usize = notes.iter().map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
    if size > MOST {
        causes.push(field::too_long(path, MOST as u64));
    }
}

fn name_problem(resource: &GroupResource, name: &str) -> Option<String> {
    match (&*resource.group, &*resource.resource) {
        ("", "services" | "namespaces") | ("apps", "statefulsets") => label_problem(name),
        ("", "events") | ("events.k8s.io", _) => segment_problem(name),
        ("policy", "poddisruptionbudgets") => None,
        ("rbac.authorization.k8s.io", _) => segment_problem(name),
        _ => subdomain_problem(name),
    }
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().all(|b| inner(b) || b == b'-')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().next_back().is_some_and(inner)
}

fn too_long(name: &str, most: usize) -> Option<String> {
    (name.len() > most).then(|| format!("must be no more than {most} bytes"))
}

/// What keeps a name from being an RFC 1123 label.
pub(super) fn label_problem(name: &str) -> Option<String> {
    too_long(name, 63).or_else(|| (!is_label(name)).then(|| LABEL.to_owned()))
}

fn subdomain_problem(name: &str) -> Option<String> {
    let fits = name.split('.').all(is_label);
    too_long(name, 253).or_else(|| (!fits).then(|| SUBDOMAIN.to_owned()))
}

fn segment_problem(name: &str) -> Option<String> {
    if name == "." || name == ".." {
        return Some(format!("may not be '{name}'"));
    }
    let bad = ['/', '%'].into_iter().find(|c| name.contains(*c));
    bad.map(|c| format!("may not contain '{c}'"))
}
