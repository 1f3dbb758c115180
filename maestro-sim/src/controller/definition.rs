//! The end of a CustomResourceDefinition: its objects go first, then its finalizer, then itself.
//!
//! A part of the API server rather than of the controller manager.
//! Source: `k8s.io/apiextensions-apiserver/pkg/controller/finalizer`.

use crate::api::Status;
use crate::controller::kinds::CRDS;
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View, shape};
use crate::crd::CLEANUP;
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, map_at};

/// The finalizing controller of definitions.
#[derive(Debug, Default)]
pub struct DefinitionFinalizer {
    custom: Vec<GroupResource>,
}

impl Controller for DefinitionFinalizer {
    fn name(&self) -> &str {
        "crd-finalizer"
    }

    fn watches(&self) -> Vec<GroupResource> {
        let mut all = vec![CRDS.clone()];
        all.extend(self.custom.iter().cloned());
        all
    }

    fn heeds(&self, resource: &GroupResource, _old: &Object, new: &Object) -> bool {
        *resource == CRDS && new.is_deleting()
    }

    fn served(&mut self, custom: &[GroupResource]) {
        for resource in custom {
            if !self.custom.contains(resource) {
                self.custom.push(resource.clone());
            }
        }
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        if change.resource == CRDS {
            if let Some(new) = change.new.as_ref().filter(|new| new.is_deleting()) {
                queue.add(new.key().clone());
            }
            return;
        }
        if change.new.is_none() {
            let name = format!("{}.{}", change.resource.resource, change.resource.group);
            let key = Key::new("", &name);
            if view.get(&CRDS, &key).is_some_and(|crd| crd.is_deleting()) {
                queue.add(key);
            }
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(crd) = cx.view().get(&CRDS, key).cloned() else { return Ok(Next::Done) };
        if !crd.is_deleting() || !crd.finalizers().any(|finalizer| finalizer == CLEANUP) {
            return Ok(Next::Done);
        }
        let group = crd.text(&["spec", "group"]);
        let resource = GroupResource::owned(group, crd.text(&["spec", "names", "plural"]));
        let left: Vec<_> = cx.view().list(&resource, "").cloned().collect();
        if !left.is_empty() {
            let message = "CustomResource deletion is in progress";
            say(cx, &crd, "True", "InstanceDeletionInProgress", message, false)?;
            for object in left.iter().filter(|object| !object.is_deleting()) {
                absent_is_fine(cx.delete(&resource, object.key(), Value::Null))?;
            }
            // It comes again when the last of them is gone.
            return Ok(Next::Done);
        }
        let message = "removed all instances";
        say(cx, &crd, "False", "InstanceDeletionCompleted", message, true)?;
        Ok(Next::Done)
    }
}

/// Writes the condition `Terminating`, and takes the finalizer away at the end.
fn say(
    cx: &mut dyn Context,
    crd: &Object,
    status: &str,
    reason: &str,
    message: &str,
    is_over: bool,
) -> Result<(), Box<Status>> {
    let mut next = crd.value().clone();
    let now = cx.timestamp();
    let condition = json!({"type": "Terminating", "status": status, "reason": reason,
        "message": message, "lastTransitionTime": now});
    let conditions = map_at(&mut next, &["status"]).entry("conditions");
    if let Some(list) = conditions.or_insert_with(|| json!([])).as_array_mut() {
        let known = list.iter_mut().find(|one| shape::text(one, &["type"]) == "Terminating");
        match known {
            Some(known) if shape::text(known, &["reason"]) == reason => {}
            Some(known) => *known = condition,
            None => list.push(condition),
        }
    }
    if is_over {
        let list = map_at(&mut next, &["metadata"]).get_mut("finalizers");
        if let Some(list) = list.and_then(Value::as_array_mut) {
            list.retain(|finalizer| finalizer != CLEANUP);
        }
    }
    if next == *crd.value() {
        return Ok(());
    }
    absent_is_fine(cx.update_status(&CRDS, next)).map(drop)
}
