//! Topology spread constraints: those of the pod, or the ones that hold where it has none.
//!
//! Source: `pkg/scheduler/framework/plugins/podtopologyspread`, with its defaults of the system.

use std::collections::BTreeMap;

use crate::controller::kinds::{REPLICA_SETS, REPLICATION_CONTROLLERS, SERVICES, STATEFUL_SETS};
use crate::json::{Map, Value};
use crate::object::{Key, at};
use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::node_affinity::selects;
use crate::scheduler::selector::{is_empty, labels_match, pairs_match};
use crate::scheduler::{BEST, Plugin, Refusal, Sight};

const HOST: &str = "kubernetes.io/hostname";

/// Spreads pods evenly over topology domains.
pub struct Spread;

impl Plugin for Spread {
    fn filter(&self, sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
        let reason = "node(s) didn't match pod topology spread constraints";
        let all: Vec<Constraint<'_>> = declared(sight, "DoNotSchedule").collect();
        for constraint in &all {
            let Some(domain) = node.label(constraint.key) else {
                return Err(Refusal::lasting(&format!("{reason} (missing required label)")));
            };
            let counts = constraint.by_domain(sight, &all, node);
            let domains = i64::try_from(counts.len()).unwrap_or(i64::MAX);
            let least = counts.values().min().copied().unwrap_or(0);
            let least = if domains < constraint.int("minDomains") { 0 } else { least };
            let own = i64::from(constraint.picks(sight, sight.pod.labels()));
            if counts.get(domain).copied().unwrap_or(0) + own - least > constraint.skew {
                return Err(Refusal::passing(reason));
            }
        }
        Ok(())
    }

    fn score(&self, sight: &Sight<'_>, nodes: &[&NodeInfo]) -> Option<Vec<i64>> {
        let own = !sight.pod.items(&["spec", "topologySpreadConstraints"]).is_empty();
        let soft: Vec<Constraint<'_>> =
            if own { declared(sight, "ScheduleAnyway").collect() } else { usual(sight)? };
        if soft.is_empty() {
            return None;
        }
        // The defaults shall work where nodes have no zones.
        let taken: Vec<bool> = nodes.iter().map(|node| !own || has_all(node, &soft)).collect();
        let scored: Vec<&NodeInfo> =
            nodes.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(n, _)| *n).collect();
        let counted: Vec<Counted<'_, '_>> =
            soft.iter().map(|c| c.over(sight, own.then_some(&*soft), &scored)).collect();
        let crowds: Vec<Option<i64>> = nodes
            .iter()
            .zip(&taken)
            .map(|(node, taken)| taken.then(|| crowd(sight, &counted, node)))
            .collect();
        let all = || crowds.iter().flatten().copied();
        let (least, most) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
        let score = |crowd: &Option<i64>| match crowd {
            None => 0,
            Some(_) if most == 0 => BEST,
            Some(crowd) => BEST * (most + least - crowd) / most,
        };
        Some(crowds.iter().map(score).collect())
    }

    fn weight(&self) -> i64 {
        2
    }
}

/// What a constraint counts.
enum Picks {
    /// The pods that its own selector takes.
    Own,
    /// The pods that all of these take: labels, and `metav1.LabelSelector`s.
    Like { labels: Map, selectors: Vec<Value> },
}

/// A constraint of the pod, or one that holds where it has none.
struct Constraint<'a> {
    key: &'a str,
    skew: i64,
    /// As the pod has it; nothing for a default.
    source: &'a Value,
    picks: Picks,
}

/// A constraint with the pods in each domain that a node which passed is in; of hosts, which are
/// counted when they are scored, only how many there are.
struct Counted<'c, 'a> {
    constraint: &'c Constraint<'a>,
    domains: BTreeMap<&'a str, i64>,
    weight: f64,
}

impl<'a> Constraint<'a> {
    fn int(&self, field: &str) -> i64 {
        self.source.get(field).and_then(Value::as_i64).unwrap_or(1)
    }

    fn picks(&self, sight: &Sight<'_>, labels: Option<&Map>) -> bool {
        match &self.picks {
            Picks::Own => {
                let keys = at(self.source, &["matchLabelKeys"]).and_then(Value::as_array);
                let mut keys = keys.into_iter().flatten().filter_map(Value::as_str);
                let alike = |key| {
                    let own = sight.pod.labels().and_then(|own| own.get(key));
                    own.is_none() || own == labels.and_then(|labels| labels.get(key))
                };
                labels_match(self.source.get("labelSelector"), labels) && keys.all(alike)
            }
            Picks::Like { labels: wanted, selectors } => {
                pairs_match(wanted, labels)
                    && selectors.iter().all(|selector| labels_match(Some(selector), labels))
            }
        }
    }

    /// How many pods of a node count; those that are on their way out do not.
    fn count(&self, sight: &Sight<'_>, node: &NodeInfo) -> i64 {
        if matches!(self.picks, Picks::Own) && self.source.get("labelSelector").is_none_or(is_empty)
        {
            return 0;
        }
        let namespace = sight.pod.object.namespace();
        let counted = node.pods.values().filter(|other| {
            other.object.namespace() == namespace
                && !other.object.is_deleting()
                && self.picks(sight, other.labels())
        });
        i64::try_from(counted.count()).unwrap_or(i64::MAX)
    }

    /// Whether pods on a node count at all.
    fn includes(&self, sight: &Sight<'_>, node: &NodeInfo) -> bool {
        let policy = |field| self.source.get(field).and_then(Value::as_str).unwrap_or("");
        (policy("nodeAffinityPolicy") == "Ignore" || selects(sight.pod.object.value(), node))
            && (policy("nodeTaintsPolicy") != "Honor"
                || super::taints::Taints.filter(sight, node).is_ok())
    }

    /// The pods of each domain, over the nodes that have the keys of all constraints. `copy`
    /// stands for its namesake.
    fn by_domain<'n>(
        &self,
        sight: &Sight<'n>,
        all: &[Constraint<'_>],
        copy: &'n NodeInfo,
    ) -> BTreeMap<&'n str, i64> {
        let mut counts = BTreeMap::new();
        for node in sight.cluster.nodes() {
            let node = if copy.name() == node.name() { copy } else { node };
            if !has_all(node, all) || !self.includes(sight, node) {
                continue;
            }
            if let Some(domain) = node.label(self.key) {
                *counts.entry(domain).or_insert(0) += self.count(sight, node);
            }
        }
        counts
    }

    /// Counts for scores. `all`: whose keys nodes must have to be counted.
    fn over<'c>(
        &'c self,
        sight: &Sight<'a>,
        all: Option<&[Constraint<'_>]>,
        scored: &[&'a NodeInfo],
    ) -> Counted<'c, 'a> {
        if self.key == HOST {
            return Counted {
                constraint: self,
                domains: BTreeMap::new(),
                weight: weight(scored.len()),
            };
        }
        let label = |node: &&'a NodeInfo| (node.label(self.key).unwrap_or(""), 0);
        let mut domains: BTreeMap<&'a str, i64> = scored.iter().map(label).collect();
        let weight = weight(domains.len());
        for node in sight.cluster.nodes() {
            if all.is_some_and(|all| !has_all(node, all)) || !self.includes(sight, node) {
                continue;
            }
            if let Some(count) = domains.get_mut(node.label(self.key).unwrap_or("")) {
                *count += self.count(sight, node);
            }
        }
        Counted { constraint: self, domains, weight }
    }
}

/// How much a topology counts: more the more domains it has, so that few are not watered down.
fn weight(domains: usize) -> f64 {
    (domains as f64 + 2.0).ln()
}

fn crowd(sight: &Sight<'_>, counted: &[Counted<'_, '_>], node: &NodeInfo) -> i64 {
    let of = |counted: &Counted<'_, '_>| -> Option<f64> {
        let constraint = counted.constraint;
        let domain = node.label(constraint.key)?;
        let count = if constraint.key == HOST {
            constraint.count(sight, node)
        } else {
            counted.domains.get(domain).copied().unwrap_or(0)
        };
        // A skew that is tolerated makes differences count for less.
        Some(count as f64 * counted.weight + (constraint.skew - 1) as f64)
    };
    counted.iter().filter_map(of).sum::<f64>().round() as i64
}

fn has_all(node: &NodeInfo, constraints: &[Constraint<'_>]) -> bool {
    constraints.iter().all(|c| node.label(c.key).is_some())
}

fn declared<'a>(sight: &Sight<'a>, action: &'a str) -> impl Iterator<Item = Constraint<'a>> {
    let text = |value: &'a Value, field| value.get(field).and_then(Value::as_str).unwrap_or("");
    let all = sight.pod.items(&["spec", "topologySpreadConstraints"]).iter();
    all.filter(move |c| text(c, "whenUnsatisfiable") == action).map(move |source| Constraint {
        key: text(source, "topologyKey"),
        skew: source.get("maxSkew").and_then(Value::as_i64).unwrap_or(1),
        source,
        picks: Picks::Own,
    })
}

/// The default constraints, by host and by zone, over what the pod's Services and its controller
/// select (`helper.DefaultSelector`); `None` when nothing does.
fn usual<'a>(sight: &Sight<'a>) -> Option<Vec<Constraint<'a>>> {
    let object = &sight.pod.object;
    let mut labels = Map::new();
    for service in sight.view.list(&SERVICES, object.namespace()) {
        let selector = service.at(&["spec", "selector"]).and_then(Value::as_object);
        if let Some(selector) = selector.filter(|s| pairs_match(s, object.labels())) {
            labels.extend(selector.clone());
        }
    }
    let mut selectors = Vec::new();
    if let Some(owner) = object.controller() {
        let text = |field| owner.get(field).and_then(Value::as_str).unwrap_or("");
        let find = |resource| sight.view.get(resource, &Key::new(object.namespace(), text("name")));
        let of = |resource| find(resource)?.at(&["spec", "selector"]).cloned();
        match (text("apiVersion"), text("kind")) {
            ("v1", "ReplicationController") => {
                let own = of(&REPLICATION_CONTROLLERS);
                labels.extend(own.as_ref().and_then(Value::as_object).cloned().unwrap_or_default());
            }
            ("apps/v1", "ReplicaSet") => selectors.extend(of(&REPLICA_SETS)),
            ("apps/v1", "StatefulSet") => selectors.extend(of(&STATEFUL_SETS)),
            _ => {}
        }
    }
    selectors.retain(|selector| !is_empty(selector));
    if labels.is_empty() && selectors.is_empty() {
        return None;
    }
    let constraint = |(key, skew)| Constraint {
        key,
        skew,
        source: &Value::Null,
        picks: Picks::Like { labels: labels.clone(), selectors: selectors.clone() },
    };
    Some([(HOST, 3), ("topology.kubernetes.io/zone", 5)].map(constraint).into())
}
