//! Services, config maps, secrets, claims and role bindings.

use serde_json::Value;

use super::field::{self, Path};
use super::pod::check_port;
use crate::api::Cause;
use crate::object::at;

const IMMUTABLE: &str = "field is immutable when `immutable` is set";

/// A service: ports, type, and a cluster IP that stays.
pub(super) fn service(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let spec = root.field("spec");
    let text = |o: &Value, name: &str| {
        at(o, &["spec", name]).and_then(Value::as_str).unwrap_or("").to_owned()
    };
    let kind = match text(object, "type") {
        unset if unset.is_empty() => "ClusterIP".to_owned(),
        set => set,
    };
    if let Some(old) = old.filter(|_| kind != "ExternalName") {
        same_address(object, old, causes);
    }
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !kinds.contains(&kind.as_str()) {
        causes.push(field::not_supported(&spec.field("type"), &kind.as_str().into(), &kinds));
    }
    let none = Vec::new();
    let ports = at(object, &["spec", "ports"]).and_then(Value::as_array).unwrap_or(&none);
    let headless = text(object, "clusterIP") == "None";
    let path = spec.field("ports");
    if ports.is_empty() && kind != "ExternalName" && !headless {
        causes.push(field::required(&path, ""));
    }
    let mut seen: Vec<&str> = Vec::new();
    for (i, port) in ports.iter().enumerate() {
        let here = path.index(i);
        let name = port.get("name").and_then(Value::as_str).unwrap_or("");
        if name.is_empty() && ports.len() > 1 {
            causes.push(field::required(&here.field("name"), ""));
        } else if seen.contains(&name) {
            causes.push(field::duplicate(&here.field("name"), &name.into()));
        }
        seen.push(name);
        check_port(port.get("port"), &here.field("port"), causes);
    }
    if kind == "ExternalName" && text(object, "externalName").is_empty() {
        causes.push(field::required(&spec.field("externalName"), ""));
    }
}

/// A cluster IP stays as long as the type does.
fn same_address(object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let spec = root.field("spec");
    let text = |o: &Value, name: &str| {
        at(o, &["spec", name]).and_then(Value::as_str).unwrap_or("").to_owned()
    };
    let before = text(old, "clusterIP");
    if !before.is_empty()
        && before != text(object, "clusterIP")
        && text(old, "type") == text(object, "type")
    {
        let value = at(object, &["spec", "clusterIPs"]).cloned().unwrap_or_default();
        let list = spec.field("clusterIPs");
        causes.push(field::invalid(&list.index(0), &value, "may not change once set"));
    }
}

fn is_data_key(key: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    !key.is_empty() && key.len() <= 253 && !key.starts_with("..") && key.bytes().all(fits)
}

fn data(object: &Value, lists: &[&str], causes: &mut Vec<Cause>) {
    for list in lists {
        let keys = at(object, &[*list]).and_then(Value::as_object);
        for key in keys.into_iter().flatten().map(|(key, _)| key).filter(|k| !is_data_key(k)) {
            let detail = "a valid config key must consist of alphanumeric characters, '-', '_' or \
                          '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for \
                          validation is '[-._a-zA-Z0-9]+')";
            let path = format!("{list}[{key}]");
            causes.push(field::invalid(&path, &key.as_str().into(), detail));
        }
    }
}

/// Whether an object may no longer change, and what of it did.
fn frozen(object: &Value, old: Option<&Value>, lists: &[&str], causes: &mut Vec<Cause>) {
    let Some(old) = old.filter(|o| at(o, &["immutable"]) == Some(&Value::Bool(true))) else {
        return;
    };
    if at(object, &["immutable"]) != Some(&Value::Bool(true)) {
        causes.push(field::forbidden(&"immutable", IMMUTABLE));
    }
    for list in lists.iter().filter(|list| at(object, &[*list]) != at(old, &[*list])) {
        causes.push(field::forbidden(list, IMMUTABLE));
    }
}

/// A config map.
pub(super) fn config_map(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    data(object, &["data", "binaryData"], causes);
    frozen(object, old, &["data", "binaryData"], causes);
}

/// A secret, whose type stays.
pub(super) fn secret(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    data(object, &["data"], causes);
    frozen(object, old, &["data"], causes);
    let kind = |o: &Value| o.get("type").cloned().unwrap_or_default();
    if old.is_some_and(|old| kind(old) != kind(object)) {
        causes.push(field::invalid(&"type", &kind(object), "field is immutable"));
    }
}

/// A claim, of whose spec only the request and the class of attributes may change.
pub(super) fn claim(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let modes = at(object, &["spec", "accessModes"]).and_then(Value::as_array);
    if modes.is_none_or(Vec::is_empty) {
        causes.push(field::required(&"spec.accessModes", "at least 1 access mode is required"));
    }
    if at(object, &["spec", "resources", "requests", "storage"]).is_none() {
        causes.push(field::required(&"spec.resources[storage]", ""));
    }
    let fixed = |claim: &Value| {
        let mut spec = claim.get("spec").cloned().unwrap_or_default();
        if let Some(map) = spec.as_object_mut() {
            map.remove("resources");
            map.remove("volumeAttributesClassName");
        }
        spec
    };
    // The binder may name the volume of a claim that has none.
    let unbound = |claim: &Value| at(claim, &["spec", "volumeName"]).is_none_or(|v| v == "");
    let Some(old) = old else { return };
    let before_binding = old.clone();
    let mut before = fixed(old);
    // A class may come to a claim that has none.
    let classless = |claim: &Value| at(claim, &["spec", "storageClassName"]).is_none();
    if classless(old)
        && let (Some(map), Some(class)) =
            (before.as_object_mut(), at(object, &["spec", "storageClassName"]))
        && old_class(old).is_none_or(|noted| noted == class)
    {
        map.insert("storageClassName".to_owned(), class.clone());
    }
    if unbound(old)
        && let (Some(map), Some(name)) =
            (before.as_object_mut(), at(object, &["spec", "volumeName"]))
    {
        map.insert("volumeName".to_owned(), name.clone());
    }
    if before != fixed(object) {
        let detail = "spec is immutable after creation except resources.requests and \
                      volumeAttributesClassName for bound claims";
        causes.push(field::forbidden(&"spec", detail));
    }
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

/// A role binding, which cannot be turned to another role.
pub(super) fn role_binding(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let role = |o: &Value| o.get("roleRef").cloned().unwrap_or_default();
    if at(object, &["roleRef", "name"]).is_none() {
        causes.push(field::required(&"roleRef.name", ""));
    }
    if old.is_some_and(|old| role(old) != role(object)) {
        causes.push(field::invalid(&"roleRef", &role(object), "cannot change roleRef"));
    }
}
