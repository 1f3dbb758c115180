//! A client's cache: what its watches have told it so far, with the indexes controllers need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::controller::Change;
use crate::json::Map;
use crate::object::{GroupResource, Key, Object};

/// One collection as a client sees it.
#[derive(Default, Debug)]
struct Collection {
    objects: BTreeMap<Key, Arc<Object>>,
    by_owner: BTreeMap<String, BTreeSet<Key>>,
    by_node: BTreeMap<String, BTreeSet<Key>>,
    uncontrolled: BTreeSet<Key>,
}

/// A lagging cache of some collections.
#[derive(Default, Debug)]
pub struct View {
    collections: BTreeMap<GroupResource, Collection>,
}

impl View {
    /// One object.
    pub fn get(&self, resource: &GroupResource, key: &Key) -> Option<&Arc<Object>> {
        self.collections.get(resource)?.objects.get(key)
    }

    /// All objects of a collection in key order; of one namespace when it is not empty.
    pub fn list<'a>(
        &'a self,
        resource: &GroupResource,
        namespace: &'a str,
    ) -> Box<dyn Iterator<Item = &'a Arc<Object>> + 'a> {
        let Some(collection) = self.collections.get(resource) else {
            return Box::new(std::iter::empty());
        };
        if namespace.is_empty() {
            return Box::new(collection.objects.values());
        }
        let from = Key::new(namespace, "");
        let in_namespace = collection.objects.range(from..);
        Box::new(in_namespace.take_while(move |(k, _)| &*k.namespace == namespace).map(|(_, o)| o))
    }

    /// The objects that name `uid` in an owner reference, in key order.
    pub fn owned(&self, resource: &GroupResource, uid: &str) -> Vec<Arc<Object>> {
        self.indexed(resource, |c| c.by_owner.get(uid))
    }

    /// The objects whose `spec.nodeName` is `node`, in key order.
    pub fn on_node(&self, resource: &GroupResource, node: &str) -> Vec<Arc<Object>> {
        self.indexed(resource, |c| c.by_node.get(node))
    }

    /// The objects of a namespace that no owner controls, in key order.
    pub fn orphans<'a>(
        &'a self,
        resource: &GroupResource,
        namespace: &'a str,
    ) -> Box<dyn Iterator<Item = &'a Arc<Object>> + 'a> {
        let Some(collection) = self.collections.get(resource) else {
            return Box::new(std::iter::empty());
        };
        let keys = collection.uncontrolled.range(Key::new(namespace, "")..);
        let keys = keys.take_while(move |k| &*k.namespace == namespace);
        Box::new(keys.filter_map(|key| collection.objects.get(key)))
    }

    /// The objects of a namespace whose labels satisfy `matches`, in key order.
    pub fn matching<'a>(
        &'a self,
        resource: &GroupResource,
        namespace: &'a str,
        matches: impl Fn(Option<&Map>) -> bool,
    ) -> Vec<Arc<Object>> {
        self.list(resource, namespace).filter(|o| matches(o.labels())).cloned().collect()
    }

    fn indexed(
        &self,
        resource: &GroupResource,
        index: impl Fn(&Collection) -> Option<&BTreeSet<Key>>,
    ) -> Vec<Arc<Object>> {
        let Some(collection) = self.collections.get(resource) else { return Vec::new() };
        let keys = index(collection).into_iter().flatten();
        keys.filter_map(|key| collection.objects.get(key).cloned()).collect()
    }

    /// Puts the newest version of an object (or its absence) in and says what changed.
    pub fn apply(
        &mut self,
        resource: &GroupResource,
        key: &Key,
        new: Option<Arc<Object>>,
    ) -> Change {
        let collection = self.collections.entry(resource.clone()).or_default();
        let old = match &new {
            Some(object) => collection.objects.insert(key.clone(), Arc::clone(object)),
            None => collection.objects.remove(key),
        };
        let same = matches!((&old, &new), (Some(old), Some(new)) if places_alike(old, new));
        if let Some(old) = old.as_ref().filter(|_| !same) {
            collection.unindex(old);
        }
        if let Some(new) = new.as_ref().filter(|_| !same) {
            collection.index(new);
        }
        Change { resource: resource.clone(), old, new }
    }
}

impl Collection {
    fn index(&mut self, object: &Object) {
        for uid in owner_uids(object) {
            self.by_owner.entry(uid.to_owned()).or_default().insert(object.key().clone());
        }
        if object.controller().is_none() {
            self.uncontrolled.insert(object.key().clone());
        }
        let node = object.text(&["spec", "nodeName"]);
        if !node.is_empty() {
            self.by_node.entry(node.to_owned()).or_default().insert(object.key().clone());
        }
    }

    fn unindex(&mut self, object: &Object) {
        for uid in owner_uids(object) {
            remove(&mut self.by_owner, uid, object.key());
        }
        self.uncontrolled.remove(object.key());
        remove(&mut self.by_node, object.text(&["spec", "nodeName"]), object.key());
    }
}

/// Whether two versions of an object stand at the same places of every index.
fn places_alike(old: &Object, new: &Object) -> bool {
    old.owners() == new.owners()
        && old.text(&["spec", "nodeName"]) == new.text(&["spec", "nodeName"])
}

fn owner_uids(object: &Object) -> impl Iterator<Item = &str> {
    object.owners().iter().filter_map(|owner| owner.get("uid")?.as_str())
}

fn remove(index: &mut BTreeMap<String, BTreeSet<Key>>, name: &str, key: &Key) {
    if let Some(keys) = index.get_mut(name) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(name);
        }
    }
}
