//! Health: whether an object is what it was asked to be, read from its own status.
//!
//! A status counts only when its `observedGeneration` has caught up: otherwise it speaks of an
//! older spec. One file a kind; [`RULES`] registers them; what has no rule is well by existing.

use serde_json::Value;

mod claim;
mod crd;
mod daemon_set;
mod deployment;
mod disruption_budget;
mod job;
mod namespace;
mod pod;
mod replica_set;
mod service;
mod stateful_set;

/// How an object fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is what it was asked to be.
    Healthy,
    /// It is on the way; the reason is for people.
    Progressing(String),
    /// It will not get there without a change; the reason is for people.
    Failed(String),
}

/// The health rule of one kind.
struct Rule {
    group: &'static str,
    kind: &'static str,
    check: fn(&Value) -> Health,
}

/// Every rule there is.
const RULES: &[Rule] = &[
    Rule { group: "apps", kind: "Deployment", check: deployment::check },
    Rule { group: "apps", kind: "ReplicaSet", check: replica_set::check },
    Rule { group: "apps", kind: "StatefulSet", check: stateful_set::check },
    Rule { group: "apps", kind: "DaemonSet", check: daemon_set::check },
    Rule { group: "batch", kind: "Job", check: job::check },
    Rule { group: "", kind: "Pod", check: pod::check },
    Rule { group: "", kind: "PersistentVolumeClaim", check: claim::check },
    Rule { group: "", kind: "Service", check: service::check },
    Rule { group: "", kind: "Namespace", check: namespace::check },
    Rule { group: "policy", kind: "PodDisruptionBudget", check: disruption_budget::check },
    Rule { group: "apiextensions.k8s.io", kind: "CustomResourceDefinition", check: crd::check },
];

/// The health of a live object.
#[must_use]
pub fn health(object: &Value) -> Health {
    if object["metadata"]["deletionTimestamp"].is_string() {
        return Health::Progressing("it is being deleted".to_owned());
    }
    let (group, kind) = (group_of(object), object["kind"].as_str().unwrap_or_default());
    RULES
        .iter()
        .find(|rule| rule.group == group && rule.kind == kind)
        .map_or(Health::Healthy, |rule| (rule.check)(object))
}

/// Whether an object of this kind can be anything but healthy once it exists.
#[must_use]
pub fn has_rule(group: &str, kind: &str) -> bool {
    RULES.iter().any(|rule| rule.group == group && rule.kind == kind)
}

fn group_of(object: &Value) -> &str {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    version.split_once('/').map_or("", |(group, _)| group)
}

/// The number at a path below the object, or what Kubernetes means by its absence.
fn number(object: &Value, pointer: &str, absent: i64) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(absent)
}

/// Progressing, while the controller has not yet seen the present spec.
fn unseen(object: &Value) -> Option<Health> {
    let generation = number(object, "/metadata/generation", 0);
    let observed = number(object, "/status/observedGeneration", 0);
    (observed < generation)
        .then(|| Health::Progressing("its controller has not seen the present spec".to_owned()))
}

/// The condition of a type.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// Whether the condition of a type is True.
fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

/// "reason: message" of a condition.
fn told(condition: &Value) -> String {
    let reason = condition["reason"].as_str().unwrap_or_default();
    let message = condition["message"].as_str().unwrap_or_default();
    match (reason.is_empty(), message.is_empty()) {
        (false, false) => format!("{reason}: {message}"),
        (false, true) => reason.to_owned(),
        _ => message.to_owned(),
    }
}

/// "n of m …", while there are fewer than wanted.
fn short(have: i64, wanted: i64, what: &str) -> Option<Health> {
    (have < wanted).then(|| Health::Progressing(format!("{have} of {wanted} {what}")))
}

#[cfg(test)]
mod tests;
