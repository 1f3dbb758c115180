//! Requests against what nodes have left.
//!
//! Source: `pkg/scheduler/framework/plugins/noderesources`, strategy `LeastAllocated`, and
//! `NodeResourcesBalancedAllocation`, both over cpu and memory.

use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::pod::CpuMemory;
use crate::scheduler::{BEST, Plugin, Refusal, Sight};

/// Refuses nodes without room; prefers those with the most left, in cpu and memory alike.
pub struct Fit;

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
        Some(nodes.iter().map(|node| left(node, sight.pod.usual)).collect())
    }
}

/// The mean of the shares of cpu and memory that are left once the pod is there.
fn left(node: &NodeInfo, pod: CpuMemory) -> i64 {
    let used = node.usual.plus(pod);
    let shares = node.capacity.each().into_iter().zip(used.each());
    let left = |(all, used): (i64, i64)| {
        (all != 0).then(|| if used > all { 0 } else { share(all - used, all) })
    };
    let left: Vec<i64> = shares.filter_map(left).collect();
    match i64::try_from(left.len()) {
        Ok(count) if count > 0 => left.iter().sum::<i64>() / count,
        _ => 0,
    }
}

/// `part` of `all`, from 0 to [`BEST`], rounded down.
pub fn share(part: i64, all: i64) -> i64 {
    let scaled = i128::from(part) * i128::from(BEST) / i128::from(all);
    i64::try_from(scaled).unwrap_or(BEST)
}

/// Prefers nodes whose cpu and memory a pod makes more evenly used. It has no view of pods that
/// ask for neither, which would all go to one node.
pub struct Balanced;

impl Plugin for Balanced {
    fn score(&self, sight: &Sight<'_>, nodes: &[&NodeInfo]) -> Option<Vec<i64>> {
        let pod = sight.pod.asked;
        if pod == CpuMemory::default() {
            return None;
        }
        let gained = |node: &&NodeInfo| {
            let (with, without) = (node.asked.plus(pod), node.asked);
            let gain = even(with, node.capacity) - even(without, node.capacity);
            BEST / 2 + (BEST / 2 + gain) / 2
        };
        Some(nodes.iter().map(gained).collect())
    }
}

/// [`BEST`] less the standard deviation of the used shares.
fn even(used: CpuMemory, all: CpuMemory) -> i64 {
    let [cpu, memory] = used.each();
    let [all_cpu, all_memory] = all.each();
    if all_cpu == 0 || all_memory == 0 {
        return BEST;
    }
    let share = |used: i64, all: i64| (used as f64 / all as f64).min(1.0);
    let deviation = ((share(cpu, all_cpu) - share(memory, all_memory)) / 2.0).abs();
    ((1.0 - deviation) * BEST as f64) as i64
}
