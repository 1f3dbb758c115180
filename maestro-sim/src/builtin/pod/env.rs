//! Environment variables and where they come from.

use super::super::field::{self, Path, list, set, text};
use super::super::text as form;
use super::container::{Shared, descending};
use crate::api::Cause;
use crate::json::Value;

const MANY: &str = "may not have more than one field specified at a time";
/// What of a pod a variable may hold.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// What else can be named, though no variable can hold it.
const KNOWN: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// The variables of a container.
pub(super) fn variables(
    container: &Value,
    shared: &Shared<'_>,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    for (index, variable) in list(container, "env").iter().enumerate() {
        let here = path.index(index);
        let name = text(variable, "name");
        if name.is_empty() {
            causes.push(field::required(&here.field("name"), ""));
        } else {
            field::each(&here.field("name"), name, &form::env_name(name), causes);
        }
        if let Some(source) = set(variable, "valueFrom") {
            let has_value = !text(variable, "value").is_empty();
            value_from(source, has_value, shared, &here.field("valueFrom"), causes);
        }
    }
}

fn value_from(
    source: &Value,
    has_value: bool,
    shared: &Shared<'_>,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    let mut count = 0;
    if let Some(reference) = set(source, "fieldRef") {
        count += 1;
        field_ref(reference, &path.field("fieldRef"), &FIELDS, causes);
    }
    if let Some(reference) = set(source, "resourceFieldRef") {
        count += 1;
        resource_ref(reference, false, &path.field("resourceFieldRef"), causes);
    }
    for kind in ["configMapKeyRef", "secretKeyRef"] {
        if let Some(reference) = set(source, kind) {
            count += 1;
            key_ref(reference, &path.field(kind), causes);
        }
    }
    if let Some(reference) = set(source, "fileKeyRef") {
        count += 1;
        file_ref(reference, shared, &path.field("fileKeyRef"), causes);
    }
    let detail = match count {
        0 => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, \
             `secretKeyRef` or `fileKeyRef`"
        }
        _ if has_value => "may not be specified when `value` is not empty",
        1 => return,
        _ => MANY,
    };
    causes.push(field::invalid(path, &"".into(), detail));
}

/// A field of the pod itself.
pub(super) fn field_ref(
    reference: &Value,
    path: &Path<'_>,
    allowed: &[&str],
    causes: &mut Vec<Cause>,
) {
    let name = text(reference, "fieldPath");
    let place = path.field("fieldPath");
    let version = reference.get("apiVersion").and_then(Value::as_str).unwrap_or("v1");
    let wrong = |why: &str| {
        field::invalid(&place, &name.into(), &format!("error converting fieldPath: {why}"))
    };
    if name.is_empty() {
        causes.push(field::required(&place, ""));
        return;
    }
    if version != "v1" {
        causes.push(wrong(&format!("unsupported pod version: {version}")));
        return;
    }
    if let Some((outer, key)) = subscript(name) {
        match outer {
            "metadata.annotations" => {
                let key = key.to_lowercase();
                field::each(path, &key, &form::key(&key), causes);
            }
            "metadata.labels" => field::each(path, key, &form::key(key), causes),
            _ => causes.push(wrong(&format!("field label does not support subscript: {name}"))),
        }
        return;
    }
    let name = if name == "spec.host" { "spec.nodeName" } else { name };
    if !FIELDS.contains(&name) && !KNOWN.contains(&name) {
        causes.push(wrong(&format!("field label not supported: {name}")));
    } else if !allowed.contains(&name) {
        causes.push(field::not_supported(&place, &name.into(), allowed));
    }
}

/// `metadata.labels['key']`, taken apart.
fn subscript(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['")
}

/// An amount that a container asks for or is limited to.
pub(super) fn resource_ref(
    reference: &Value,
    of_volume: bool,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    let resource = text(reference, "resource");
    if of_volume && text(reference, "containerName").is_empty() {
        causes.push(field::required(&path.field("containerName"), ""));
    } else if resource.is_empty() {
        causes.push(field::required(&path.field("resource"), ""));
    } else if !RESOURCES.contains(&resource)
        && !resource.starts_with("limits.hugepages-")
        && !resource.starts_with("requests.hugepages-")
    {
        causes.push(field::not_supported(&path.field("resource"), &resource.into(), &RESOURCES));
    }
}

fn key_ref(reference: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    // Without a name the real server says what a name is.
    let name = text(reference, "name");
    field::each(&path.field("name"), name, &form::subdomain(name), causes);
    let key = text(reference, "key");
    if key.is_empty() {
        causes.push(field::required(&path.field("key"), ""));
    } else {
        field::each(&path.field("key"), key, &form::data_key(key), causes);
    }
}

/// A variable that a file of a volume holds.
fn file_ref(reference: &Value, shared: &Shared<'_>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if text(reference, "key").is_empty() {
        causes.push(field::required(&path.field("key"), ""));
    }
    let (volume, place) = (text(reference, "volumeName"), path.field("volumeName"));
    if volume.is_empty() {
        causes.push(field::required(&place, ""));
    } else {
        field::each(&place, volume, &form::label(volume), causes);
    }
    match text(reference, "path") {
        "" => causes.push(field::required(&path.field("path"), "")),
        file => descending(file, &path.field("path"), causes),
    }
    if !shared.volumes.contains(volume) {
        causes.push(field::not_found(&place, &volume.into()));
    } else if !shared.is(volume, &["emptyDir"]) {
        let detail = "referenced volume must be of type emptyDir";
        causes.push(field::invalid(&place, &volume.into(), detail));
    }
}

fn name(reference: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let name = text(reference, "name");
    if name.is_empty() {
        causes.push(field::required(&path.field("name"), ""));
    } else {
        field::each(&path.field("name"), name, &form::subdomain(name), causes);
    }
}

/// Whole ConfigMaps and Secrets as variables.
pub(super) fn from(container: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for (index, source) in list(container, "envFrom").iter().enumerate() {
        let here = path.index(index);
        let prefix = text(source, "prefix");
        if !prefix.is_empty() {
            field::each(&here.field("prefix"), prefix, &form::env_name(prefix), causes);
        }
        let mut count = 0;
        for kind in ["configMapRef", "secretRef"] {
            if let Some(reference) = set(source, kind) {
                count += 1;
                name(reference, &here.field(kind), causes);
            }
        }
        // The real server names the list here, not the item.
        match count {
            0 => {
                let detail = "must specify one of: `configMapRef` or `secretRef`";
                causes.push(field::invalid(path, &"".into(), detail));
            }
            1 => {}
            _ => causes.push(field::invalid(path, &"".into(), MANY)),
        }
    }
}
