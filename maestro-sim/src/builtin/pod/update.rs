//! What of a pod may change once it exists.
//!
//! Source: `ValidatePodUpdate` of `k8s.io/kubernetes/pkg/apis/core/validation`.

use super::super::field::{self, Path};
use crate::api::Cause;
use crate::json::{Array, Value};
use crate::object::at;

/// What is wrong with a change of a pod.
pub(super) fn pod(object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    for list in ["containers", "initContainers"] {
        if names(object, list) != names(old, list) {
            let detail = "pod updates may not add or remove containers";
            causes.push(field::forbidden(&path.field(list), detail));
            return;
        }
    }
    if !deadline(object, old, &path.field("activeDeadlineSeconds"), causes) {
        return;
    }
    new_gates(object, old, &path.field("schedulingGates"), causes);
    if !keeps_tolerations(object, old) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        causes.push(field::forbidden(&path.field("tolerations"), detail));
    }
    if frozen(old) != frozen(object) {
        let detail = "pod updates may not change fields other than \
                `spec.containers[*].image`,`spec.initContainers[*].image`,\
                `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
                tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it \
                was previously negative)";
        causes.push(field::forbidden(&path, detail));
    }
}

fn names(pod: &Value, list: &str) -> usize {
    at(pod, &["spec", list]).and_then(Value::as_array).map_or(0, |all| all.len())
}

/// A deadline may come, and come nearer. Answers whether the other checks follow.
fn deadline(object: &Value, old: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) -> bool {
    let seconds = |pod: &Value| at(pod, &["spec", "activeDeadlineSeconds"]).and_then(Value::as_i64);
    match (seconds(object), seconds(old)) {
        (Some(now), Some(before)) if now > before => {
            let detail = "must be less than or equal to previous value";
            causes.push(field::invalid(path, &now.into(), detail));
            false
        }
        (None, Some(_)) => {
            let detail = "must not update from a positive integer to nil value";
            causes.push(field::invalid(path, &Value::Null, detail));
            true
        }
        _ => true,
    }
}

/// Gates may go, and none may come.
fn new_gates(object: &Value, old: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let gates = |pod| {
        at(pod, &["spec", "schedulingGates"]).and_then(Value::as_array).map_or(&[][..], |l| &**l)
    };
    for (index, gate) in gates(object).iter().enumerate() {
        let name = field::text(gate, "name");
        if !gates(old).iter().any(|known| field::text(known, "name") == name) {
            let detail =
                format!("only deletion is allowed, but found new scheduling gate '{name}'");
            let here = path.index(index);
            causes.push(field::forbidden(&here.field("name"), &detail));
        }
    }
}

/// Whether every former toleration is still there, its seconds aside.
fn keeps_tolerations(object: &Value, old: &Value) -> bool {
    let list = |pod: &Value| -> Array {
        let list = at(pod, &["spec", "tolerations"]).and_then(Value::as_array);
        let mut list = list.cloned().unwrap_or_default();
        for toleration in list.iter_mut().filter_map(Value::as_object_mut) {
            toleration.remove("tolerationSeconds");
        }
        list
    };
    let now = list(object);
    list(old).iter().all(|toleration| now.contains(toleration))
}

/// What of a pod's spec stays as it is.
fn frozen(pod: &Value) -> Value {
    let mut spec = pod.get("spec").cloned().unwrap_or_default();
    if let Some(map) = spec.as_object_mut() {
        for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
            map.remove(field);
        }
        for list in ["containers", "initContainers"] {
            let list = map.get_mut(list).and_then(Value::as_array_mut);
            for container in list.into_iter().flatten().filter_map(Value::as_object_mut) {
                container.remove("image");
            }
        }
        map.retain(|_, v| !v.as_array().is_some_and(|list| list.is_empty()));
    }
    spec
}
