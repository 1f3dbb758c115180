//! Preemption: which pods of lower priority to evict, and from which node.
//!
//! Source: `pkg/scheduler/framework/plugins/defaultpreemption`.

use std::sync::Arc;

use crate::object::at;
use crate::scheduler::Sight;
use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::pick::{Unfit, filter};
use crate::scheduler::pod::PodInfo;

/// A node and the pods that have to go from it.
#[derive(Debug)]
pub struct Preemption {
    /// The node.
    pub node: String,
    /// The pods, most important first.
    pub victims: Vec<Arc<PodInfo>>,
}

/// The node where evicting costs least, or the sentence that says why nothing helps.
pub fn preempt(sight: &Sight<'_>, unfit: &Unfit) -> Result<Preemption, String> {
    let total = sight.cluster.nodes().count();
    if sight.pod.object.text(&["spec", "preemptionPolicy"]) == "Never" {
        return Err("not eligible due to preemptionPolicy=Never.".to_owned());
    }
    let candidates = unfit.candidates.iter().filter_map(|name| sight.cluster.node(name));
    let found = candidates.filter_map(|node| victims(sight, node));
    // Least important highest victim, then the smallest sum of priorities, then the fewest.
    let cost = |candidate: &Preemption| {
        let priorities = || candidate.victims.iter().map(|v| i128::from(v.priority));
        let shifted = priorities().map(|p| p + i128::from(i32::MAX) + 1).sum::<i128>();
        (priorities().max().unwrap_or(i128::MIN), shifted, candidate.victims.len())
    };
    found.min_by_key(cost).ok_or_else(|| {
        let mut parts = Vec::new();
        if unfit.hopeless > 0 {
            parts.push(format!("{} Preemption is not helpful for scheduling", unfit.hopeless));
        }
        if !unfit.candidates.is_empty() {
            let count = unfit.candidates.len();
            parts.push(format!("{count} No preemption victims found for incoming pod"));
        }
        parts.sort();
        format!("0/{total} nodes are available: {}.", parts.join(", "))
    })
}

/// The fewest and least important pods whose going makes room, or `None`.
fn victims(sight: &Sight<'_>, node: &NodeInfo) -> Option<Preemption> {
    let mut left = node.clone();
    let mut lower: Vec<Arc<PodInfo>> =
        node.pods.values().filter(|p| p.priority < sight.pod.priority).cloned().collect();
    if lower.is_empty() {
        return None;
    }
    for pod in &lower {
        left.remove(pod.key());
    }
    filter(sight, &left).ok()?;
    lower.sort_by_key(|a| importance(a));
    // The most important come back first, as long as the pod still fits.
    let mut victims = Vec::new();
    for pod in lower {
        left.add(Arc::clone(&pod));
        if filter(sight, &left).is_err() {
            left.remove(pod.key());
            victims.push(pod);
        }
    }
    Some(Preemption { node: node.name().to_owned(), victims })
}

/// Sorts the most important first: higher priority, then longer running.
fn importance(pod: &PodInfo) -> (i64, String) {
    let started = at(pod.object.value(), &["status", "startTime"]);
    let started = started.and_then(crate::json::Value::as_str).unwrap_or("~");
    (-pod.priority, started.to_owned())
}
