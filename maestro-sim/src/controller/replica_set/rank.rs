//! Which pods a ReplicaSet deletes first.
//!
//! Source: `ActivePodsWithRanks` in `pkg/controller/controller_utils.go`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::controller::{Context, pods};
use crate::json::Value;
use crate::object::Object;

/// Annotation by which a user ranks pods; lower costs go first.
const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The `count` pods to delete: unassigned first, then pending, not ready, cheaper, more crowded
/// on their node, ready for a shorter time, restarted more often, younger.
///
/// `related` are the active pods of the same owner's other ReplicaSets too, for crowding.
pub fn victims(
    cx: &dyn Context,
    pods: &[Arc<Object>],
    related: &[Arc<Object>],
    count: usize,
) -> Vec<Arc<Object>> {
    let mut crowd: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in related.iter().filter(|p| pods::is_active(p)) {
        *crowd.entry(node(pod)).or_default() += 1;
    }
    let mut ranked: Vec<_> = pods.to_vec();
    ranked.sort_by_cached_key(|pod| {
        let phase = match pods::phase(pod) {
            "Pending" | "" => 0,
            "Unknown" => 1,
            _ => 2,
        };
        let ready = pods::is_ready(pod);
        let ready_since = if ready { pods::since(cx, pod, "Ready").unwrap_or(0) } else { 0 };
        (
            !node(pod).is_empty(),
            phase,
            ready,
            cost(pod),
            Reverse(crowd.get(node(pod)).copied().unwrap_or(0)),
            Reverse(bucket(pods::now_unix(cx), ready_since)),
            Reverse(restarts(pod)),
            Reverse(bucket(pods::now_unix(cx), pods::created(cx, pod))),
            pod.uid().to_owned(),
        )
    });
    ranked.truncate(count);
    ranked
}

fn node(pod: &Object) -> &str {
    pod.text(&["spec", "nodeName"])
}

fn cost(pod: &Object) -> i64 {
    pod.annotation(COST).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn restarts(pod: &Object) -> i64 {
    let all = pod.items(&["status", "containerStatuses"]).iter();
    all.filter_map(|s| s.get("restartCount").and_then(Value::as_i64)).max().unwrap_or(0)
}

/// Ages are compared in powers of two (KEP-2185), so that pods of about the same age are chosen
/// by uid. Later moments get greater numbers.
fn bucket(now: i64, moment: i64) -> i64 {
    let age = (now - moment).max(0).unsigned_abs();
    -i64::from(u64::BITS - age.leading_zeros())
}
