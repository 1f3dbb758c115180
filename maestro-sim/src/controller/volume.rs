//! PersistentVolumes and claims: binding, dynamic provisioning, reclaiming, protection.
//!
//! Claims are keys with a namespace, volumes keys without.
//! Source: `pkg/controller/volume/persistentvolume`, `pvcprotection`, `pvprotection`.

pub mod bind;
pub mod external;
pub mod matching;
pub mod users;

use crate::api::Status;
use crate::controller::kinds::{CLAIMS, NODES, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES};
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View, garbage, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object};
use users::Users;

const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";

/// The binder and provisioner of volumes.
#[derive(Debug, Default)]
pub struct VolumeController {
    users: Users,
}

impl Controller for VolumeController {
    fn name(&self) -> &str {
        "persistentvolume-binder-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        [&CLAIMS, &PERSISTENT_VOLUMES, &STORAGE_CLASSES, &PODS, &NODES].map(Clone::clone).to_vec()
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.resource == CLAIMS {
            queue.add(object.key().clone());
            let volume = object.text(&["spec", "volumeName"]);
            if !volume.is_empty() {
                queue.add(Key::new("", volume));
            }
        } else if change.resource == PERSISTENT_VOLUMES {
            queue.add(object.key().clone());
            match object.at(&["spec", "claimRef"]) {
                Some(claim) => queue.add(claim_key(claim)),
                // A new volume may be what some waiting claim needs.
                None => queue.extend(unbound(view)),
            }
        } else if change.resource == STORAGE_CLASSES {
            queue.extend(unbound(view));
        } else if change.resource == PODS {
            self.users.see(change, queue);
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        if key.namespace.is_empty() {
            let Some(volume) = cx.view().get(&PERSISTENT_VOLUMES, key).cloned() else {
                return Ok(Next::Done);
            };
            bind::sync_volume(cx, &volume)?;
            return Ok(Next::Done);
        }
        let Some(claim) = cx.view().get(&CLAIMS, key).cloned() else { return Ok(Next::Done) };
        if claim.is_deleting() {
            self.release_claim(cx, &claim)?;
            return Ok(Next::Done);
        }
        if protect(cx, &CLAIMS, &claim, CLAIM_PROTECTION)? {
            return Ok(Next::Done);
        }
        bind::sync_claim(cx, &claim)?;
        // What was just bound is written anew, and seen again.
        self.users.tell(cx, &claim)?;
        Ok(Next::Done)
    }
}

impl VolumeController {
    /// A claim that is being deleted stays until no pod uses it.
    fn release_claim(&self, cx: &mut dyn Context, claim: &Object) -> Result<(), Box<Status>> {
        if self.users.hold(claim.key()) {
            return Ok(());
        }
        garbage::refs::drop_finalizer(cx, &CLAIMS, claim, CLAIM_PROTECTION)
    }
}

fn unbound(view: &View) -> Vec<Key> {
    let all = view.list(&CLAIMS, "");
    all.filter(|c| c.text(&["status", "phase"]) != "Bound").map(|c| c.key().clone()).collect()
}

/// The key of the claim a volume names.
pub fn claim_key(reference: &Value) -> Key {
    Key::new(shape::text(reference, &["namespace"]), shape::text(reference, &["name"]))
}

/// Adds a protection finalizer where it lacks; true when it did, so that the pass ends and the
/// next one works on the version written.
fn protect(
    cx: &mut dyn Context,
    resource: &GroupResource,
    object: &Object,
    finalizer: &str,
) -> Result<bool, Box<Status>> {
    if object.is_deleting() || object.finalizers().any(|f| f == finalizer) {
        return Ok(false);
    }
    let mut all: Vec<&str> = object.finalizers().collect();
    all.push(finalizer);
    let patch = json!({"metadata": {
        "resourceVersion": object.resource_version().to_string(), "finalizers": all,
    }});
    absent_is_fine(cx.patch(resource, object.key(), patch)).map(|_| true)
}
