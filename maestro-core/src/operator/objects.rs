//! The objects the operator knows, found by key, by UID and by owner.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use crate::framework::PACKAGE_GROUP;
use crate::task::ObjectKey;

/// Every known object in its newest known version.
#[derive(Default)]
pub(super) struct Objects {
    by_key: BTreeMap<ObjectKey, Arc<Value>>,
    by_uid: BTreeMap<String, ObjectKey>,
    /// The objects that name this UID among their owners.
    by_owner: BTreeMap<String, BTreeSet<ObjectKey>>,
    /// What was found for a namespace and an owner since anything changed.
    owned: BTreeMap<(String, String), Owned>,
    gone: Gone,
}

/// How many of the objects that went last are remembered: more than requests can be under way.
const GONE: usize = 1024;

/// The UIDs of objects that went lately. The answer to an own write may come after the watch has
/// told that the object is gone: it must not bring it back. The watch itself may: what was created
/// after a list was made is not in that list, and is told of next.
#[derive(Default)]
struct Gone {
    uids: BTreeSet<String>,
    order: VecDeque<String>,
}

impl Gone {
    fn note(&mut self, object: &Value) {
        let Some(uid) = object["metadata"]["uid"].as_str() else { return };
        if !self.uids.insert(uid.to_owned()) {
            return;
        }
        self.order.push_back(uid.to_owned());
        if self.order.len() > GONE
            && let Some(oldest) = self.order.pop_front()
        {
            self.uids.remove(&oldest);
        }
    }

    fn take_back(&mut self, object: &Value) {
        let Some(uid) = object["metadata"]["uid"].as_str() else { return };
        if self.uids.remove(uid) {
            self.order.retain(|other| other != uid);
        }
    }

    fn holds(&self, object: &Value) -> bool {
        object["metadata"]["uid"].as_str().is_some_and(|uid| self.uids.contains(uid))
    }
}

/// Objects of one owner, in key order.
pub(super) type Owned = Arc<[(ObjectKey, Arc<Value>)]>;

impl Objects {
    /// One object.
    pub(super) fn get(&self, key: &ObjectKey) -> Option<Arc<Value>> {
        self.by_key.get(key).cloned()
    }

    /// Every object of a kind in a namespace, or everywhere for "".
    pub(super) fn list(&self, api_version: &str, kind: &str, namespace: &str) -> Vec<Arc<Value>> {
        let first = ObjectKey {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: String::new(),
        };
        let all = self.by_key.range(first..).take_while(|(key, _)| {
            key.api_version == api_version
                && key.kind == kind
                && (namespace.is_empty() || key.namespace == namespace)
        });
        all.map(|(_, object)| object.clone()).collect()
    }

    /// Every object of a namespace that an owner of this UID owns, at any depth, in key order.
    pub(super) fn owned(&mut self, namespace: &str, uid: &str) -> Owned {
        let id = (namespace.to_owned(), uid.to_owned());
        if let Some(found) = self.owned.get(&id) {
            return found.clone();
        }
        let mut found: BTreeMap<&ObjectKey, &Arc<Value>> = BTreeMap::new();
        let mut owners = vec![uid];
        while let Some(owner) = owners.pop() {
            for key in self.by_owner.get(owner).into_iter().flatten() {
                let Some(object) = self.by_key.get(key) else { continue };
                if key.namespace == namespace && found.insert(key, object).is_none() {
                    owners.extend(object["metadata"]["uid"].as_str());
                }
            }
        }
        let found: Owned =
            found.into_iter().map(|(key, object)| (key.clone(), object.clone())).collect();
        self.owned.insert(id, found.clone());
        found
    }

    /// Stores what a request was answered with, unless a newer one is known, or that it is gone;
    /// whether it was stored.
    pub(super) fn put(&mut self, object: &Arc<Value>) -> bool {
        !self.gone.holds(object) && self.store(object)
    }

    /// Stores what a watch tells of, unless a newer one is known; whether it was stored.
    pub(super) fn tell(&mut self, object: &Arc<Value>) -> bool {
        self.gone.take_back(object);
        self.store(object)
    }

    fn store(&mut self, object: &Arc<Value>) -> bool {
        let Some(key) = ObjectKey::of(object) else { return false };
        if self.by_key.get(&key).is_some_and(|old| version(old) >= version(object)) {
            return false;
        }
        self.remove(&key);
        if let Some(uid) = object["metadata"]["uid"].as_str() {
            self.by_uid.insert(uid.to_owned(), key.clone());
        }
        for owner in owner_uids(object) {
            self.by_owner.entry(owner.to_owned()).or_default().insert(key.clone());
        }
        self.by_key.insert(key, object.clone());
        self.owned.clear();
        true
    }

    /// Forgets an object.
    pub(super) fn remove(&mut self, key: &ObjectKey) {
        let Some(old) = self.by_key.remove(key) else { return };
        self.owned.clear();
        self.by_uid.remove(old["metadata"]["uid"].as_str().unwrap_or_default());
        for owner in owner_uids(&old) {
            if let Some(keys) = self.by_owner.get_mut(owner) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_owner.remove(owner);
                }
            }
        }
    }

    /// Forgets a deleted object, unless a later one bears its name.
    pub(super) fn forget(&mut self, object: &Value) {
        let Some(key) = ObjectKey::of(object) else { return };
        self.gone.note(object);
        if self.by_key.get(&key).is_some_and(|old| version(old) <= version(object)) {
            self.remove(&key);
        }
    }

    /// Replaces all of a kind by a listing; what changed, deletions included.
    pub(super) fn replace(
        &mut self,
        api_version: &str,
        kind: &str,
        listed: Vec<Arc<Value>>,
    ) -> Vec<Arc<Value>> {
        let keys: BTreeSet<ObjectKey> = listed.iter().filter_map(|o| ObjectKey::of(o)).collect();
        let gone: Vec<ObjectKey> = self
            .by_key
            .keys()
            .filter(|key| key.api_version == api_version && key.kind == kind)
            .filter(|key| !keys.contains(key))
            .cloned()
            .collect();
        let mut changed = Vec::new();
        for key in gone {
            if let Some(old) = self.get(&key) {
                self.gone.note(&old);
                changed.push(old);
            }
            self.remove(&key);
        }
        changed.extend(listed.into_iter().filter(|object| self.tell(object)));
        changed
    }

    /// Kind, namespace and name of the instances an object belongs to.
    pub(super) fn instances_of(&self, object: &Value) -> Vec<(String, String, String)> {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        if object["kind"] == "PlanExecution" {
            let instance = &object["spec"]["instance"];
            let text = |field: &str| instance[field].as_str().unwrap_or_default().to_owned();
            return vec![(text("kind"), namespace, text("name"))];
        }
        let mut found = Vec::new();
        let mut level: Vec<&Value> = owners(object).collect();
        // Pods are three owners deep at most: instance, Deployment, ReplicaSet.
        for _ in 0..4 {
            let mut next = Vec::new();
            for owner in level {
                let text = |field: &str| owner[field].as_str().unwrap_or_default();
                if text("apiVersion").starts_with(PACKAGE_GROUP) {
                    let (kind, name) = (text("kind").to_owned(), text("name").to_owned());
                    found.push((kind, namespace.clone(), name));
                } else if let Some(known) = self.by_uid.get(text("uid")) {
                    let owner = self.by_key.get(known);
                    next.extend(owner.into_iter().flat_map(|owner| owners(owner)));
                }
            }
            level = next;
        }
        found
    }
}

fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten()
}

fn owner_uids(object: &Value) -> impl Iterator<Item = &str> {
    owners(object).filter_map(|owner| owner["uid"].as_str())
}

/// The place of an object's version in the server's history. Resource versions of one kind are
/// comparable numbers (KEP-5504).
fn version(object: &Value) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    text.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, name: &str, uid: &str, version: u64, owner: &str) -> Arc<Value> {
        let owners = match owner {
            "" => json!([]),
            owner => json!([{"apiVersion": "apps/v1", "kind": "Owner", "name": "o", "uid": owner}]),
        };
        Arc::new(json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name,
            "namespace": "ns", "uid": uid, "resourceVersion": version.to_string(),
            "ownerReferences": owners}}))
    }

    #[test]
    fn a_late_answer_brings_nothing_back() {
        let mut objects = Objects::default();
        assert!(objects.put(&object("Service", "a", "first", 3, "")));
        // The watch tells of the end before the DELETE is answered with the object as it was.
        objects.forget(&object("Service", "a", "first", 5, ""));
        assert!(!objects.put(&object("Service", "a", "first", 4, "")), "it is gone");
        assert!(objects.put(&object("Service", "a", "second", 6, "")), "another of its name");
        assert_eq!(objects.replace("v1", "Service", Vec::new()).len(), 1);
        assert!(!objects.put(&object("Service", "a", "second", 6, "")), "a list has told");
    }

    #[test]
    fn what_an_older_list_lacks_is_there_when_the_watch_tells_of_it() {
        let mut objects = Objects::default();
        // Created while a list of before is on its way.
        let made = object("Service", "a", "first", 7, "");
        assert!(objects.put(&made));
        assert_eq!(objects.replace("v1", "Service", Vec::new()).len(), 1);
        assert!(!objects.put(&made), "an answer alone does not bring it back");
        assert!(objects.tell(&made), "the watch does");
        assert!(objects.put(&object("Service", "a", "first", 8, "")), "and then answers count");
    }

    #[test]
    fn owned_objects_are_found_at_any_depth_and_by_the_uids_of_now() {
        let mut objects = Objects::default();
        let names = |objects: &mut Objects| {
            let found = objects.owned("ns", "root");
            found.iter().map(|(key, _)| format!("{} {}", key.kind, key.name)).collect::<Vec<_>>()
        };
        assert!(objects.put(&object("Pod", "a-0", "p", 3, "set")), "before its owner is known");
        assert!(objects.put(&object("Set", "a", "set", 2, "root")));
        assert_eq!(names(&mut objects), ["Pod a-0", "Set a"]);
        assert!(!objects.put(&object("Set", "a", "set", 1, "")), "an older version is no news");
        assert!(objects.put(&object("Set", "a", "other", 4, "root")), "made anew");
        assert_eq!(names(&mut objects), ["Set a"], "the pod is the former set's");
        objects.forget(&object("Set", "a", "set", 3, ""));
        assert_eq!(names(&mut objects), ["Set a"], "the deletion of the former is past");
        objects.forget(&object("Set", "a", "other", 5, ""));
        assert!(names(&mut objects).is_empty());
        assert_eq!(objects.replace("v1", "Pod", Vec::new()).len(), 1);
    }
}
