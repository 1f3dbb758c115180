//! Which nodes a pod names, selects or prefers, and which accept pods at all.

use crate::json::Value;
use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::pick::normalize;
use crate::scheduler::selector::{list, node_matches, term_matches};
use crate::scheduler::taints::tolerates;
use crate::scheduler::{Plugin, Refusal, Sight};

/// Cordoned nodes take no pods, but those that tolerate the cordon's taint.
pub struct Unschedulable;

impl Plugin for Unschedulable {
    fn filter(&self, sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
        let object = node.node.as_ref();
        let cordoned = object.and_then(|n| n.at(&["spec", "unschedulable"]));
        if cordoned.and_then(Value::as_bool) != Some(true) {
            return Ok(());
        }
        let key = "node.kubernetes.io/unschedulable";
        if tolerates(sight.pod.items(&["spec", "tolerations"]), key, "", "NoSchedule") {
            return Ok(());
        }
        Err(Refusal::lasting("node(s) were unschedulable"))
    }
}

/// A node named by a pod that is bound to none yet never differs; kept for nominated pods.
pub struct NodeName;

impl Plugin for NodeName {
    fn filter(&self, sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
        let wanted = sight.pod.object.text(&["spec", "nodeName"]);
        if wanted.is_empty() || wanted == node.name() {
            return Ok(());
        }
        Err(Refusal::lasting("node(s) didn't match the requested node name"))
    }
}

/// `nodeSelector` and node affinity.
pub struct NodeAffinity;

impl Plugin for NodeAffinity {
    fn filter(&self, sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
        if selects(sight.pod.object.value(), node) {
            return Ok(());
        }
        Err(Refusal::lasting("node(s) didn't match Pod's node affinity/selector"))
    }

    fn score(&self, sight: &Sight<'_>, nodes: &[&NodeInfo]) -> Option<Vec<i64>> {
        let path =
            ["spec", "affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution"];
        let preferred = sight.pod.items(&path);
        if preferred.is_empty() {
            return None;
        }
        let suits = |node: &&NodeInfo| {
            let held = preferred
                .iter()
                .filter(|p| p.get("preference").is_some_and(|term| term_matches(term, node)));
            held.filter_map(|p| p.get("weight")?.as_i64()).sum()
        };
        Some(normalize(nodes.iter().map(suits).collect(), false))
    }

    fn weight(&self) -> i64 {
        2
    }
}

/// Whether `nodeSelector` and required node affinity hold for a node.
pub fn selects(pod: &Value, node: &NodeInfo) -> bool {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let selector = spec.get("nodeSelector").and_then(Value::as_object);
    let mut pairs = selector.into_iter().flatten();
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let affinity = crate::object::at(spec, &["affinity", "nodeAffinity", required]);
    pairs.all(|(name, value)| node.label(name) == value.as_str())
        && affinity
            .is_none_or(|a| !list(a, "nodeSelectorTerms").is_empty() && node_matches(a, node))
}
