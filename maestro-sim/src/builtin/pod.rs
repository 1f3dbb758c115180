//! Pods and pod templates.

use serde_json::Value;

use super::field::{self, Path};
use super::meta::label_problem;
use super::pod_update;
use crate::api::Cause;
use crate::object::at;

/// A pod; on update only a few fields of its spec may change.
pub(super) fn pod(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    spec(object.get("spec").unwrap_or(&Value::Null), &path, causes);
    if let Some(old) = old
        && old.get("spec") != object.get("spec")
    {
        pod_update::pod(object, old, causes);
    }
}

/// The spec of a pod or of a template.
pub(super) fn spec(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let list = |name: &str| spec.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if list("containers").is_empty() {
        causes.push(field::required(&path.field("containers"), ""));
    }
    let mut volumes: Vec<&str> = Vec::new();
    names(list("volumes"), &path.field("volumes"), &mut volumes, causes);
    for (index, volume) in list("volumes").iter().enumerate() {
        let sources = volume.as_object().into_iter().flatten().filter(|(name, _)| *name != "name");
        let volumes = path.field("volumes");
        for (name, _) in sources.skip(1) {
            let detail = "may not specify more than 1 volume type";
            causes.push(field::forbidden(&volumes.index(index).field(name), detail));
        }
    }
    let mut seen = Vec::new();
    for kind in ["initContainers", "containers"] {
        let here = path.field(kind);
        names(list(kind), &here, &mut seen, causes);
        for (i, found) in list(kind).iter().enumerate() {
            container(found, &here.index(i), &volumes, causes);
        }
    }
    let policy = at(spec, &["restartPolicy"]).and_then(Value::as_str).unwrap_or("Always");
    let allowed = ["Always", "OnFailure", "Never"];
    if !allowed.contains(&policy) {
        causes.push(field::not_supported(&path.field("restartPolicy"), &policy.into(), &allowed));
    }
}

/// Names that must be there, be labels, and differ.
fn names<'a>(list: &'a [Value], path: &Path<'_>, seen: &mut Vec<&'a str>, causes: &mut Vec<Cause>) {
    for (i, item) in list.iter().enumerate() {
        let (here, name) = (path.index(i), item.get("name").and_then(Value::as_str).unwrap_or(""));
        let place = here.field("name");
        if name.is_empty() {
            causes.push(field::required(&place, ""));
        } else if let Some(problem) = label_problem(name) {
            causes.push(field::invalid(&place, &name.into(), &problem));
        } else if seen.contains(&name) {
            causes.push(field::duplicate(&place, &name.into()));
        }
        seen.push(name);
    }
}

fn container(container: &Value, path: &Path<'_>, volumes: &[&str], causes: &mut Vec<Cause>) {
    let text = |name: &str| container.get(name).and_then(Value::as_str).unwrap_or("");
    if text("image").is_empty() {
        causes.push(field::required(&path.field("image"), ""));
    }
    let list = |name: &str| container.get(name).and_then(Value::as_array).into_iter().flatten();
    let ports = path.field("ports");
    for (i, port) in list("ports").enumerate() {
        check_port(port.get("containerPort"), &ports.index(i).field("containerPort"), causes);
    }
    let mounts = path.field("volumeMounts");
    for (i, mount) in list("volumeMounts").enumerate() {
        let here = mounts.index(i);
        let name = mount.get("name").and_then(Value::as_str).unwrap_or("");
        if !volumes.contains(&name) {
            causes.push(field::not_found(&here.field("name"), &name.into()));
        }
        if mount.get("mountPath").and_then(Value::as_str).unwrap_or("").is_empty() {
            causes.push(field::required(&here.field("mountPath"), ""));
        }
    }
}

/// A port number that must be there and in range.
pub(super) fn check_port(port: Option<&Value>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    match port.and_then(Value::as_i64) {
        None | Some(0) if port.is_none_or(|p| p.is_null() || p == 0) => {
            causes.push(field::required(path, ""));
        }
        Some(1..=65535) => {}
        _ => {
            let value = port.cloned().unwrap_or_default();
            let detail = "must be between 1 and 65535, inclusive";
            causes.push(field::invalid(path, &value, detail));
        }
    }
}
