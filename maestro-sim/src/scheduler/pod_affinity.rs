//! Pod affinity and anti-affinity, of the pod itself and of the pods already there.

use std::collections::BTreeMap;

use crate::json::{Map, Value};
use crate::object::at;
use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::selector::{labels_match, list};
use crate::scheduler::{Plugin, Refusal, Sight};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Keeps pods together and apart by topology.
pub struct PodAffinity;

impl Plugin for PodAffinity {
    fn filter(&self, sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
        let pod = sight.pod;
        if !terms(pod, "podAffinity").iter().all(|term| together(sight, node, term)) {
            return Err(Refusal::lasting("node(s) didn't match pod affinity rules"));
        }
        if terms(pod, "podAntiAffinity").iter().any(|term| near(sight, node, pod, term)) {
            let reason = "node(s) didn't match pod anti-affinity rules";
            return Err(Refusal::passing(reason));
        }
        if repelled(sight, node) {
            let reason = "node(s) didn't satisfy existing pods anti-affinity rules";
            return Err(Refusal::passing(reason));
        }
        Ok(())
    }

    fn score(&self, sight: &Sight<'_>, nodes: &[&NodeInfo]) -> Option<Vec<i64>> {
        let affinity = sight.pod.object.at(&["spec", "affinity"])?;
        let weighted = |kind, sign: i64| {
            let terms = at(affinity, &[kind, PREFERRED]).and_then(Value::as_array);
            terms.into_iter().flatten().filter_map(move |weighted| {
                Some((weighted.get("weight")?.as_i64()? * sign, weighted.get("podAffinityTerm")?))
            })
        };
        let terms: Vec<(i64, &Value)> =
            weighted("podAffinity", 1).chain(weighted("podAntiAffinity", -1)).collect();
        if terms.is_empty() {
            return None;
        }
        // Counted once over the whole cluster: topology key and value to the weight found there.
        let mut weights: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for (weight, term) in &terms {
            let topology = topology_key(term);
            for other in sight.cluster.nodes() {
                let Some(value) = other.label(topology) else { continue };
                let matching = count(other, sight.pod, term);
                *weights.entry((topology, value)).or_default() += weight * matching;
            }
        }
        let keys: std::collections::BTreeSet<&str> =
            terms.iter().map(|(_, term)| topology_key(term)).collect();
        let of = |node: &&NodeInfo| {
            let values = keys.iter().filter_map(|key| Some((*key, node.label(key)?)));
            values.filter_map(|at| weights.get(&at)).sum()
        };
        Some(nodes.iter().map(of).collect())
    }

    fn weight(&self) -> i64 {
        2
    }
}

fn terms<'a>(pod: &'a PodInfo, kind: &str) -> &'a [Value] {
    pod.object.at(&["spec", "affinity", kind]).map_or(&[], |affinity| list(affinity, REQUIRED))
}

fn topology_key(term: &Value) -> &str {
    term.get("topologyKey").and_then(Value::as_str).unwrap_or("")
}

/// Whether a term of `owner` picks a pod with these labels in this namespace.
fn picks(term: &Value, owner: &PodInfo, namespace: &str, labels: Option<&Map>) -> bool {
    let named = list(term, "namespaces");
    let everywhere = term.get("namespaceSelector").is_some_and(Value::is_object);
    let here = if named.is_empty() {
        everywhere || namespace == owner.object.namespace()
    } else {
        everywhere || named.iter().any(|n| n.as_str() == Some(namespace))
    };
    let owner_labels = owner.labels();
    let value =
        |labels: Option<&Map>, key: &Value| labels.and_then(|l| l.get(key.as_str()?)).cloned();
    let same = |key: &Value| value(owner_labels, key) == value(labels, key);
    here && labels_match(term.get("labelSelector"), labels)
        && list(term, "matchLabelKeys").iter().all(same)
        && !list(term, "mismatchLabelKeys").iter().any(same)
}

fn count(node: &NodeInfo, owner: &PodInfo, term: &Value) -> i64 {
    let picked = node.pods.values().filter(|other| {
        !other.object.is_deleting() && picks(term, owner, other.object.namespace(), other.labels())
    });
    i64::try_from(picked.count()).unwrap_or(i64::MAX)
}

/// Whether a pod that the term picks is in the node's part of the topology.
fn near(sight: &Sight<'_>, node: &NodeInfo, owner: &PodInfo, term: &Value) -> bool {
    let key = topology_key(term);
    let Some(value) = node.label(key) else { return false };
    let mut peers = sight.cluster.nodes().filter(|other| other.label(key) == Some(value));
    // `node` may be a copy without preemption's victims, so it stands for itself.
    peers.any(|other| {
        let other = if other.name() == node.name() { node } else { other };
        other.pods.values().any(|p| picks(term, owner, p.object.namespace(), p.labels()))
    })
}

/// Whether a required affinity term holds. The first pod of a group that wants to be together
/// may go anywhere that has the topology key.
fn together(sight: &Sight<'_>, node: &NodeInfo, term: &Value) -> bool {
    let pod = sight.pod;
    if node.label(topology_key(term)).is_none() {
        return false;
    }
    if near(sight, node, pod, term) {
        return true;
    }
    let own = picks(term, pod, pod.object.namespace(), pod.labels());
    own && !sight.cluster.nodes().any(|other| {
        other.label(topology_key(term)).is_some()
            && other.pods.values().any(|p| picks(term, pod, p.object.namespace(), p.labels()))
    })
}

/// Whether a pod already placed keeps this one away by its own anti-affinity.
fn repelled(sight: &Sight<'_>, node: &NodeInfo) -> bool {
    let pod = sight.pod;
    sight.cluster.with_anti_affinity.iter().any(|(key, name)| {
        let home = if name == node.name() { Some(node) } else { sight.cluster.node(name) };
        let Some(home) = home else { return false };
        let Some(other) = home.pods.get(key) else { return false };
        terms(other, "podAntiAffinity").iter().any(|term| {
            let topology = topology_key(term);
            let same = node.label(topology).is_some_and(|v| home.label(topology) == Some(v));
            same && picks(term, other, pod.object.namespace(), pod.labels())
        })
    })
}
