//! Statuses that contradict themselves.
//!
//! Source: the `Validate*StatusUpdate` of `k8s.io/kubernetes/pkg/apis`.

use super::field::{self, Path, int, part, text};
use super::network;
use crate::api::Cause;
use crate::facts::Version;
use crate::json::Value;
use crate::object::at;

const OVER_ALL: &str = "cannot be greater than status.replicas";

/// The counts of a workload's status that may not be negative, and those that are at most its
/// replicas.
struct Counts {
    counts: &'static [&'static str],
    parts: &'static [&'static str],
    ready: &'static str,
}

fn counts(group: &str, resource: &str) -> Option<Counts> {
    Some(match (group, resource) {
        ("apps", "deployments") => Counts {
            counts: &[
                "observedGeneration",
                "replicas",
                "updatedReplicas",
                "readyReplicas",
                "availableReplicas",
                "unavailableReplicas",
                "terminatingReplicas",
                "collisionCount",
            ],
            parts: &["updatedReplicas", "readyReplicas", "availableReplicas"],
            ready: "cannot be greater than readyReplicas",
        },
        ("apps", "statefulsets") => Counts {
            counts: &[
                "replicas",
                "readyReplicas",
                "currentReplicas",
                "updatedReplicas",
                "availableReplicas",
                "observedGeneration",
                "collisionCount",
            ],
            parts: &["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"],
            ready: "cannot be greater than status.readyReplicas",
        },
        ("apps", "replicasets") | ("", "replicationcontrollers") => Counts {
            counts: &[
                "replicas",
                "fullyLabeledReplicas",
                "readyReplicas",
                "availableReplicas",
                "observedGeneration",
                "terminatingReplicas",
            ],
            parts: &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
            ready: "cannot be greater than readyReplicas",
        },
        ("apps", "daemonsets") => Counts {
            counts: &[
                "currentNumberScheduled",
                "numberMisscheduled",
                "desiredNumberScheduled",
                "numberReady",
                "observedGeneration",
                "updatedNumberScheduled",
                "numberAvailable",
                "numberUnavailable",
                "collisionCount",
            ],
            parts: &[],
            ready: "",
        },
        _ => return None,
    })
}

/// What is wrong with the status of a complete object.
pub(super) fn status(
    (group, resource): (&str, &str),
    object: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let root = Path::Root;
    let path = root.field("status");
    let status = part(object, "status");
    if (group, resource) == ("", "namespaces") {
        return phase(object, text(status, "phase"), causes);
    }
    if (group, resource) == ("policy", "poddisruptionbudgets") {
        for name in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
            field::not_negative(&path.field(name), int(status, name), causes);
        }
        return;
    }
    let Some(known) = counts(group, resource) else { return };
    for name in known.counts {
        field::not_negative(&path.field(name), int(status, name), causes);
    }
    let count = |name: &str| int(status, name).unwrap_or(0);
    for name in known.parts {
        if count(name) > count("replicas") {
            causes.push(field::invalid(&path.field(name), &count(name).into(), OVER_ALL));
        }
    }
    if !known.parts.is_empty() && count("availableReplicas") > count("readyReplicas") {
        let place = path.field("availableReplicas");
        causes.push(field::invalid(&place, &count("availableReplicas").into(), known.ready));
    }
    let before = old.and_then(|old| old.get("status")).and_then(|s| int(s, "collisionCount"));
    if before.is_some_and(|before| before > count("collisionCount")) {
        let place = path.field("collisionCount");
        let detail = "cannot be decremented";
        causes.push(field::invalid(&place, &count("collisionCount").into(), detail));
    }
}

/// Only a balanced Service has a balancer's addresses, and they are what they say.
pub(super) fn balancer(version: Version, service: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let status = root.field("status");
    let balancer = status.field("loadBalancer");
    let path = balancer.field("ingress");
    let ingress = service.pointer("/status/loadBalancer/ingress");
    let some = |list: &&Value| list.as_array().is_some_and(|list| !list.is_empty());
    let Some(ingress) = ingress.filter(some) else { return };
    if at(service, &["spec", "type"]).is_none_or(|kind| kind != "LoadBalancer") {
        let detail = "may only be used when `spec.type` is 'LoadBalancer'";
        causes.push(field::forbidden(&path, detail));
        return;
    }
    network::points(version, ingress, &path, causes);
}

/// A namespace is Active until its deletion begins.
fn phase(namespace: &Value, phase: &str, causes: &mut Vec<Cause>) {
    let dying = at(namespace, &["metadata", "deletionTimestamp"]).is_some();
    let (wrong, detail) = match dying {
        false => (phase != "Active", "may only be 'Active' if `deletionTimestamp` is empty"),
        true => (
            phase != "Terminating",
            "may only be 'Terminating' if `deletionTimestamp` is not empty",
        ),
    };
    if wrong {
        causes.push(field::invalid(&"status.Phase", &phase.into(), detail));
    }
}
