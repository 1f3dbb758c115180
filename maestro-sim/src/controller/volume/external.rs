//! A provisioner beside a cluster whose own controller binds but makes no volumes.
//!
//! Source: the contract of `sigs.k8s.io/sig-storage-lib-external-provisioner`.

use crate::api::Status;
use crate::controller::kinds::{CLAIMS, NODES, PERSISTENT_VOLUMES, STORAGE_CLASSES};
use crate::controller::own::absent_is_fine;
use crate::controller::volume::{bind, matching};
use crate::controller::{Change, Context, Controller, Next, Queue, View, shape};
use crate::object::{GroupResource, Key};

/// Makes volumes for claims of the classes that name it, and removes those that are released.
#[derive(Debug)]
pub struct Provisioner {
    name: String,
}

impl Provisioner {
    /// The provisioner of this name (a class's `provisioner`).
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

impl Controller for Provisioner {
    fn name(&self) -> &str {
        "volume-provisioner"
    }

    fn watches(&self) -> Vec<GroupResource> {
        [&CLAIMS, &PERSISTENT_VOLUMES, &STORAGE_CLASSES, &NODES].map(Clone::clone).to_vec()
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.resource == STORAGE_CLASSES {
            queue.extend(view.list(&CLAIMS, "").map(|claim| claim.key().clone()));
        } else if change.resource != NODES {
            queue.add(object.key().clone());
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        if key.namespace.is_empty() {
            return self.reclaim(key, cx);
        }
        let Some(claim) = cx.view().get(&CLAIMS, key).cloned() else { return Ok(Next::Done) };
        if claim.is_deleting() || !claim.text(&["spec", "volumeName"]).is_empty() {
            return Ok(Next::Done);
        }
        let Some(class) = bind::class_of(cx, &claim) else { return Ok(Next::Done) };
        let waits = matching::waits(&class) && claim.annotation(matching::SELECTED_NODE).is_none();
        if class.text(&["provisioner"]) == self.name && !waits {
            bind::provision(cx, &claim, &class)?;
        }
        Ok(Next::Done)
    }
}

impl Provisioner {
    fn reclaim(&self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let volume = cx.view().get(&PERSISTENT_VOLUMES, key).cloned();
        let Some(volume) = volume.filter(|volume| !volume.is_deleting()) else {
            return Ok(Next::Done);
        };
        let released = volume.text(&["status", "phase"]) == "Released"
            && volume.text(&["spec", "persistentVolumeReclaimPolicy"]) == "Delete"
            && volume.annotation("pv.kubernetes.io/provisioned-by") == Some(&self.name);
        if released {
            let options = shape::only_uid(volume.uid());
            absent_is_fine(cx.delete(&PERSISTENT_VOLUMES, key, options))?;
        }
        Ok(Next::Done)
    }
}
