//! What is not yet as it is wanted: the one definition of "desired = actual".
//!
//! An object is settled when its controller has seen its generation and says that it is done,
//! in the sense of kstatus. The runner has converged when everything is settled.

use std::collections::BTreeMap;
use std::time::Duration;

use maestro_sim::json::Value;
use maestro_sim::object::{GroupResource, Key, Object};

use super::Class;
use crate::event::{Write, describe};

/// An object that is not as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// `Kind namespace/name`.
    pub object: String,
    /// What it waits for.
    pub waits_for: String,
    /// Since when.
    pub since: Duration,
    /// How near it is to the cause: instances wait for executions, those for workloads.
    pub depth: u8,
}

/// The objects that are not as they are wanted, and since when all are.
#[derive(Debug, Default)]
pub struct Settled {
    unsettled: BTreeMap<(GroupResource, Key), Unsettled>,
    since: Duration,
}

impl Settled {
    /// Takes a write in.
    pub fn apply(&mut self, class: Class, write: &Write, at: Duration) {
        if class == Class::Background {
            return;
        }
        let Some(object) = write.object() else { return };
        let waits_for = write.new.as_ref().and_then(|new| waits_for(class, new));
        if waits_for.is_none() && self.unsettled.is_empty() {
            return;
        }
        let id = (write.resource.clone(), object.key().clone());
        let Some(waits_for) = waits_for else {
            if self.unsettled.remove(&id).is_some() && self.unsettled.is_empty() {
                self.since = at;
            }
            return;
        };
        let since = self.unsettled.get(&id).map_or(at, |earlier| earlier.since);
        let object = describe(&write.resource, object);
        self.unsettled.insert(id, Unsettled { object, waits_for, since, depth: depth(class) });
    }

    /// Since when everything is settled; `None` when something is not.
    pub fn since(&self) -> Option<Duration> {
        self.unsettled.is_empty().then_some(self.since)
    }

    /// The object nearest to the cause of whatever is not settled, the oldest of them first.
    pub fn cause(&self) -> Option<&Unsettled> {
        self.unsettled.values().min_by_key(|u| (std::cmp::Reverse(u.depth), u.since))
    }

    /// All that is not settled.
    pub fn unsettled(&self) -> impl Iterator<Item = &Unsettled> {
        self.unsettled.values()
    }
}

fn depth(class: Class) -> u8 {
    match class {
        Class::Instance => 0,
        Class::Execution => 1,
        Class::Pod => 3,
        _ => 2,
    }
}

/// What an object waits for; `None` when it is as it is wanted.
fn waits_for(class: Class, object: &Object) -> Option<String> {
    if object.is_deleting() {
        let finalizers: Vec<&str> = object.finalizers().collect();
        return Some(match finalizers.as_slice() {
            [] => "to be gone".to_owned(),
            some => format!("finalizer {} to be removed", some.join(", ")),
        });
    }
    match class {
        Class::Instance => observed(object).or_else(|| condition(object, "Ready")),
        Class::Execution => execution(object),
        Class::StatefulSet => observed(object).or_else(|| replicas(object, "readyReplicas")),
        Class::Workload => workload(object),
        Class::Claim if object.text(&["status", "phase"]) != "Bound" => {
            Some("a volume to bind".to_owned())
        }
        Class::Pod => pod(object),
        _ => None,
    }
}

fn observed(object: &Object) -> Option<String> {
    let (seen, wanted) =
        (object.int(&["status", "observedGeneration"]).unwrap_or(0), object.generation());
    (seen < wanted).then(|| format!("generation {wanted} to be observed (now {seen})"))
}

fn condition(object: &Object, name: &str) -> Option<String> {
    let text =
        |c: &Value, field: &str| c.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
    let all = object.items(&["status", "conditions"]);
    let Some(found) = all.iter().find(|c| text(c, "type") == name) else {
        return Some(format!("condition {name}, which is not set"));
    };
    if text(found, "status") == "True" {
        return None;
    }
    let (reason, message) = (text(found, "reason"), text(found, "message"));
    let said = [reason, message].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>();
    Some(format!("condition {name}={} ({})", text(found, "status"), said.join(": ")))
}

fn execution(object: &Object) -> Option<String> {
    let state = object.text(&["status", "state"]);
    // Failed is where a run may well end; the instance says whether that is wanted.
    if ["Complete", "Failed", "Cancelled", "Superseded", "Suspended"].contains(&state) {
        return None;
    }
    let steps = object.items(&["status", "phases"]).iter().flat_map(|phase| {
        let name = phase.get("name").and_then(Value::as_str).unwrap_or("");
        let steps = phase.get("steps").and_then(Value::as_array).into_iter().flatten();
        steps.map(move |step| (name, step))
    });
    let field =
        |step: &Value, name: &str| step.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let mut open = steps.filter(|(_, step)| {
        ["Running", "Retrying", "Paused"].contains(&field(step, "state").as_str())
    });
    Some(match open.next() {
        Some((phase, step)) => {
            let (name, state) = (field(step, "name"), field(step, "state"));
            let message = field(step, "message");
            let colon = if message.is_empty() { "" } else { ": " };
            format!("step {phase}/{name}, which is {state}{colon}{message}")
        }
        None if state.is_empty() => "to be begun".to_owned(),
        None => format!("its end (state {state})"),
    })
}

fn replicas(object: &Object, ready_field: &str) -> Option<String> {
    let wanted = object.int(&["spec", "replicas"]).unwrap_or(1);
    let status = |field: &str| object.int(&["status", field]).unwrap_or(0);
    let (ready, updated, all) =
        (status(ready_field), status("updatedReplicas"), status("replicas"));
    if all != wanted {
        return Some(format!("{wanted} replicas (now {all})"));
    }
    if ready != wanted {
        return Some(format!("{wanted} ready replicas (now {ready})"));
    }
    let partition = object.int(&["spec", "updateStrategy", "rollingUpdate", "partition"]);
    let rolls = object.text(&["spec", "updateStrategy", "type"]) != "OnDelete";
    let to_update = (wanted - partition.unwrap_or(0)).max(0);
    let current =
        object.text(&["status", "currentRevision"]) == object.text(&["status", "updateRevision"]);
    let is_set = object.text(&["kind"]) == "StatefulSet";
    let behind = updated < to_update && !(is_set && current);
    (rolls && behind).then(|| format!("{to_update} updated replicas (now {updated})"))
}

fn workload(object: &Object) -> Option<String> {
    match object.text(&["kind"]) {
        "Deployment" => observed(object).or_else(|| replicas(object, "availableReplicas")),
        "DaemonSet" => observed(object).or_else(|| {
            let status = |field: &str| object.int(&["status", field]).unwrap_or(0);
            let (wanted, ready) = (status("desiredNumberScheduled"), status("numberReady"));
            (ready != wanted).then(|| format!("{wanted} ready pods (now {ready})"))
        }),
        "Job" => {
            let suspended = object.at(&["spec", "suspend"]).and_then(Value::as_bool);
            let ended = ["Complete", "Failed"].iter().any(|c| condition(object, c).is_none());
            (!ended && suspended != Some(true)).then(|| "the job to end".to_owned())
        }
        _ => None,
    }
}

/// Pods count through their owners; what a pod itself may wait for is a container that cannot
/// start, which is the deepest cause there is.
fn pod(object: &Object) -> Option<String> {
    let waiting = object.items(&["status", "containerStatuses"]).iter().find_map(|container| {
        let waiting = container.get("state")?.get("waiting")?;
        let reason = waiting.get("reason")?.as_str()?;
        let name = container.get("name")?.as_str()?;
        let stuck = ["ImagePullBackOff", "ErrImagePull", "CrashLoopBackOff"].contains(&reason);
        stuck.then(|| format!("container {name} ({reason})"))
    });
    waiting.or_else(|| {
        let conditions = object.items(&["status", "conditions"]);
        let unschedulable = conditions
            .iter()
            .any(|c| c.get("reason").and_then(Value::as_str) == Some("Unschedulable"));
        unschedulable.then(|| "a node (Unschedulable)".to_owned())
    })
}
