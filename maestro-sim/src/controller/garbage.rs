//! The garbage collector: objects whose owners are gone go too.
//!
//! Owners are known by uid. What the view does not hold is looked up live before anything is
//! deleted, because the watches of different collections lag differently.
//! Source: `pkg/controller/garbagecollector`.

pub mod refs;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::kinds::{self, CRDS};
use crate::controller::own::{absent_is_fine, write_owners};
use crate::controller::{Change, Context, Controller, Next, Queue, View, pods, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object};
use refs::Standing;

/// Finalizer of foreground deletion.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of deletion that orphans the dependents.
pub const ORPHAN: &str = "orphan";

/// A custom collection the collector learnt of.
#[derive(Clone, Debug)]
struct Custom {
    resource: GroupResource,
    kind: String,
    namespaced: bool,
}

/// The garbage collector.
#[derive(Debug, Default)]
pub struct GarbageCollector {
    custom: Vec<Custom>,
    /// Where the object of a uid lives.
    present: BTreeMap<String, (GroupResource, Key)>,
}

impl GarbageCollector {
    /// Starts to watch the collection of a custom resource, under this Kind.
    pub fn watch(&mut self, resource: GroupResource, kind: &str, namespaced: bool) {
        if !self.custom.iter().any(|c| c.resource == resource) {
            self.custom.push(Custom { resource, kind: kind.to_owned(), namespaced });
        }
    }

    fn collections(&self) -> impl Iterator<Item = &GroupResource> {
        kinds::ALL.iter().map(|k| &k.resource).chain(self.custom.iter().map(|c| &c.resource))
    }

    /// The collection of a kind and whether it is namespaced.
    fn collection(&self, api_version: &str, kind: &str) -> Option<(&GroupResource, bool)> {
        if let Some(found) = kinds::find(api_version, kind) {
            return Some((&found.resource, found.namespaced));
        }
        let group = kinds::group_of(api_version);
        let found = self.custom.iter().find(|c| c.resource.group == group && c.kind == kind)?;
        Some((&found.resource, found.namespaced))
    }

    fn dependents(&self, view: &View, uid: &str) -> Vec<(GroupResource, Arc<Object>)> {
        self.collections()
            .flat_map(|r| view.owned(r, uid).into_iter().map(move |o| (r.clone(), o)))
            .collect()
    }

    fn learn_definition(&mut self, definition: &Object) {
        if !pods::has_condition(definition, "Established") {
            return;
        }
        let group = definition.text(&["spec", "group"]);
        let plural = definition.text(&["spec", "names", "plural"]);
        let kind = definition.text(&["spec", "names", "kind"]);
        let namespaced = definition.text(&["spec", "scope"]) == "Namespaced";
        self.watch(GroupResource::owned(group, plural), kind, namespaced);
    }

    /// Whether the object's owners are all where its references say, as far as the view knows.
    fn owners_known(&self, object: &Object) -> bool {
        object.owners().iter().all(|owner| {
            let at = self.present.get(shape::text(owner, &["uid"]));
            at.is_some_and(|(_, key)| {
                &*key.name == shape::text(owner, &["name"])
                    && (key.namespace.is_empty() || &*key.namespace == object.namespace())
            })
        })
    }
}

impl Controller for GarbageCollector {
    fn name(&self) -> &str {
        "generic-garbage-collector"
    }

    fn watches(&self) -> Vec<GroupResource> {
        self.collections().cloned().collect()
    }

    fn heeds(&self, resource: &GroupResource, old: &Object, new: &Object) -> bool {
        *resource == CRDS
            || old.uid() != new.uid()
            || old.is_deleting() != new.is_deleting()
            || old.owners() != new.owners()
            || !old.finalizers().eq(new.finalizers())
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let resource = &change.resource;
        if let (true, Some(new)) = (*resource == CRDS, &change.new) {
            self.learn_definition(new);
        }
        let uid = |o: &Arc<Object>| o.uid().to_owned();
        let replaced = change
            .old
            .as_ref()
            .filter(|o| change.new.as_ref().is_none_or(|new| new.uid() != o.uid()));
        if let Some(gone) = replaced {
            self.present.remove(gone.uid());
            for (of, dependent) in self.dependents(view, gone.uid()) {
                queue.add(encode(&of, dependent.key()));
            }
            queue.extend(self.waiting_owners(view, gone));
        }
        let Some(new) = &change.new else { return };
        self.present.insert(uid(new), (resource.clone(), new.key().clone()));
        if !new.owners().is_empty() && !self.owners_known(new) {
            queue.add(encode(resource, new.key()));
        }
        if change.old.as_ref().is_some_and(|old| old.owners() != new.owners()) {
            queue.add(encode(resource, new.key()));
            queue.extend(change.old.iter().flat_map(|old| self.waiting_owners(view, old)));
        }
        let waiting = self.waiting_owners(view, new);
        if !waiting.is_empty() {
            queue.add(encode(resource, new.key()));
        }
        if new.is_deleting() && new.finalizers().any(|f| f == FOREGROUND || f == ORPHAN) {
            queue.add(encode(resource, new.key()));
            for (of, dependent) in self.dependents(view, new.uid()) {
                queue.add(encode(&of, dependent.key()));
            }
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some((resource, key)) = decode(key) else { return Ok(Next::Done) };
        let Some(seen) = cx.view().get(&resource, &key).cloned() else { return Ok(Next::Done) };
        if seen.is_deleting() && seen.finalizers().any(|f| f == ORPHAN) {
            return self.orphan_dependents(cx, &resource, &seen);
        }
        if seen.is_deleting() && seen.finalizers().any(|f| f == FOREGROUND) {
            return self.finish_foreground(cx, &resource, &seen);
        }
        if seen.is_deleting() || seen.owners().is_empty() {
            return Ok(Next::Done);
        }
        let Some(live) = absent_is_fine(cx.get(&resource, &key))? else { return Ok(Next::Done) };
        // The view may show owners that an orphaning deletion has just taken from it.
        if live.uid() != seen.uid() || live.is_deleting() || live.owners().is_empty() {
            return Ok(Next::Done);
        }
        self.collect(cx, &resource, &live)
    }
}

impl GarbageCollector {
    /// The owners of an object that are being deleted in the foreground, as queue keys.
    fn waiting_owners(&self, view: &View, object: &Object) -> Vec<Key> {
        let uids = object.owners().iter().map(|o| shape::text(o, &["uid"]));
        let at = uids.filter_map(|uid| self.present.get(uid));
        at.filter(|(resource, key)| {
            let owner = view.get(resource, key);
            owner.is_some_and(|o| o.is_deleting() && o.finalizers().any(|f| f == FOREGROUND))
        })
        .map(|(resource, key)| encode(resource, key))
        .collect()
    }

    /// Deletes an object all of whose owners are gone or going; drops references that dangle
    /// while another owner holds it.
    fn collect(
        &self,
        cx: &mut dyn Context,
        resource: &GroupResource,
        object: &Object,
    ) -> Result<Next, Box<Status>> {
        let mut standings = Vec::new();
        for owner in object.owners() {
            standings.push(self.standing(cx, object, owner)?);
        }
        if standings.contains(&Standing::Unknown) {
            return Ok(Next::After(Duration::from_secs(30)));
        }
        if standings.contains(&Standing::Solid) {
            if standings.iter().all(|s| *s == Standing::Solid) {
                return Ok(Next::Done);
            }
            let kept = object.owners().iter().zip(&standings);
            let kept = kept.filter(|(_, s)| **s == Standing::Solid).map(|(o, _)| o.clone());
            absent_is_fine(write_owners(cx, resource, object, kept.collect()))?;
            return Ok(Next::Done);
        }
        let dependents = self.dependents(cx.view(), object.uid());
        let foreground =
            standings.contains(&Standing::WaitsForDependents) && !dependents.is_empty();
        let policy = if foreground {
            self.unblock(cx, resource, object, &dependents)?;
            "Foreground"
        } else if object.finalizers().any(|f| f == ORPHAN) {
            "Orphan"
        } else if object.finalizers().any(|f| f == FOREGROUND) {
            "Foreground"
        } else {
            "Background"
        };
        let options = json!({
            "preconditions": {"uid": object.uid()}, "propagationPolicy": policy,
        });
        absent_is_fine(cx.delete(resource, object.key(), options))?;
        Ok(Next::Done)
    }

    /// Breaks a circle of foreground deletions: an object whose own dependents already wait for
    /// theirs stops blocking its owners.
    fn unblock(
        &self,
        cx: &mut dyn Context,
        resource: &GroupResource,
        object: &Object,
        dependents: &[(GroupResource, Arc<Object>)],
    ) -> Result<(), Box<Status>> {
        let circle = dependents
            .iter()
            .any(|(_, d)| d.is_deleting() && d.finalizers().any(|f| f == FOREGROUND));
        let blocks = object.owners().iter().any(|o| o["blockOwnerDeletion"] == true);
        if !circle || !blocks {
            return Ok(());
        }
        let mut owners = object.owners().to_vec();
        owners.iter_mut().for_each(|o| o["blockOwnerDeletion"] = false.into());
        absent_is_fine(write_owners(cx, resource, object, owners)).map(drop)
    }

    fn finish_foreground(
        &self,
        cx: &mut dyn Context,
        resource: &GroupResource,
        owner: &Object,
    ) -> Result<Next, Box<Status>> {
        let blocking = self.dependents(cx.view(), owner.uid()).iter().any(|(_, dependent)| {
            dependent
                .owners()
                .iter()
                .any(|o| shape::text(o, &["uid"]) == owner.uid() && o["blockOwnerDeletion"] == true)
        });
        if blocking {
            return Ok(Next::Done);
        }
        refs::drop_finalizer(cx, resource, owner, FOREGROUND)?;
        Ok(Next::Done)
    }

    fn orphan_dependents(
        &self,
        cx: &mut dyn Context,
        resource: &GroupResource,
        owner: &Object,
    ) -> Result<Next, Box<Status>> {
        for (of, dependent) in self.dependents(cx.view(), owner.uid()) {
            let others = dependent.owners().iter();
            let others = others.filter(|o| shape::text(o, &["uid"]) != owner.uid()).cloned();
            let others: Vec<Value> = others.collect();
            absent_is_fine(write_owners(cx, &of, &dependent, others))?;
        }
        refs::drop_finalizer(cx, resource, owner, ORPHAN)?;
        Ok(Next::Done)
    }
}

fn encode(resource: &GroupResource, key: &Key) -> Key {
    Key::new(&key.namespace, &format!("{}/{}/{}", resource.group, resource.resource, key.name))
}

fn decode(key: &Key) -> Option<(GroupResource, Key)> {
    let mut parts = key.name.splitn(3, '/');
    let (group, resource, name) = (parts.next()?, parts.next()?, parts.next()?);
    Some((GroupResource::owned(group, resource), Key::new(&key.namespace, name)))
}
