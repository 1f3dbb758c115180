//! Which volume a claim gets.
//!
//! Source: `FindMatchingVolume` of `k8s.io/component-helpers/storage/volume`, and the order in
//! which the binder of `pkg/controller/volume/persistentvolume` looks.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::controller::kinds::PERSISTENT_VOLUMES;
use crate::controller::labels::Labels;
use crate::controller::volume::claim_key;
use crate::controller::{View, shape};
use crate::json::{Value, json};
use crate::object::{Object, map_at};
use crate::quantity::Quantity;

/// On what a controller bound, not a person.
pub const BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// By which the scheduler tells a provisioner where a volume is wanted.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// The class of a claim or volume, before it had a field.
pub const NOTED_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// Who looks for a volume.
pub enum Seeker<'a> {
    /// The binder; where the claim waits for its first consumer, only volumes that name it.
    Binder {
        /// Whether it waits.
        waits: bool,
    },
    /// The scheduler, for a node that reaches some volumes and must not be given others.
    Node {
        /// Whether it reaches a volume.
        reaches: &'a dyn Fn(&Object) -> bool,
        /// The names of volumes that other claims get.
        taken: &'a BTreeSet<String>,
    },
}

/// The volume that names the claim, or the smallest free one that satisfies it.
pub fn find(view: &View, claim: &Object, seeker: &Seeker<'_>) -> Option<Arc<Object>> {
    let wanted = requested(claim);
    let attributes = claim.text(&["spec", "volumeAttributesClassName"]);
    let usable = |volume: &&Arc<Object>| {
        (volume.at(&["spec", "claimRef"]).is_none() || names(volume, claim))
            && capacity(volume) >= wanted
            && mode(volume) == mode(claim)
            && volume.text(&["spec", "volumeAttributesClassName"]) == attributes
            && !volume.is_deleting()
    };
    let all: Vec<&Arc<Object>> = view.list(&PERSISTENT_VOLUMES, "").filter(usable).collect();
    let selector = claim.at(&["spec", "selector"]).map(|selector| Labels::of(Some(selector)));
    let free = |volume: &&&Arc<Object>| {
        volume.text(&["status", "phase"]) == "Available"
            && selector.as_ref().is_none_or(|selector| selector.matches(volume.labels()))
            && class(volume) == class(claim)
            && has_modes(volume, claim)
    };
    let smallest = |volume: &&&Arc<Object>| (capacity(volume), volume.name().to_owned());
    let found = match seeker {
        Seeker::Node { reaches, taken } => {
            let open: Vec<&Arc<Object>> =
                all.into_iter().filter(|volume| !taken.contains(volume.name())).collect();
            match open.iter().find(|volume| names(volume, claim)) {
                // A volume that is for this claim decides where it can be used.
                Some(own) => Some(*own).filter(|own| reaches(own)),
                None => {
                    let here = open.iter().filter(free).filter(|volume| reaches(volume));
                    here.min_by_key(smallest).copied()
                }
            }
        }
        Seeker::Binder { waits } => {
            // Volumes with fewer access modes come first, whatever else there is.
            let own = |volume: &&Arc<Object>| names(volume, claim) && has_modes(volume, claim);
            let modes = |volume: &Object| volume.items(&["spec", "accessModes"]).len();
            let candidates = all.iter().filter(|volume| own(volume) || (!waits && free(volume)));
            let order = |volume: &&&Arc<Object>| (modes(volume), !own(volume), smallest(volume));
            candidates.min_by_key(order).copied()
        }
    };
    found.cloned()
}

/// Whether a volume names a claim as the one that it is for.
pub fn names(volume: &Object, claim: &Object) -> bool {
    volume.at(&["spec", "claimRef"]).is_some_and(|reference| {
        let uid = shape::text(reference, &["uid"]);
        claim_key(reference) == *claim.key() && (uid.is_empty() || uid == claim.uid())
    })
}

/// Whether claims of a class are bound once a pod that uses them is placed.
pub fn waits(class: &Object) -> bool {
    class.text(&["volumeBindingMode"]) == "WaitForFirstConsumer"
}

/// A volume as it is when it is for a claim (`GetBindVolumeToClaim`); nothing when it is already.
pub fn given(volume: &Object, claim: &Object) -> Option<Value> {
    if volume.text(&["spec", "claimRef", "uid"]) == claim.uid() {
        return None;
    }
    let reference = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claim.namespace(),
        "name": claim.name(), "uid": claim.uid(),
        "resourceVersion": claim.resource_version().to_string(),
    });
    let mut body = volume.value().clone();
    map_at(&mut body, &["spec"]).insert("claimRef", reference);
    if !names(volume, claim) {
        map_at(&mut body, &["metadata", "annotations"]).insert(BY_CONTROLLER, "yes".into());
    }
    Some(body)
}

/// How much a claim asks for.
pub fn requested(claim: &Object) -> Quantity {
    storage(claim, &["spec", "resources", "requests", "storage"])
}

/// How much a volume holds.
pub fn capacity(volume: &Object) -> Quantity {
    storage(volume, &["spec", "capacity", "storage"])
}

fn storage(object: &Object, path: &[&str]) -> Quantity {
    // What is malformed the API server refuses.
    object.text(path).parse().unwrap_or_default()
}

/// The storage class of a claim or a volume; empty for none.
pub fn class(object: &Object) -> &str {
    let noted = object.annotation(NOTED_CLASS);
    noted.unwrap_or_else(|| object.text(&["spec", "storageClassName"]))
}

fn mode(object: &Object) -> &str {
    match object.text(&["spec", "volumeMode"]) {
        "" => "Filesystem",
        mode => mode,
    }
}

fn has_modes(volume: &Object, claim: &Object) -> bool {
    let modes = volume.items(&["spec", "accessModes"]);
    claim.items(&["spec", "accessModes"]).iter().all(|mode| modes.contains(mode))
}
