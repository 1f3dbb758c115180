//! What controllers ask about pods: phase, readiness, availability.
//!
//! Source: `k8s.io/kubernetes/pkg/api/v1/pod` and `pkg/controller/controller_utils.go`.

use crate::controller::Context;
use crate::json::Value;
use crate::object::Object;

/// The condition of a type among `status.conditions`.
pub fn condition<'a>(object: &'a Object, kind: &str) -> Option<&'a Value> {
    let all = object.items(&["status", "conditions"]);
    all.iter().find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
}

/// Whether a condition has status True.
pub fn has_condition(object: &Object, kind: &str) -> bool {
    condition(object, kind).and_then(|c| c.get("status")).and_then(Value::as_str) == Some("True")
}

/// `status.phase`, empty before the first status.
pub fn phase(pod: &Object) -> &str {
    pod.text(&["status", "phase"])
}

/// Whether every container ended for good.
pub fn is_terminated(pod: &Object) -> bool {
    matches!(phase(pod), "Failed" | "Succeeded")
}

/// Neither terminated nor being deleted.
pub fn is_active(pod: &Object) -> bool {
    !is_terminated(pod) && !pod.is_deleting()
}

/// Condition Ready is True.
pub fn is_ready(pod: &Object) -> bool {
    has_condition(pod, "Ready")
}

/// Now, in whole seconds since the Unix epoch.
pub fn now_unix(cx: &dyn Context) -> i64 {
    cx.unix_seconds(&cx.timestamp()).unwrap_or_default()
}

/// When a condition last changed, in Unix seconds.
pub fn since(cx: &dyn Context, object: &Object, kind: &str) -> Option<i64> {
    let at = condition(object, kind)?.get("lastTransitionTime")?.as_str()?;
    cx.unix_seconds(at)
}

/// `metadata.creationTimestamp` in Unix seconds, 0 when absent.
pub fn created(cx: &dyn Context, object: &Object) -> i64 {
    cx.unix_seconds(object.text(&["metadata", "creationTimestamp"])).unwrap_or_default()
}

/// How long a pod still has to stay ready to count as available: `Some(0)` when it is available,
/// `None` while it is not ready.
pub fn until_available(cx: &dyn Context, pod: &Object, min_ready_seconds: i64) -> Option<i64> {
    if !is_ready(pod) {
        return None;
    }
    if min_ready_seconds <= 0 {
        return Some(0);
    }
    let ready_for = now_unix(cx) - since(cx, pod, "Ready")?;
    Some((min_ready_seconds - ready_for).max(0))
}

/// Ready for at least `minReadySeconds`.
pub fn is_available(cx: &dyn Context, pod: &Object, min_ready_seconds: i64) -> bool {
    until_available(cx, pod, min_ready_seconds) == Some(0)
}
