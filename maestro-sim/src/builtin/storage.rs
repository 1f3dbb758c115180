//! Claims of volumes.
//!
//! Source: `ValidatePersistentVolumeClaim` of `k8s.io/kubernetes/pkg/apis/core/validation`.

use super::field::{self, Path, list, part, set, text};
use super::{meta, text as form};
use crate::api::Cause;
use crate::json::Value;
use crate::object::at;
use crate::quantity::Quantity;

/// A claim, of whose spec only the request and the class of attributes may change.
pub(super) fn claim(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let spec = part(object, "spec");
    claim_spec(spec, &root.field("spec"), causes);
    let bound = at(object, &["status", "phase"]).is_some_and(|phase| phase == "Bound");
    let fixed = |claim: &Value| {
        let mut spec = claim.get("spec").cloned().unwrap_or_default();
        if let Some(map) = spec.as_object_mut().filter(|_| bound) {
            map.remove("volumeAttributesClassName");
            let requests = map.get_mut("resources").and_then(|r| r.get_mut("requests"));
            if let Some(Value::Object(requests)) = requests {
                requests.remove("storage");
            }
        }
        spec
    };
    // The binder may name the volume of a claim that has none.
    let unbound = |claim: &Value| at(claim, &["spec", "volumeName"]).is_none_or(|v| v == "");
    let Some(old) = old else { return };
    if old_class(old) != old_class(object) {
        let place = "metadata.annotations.volume.beta.kubernetes.io/storage-class";
        let shown = old_class(object).cloned().unwrap_or_else(|| "".into());
        causes.push(field::invalid(&place, &shown, "field is immutable"));
    }
    let before_binding = old.clone();
    let mut before = fixed(old);
    // A class may come to a claim that has none.
    let classless = |claim: &Value| at(claim, &["spec", "storageClassName"]).is_none();
    if classless(old)
        && let (Some(map), Some(class)) =
            (before.as_object_mut(), at(object, &["spec", "storageClassName"]))
        && old_class(old).is_none_or(|noted| noted == class)
    {
        map.insert("storageClassName", class.clone());
    }
    if unbound(old)
        && let (Some(map), Some(name)) =
            (before.as_object_mut(), at(object, &["spec", "volumeName"]))
    {
        map.insert("volumeName", name.clone());
    }
    if before != fixed(object) {
        let detail = "spec is immutable after creation except resources.requests and \
                      volumeAttributesClassName for bound claims";
        causes.push(field::forbidden(&"spec", detail));
    }
    shrunk(object, old, causes);
    let mode = |claim: &Value| at(claim, &["spec", "volumeMode"]).cloned().unwrap_or_default();
    if mode(&before_binding) != mode(object) {
        // The server names the field alone, without the spec that it is in.
        causes.push(field::invalid(&"volumeMode", &mode(object), "field is immutable"));
    }
}

/// The class of a claim as it was noted before there was a field for it.
fn old_class(claim: &Value) -> Option<&Value> {
    at(claim, &["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"])
}

/// A claim may shrink only to what it has, and only as long as it has less.
fn shrunk(object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let amount = |path: &[&str], claim: &Value| -> Option<Quantity> {
        at(claim, path).and_then(Value::as_str)?.parse().ok()
    };
    let asked = ["spec", "resources", "requests", "storage"];
    let (Some(now), Some(before)) = (amount(&asked, object), amount(&asked, old)) else { return };
    if now < before {
        let has = amount(&["status", "capacity", "storage"], old).unwrap_or_default();
        if now <= has {
            let detail = "field can not be less than status.capacity";
            causes.push(field::forbidden(&"spec.resources.requests.storage", detail));
        }
    }
}

/// The spec of a claim or of a claim template.
pub(super) fn claim_spec(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let none = "at least 1 access mode is required";
    let modes = list(spec, "accessModes");
    access_modes(modes, none, &path.field("accessModes"), causes);
    if let Some(selector) = set(spec, "selector") {
        meta::label_selector(selector, &path.field("selector"), causes);
    }
    let resources = path.field("resources");
    let place = resources.key("storage");
    match at(spec, &["resources", "requests", "storage"]) {
        None => causes.push(field::required(&place, "")),
        Some(shown) => {
            let amount: Option<Quantity> = shown.as_str().and_then(|text| text.parse().ok());
            if amount.is_some_and(|amount| amount <= Quantity::default()) {
                causes.push(field::invalid(&place, shown, "must be greater than zero"));
            }
        }
    }
    classes(spec, path, causes);
    for name in ["dataSource", "dataSourceRef"] {
        if let Some(reference) = set(spec, name) {
            data_source(reference, &path.field(name), causes);
        }
    }
}

/// What the content of a volume begins with.
fn data_source(reference: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for name in ["name", "kind"] {
        if text(reference, name).is_empty() {
            causes.push(field::required(&path.field(name), ""));
        }
    }
    let group = text(reference, "apiGroup");
    if group.is_empty() {
        let kind = text(reference, "kind");
        if kind != "PersistentVolumeClaim" {
            let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            causes.push(field::invalid(path, &kind.into(), detail));
        }
    } else {
        field::each(&path.field("apiGroup"), group, &form::subdomain(group), causes);
    }
    let namespace = text(reference, "namespace");
    if !namespace.is_empty() {
        field::each(&path.field("namespace"), namespace, &form::label(namespace), causes);
    }
}

/// How a volume may be mounted; `none` is said where it may not be.
pub(super) fn access_modes(modes: &[Value], none: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    if modes.is_empty() {
        causes.push(field::required(path, none));
    }
    for mode in modes {
        if !mode.as_str().is_some_and(|mode| MODES.contains(&mode)) {
            causes.push(field::not_supported(path, mode, &MODES));
        }
    }
    if modes.iter().any(|m| m == "ReadWriteOncePod")
        && modes.iter().any(|m| m != "ReadWriteOncePod")
    {
        let detail = "may not use ReadWriteOncePod with other access modes";
        causes.push(field::forbidden(path, detail));
    }
}

/// The classes of a volume or a claim, and its mode.
pub(super) fn classes(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for name in ["storageClassName", "volumeAttributesClassName"] {
        let class = text(spec, name);
        if !class.is_empty() {
            field::each(&path.field(name), class, &form::subdomain(class), causes);
        }
    }
    field::word(spec, "volumeMode", &["Block", "Filesystem"], path, causes);
}

/// How much a class can provide somewhere: where and of which class is fixed.
pub(super) fn capacity(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let Some(old) = old else { return };
    for name in ["nodeTopology", "storageClassName"] {
        if object.get(name) != old.get(name) {
            let value = part(object, name);
            causes.push(field::invalid(&name, value, "field is immutable"));
        }
    }
}
