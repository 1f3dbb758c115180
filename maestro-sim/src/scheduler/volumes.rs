//! Claims, the volumes bound to them and where those can be reached.

use std::sync::Arc;

use crate::json::Value;
use crate::object::{GroupResource, Key, Object};
use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::selector::node_matches;
use crate::scheduler::{Plugin, Refusal, Sight};

/// Claims.
pub const CLAIMS: GroupResource = GroupResource::new("", "persistentvolumeclaims");
/// Volumes.
pub const VOLUMES: GroupResource = GroupResource::new("", "persistentvolumes");
/// Storage classes.
pub const CLASSES: GroupResource = GroupResource::new("storage.k8s.io", "storageclasses");
/// By which the scheduler tells a provisioner where a volume is wanted.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// Refuses pods whose claims are absent or unbound, and nodes out of reach of their volumes.
pub struct Volumes;

impl Plugin for Volumes {
    fn prefilter(&self, sight: &Sight<'_>) -> Result<(), String> {
        for (name, claim) in claims(sight.pod, sight.view) {
            let Some(claim) = claim else {
                return Err(format!("persistentvolumeclaim \"{name}\" not found"));
            };
            if claim.is_deleting() {
                return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
            }
            if !is_bound(&claim) && !waits_for_consumer(&claim, sight.view) {
                return Err("pod has unbound immediate PersistentVolumeClaims".to_owned());
            }
        }
        Ok(())
    }

    fn filter(&self, sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
        for (_, claim) in claims(sight.pod, sight.view) {
            let Some(claim) = claim else { continue };
            let volume = claim.text(&["spec", "volumeName"]);
            if is_bound(&claim) {
                let volume = sight.view.get(&VOLUMES, &Key::new("", volume));
                if !volume.is_some_and(|v| reaches(v, node)) {
                    let reason = "node(s) didn't match PersistentVolume's node affinity";
                    return Err(Refusal::lasting(reason));
                }
            } else if !allowed(&claim, sight, node) {
                let reason = "node(s) didn't find available persistent volumes to bind";
                return Err(Refusal::lasting(reason));
            }
        }
        Ok(())
    }
}

/// The claims of a pod by name.
pub fn claims(pod: &PodInfo, view: &crate::controller::View) -> Vec<(String, Option<Arc<Object>>)> {
    let name = |volume: &Value| {
        let claim = crate::object::at(volume, &["persistentVolumeClaim", "claimName"]);
        let generated = || {
            let called = volume.get("name")?.as_str()?;
            volume.get("ephemeral")?.as_object()?;
            Some(format!("{}-{called}", pod.object.name()))
        };
        claim.and_then(Value::as_str).map(str::to_owned).or_else(generated)
    };
    let names = pod.items(&["spec", "volumes"]).iter().filter_map(name);
    let namespace = pod.object.namespace();
    names
        .map(|name| {
            let found = view.get(&CLAIMS, &Key::new(namespace, &name)).cloned();
            (name, found)
        })
        .collect()
}

/// Whether a claim has its volume.
pub fn is_bound(claim: &Object) -> bool {
    !claim.text(&["spec", "volumeName"]).is_empty()
        && (claim.text(&["status", "phase"]) == "Bound"
            || claim.annotation("pv.kubernetes.io/bind-completed").is_some())
}

fn class<'a>(claim: &Object, view: &'a crate::controller::View) -> Option<&'a Arc<Object>> {
    view.get(&CLASSES, &Key::new("", claim.text(&["spec", "storageClassName"])))
}

fn waits_for_consumer(claim: &Object, view: &crate::controller::View) -> bool {
    class(claim, view).is_some_and(|c| c.text(&["volumeBindingMode"]) == "WaitForFirstConsumer")
}

fn reaches(volume: &Object, node: &NodeInfo) -> bool {
    volume.at(&["spec", "nodeAffinity", "required"]).is_none_or(|a| node_matches(a, node))
}

/// Whether a claim that waits could get its volume at this node: an available one that reaches
/// it, or a new one where the class allows it.
fn allowed(claim: &Object, sight: &Sight<'_>, node: &NodeInfo) -> bool {
    if let Some(selected) = claim.annotation(SELECTED_NODE) {
        return selected == node.name();
    }
    let Some(class) = class(claim, sight.view) else { return false };
    let here = |volume: &&Arc<Object>| {
        volume.text(&["spec", "storageClassName"]) == class.name()
            && volume.text(&["status", "phase"]) == "Available"
            && reaches(volume, node)
    };
    if sight.view.list(&VOLUMES, "").any(|volume| here(&volume)) {
        return true;
    }
    let provisioned = class.text(&["provisioner"]) != "kubernetes.io/no-provisioner";
    let topologies = class.items(&["allowedTopologies"]);
    provisioned && (topologies.is_empty() || topologies.iter().any(|t| topology(t, node)))
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
