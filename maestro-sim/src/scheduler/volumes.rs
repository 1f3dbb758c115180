//! Claims, the volumes bound to them and where those can be reached.
//!
//! Source: `pkg/scheduler/framework/plugins/volumebinding`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::controller::View;
use crate::controller::volume::matching::{self, SELECTED_NODE, Seeker};
use crate::controller::volume::users;
use crate::json::Value;
use crate::object::{GroupResource, Key, Object};
use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::resources::share;
use crate::scheduler::selector::node_matches;
use crate::scheduler::{BEST, Plugin, Refusal, Sight};

/// Claims.
pub const CLAIMS: GroupResource = GroupResource::new("", "persistentvolumeclaims");
/// Volumes.
pub const VOLUMES: GroupResource = GroupResource::new("", "persistentvolumes");
/// Storage classes.
pub const CLASSES: GroupResource = GroupResource::new("storage.k8s.io", "storageclasses");

/// Refuses pods whose claims are absent or unbound, and nodes out of reach of their volumes;
/// prefers nodes where volumes that are there already are used up least.
pub struct Volumes;

impl Plugin for Volumes {
    fn prefilter(&self, sight: &Sight<'_>) -> Result<(), String> {
        let claims = claims(sight.pod, sight.view);
        for (Key { name, .. }, claim) in &claims {
            let Some(claim) = claim else {
                return Err(format!("persistentvolumeclaim \"{name}\" not found"));
            };
            if claim.text(&["status", "phase"]) == "Lost" {
                let volume = claim.text(&["spec", "volumeName"]);
                return Err(format!(
                    "persistentvolumeclaim \"{name}\" bound to non-existent persistentvolume \
                     \"{volume}\""
                ));
            }
            if claim.is_deleting() {
                return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
            }
        }
        let waits = |claim: &Object| {
            claim.text(&["spec", "volumeName"]).is_empty() && waits_for_consumer(claim, sight.view)
        };
        match claims.iter().flat_map(|(_, c)| c).all(|c| is_bound(c) || waits(c)) {
            true => Ok(()),
            false => Err("pod has unbound immediate PersistentVolumeClaims".to_owned()),
        }
    }

    fn filter(&self, sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
        let plan = plan(sight.pod, sight.view, node);
        plan.map(drop).map_err(|reasons| Refusal { reasons, preemptible: false })
    }

    fn score(&self, sight: &Sight<'_>, nodes: &[&NodeInfo]) -> Option<Vec<i64>> {
        if !sight.version.has("StorageCapacityScoring") {
            return None;
        }
        let bindings = |node: &&NodeInfo| match plan(sight.pod, sight.view, node) {
            Ok(plan) => plan.bindings,
            Err(_) => Vec::new(),
        };
        let all: Vec<Vec<Binding>> = nodes.iter().map(bindings).collect();
        if all.iter().all(Vec::is_empty) {
            return None;
        }
        Some(all.iter().map(|bindings| spare(bindings)).collect())
    }
}

/// A claim and the volume that it is to get.
pub type Binding = (Arc<Object>, Arc<Object>);

/// What it takes for a pod's claims to be bound at a node.
#[derive(Default, Debug)]
pub struct Plan {
    /// Volumes that are there, to be given to claims.
    pub bindings: Vec<Binding>,
    /// Claims for which volumes are to be made.
    pub provisions: Vec<Arc<Object>>,
}

/// How the claims of a pod would be bound at a node, or why they cannot.
pub fn plan(pod: &PodInfo, view: &View, node: &NodeInfo) -> Result<Plan, Vec<String>> {
    let mut plan = Plan::default();
    let mut reasons = Vec::new();
    let (mut unbound, mut lost) = (Vec::new(), false);
    for claim in claims(pod, view).into_iter().filter_map(|(_, claim)| claim) {
        if !is_bound(&claim) {
            unbound.push(claim);
            continue;
        }
        let volume = view.get(&VOLUMES, &Key::new("", claim.text(&["spec", "volumeName"])));
        match volume {
            None => lost = true,
            Some(volume) if !reaches(volume, node) && reasons.is_empty() => {
                reasons.push("node(s) didn't match PersistentVolume's node affinity".to_owned());
            }
            Some(_) => {}
        }
    }
    if !at_node(&mut plan, unbound, view, node) {
        reasons.push("node(s) didn't find available persistent volumes to bind".to_owned());
    }
    if lost {
        let reason = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
        reasons.push(reason.to_owned());
    }
    if reasons.is_empty() { Ok(plan) } else { Err(reasons) }
}

/// Plans for claims that wait; the smallest choose first, so that they leave bigger volumes to
/// those that need them.
fn at_node(plan: &mut Plan, unbound: Vec<Arc<Object>>, view: &View, node: &NodeInfo) -> bool {
    let elsewhere =
        |claim: &Arc<Object>| claim.annotation(SELECTED_NODE).is_some_and(|n| n != node.name());
    if unbound.iter().any(elsewhere) {
        return false;
    }
    let (selected, mut open): (Vec<_>, Vec<_>) =
        unbound.into_iter().partition(|claim| claim.annotation(SELECTED_NODE).is_some());
    plan.provisions = selected;
    open.sort_by_key(|claim| matching::requested(claim));
    let mut taken = BTreeSet::new();
    for claim in open {
        let reaches = |volume: &Object| reaches(volume, node);
        let seeker = Seeker::Node { reaches: &reaches, taken: &taken };
        match matching::find(view, &claim, &seeker) {
            None => plan.provisions.push(claim),
            Some(volume) => {
                taken.insert(volume.name().to_owned());
                plan.bindings.push((claim, volume));
            }
        }
    }
    plan.provisions.iter().all(|claim| can_provision(claim, view, node))
}

/// Whether a volume for a claim can be made where a node reaches it.
fn can_provision(claim: &Object, view: &View, node: &NodeInfo) -> bool {
    let Some(class) = class(claim, view) else { return false };
    let topologies = class.items(&["allowedTopologies"]);
    !matches!(class.text(&["provisioner"]), "" | "kubernetes.io/no-provisioner")
        && (topologies.is_empty() || topologies.iter().any(|t| topology(t, node)))
}

/// From 0 to [`BEST`]: the share of volumes that claims leave unused, the mean over the classes.
fn spare(bindings: &[Binding]) -> i64 {
    let mut classes: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for (claim, volume) in bindings {
        let (requested, capacity) = classes.entry(matching::class(volume)).or_default();
        *requested = requested.saturating_add(matching::requested(claim).value());
        *capacity = capacity.saturating_add(matching::capacity(volume).value());
    }
    let spare = |&(requested, capacity): &(i64, i64)| {
        if capacity == 0 || requested > capacity {
            return 0;
        }
        BEST - share(requested, capacity)
    };
    let sum: i64 = classes.values().map(spare).sum();
    match classes.len() {
        0 => 0,
        count => (sum as f64 / count as f64).round() as i64,
    }
}

/// The claims of a pod by name.
fn claims(pod: &PodInfo, view: &View) -> Vec<(Key, Option<Arc<Object>>)> {
    let found = |key: Key| (key.clone(), view.get(&CLAIMS, &key).cloned());
    users::claims(&pod.object).into_iter().map(found).collect()
}

/// Whether a claim has its volume.
pub fn is_bound(claim: &Object) -> bool {
    !claim.text(&["spec", "volumeName"]).is_empty()
        && (claim.text(&["status", "phase"]) == "Bound"
            || claim.annotation("pv.kubernetes.io/bind-completed").is_some())
}

fn class<'a>(claim: &Object, view: &'a View) -> Option<&'a Arc<Object>> {
    view.get(&CLASSES, &Key::new("", matching::class(claim)))
}

fn waits_for_consumer(claim: &Object, view: &View) -> bool {
    class(claim, view).is_some_and(|class| matching::waits(class))
}

fn reaches(volume: &Object, node: &NodeInfo) -> bool {
    volume.at(&["spec", "nodeAffinity", "required"]).is_none_or(|a| node_matches(a, node))
}

/// A `v1.TopologySelectorTerm`.
fn topology(term: &Value, node: &NodeInfo) -> bool {
    let expressions = crate::scheduler::selector::list(term, "matchLabelExpressions");
    expressions.iter().all(|e| {
        let label = e.get("key").and_then(Value::as_str).and_then(|key| node.label(key));
        let values = crate::scheduler::selector::list(e, "values");
        label.is_some_and(|label| values.iter().any(|v| v.as_str() == Some(label)))
    })
}
