//! Owner references: making them, and adopting and releasing objects by selector.
//!
//! Source: `pkg/controller/controller_ref_manager.go`.

use std::sync::Arc;

use crate::api::Status;
use crate::controller::labels::Labels;
use crate::controller::{Context, View, kinds};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object};

/// A controlling owner reference to an object of a built-in collection.
pub fn controller_ref(resource: &GroupResource, owner: &Object) -> Value {
    let (api_version, kind) = kinds::of(resource).map_or(("", ""), |k| (k.api_version, k.kind));
    json!({
        "apiVersion": api_version, "kind": kind, "name": owner.name(), "uid": owner.uid(),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// The uid of the controlling owner, empty when there is none.
pub fn controller_uid(object: &Object) -> &str {
    object.controller().and_then(|c| c.get("uid")).and_then(Value::as_str).unwrap_or("")
}

/// The key of the object that controls this one, if it is of this kind and still in the view
/// under the same uid.
pub fn controlled_by(view: &View, resource: &GroupResource, object: &Object) -> Option<Key> {
    let reference = object.controller()?;
    let kind = kinds::of(resource)?;
    let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or("");
    if text("kind") != kind.kind || kinds::group_of(text("apiVersion")) != resource.group {
        return None;
    }
    let key = Key::new(object.namespace(), text("name"));
    let owner = view.get(resource, &key)?;
    (owner.uid() == text("uid")).then_some(key)
}

/// Who claims, and by which selector.
pub struct Claim<'a> {
    /// The owner's collection.
    pub resource: &'a GroupResource,
    /// The owner.
    pub owner: &'a Object,
    /// What it selects.
    pub selector: &'a Labels,
}

impl Claim<'_> {
    /// The objects of `children` that belong to the owner: its own that still match, and orphans
    /// that match now and could be adopted. Its own that no longer match are released.
    pub fn run(
        &self,
        cx: &mut dyn Context,
        children: &GroupResource,
        member: impl Fn(&Object) -> bool,
    ) -> Result<Vec<Arc<Object>>, Box<Status>> {
        let mut kept = Vec::new();
        for child in cx.view().owned(children, self.owner.uid()) {
            if controller_uid(&child) != self.owner.uid() {
                continue;
            }
            if self.selector.matches(child.labels()) && member(&child) {
                kept.push(child);
            } else if !self.owner.is_deleting() {
                self.release(cx, children, &child)?;
            }
        }
        if self.owner.is_deleting() {
            return Ok(kept);
        }
        let orphans: Vec<_> = cx
            .view()
            .orphans(children, self.owner.namespace())
            .filter(|o| !o.is_deleting() && self.selector.matches(o.labels()) && member(o))
            .cloned()
            .collect();
        if !orphans.is_empty() {
            self.still_there(cx)?;
        }
        for orphan in orphans {
            kept.extend(self.adopt(cx, children, &orphan)?);
        }
        kept.sort_by(|a, b| a.key().cmp(b.key()));
        Ok(kept)
    }

    /// A live look at the owner: a stale view must not adopt for an owner that is going.
    fn still_there(&self, cx: &mut dyn Context) -> Result<(), Box<Status>> {
        let fresh = cx.get(self.resource, self.owner.key())?;
        if fresh.uid() != self.owner.uid() || fresh.is_deleting() {
            let why = "the owner is gone or being deleted";
            return Err(Box::new(Status::conflict(self.resource, self.owner.name(), why)));
        }
        Ok(())
    }

    fn adopt(
        &self,
        cx: &mut dyn Context,
        children: &GroupResource,
        child: &Object,
    ) -> Result<Option<Arc<Object>>, Box<Status>> {
        let mut owners = child.owners().to_vec();
        owners.push(controller_ref(self.resource, self.owner));
        absent_is_fine(write_owners(cx, children, child, owners))
    }

    fn release(
        &self,
        cx: &mut dyn Context,
        children: &GroupResource,
        child: &Object,
    ) -> Result<(), Box<Status>> {
        let uid = Some(self.owner.uid());
        let others = child.owners().iter().filter(|o| o.get("uid").and_then(Value::as_str) != uid);
        let others = others.cloned().collect();
        absent_is_fine(write_owners(cx, children, child, others)).map(drop)
    }
}

/// Replaces the owner references of one exact version of an object.
pub fn write_owners(
    cx: &mut dyn Context,
    resource: &GroupResource,
    object: &Object,
    owners: Vec<Value>,
) -> crate::api::Answer {
    let patch = json!({"metadata": {
        "uid": object.uid(),
        "resourceVersion": object.resource_version().to_string(),
        "ownerReferences": owners,
    }});
    cx.patch(resource, object.key(), patch)
}

/// An object that is gone already needs nothing more.
pub fn absent_is_fine(answer: crate::api::Answer) -> Result<Option<Arc<Object>>, Box<Status>> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(status) if status.reason == "NotFound" => Ok(None),
        Err(status) => Err(status),
    }
}
