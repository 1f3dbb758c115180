//! Topology spread constraints.

use std::collections::BTreeMap;

use crate::json::{Map, Value, json};
use crate::object::at;
use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::node_affinity::selects;
use crate::scheduler::selector::labels_match;
use crate::scheduler::{Plugin, Refusal, Sight};

/// Spreads pods evenly over topology domains.
pub struct Spread;

impl Plugin for Spread {
    fn filter(&self, sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
        let reason = "node(s) didn't match pod topology spread constraints";
        for constraint in constraints(sight, "DoNotSchedule") {
            let key = text(constraint, "topologyKey");
            let Some(domain) = node.label(key) else {
                return Err(Refusal::lasting(&format!("{reason} (missing required label)")));
            };
            let counts = counts(sight, constraint, Some(node));
            let domains = i64::try_from(counts.len()).unwrap_or(i64::MAX);
            let wanted = constraint.get("minDomains").and_then(Value::as_i64).unwrap_or(1);
            let least = counts.values().min().copied().unwrap_or(0);
            let least = if domains < wanted { 0 } else { least };
            let most = constraint.get("maxSkew").and_then(Value::as_i64).unwrap_or(1);
            let own = i64::from(picks(constraint, sight, sight.pod.labels()));
            if counts.get(domain).copied().unwrap_or(0) + own - least > most {
                return Err(Refusal::passing(reason));
            }
        }
        Ok(())
    }

    fn score(&self, sight: &Sight<'_>, nodes: &[&NodeInfo]) -> Option<Vec<i64>> {
        let declared = sight.pod.items(&["spec", "topologySpreadConstraints"]);
        let usual = if declared.is_empty() { usual(sight)? } else { Vec::new() };
        let soft: Vec<&Value> = constraints(sight, "ScheduleAnyway").chain(usual.iter()).collect();
        if soft.is_empty() {
            return None;
        }
        let counted: Vec<(&str, BTreeMap<&str, i64>)> =
            soft.iter().map(|c| (text(c, "topologyKey"), counts(sight, c, None))).collect();
        let crowd = |node: &&NodeInfo| -> i64 {
            let there =
                |(key, counts): &(&str, BTreeMap<&str, i64>)| counts.get(node.label(key)?).copied();
            -counted.iter().filter_map(there).sum::<i64>()
        };
        Some(nodes.iter().map(crowd).collect())
    }

    fn weight(&self) -> i64 {
        2
    }
}

/// The default constraints, by host and by zone, over the pods of the same controller. The real
/// scheduler takes the selector of the pod's Service or controller; pods of one controller
/// carry equal labels, but for those that name the single pod.
fn usual(sight: &Sight<'_>) -> Option<Vec<Value>> {
    sight.pod.object.controller()?;
    let mut labels = sight.pod.labels()?.clone();
    let single = ["statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"];
    labels.retain(|name, _| !single.contains(&name.as_str()));
    let keys = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"];
    let constraint = |key| json!({"topologyKey": key, "labelSelector": {"matchLabels": labels}});
    Some(keys.into_iter().map(constraint).collect())
}

fn constraints<'a>(sight: &Sight<'a>, action: &'a str) -> impl Iterator<Item = &'a Value> {
    let all = sight.pod.items(&["spec", "topologySpreadConstraints"]);
    all.iter().filter(move |c| text(c, "whenUnsatisfiable") == action)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    at(value, &[field]).and_then(Value::as_str).unwrap_or("")
}

fn picks(constraint: &Value, sight: &Sight<'_>, labels: Option<&Map>) -> bool {
    let of = |labels: Option<&Map>, key: &Value| labels.and_then(|l| l.get(key.as_str()?)).cloned();
    let keys = at(constraint, &["matchLabelKeys"]).and_then(Value::as_array);
    let mut keys = keys.into_iter().flatten();
    labels_match(constraint.get("labelSelector"), labels)
        && keys.all(|key| of(labels, key) == of(sight.pod.labels(), key))
}

/// Matching pods per domain; domains without one count as 0. `copy` stands for its namesake.
fn counts<'a>(
    sight: &Sight<'a>,
    constraint: &Value,
    copy: Option<&'a NodeInfo>,
) -> BTreeMap<&'a str, i64> {
    let key = text(constraint, "topologyKey");
    let honours_affinity = text(constraint, "nodeAffinityPolicy") != "Ignore";
    let honours_taints = text(constraint, "nodeTaintsPolicy") == "Honor";
    let namespace = sight.pod.object.namespace();
    let mut counts = BTreeMap::new();
    for node in sight.cluster.nodes() {
        let node = copy.filter(|copy| copy.name() == node.name()).unwrap_or(node);
        let counted = (!honours_affinity || selects(sight.pod.object.value(), node))
            && (!honours_taints || super::taints::Taints.filter(sight, node).is_ok());
        let Some(domain) = node.label(key).filter(|_| counted) else { continue };
        let matching = node.pods.values().filter(|other| {
            other.object.namespace() == namespace
                && !other.object.is_deleting()
                && picks(constraint, sight, other.labels())
        });
        let count = counts.entry(domain).or_insert(0);
        *count += i64::try_from(matching.count()).unwrap_or(i64::MAX);
    }
    counts
}
