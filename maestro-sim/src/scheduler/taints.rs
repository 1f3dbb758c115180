//! Taints and tolerations.

use crate::json::Value;
use crate::object::at;
use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::pick::normalize;
use crate::scheduler::{Plugin, Refusal, Sight};

/// Refuses nodes with a taint that the pod does not tolerate; prefers those with few.
pub struct Taints;

impl Plugin for Taints {
    fn filter(&self, sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
        let tolerations = sight.pod.items(&["spec", "tolerations"]);
        let refused = taints(node).iter().any(|taint| {
            let (key, value, effect) = parts(taint);
            effect != "PreferNoSchedule" && !tolerates(tolerations, key, value, effect)
        });
        if refused {
            return Err(Refusal::lasting("node(s) had untolerated taint(s)"));
        }
        Ok(())
    }

    fn score(&self, sight: &Sight<'_>, nodes: &[&NodeInfo]) -> Option<Vec<i64>> {
        let tolerations = sight.pod.items(&["spec", "tolerations"]);
        let unliked = |node: &&NodeInfo| {
            let unliked = taints(node).iter().map(parts).filter(|(key, value, effect)| {
                *effect == "PreferNoSchedule" && !tolerates(tolerations, key, value, effect)
            });
            i64::try_from(unliked.count()).unwrap_or(i64::MAX)
        };
        Some(normalize(nodes.iter().map(unliked).collect(), true))
    }

    fn weight(&self) -> i64 {
        3
    }
}

fn taints(node: &NodeInfo) -> &[Value] {
    node.node.as_ref().map_or(&[], |n| n.items(&["spec", "taints"]))
}

fn parts(taint: &Value) -> (&str, &str, &str) {
    let text = |field| at(taint, &[field]).and_then(Value::as_str).unwrap_or("");
    (text("key"), text("value"), text("effect"))
}

/// Whether one of the tolerations covers a taint.
pub fn tolerates(tolerations: &[Value], key: &str, value: &str, effect: &str) -> bool {
    tolerations.iter().any(|toleration| {
        let text = |field| at(toleration, &[field]).and_then(Value::as_str).unwrap_or("");
        let (its_key, its_effect) = (text("key"), text("effect"));
        let same_value = match text("operator") {
            "Exists" => true,
            "" | "Equal" => text("value") == value,
            _ => false,
        };
        (its_effect.is_empty() || its_effect == effect)
            && (its_key == key || (its_key.is_empty() && text("operator") == "Exists"))
            && same_value
    })
}
