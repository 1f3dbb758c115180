//! Preemption: which pods of lower priority to evict, and from which node.
//!
//! Source: `pkg/scheduler/framework/plugins/defaultpreemption`.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::controller::kinds::BUDGETS;
use crate::object::{Object, at};
use crate::scheduler::Sight;
use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::pick::{Unfit, filter};
use crate::scheduler::pod::PodInfo;
use crate::scheduler::selector::{is_empty, labels_match};

/// A node and the pods that have to go from it.
#[derive(Debug)]
pub struct Preemption {
    /// The node.
    pub node: String,
    /// The pods, most important first.
    pub victims: Vec<Arc<PodInfo>>,
    /// How many of them no disruption budget lets go.
    violating: usize,
}

/// The node where evicting costs least, or the sentence that says why nothing helps.
pub fn preempt(sight: &Sight<'_>, unfit: &Unfit) -> Result<Preemption, String> {
    let total = sight.cluster.nodes().count();
    if sight.pod.object.text(&["spec", "preemptionPolicy"]) == "Never" {
        return Err("not eligible due to preemptionPolicy=Never.".to_owned());
    }
    let candidates = unfit.candidates.iter().filter_map(|name| sight.cluster.node(name));
    let found = candidates.filter_map(|node| victims(sight, node));
    // Fewest budgets broken, least important highest victim, the smallest sum of priorities, the
    // fewest, and of the most important the one that started last.
    let cost = |candidate: &Preemption| {
        let priorities = || candidate.victims.iter().map(|v| i128::from(v.priority));
        let shifted = priorities().map(|p| p + i128::from(i32::MAX) + 1).sum::<i128>();
        let highest = priorities().max().unwrap_or(i128::MIN);
        let most = candidate.victims.iter().filter(|v| i128::from(v.priority) == highest);
        let started = most.map(|v| started(v)).min().unwrap_or_default();
        (candidate.violating, highest, shifted, candidate.victims.len(), Reverse(started))
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
    lower.sort_by_key(|pod| importance(pod));
    // Pods that budgets hold come back first, then the most important, as long as there is room.
    let (held, free) = by_budget(sight, lower);
    let mut victims = Vec::new();
    let mut violating = 0;
    for (pod, is_held) in held.into_iter().map(|p| (p, 1)).chain(free.into_iter().map(|p| (p, 0))) {
        left.add(Arc::clone(&pod));
        if filter(sight, &left).is_err() {
            left.remove(pod.key());
            victims.push(pod);
            violating += is_held;
        }
    }
    victims.sort_by_key(|pod| importance(pod));
    Some(Preemption { node: node.name().to_owned(), victims, violating })
}

/// The pods that one more disruption budget would be broken for, and the others, in their order.
fn by_budget(sight: &Sight<'_>, pods: Vec<Arc<PodInfo>>) -> (Vec<Arc<PodInfo>>, Vec<Arc<PodInfo>>) {
    let mut budgets: Vec<(&Arc<Object>, i64)> = sight
        .view
        .list(&BUDGETS, "")
        .filter(|budget| budget.at(&["spec", "selector"]).is_some_and(|s| !is_empty(s)))
        .map(|budget| (budget, budget.int(&["status", "disruptionsAllowed"]).unwrap_or(0)))
        .collect();
    let breaks = |pod: &Arc<PodInfo>| {
        let mut broken = false;
        for (budget, allowed) in &mut budgets {
            let known = || budget.at(&["status", "disruptedPods", pod.object.name()]).is_some();
            let concerned = budget.namespace() == pod.object.namespace()
                && pod.labels().is_some_and(|labels| !labels.is_empty())
                && labels_match(budget.at(&["spec", "selector"]), pod.labels());
            if concerned && !known() {
                *allowed -= 1;
                broken |= *allowed < 0;
            }
        }
        broken
    };
    pods.into_iter().partition(breaks)
}

/// Sorts the most important first: higher priority, then longer running.
fn importance(pod: &PodInfo) -> (i64, String) {
    (-pod.priority, started(pod))
}

/// When a pod started; later than any time where it has not.
fn started(pod: &PodInfo) -> String {
    let started = at(pod.object.value(), &["status", "startTime"]);
    started.and_then(crate::json::Value::as_str).unwrap_or("~").to_owned()
}
