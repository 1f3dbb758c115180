//! What may change by the endpoints `ephemeralcontainers` and `resize`.
//!
//! Source: `ValidatePodEphemeralContainersUpdate` and `ValidatePodResize` of
//! `k8s.io/kubernetes/pkg/apis/core/validation`.

use super::super::field::{self, Path, list, set, text};
use super::MIRROR;
use crate::api::Cause;
use crate::facts::Version;
use crate::json::{Map, Value};
use crate::kubelet::needs::qos_class;
use crate::object::at;

/// What the whole pod is called.
const WHOLE: &str = "[]";

/// Containers come to a running pod; none is changed, and none goes.
pub(super) fn ephemeral(object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    if refuses(old, "static pods do not support ephemeral containers", causes) {
        return;
    }
    let root = Path::Root;
    let spec = root.field("spec");
    let path = spec.field("ephemeralContainers");
    let of = |pod| at(pod, &["spec"]).map_or(&[][..], |spec| list(spec, "ephemeralContainers"));
    for before in of(old) {
        let name = text(before, "name");
        let detail = match of(object).iter().rfind(|after| text(after, "name") == name) {
            None => format!("existing ephemeral containers \"{name}\" may not be removed\n"),
            Some(after) if after != before => {
                format!("existing ephemeral containers \"{name}\" may not be changed")
            }
            Some(_) => continue,
        };
        causes.push(field::forbidden(&path, &detail));
    }
}

/// Containers get other resources of CPU and memory, and nothing else.
pub(super) fn resize(version: Version, object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    if refuses(old, "static pods cannot be resized", causes)
        || at(old, &["spec", "os", "name"]).is_some_and(|name| name == "windows")
            && alone("windows pods cannot be resized", causes)
    {
        return;
    }
    let root = Path::Root;
    let path = root.field("spec");
    if qos_class(old) != qos_class(object) {
        let class = at(object, &["status", "qosClass"]).cloned().unwrap_or_default();
        let detail = "Pod QOS Class may not change as a result of resizing";
        causes.push(field::invalid(&path, &class, detail));
    }
    if !reports_resources(old) {
        let detail = "Pod running on node without support for resize";
        causes.push(field::forbidden(&path, detail));
    }
    if !whole(version, object, old, &path, causes) || !same_order(object, old, &path, causes) {
        return;
    }
    let before = causes.len();
    let resizes_init = version.has("InPlacePodVerticalScalingInitContainers");
    for kind in ["initContainers", "containers"] {
        let place = path.field(kind);
        for (index, (now, was)) in pairs(object, old, kind).enumerate() {
            let regular = kind == "containers";
            if regular || resizes_init || restarts(was) {
                let here = place.index(index);
                none_removed(now, was, &here.field("resources"), ["resource", ""], causes);
            }
        }
    }
    for (now, was) in pairs(object, old, "containers") {
        if masked(now, Some(was)) != *was {
            causes.push(field::forbidden(&path, "only cpu and memory resources are mutable"));
        }
    }
    let place = path.field("initContainers");
    for (index, (now, was)) in pairs(object, old, "initContainers").enumerate() {
        init(now, was, resizes_init, (&path, &place.index(index)), causes);
    }
    if causes.len() == before && others(object) != others(old) {
        causes.push(field::forbidden(&path, "only cpu and memory resources are mutable"));
    }
}

/// A container that runs before the others.
fn init(
    now: &Value,
    was: &Value,
    resizes: bool,
    (spec, here): (&Path<'_>, &Path<'_>),
    causes: &mut Vec<Cause>,
) {
    let changed = now != was;
    if !resizes && !restarts(now) {
        if changed {
            let detail = "resources for non-sidecar init containers are immutable";
            causes.push(field::forbidden(spec, detail));
        }
        return;
    }
    if masked(now, Some(was)) != *was {
        let detail = "only cpu and memory resources for init or sidecar containers are mutable";
        causes.push(field::forbidden(here, detail));
    }
    if changed && !restarts(now) {
        let policies = list(now, "resizePolicy").iter();
        for _ in policies.filter(|policy| text(policy, "restartPolicy") == "RestartContainer") {
            let detail = "non-sidecar init containers with a resize policy of RestartContainer \
                          cannot be resized";
            causes.push(field::forbidden(here, detail));
        }
    }
}

/// Pods that a kubelet has of itself refuse all of it.
fn refuses(old: &Value, detail: &str, causes: &mut Vec<Cause>) -> bool {
    at(old, &["metadata", "annotations", MIRROR]).is_some() && alone(detail, causes)
}

/// Says one thing and nothing else.
fn alone(detail: &str, causes: &mut Vec<Cause>) -> bool {
    *causes = vec![field::forbidden(&WHOLE, detail)];
    true
}

/// Whether the node that runs the pod says which resources containers have.
fn reports_resources(pod: &Value) -> bool {
    let status = at(pod, &["status"]).map_or(&[][..], |status| list(status, "containerStatuses"));
    let running = status.iter().find(|one| at(one, &["state", "running"]).is_some());
    running.is_none_or(|one| one.get("resources").is_some())
}

/// The resources of the pod as a whole. Answers whether the rest is looked at.
fn whole(
    version: Version,
    object: &Value,
    old: &Value,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) -> bool {
    let of = |pod: &'_ Value| at(pod, &["spec", "resources"]).cloned();
    let (now, was) = (of(object), of(old));
    let is_set = |resources: &Option<Value>| {
        let held = |name| set(resources.as_ref()?, name)?.as_object().map(|map| !map.is_empty());
        held("requests") == Some(true) || held("limits") == Some(true)
    };
    if !is_set(&now) && !is_set(&was) {
        return true;
    }
    if !version.has("InPlacePodLevelResourcesVerticalScaling") {
        let detail = "resize of pods with pod-level resources is forbidden when \
                      InPlacePodLevelResourcesVerticalScalingEnabled feature gate is disabled";
        causes.push(field::forbidden(&WHOLE, detail));
        return false;
    }
    let here = path.field("resources");
    let pod = |resources: &Option<Value>| {
        let mut pod = Map::new();
        if let Some(resources) = resources {
            pod.insert("resources", resources.clone());
        }
        Value::Object(pod)
    };
    let (now, was) = (pod(&now), pod(&was));
    if set(&was, "resources").is_some() && set(&now, "resources").is_none() {
        causes.push(field::forbidden(&here, "pod-level resources cannot be removed"));
        return true;
    }
    none_removed(&now, &was, &here, ["pod-level resource", "pod-level "], causes);
    let mut left = masked(&now, Some(&was));
    if set(&was, "resources").is_none() && at(&left, &["resources"]).is_some_and(is_empty) {
        left = pod(&None);
    }
    if left != was {
        let detail = "only cpu and memory resources are mutable at pod-level";
        causes.push(field::forbidden(path, detail));
    }
    true
}

fn is_empty(resources: &Value) -> bool {
    let map = resources.as_object();
    map.is_none_or(|map| map.values().all(|v| v.as_object().is_some_and(|map| map.is_empty())))
}

/// Containers stay, in their order. Answers whether they do.
fn same_order(object: &Value, old: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) -> bool {
    let before = causes.len();
    for kind in ["containers", "initContainers"] {
        let of = |pod| at(pod, &["spec"]).map_or(&[][..], |spec| list(spec, kind));
        let (now, was, place) = (of(object), of(old), path.field(kind));
        if now.len() != was.len() {
            let detail = format!("{kind} may not be added or removed on resize");
            causes.push(field::forbidden(&place, &detail));
            continue;
        }
        for (index, (now, was)) in now.iter().zip(was).enumerate() {
            if text(now, "name") != text(was, "name") {
                let detail = format!("{kind} may not be renamed or reordered on resize");
                causes.push(field::forbidden(&place.index(index).field("name"), &detail));
            }
        }
    }
    causes.len() == before
}

fn pairs<'v>(
    object: &'v Value,
    old: &'v Value,
    kind: &'v str,
) -> impl Iterator<Item = (&'v Value, &'v Value)> {
    let of = move |pod| at(pod, &["spec"]).map_or(&[][..], |spec| list(spec, kind));
    of(object).iter().zip(of(old))
}

fn restarts(container: &Value) -> bool {
    text(container, "restartPolicy") == "Always"
}

/// What was asked for once is always asked for.
fn none_removed(
    now: &Value,
    was: &Value,
    path: &Path<'_>,
    [requests, limits]: [&str; 2],
    causes: &mut Vec<Cause>,
) {
    for name in ["requests", "limits"] {
        let of = |holder| at(holder, &["resources", name]).and_then(Value::as_object);
        let Some(was) = of(was) else { continue };
        let kept = |key: &str| of(now).is_some_and(|now| now.contains_key(key));
        if !was.keys().all(|key| kept(key)) {
            let detail = match name {
                "requests" => format!("{requests} requests cannot be removed"),
                _ => format!("{limits}resource limits cannot be removed"),
            };
            causes.push(field::forbidden(&path.field(name), &detail));
        }
    }
}

/// What has resources, with the CPU and the memory of the former one.
fn masked(now: &Value, was: Option<&Value>) -> Value {
    let mut masked = now.clone();
    for name in ["requests", "limits"] {
        let of =
            |holder: &Value| at(holder, &["resources", name]).and_then(Value::as_object).cloned();
        let before = was.and_then(of);
        if of(now).is_none() && before.is_none() {
            continue;
        }
        let mut list = of(now).unwrap_or_default();
        for resource in ["cpu", "memory"] {
            match before.as_ref().and_then(|before| before.get(resource)) {
                Some(value) => list.insert(resource, value.clone()),
                None => list.remove(resource),
            };
        }
        let resources = crate::object::map_at(&mut masked, &["resources"]);
        // A list that nothing is left of is as good as none.
        match list.is_empty() && before.is_none_or(|before| before.is_empty()) {
            true => resources.remove(name),
            false => resources.insert(name, Value::Object(list)),
        };
    }
    masked
}

/// What of a pod no container's resources are.
fn others(pod: &Value) -> Value {
    let mut spec = at(pod, &["spec"]).cloned().unwrap_or_default();
    if let Some(map) = spec.as_object_mut() {
        for name in ["containers", "initContainers", "resources"] {
            map.remove(name);
        }
    }
    spec
}
