//! What the scheduler writes besides bindings: conditions of pods, nodes for claims, evictions.

use crate::api::Status;
use crate::controller::Context;
use crate::controller::volume::matching::{SELECTED_NODE, given};
use crate::json::{Value, json};
use crate::object::Object;
use crate::scheduler::agent::{NAME, PODS};
use crate::scheduler::pod::PodInfo;
use crate::scheduler::volumes::{CLAIMS, Plan, VOLUMES};

/// What an earlier scheduler reported of this pod.
pub(super) fn reported_before(pod: &Object) -> String {
    let conditions = pod.items(&["status", "conditions"]);
    let scheduled = conditions.iter().find(|c| c.get("type").is_some_and(|t| t == "PodScheduled"));
    let message = scheduled.and_then(|c| c.get("message")).and_then(Value::as_str);
    message.unwrap_or("").to_owned()
}

/// The pod's conditions with `PodScheduled` False.
pub(super) fn conditions(pod: &Object, reason: &str, message: &str, now: &str) -> Vec<Value> {
    let is_own = |c: &&Value| c.get("type").is_some_and(|t| t == "PodScheduled");
    let all = pod.items(&["status", "conditions"]);
    let old = all.iter().find(is_own);
    let since = old
        .filter(|c| c.get("status").is_some_and(|s| s == "False"))
        .and_then(|c| c.get("lastTransitionTime")?.as_str())
        .unwrap_or(now);
    let own = json!({
        "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
        "lastProbeTime": null, "lastTransitionTime": since,
        "observedGeneration": pod.generation(),
    });
    all.iter().filter(|c| !is_own(c)).cloned().chain([own]).collect()
}

/// Gives volumes to claims that wait for their first consumer, and asks for those that are to be
/// made. True once there is nothing to wait for.
pub(super) fn bind_volumes(
    plan: &Plan,
    node: &str,
    cx: &mut dyn Context,
) -> Result<bool, Box<Status>> {
    for (claim, volume) in &plan.bindings {
        if let Some(body) = given(volume, claim) {
            cx.update(&VOLUMES, body)?;
        }
    }
    for claim in &plan.provisions {
        if claim.annotation(SELECTED_NODE).is_none() {
            let patch = json!({"metadata": {"annotations": {SELECTED_NODE: node}}});
            cx.patch(&CLAIMS, claim.key(), patch)?;
        }
    }
    Ok(plan.bindings.is_empty() && plan.provisions.is_empty())
}

/// Makes a pod go: its condition says why, then it is deleted.
pub(super) fn evict(
    victim: &PodInfo,
    preemptor: &PodInfo,
    node: &str,
    cx: &mut dyn Context,
) -> Result<(), Box<Status>> {
    let object = &victim.object;
    let message = format!("{NAME}: preempting to accommodate a higher priority pod");
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
        "message": message, "lastProbeTime": null, "lastTransitionTime": cx.timestamp(),
    });
    let mut all = object.items(&["status", "conditions"]).to_vec();
    all.retain(|c| c.get("type").is_none_or(|t| t != "DisruptionTarget"));
    all.push(condition);
    let gone = |status: &Status| matches!(status.reason, "NotFound" | "Conflict");
    match cx.patch_status(&PODS, object.key(), json!({"status": {"conditions": all}})) {
        Err(status) if !gone(&status) => return Err(status),
        _ => {}
    }
    let options = json!({"preconditions": {"uid": object.uid()}});
    match cx.delete(&PODS, object.key(), options) {
        Err(status) if !gone(&status) => return Err(status),
        _ => {}
    }
    let message = format!("Preempted by pod {} on node {node}", preemptor.object.uid());
    cx.event(object, "Normal", "Preempted", &message);
    Ok(())
}
