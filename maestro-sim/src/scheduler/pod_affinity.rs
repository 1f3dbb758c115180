//! Pod affinity and anti-affinity, of the pod itself and of the pods already there.
//!
//! Source: `pkg/scheduler/framework/plugins/interpodaffinity`.

use std::collections::BTreeMap;

use crate::controller::kinds::NAMESPACES;
use crate::json::Value;
use crate::object::Key;
use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::selector::{labels_match, list};
use crate::scheduler::{BEST, Plugin, Refusal, Sight};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
/// What a required term of a pod that is there is worth as a preference (`hardPodAffinityWeight`).
const REQUIRED_WEIGHT: i64 = 1;

/// Keeps pods together and apart by topology.
pub struct PodAffinity;

impl Plugin for PodAffinity {
    fn filter(&self, sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
        let pod = sight.pod;
        let wanted = terms(pod, "podAffinity");
        if !wanted.is_empty() && !together(sight, node, wanted) {
            return Err(Refusal::lasting("node(s) didn't match pod affinity rules"));
        }
        if terms(pod, "podAntiAffinity").iter().any(|term| near(sight, node, term)) {
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
        let weights = weights(sight);
        if weights.is_empty() {
            return None;
        }
        let of = |node: &&NodeInfo| -> i64 {
            let here = weights.iter().filter(|((key, value), _)| node.label(key) == Some(*value));
            here.map(|(_, weight)| weight).sum()
        };
        let scores: Vec<i64> = nodes.iter().map(of).collect();
        let least = scores.iter().copied().min().unwrap_or(0);
        let width = scores.iter().copied().max().unwrap_or(0) - least;
        // As the real plugin does, in floating point.
        let scale = |score| (BEST as f64 * ((score - least) as f64 / width as f64)) as i64;
        Some(scores.into_iter().map(|s| if width > 0 { scale(s) } else { 0 }).collect())
    }

    fn weight(&self) -> i64 {
        2
    }
}

/// What each topology key and value is worth: by what the pod prefers, by what pods that are
/// there prefer, and by what they require of pods like this one.
fn weights<'a>(sight: &Sight<'a>) -> BTreeMap<(&'a str, &'a str), i64> {
    let mut weights = BTreeMap::new();
    let mut add = |node: &'a NodeInfo, term: &'a Value, weight: i64| {
        let key = topology_key(term);
        if let Some(value) = node.label(key) {
            *weights.entry((key, value)).or_default() += weight;
        }
    };
    let pod = sight.pod;
    for (weight, term) in preferred(pod) {
        for node in sight.cluster.nodes() {
            let picked = node.pods.values().filter(|other| picks(sight, term, pod, other));
            picked.for_each(|_| add(node, term, weight));
        }
    }
    for (key, name) in &sight.cluster.with_affinity {
        let Some(node) = sight.cluster.node(name) else { continue };
        let Some(other) = node.pods.get(key) else { continue };
        let required = terms(other, "podAffinity").iter().map(|term| (REQUIRED_WEIGHT, term));
        for (weight, term) in required.chain(preferred(other)) {
            if picks(sight, term, other, pod) {
                add(node, term, weight);
            }
        }
    }
    weights
}

/// The terms that a pod prefers, with their weights; those of anti-affinity count against.
fn preferred(pod: &PodInfo) -> impl Iterator<Item = (i64, &Value)> {
    let of = |kind, sign: i64| {
        pod.object.items(&["spec", "affinity", kind, PREFERRED]).iter().filter_map(move |each| {
            Some((each.get("weight")?.as_i64()? * sign, each.get("podAffinityTerm")?))
        })
    };
    of("podAffinity", 1).chain(of("podAntiAffinity", -1))
}

fn terms<'a>(pod: &'a PodInfo, kind: &str) -> &'a [Value] {
    pod.object.items(&["spec", "affinity", kind, REQUIRED])
}

fn topology_key(term: &Value) -> &str {
    term.get("topologyKey").and_then(Value::as_str).unwrap_or("")
}

/// Whether a term of `owner` picks a pod. `matchLabelKeys` and `mismatchLabelKeys` are in the
/// selector already: the API server puts them there.
fn picks(sight: &Sight<'_>, term: &Value, owner: &PodInfo, pod: &PodInfo) -> bool {
    let namespace = pod.object.namespace();
    let named = list(term, "namespaces");
    let selector = term.get("namespaceSelector").filter(|selector| selector.is_object());
    let here = named.iter().any(|n| n.as_str() == Some(namespace))
        || match selector {
            None => named.is_empty() && namespace == owner.object.namespace(),
            Some(selector) => {
                let space = sight.view.get(&NAMESPACES, &Key::new("", namespace));
                labels_match(Some(selector), space.and_then(|space| space.labels()))
            }
        };
    here && labels_match(term.get("labelSelector"), pod.labels())
}

/// Whether a pod that the term picks is in the node's part of the topology.
fn near(sight: &Sight<'_>, node: &NodeInfo, term: &Value) -> bool {
    let key = topology_key(term);
    let Some(value) = node.label(key) else { return false };
    let mut peers = sight.cluster.nodes().filter(|other| other.label(key) == Some(value));
    // `node` may be a copy without preemption's victims, so it stands for itself.
    peers.any(|other| {
        let other = if other.name() == node.name() { node } else { other };
        other.pods.values().any(|p| picks(sight, term, sight.pod, p))
    })
}

/// Whether all required affinity terms hold. The first pod of a group that wants to be together
/// may go anywhere that has the topology keys.
fn together(sight: &Sight<'_>, node: &NodeInfo, terms: &[Value]) -> bool {
    if terms.iter().any(|term| node.label(topology_key(term)).is_none()) {
        return false;
    }
    let pod = sight.pod;
    let picks_all = |other: &PodInfo| terms.iter().all(|term| picks(sight, term, pod, other));
    let met = |term: &Value| {
        let value = node.label(topology_key(term));
        let peers = sight.cluster.nodes().filter(|n| n.label(topology_key(term)) == value);
        let mut peers = peers.map(|other| if other.name() == node.name() { node } else { other });
        peers.any(|other| other.pods.values().any(|p| picks_all(p)))
    };
    if terms.iter().all(met) {
        return true;
    }
    let known = |other: &NodeInfo| {
        terms.iter().any(|term| other.label(topology_key(term)).is_some())
            && other.pods.values().any(|p| picks_all(p))
    };
    picks_all(pod) && !sight.cluster.nodes().any(known)
}

/// Whether a pod already placed keeps this one away by its own anti-affinity.
fn repelled(sight: &Sight<'_>, node: &NodeInfo) -> bool {
    sight.cluster.with_affinity.iter().any(|(key, name)| {
        let home = if name == node.name() { Some(node) } else { sight.cluster.node(name) };
        let Some(home) = home else { return false };
        let Some(other) = home.pods.get(key) else { return false };
        terms(other, "podAntiAffinity").iter().any(|term| {
            let topology = topology_key(term);
            let same = node.label(topology).is_some_and(|v| home.label(topology) == Some(v));
            same && picks(sight, term, other, sight.pod)
        })
    })
}
