//! VolumeAttributesClasses: one that is deleted stays until no claim and no volume names it.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/volume/vacprotection`, KEP-3751.

use crate::api::Status;
use crate::controller::garbage::refs::drop_finalizer;
use crate::controller::kinds::{CLAIMS, PERSISTENT_VOLUMES};
use crate::controller::{Change, Context, Controller, Next, Queue, View};
use crate::object::{GroupResource, Key, Object};

const CLASSES: GroupResource = GroupResource::new("storage.k8s.io", "volumeattributesclasses");
const PROTECTION: &str = "kubernetes.io/vac-protection";

/// Where a claim names a class.
const OF_CLAIM: [&[&str]; 3] = [
    &["spec", "volumeAttributesClassName"],
    &["status", "currentVolumeAttributesClassName"],
    &["status", "modifyVolumeStatus", "targetVolumeAttributesClassName"],
];
/// Where a volume does.
const OF_VOLUME: [&[&str]; 1] = [&["spec", "volumeAttributesClassName"]];

/// The controller that lets classes go.
#[derive(Debug)]
pub struct AttributesClassController;

fn places(resource: &GroupResource) -> &'static [&'static [&'static str]] {
    if *resource == CLAIMS { &OF_CLAIM } else { &OF_VOLUME }
}

impl Controller for AttributesClassController {
    fn name(&self) -> &str {
        "volumeattributesclass-protection-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        vec![CLASSES, CLAIMS.clone(), PERSISTENT_VOLUMES.clone()]
    }

    fn observe(&mut self, change: &Change, _view: &View, queue: &mut Queue) {
        if change.resource == CLASSES {
            queue.extend(change.new.iter().map(|class| class.key().clone()));
            return;
        }
        // What is no longer named may go.
        for place in places(&change.resource) {
            let name = |object: &Object| object.text(place).to_owned();
            let before = change.old.as_ref().map(|old| name(old)).unwrap_or_default();
            let after = change.new.as_ref().map(|new| name(new)).unwrap_or_default();
            if !before.is_empty() && before != after {
                queue.add(Key::new("", &before));
            }
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(class) = cx.view().get(&CLASSES, key).cloned() else { return Ok(Next::Done) };
        if class.is_deleting() && !is_named(cx.view(), class.name()) {
            drop_finalizer(cx, &CLASSES, &class, PROTECTION)?;
        }
        Ok(Next::Done)
    }
}

fn is_named(view: &View, class: &str) -> bool {
    [&CLAIMS, &PERSISTENT_VOLUMES].into_iter().any(|resource| {
        let mut all = view.list(resource, "");
        all.any(|object| places(resource).iter().any(|place| object.text(place) == class))
    })
}
