//! Requests against what nodes have left.

use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::{Plugin, Refusal, Sight};

/// Refuses nodes without room; prefers those with the most left, in cpu and memory alike.
pub struct Fit;

/// What a container without a request is taken to use when nodes are compared, in nanos:
/// 100m cpu and 200 MB (`pkg/scheduler/util/pod_resources.go`).
const USUAL: [(&str, i128); 2] =
    [("cpu", 100_000_000), ("memory", 200 * 1024 * 1024 * 1_000_000_000)];

impl Plugin for Fit {
    fn filter(&self, sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
        let mut reasons = Vec::new();
        let mut hopeless = false;
        let room = node.allocatable.get("pods").map_or(0, |q| q.value());
        if i64::try_from(node.pods.len()).unwrap_or(i64::MAX).saturating_add(1) > room {
            reasons.push("Too many pods".to_owned());
        }
        for (name, wanted) in &sight.pod.requests {
            if !wanted.is_zero() && *wanted > node.free(name) {
                reasons.push(format!("Insufficient {name}"));
                hopeless |= node.allocatable.get(name).is_none_or(|all| wanted > all);
            }
        }
        if reasons.is_empty() {
            return Ok(());
        }
        Err(Refusal { reasons, preemptible: !hopeless })
    }

    fn score(&self, sight: &Sight<'_>, nodes: &[&NodeInfo]) -> Option<Vec<i64>> {
        Some(nodes.iter().map(|node| least_allocated(sight, node)).collect())
    }
}

/// 0 to 100: how much of cpu and memory is left once the pod is there, plus up to 100 for
/// using both alike.
fn least_allocated(sight: &Sight<'_>, node: &NodeInfo) -> i64 {
    let left = |(name, usual): &(&str, i128)| -> Option<i128> {
        let all = node.allocatable.get(*name)?.nanos();
        let of = |pod: &crate::scheduler::pod::PodInfo| {
            pod.requests.get(*name).map_or(*usual, |q| q.nanos().max(1))
        };
        let used: i128 = node.pods.values().map(|pod| of(pod)).sum::<i128>() + of(sight.pod);
        (all > 0).then(|| (all - used).max(0) * 100 / all)
    };
    let left: Vec<i128> = USUAL.iter().filter_map(left).collect();
    let count = i128::try_from(left.len()).unwrap_or(1).max(1);
    let mean = left.iter().sum::<i128>() / count;
    let apart = match left.as_slice() {
        [cpu, memory] => (cpu - memory).abs() / 2,
        _ => 0,
    };
    i64::try_from(mean + 100 - apart).unwrap_or(0)
}
