//! Names, labels, annotations and finalizers: rules of every kind.

use super::address;
use super::field::{self, Path};
use super::text::{self, Problems};
use crate::api::Cause;
use crate::facts::Version;
use crate::json::{Array, Map, Value};
use crate::object::{GroupResource, at};

/// What is wrong with an object's metadata.
pub fn metadata(version: Version, resource: &GroupResource, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let root = Path::Root;
    let path = root.field("metadata");
    let base = at(object, &["metadata", "generateName"]).and_then(Value::as_str).unwrap_or("");
    if !base.is_empty() {
        let problems = name_problems(version, resource, object, &masked(base));
        field::each(&path.field("generateName"), base, &problems, &mut causes);
    }
    let name = at(object, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
    if name.is_empty() {
        let detail = "name or generateName is required";
        causes.push(field::required(&path.field("name"), detail));
    } else {
        let problems = name_problems(version, resource, object, name);
        field::each(&path.field("name"), name, &problems, &mut causes);
    }
    if let Some(labels) = at(object, &["metadata", "labels"]).and_then(Value::as_object) {
        check_labels(labels, &path.field("labels"), &mut causes);
    }
    if let Some(notes) = at(object, &["metadata", "annotations"]).and_then(Value::as_object) {
        annotations(notes, &path.field("annotations"), &mut causes);
    }
    let list = at(object, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    owners(list, &path.field("ownerReferences"), &mut causes);
    let finalizers = at(object, &["metadata", "finalizers"]).and_then(Value::as_array);
    for finalizer in finalizers.into_iter().flatten().filter_map(Value::as_str) {
        field::each(&path.field("finalizers"), finalizer, &text::key(finalizer), &mut causes);
    }
    causes
}

/// What is wrong with the metadata of a resource within another object, which needs no name.
pub(crate) fn embedded(metadata: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let name = metadata.get("name").and_then(Value::as_str).unwrap_or("");
    if !name.is_empty() {
        field::each(&path.field("name"), name, &text::segment(name), causes);
    }
    if let Some(labels) = metadata.get("labels").and_then(Value::as_object) {
        check_labels(labels, &path.field("labels"), causes);
    }
    if let Some(notes) = metadata.get("annotations").and_then(Value::as_object) {
        annotations(notes, &path.field("annotations"), causes);
    }
    let list = metadata.get("ownerReferences").and_then(Value::as_array);
    owners(list, &path.field("ownerReferences"), causes);
    let finalizers = metadata.get("finalizers").and_then(Value::as_array);
    for finalizer in finalizers.into_iter().flatten().filter_map(Value::as_str) {
        field::each(&path.field("finalizers"), finalizer, &text::key(finalizer), causes);
    }
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
        let name = finalizer.as_str().unwrap_or("");
        if text::key(name).is_empty() && !name.contains('/') && !STANDARD.contains(&name) {
            causes.push(field::invalid(&list.index(index), finalizer, NO_FINALIZER));
        }
    }
}

/// What is said of a finalizer that is neither standard nor has a domain.
pub(super) const NO_FINALIZER: &str =
    "name is neither a standard finalizer name nor is it fully qualified";

/// The finalizers that need no domain.
pub(crate) const STANDARD: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];

/// The fields of an owner as the server prints them.
const OWNER: [&str; 6] = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];

/// Owners must be named fully, must not be Events, and one at most controls.
fn owners(list: Option<&Array>, path: &Path<'_>, causes: &mut Vec<Cause>) {
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
            causes.push(field::invalid_shown(&here, &field::in_order(owner, &OWNER), &detail));
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
                    let shown: Vec<String> =
                        list.iter().map(|owner| field::in_order(owner, &OWNER)).collect();
                    let shown = format!("[{}]", shown.join(","));
                    causes.push(field::invalid_shown(path, &shown, &detail));
                }
            }
        }
    }
}

/// What is wrong with `labels` or `annotations` that a conversion webhook wrote; the server calls
/// the place of the latter by another name.
pub(crate) fn marks(name: &str, map: &Map) -> Vec<Cause> {
    let (mut causes, root) = (Vec::new(), Path::Root);
    let path = root.field("metadata");
    match name {
        "labels" => check_labels(map, &path.field("labels"), &mut causes),
        _ => annotations(map, &path.field("annotation"), &mut causes),
    }
    causes
}

/// What is wrong with the labels at `path`.
pub(super) fn check_labels(labels: &Map, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for (key, value) in labels {
        field::each(path, key, &text::key(key), causes);
        let value = value.as_str().unwrap_or("");
        field::each(path, value, &text::label_value(value), causes);
    }
}

/// What is wrong with a label selector, its values taken strictly.
pub(super) fn label_selector(selector: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if let Some(labels) = selector.get("matchLabels").and_then(Value::as_object) {
        check_labels(labels, &path.field("matchLabels"), causes);
    }
    let expressions = path.field("matchExpressions");
    for (index, rule) in field::list(selector, "matchExpressions").iter().enumerate() {
        requirement(rule, &[], true, &expressions.index(index), causes);
    }
}

/// What is wrong with one requirement of a selector: its operator, to which those that compare
/// numbers may belong, its key, and, taken strictly, its values.
pub(super) fn requirement(
    rule: &Value,
    numeric: &[&str],
    strict: bool,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    let (values, place) = (field::list(rule, "values"), path.field("values"));
    match field::text(rule, "operator") {
        "In" | "NotIn" if values.is_empty() => {
            let detail = "must be specified when `operator` is 'In' or 'NotIn'";
            causes.push(field::required(&place, detail));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            causes.push(field::forbidden(&place, detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        known if numeric.contains(&known) => {
            if values.len() != 1 {
                let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                causes.push(field::required(&place, detail));
            }
        }
        other => {
            let detail = "not a valid selector operator";
            causes.push(field::invalid(&path.field("operator"), &other.into(), detail));
        }
    }
    let key = field::text(rule, "key");
    field::each(&path.field("key"), key, &text::key(key), causes);
    if strict {
        for (index, value) in values.iter().enumerate() {
            let value = value.as_str().unwrap_or("");
            field::each(&place.index(index), value, &text::label_value(value), causes);
        }
    }
}

/// Annotations together have at most 256 KiB.
pub(super) fn annotations(notes: &Map, path: &Path<'_>, causes: &mut Vec<Cause>) {
    const MOST: usize = 256 << 10;
    for key in notes.keys() {
        field::each(path, key, &text::key(&key.to_lowercase()), causes);
    }
    let size: usize = notes.iter().map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
    if size > MOST {
        causes.push(field::too_long(path, MOST as u64));
    }
}

fn name_problems(
    version: Version,
    resource: &GroupResource,
    object: &Value,
    name: &str,
) -> Problems {
    match (&*resource.group, &*resource.resource) {
        ("", "services") if !version.has("RelaxedServiceNameValidation") => text::label_1035(name),
        ("", "services" | "namespaces") | ("apps", "statefulsets") => text::label(name),
        ("rbac.authorization.k8s.io" | "apiregistration.k8s.io", _) | ("", "events") => {
            text::segment(name)
        }
        ("policy", "poddisruptionbudgets")
        | ("certificates.k8s.io", "certificatesigningrequests") => Problems::new(),
        ("networking.k8s.io", "ipaddresses") => {
            address::problem(name).into_iter().map(Into::into).collect()
        }
        ("certificates.k8s.io", "clustertrustbundles") => {
            let signer = at(object, &["spec", "signerName"]).and_then(Value::as_str).unwrap_or("");
            trust_bundle(signer, name)
        }
        _ => text::subdomain(name),
    }
}

/// The bundles of a signer are named for it.
fn trust_bundle(signer: &str, name: &str) -> Problems {
    if signer.is_empty() {
        if name.contains(':') {
            let why = "ClusterTrustBundle without signer name must not have \":\" in its name";
            return vec![why.into()];
        }
        return text::subdomain(name);
    }
    let prefix = format!("{}:", signer.replace('/', ":"));
    match name.strip_prefix(&prefix) {
        Some(rest) => text::subdomain(rest),
        None => {
            let why = format!(
                "ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"
            );
            vec![why.into()]
        }
    }
}

/// A base whose last dash stands for the letters that will follow.
fn masked(base: &str) -> std::borrow::Cow<'_, str> {
    match base.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let kept = rest.char_indices().next_back().map_or("", |(at, _)| &rest[..at]);
            format!("{kept}a").into()
        }
        _ => base.into(),
    }
}
