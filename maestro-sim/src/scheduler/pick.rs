//! One scheduling decision: filter, score, choose; or the message that says why not.

use std::collections::BTreeMap;

use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::{BEST, Refusal, Sight, plugins};

/// Why no node takes the pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unfit {
    /// `0/3 nodes are available: …`, without the part on preemption.
    pub message: String,
    /// The nodes where evicting pods might help.
    pub candidates: Vec<String>,
    /// Whether the pod was refused before any node was looked at.
    pub early: bool,
    /// How many nodes refuse for reasons that no eviction removes.
    pub hopeless: usize,
}

impl Unfit {
    /// The whole message, with why evicting pods does not help.
    ///
    /// What is refused early never gets as far as the state that a plugin before preemption
    /// (DynamicResources) asks for: all that is said then is that it was not found.
    pub fn told(&self, why: &str) -> String {
        match self.early {
            true => format!("{} not found", self.message),
            false => format!("{} preemption: {why}", self.message),
        }
    }
}

/// The best node; equals are decided by `draw(number of equals)`.
pub fn pick(sight: &Sight<'_>, draw: &mut dyn FnMut(u64) -> u64) -> Result<String, Unfit> {
    let nodes: Vec<&NodeInfo> = sight.cluster.nodes().collect();
    for plugin in plugins() {
        if let Err(reason) = plugin.prefilter(sight) {
            let message = format!("0/{} nodes are available: {reason}.", nodes.len());
            return Err(Unfit {
                message,
                candidates: Vec::new(),
                early: true,
                hopeless: nodes.len(),
            });
        }
    }
    let mut fit = Vec::new();
    let mut refusals = Vec::new();
    for node in &nodes {
        match filter(sight, node) {
            Ok(()) => fit.push(*node),
            Err(refusal) => refusals.push((node.name(), refusal)),
        }
    }
    if fit.is_empty() { Err(unfit(nodes.len(), &refusals)) } else { Ok(best(sight, &fit, draw)) }
}

/// Whether a node can take the pod: the first plugin that refuses gives the reasons.
pub fn filter(sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
    if let Some(fuller) = sight.cluster.reserved(node, sight.pod) {
        plugins().iter().try_for_each(|plugin| plugin.filter(sight, &fuller))?;
    }
    plugins().iter().try_for_each(|plugin| plugin.filter(sight, node))
}

fn unfit(total: usize, refusals: &[(&str, Refusal)]) -> Unfit {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in refusals.iter().flat_map(|(_, refusal)| &refusal.reasons) {
        *counts.entry(reason).or_default() += 1;
    }
    let message = if total == 0 {
        "no nodes available to schedule pods".to_owned()
    } else {
        // The real scheduler sorts the counted texts, not the counts.
        let mut parts: Vec<String> =
            counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        parts.sort();
        format!("0/{total} nodes are available: {}.", parts.join(", "))
    };
    let candidates: Vec<String> = refusals
        .iter()
        .filter(|(_, refusal)| refusal.preemptible)
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let hopeless = total - candidates.len();
    Unfit { message, candidates, early: false, hopeless }
}

fn best(sight: &Sight<'_>, fit: &[&NodeInfo], draw: &mut dyn FnMut(u64) -> u64) -> String {
    let totals = totals(sight, fit);
    let most = totals.iter().copied().max().unwrap_or(0);
    let equals: Vec<&NodeInfo> =
        fit.iter().zip(&totals).filter(|(_, total)| **total == most).map(|(n, _)| *n).collect();
    let count = u64::try_from(equals.len()).unwrap_or(1);
    let chosen = if count > 1 { draw(count) } else { 0 };
    let chosen = usize::try_from(chosen).ok().and_then(|n| equals.get(n)).or(equals.first());
    chosen.map_or_else(String::new, |node| node.name().to_owned())
}

/// What the plugins give each node together; nothing is asked about a node without a rival.
fn totals(sight: &Sight<'_>, fit: &[&NodeInfo]) -> Vec<i64> {
    let mut totals = vec![0_i64; fit.len()];
    if fit.len() > 1 {
        for plugin in plugins() {
            let Some(scores) = plugin.score(sight, fit) else { continue };
            for (total, score) in totals.iter_mut().zip(scores) {
                *total += plugin.weight() * score;
            }
        }
    }
    totals
}

/// Scales scores of 0 and more so that the highest becomes [`BEST`], or the lowest when less is
/// better (`helper.DefaultNormalizeScore`).
pub(super) fn normalize(scores: Vec<i64>, less_is_better: bool) -> Vec<i64> {
    let most = scores.iter().copied().max().unwrap_or(0);
    let scaled = |score: i64| if most == 0 { 0 } else { BEST * score / most };
    let turned = |score: i64| if less_is_better { BEST - score } else { score };
    scores.into_iter().map(|score| turned(scaled(score))).collect()
}
