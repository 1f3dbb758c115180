//! The world as the operator knows it: one watch a kind, shared by all instances, and what the
//! operator itself wrote, so that it never acts on a past that it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, watcher};
use kube::runtime::{WatchStreamExt, reflector::ObjectRef};
use kube::{Client, ResourceExt};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::Error;
use super::kinds::{Kinds, Served};
use crate::framework::PACKAGE_GROUP;
use crate::task::ObjectKey;

/// How long a reconcile waits for a new watch to have listed everything.
const SYNC: Duration = Duration::from_secs(20);

/// Where changes of an instance's objects are reported to: its kind's controller.
pub(super) type Route = mpsc::UnboundedSender<ObjectRef<DynamicObject>>;

/// The live objects of every watched kind.
pub(super) struct World {
    client: Client,
    namespace: Option<String>,
    pub(super) kinds: Kinds,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    objects: BTreeMap<ObjectKey, Arc<Value>>,
    by_uid: BTreeMap<String, ObjectKey>,
    watches: BTreeMap<(String, String), Watch>,
    routes: BTreeMap<String, (Served, Route)>,
}

struct Watch {
    synced: watch::Receiver<bool>,
    task: AbortHandle,
}

impl World {
    pub(super) fn new(client: Client, namespace: Option<String>) -> Arc<Self> {
        let kinds = Kinds::new(client.clone());
        Arc::new(Self { client, namespace, kinds, known: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The API of a kind, over the operator's namespaces or in one of them.
    pub(super) fn api(&self, served: &Served, namespace: &str) -> Api<DynamicObject> {
        let client = self.client.clone();
        match (served.namespaced, namespace, &self.namespace) {
            (false, _, _) | (true, "", None) => Api::all_with(client, &served.resource),
            (true, "", Some(own)) => Api::namespaced_with(client, own, &served.resource),
            (true, namespace, _) => Api::namespaced_with(client, namespace, &served.resource),
        }
    }

    /// The API that holds an object.
    pub(super) async fn api_of(&self, key: &ObjectKey) -> Result<Api<DynamicObject>, Error> {
        let served = self.kinds.find(&key.api_version, &key.kind).await?;
        Ok(self.api(&served, &key.namespace))
    }

    /// Reports changes of the objects of a package's kind to its controller.
    pub(super) fn add_route(&self, kind: &str, served: &Served, route: Route) {
        self.known().routes.insert(kind.to_owned(), (served.clone(), route));
    }

    /// Reports them no more.
    pub(super) fn remove_route(&self, kind: &str) {
        self.known().routes.remove(kind);
    }

    /// Watches a kind, unless it is watched, and waits until all of it is known.
    pub(super) async fn ensure(
        self: &Arc<Self>,
        api_version: &str,
        kind: &str,
    ) -> Result<(), Error> {
        let id = (api_version.to_owned(), kind.to_owned());
        let watched = self.known().watches.get(&id).map(|watch| watch.synced.clone());
        let mut synced = match watched {
            Some(synced) => synced,
            None => {
                let served = self.kinds.find(api_version, kind).await?;
                let mut known = self.known();
                let watch = known
                    .watches
                    .entry(id)
                    .or_insert_with(|| spawn(self, &served, api_version, kind));
                watch.synced.clone()
            }
        };
        let wait = synced.wait_for(|synced| *synced);
        match tokio::time::timeout(SYNC, wait).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::NotSynced(kind.to_owned())),
        }
    }

    /// Ends every watch: what it knows is of no use to anybody who does not lead.
    pub(super) fn close(&self) {
        let mut known = self.known();
        for watch in std::mem::take(&mut known.watches).into_values() {
            watch.task.abort();
        }
        known.routes.clear();
    }

    /// An object, if it is known.
    pub(super) fn get(&self, key: &ObjectKey) -> Option<Arc<Value>> {
        self.known().objects.get(key).cloned()
    }

    /// Every known object of a kind in a namespace, or everywhere for "".
    pub(super) fn list(&self, api_version: &str, kind: &str, namespace: &str) -> Vec<Arc<Value>> {
        let first = ObjectKey {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: String::new(),
        };
        let known = self.known();
        let all = known.objects.range(first..);
        all.take_while(|(key, _)| {
            key.api_version == api_version
                && key.kind == kind
                && (namespace.is_empty() || key.namespace == namespace)
        })
        .map(|(_, object)| object.clone())
        .collect()
    }

    /// Every known object that an owner of this UID owns, at any depth.
    pub(super) fn owned(&self, namespace: &str, uid: &str) -> Vec<(ObjectKey, Arc<Value>)> {
        let known = self.known();
        let mut uids = BTreeSet::from([uid.to_owned()]);
        let mut found = BTreeMap::new();
        let near: Vec<_> =
            known.objects.iter().filter(|(key, _)| key.namespace == namespace).collect();
        loop {
            let before = found.len();
            for (key, object) in &near {
                if found.contains_key(*key) {
                    continue;
                }
                if owners(object).any(|owner| uids.contains(owner["uid"].as_str().unwrap_or(""))) {
                    uids.insert(object["metadata"]["uid"].as_str().unwrap_or("").to_owned());
                    found.insert((*key).clone(), (*object).clone());
                }
            }
            if found.len() == before {
                return found.into_iter().collect();
            }
        }
    }

    /// Takes note of what the server answered to a write, or to a read of one object.
    pub(super) fn note(&self, object: &Arc<Value>) {
        self.known().put(object);
    }

    /// Takes note that an object is not there.
    pub(super) fn note_gone(&self, key: &ObjectKey) {
        self.known().remove(key);
    }

    /// Reads an object from the server, past every cache.
    pub(super) async fn read(&self, key: &ObjectKey) -> Result<Option<Arc<Value>>, Error> {
        let api = self.api_of(key).await?;
        match api.get_opt(&key.name).await? {
            Some(object) => {
                let value = Arc::new(value_of(object, &key.api_version, &key.kind)?);
                self.note(&value);
                Ok(Some(value))
            }
            None => {
                self.note_gone(key);
                Ok(None)
            }
        }
    }

    fn heed(&self, event: watcher::Event<DynamicObject>, fresh: &mut Fresh) {
        let (api_version, kind) = (fresh.api_version.clone(), fresh.kind.clone());
        let value = |object| Arc::new(value_of(object, &api_version, &kind).unwrap_or_default());
        match event {
            watcher::Event::Init => fresh.listed.clear(),
            watcher::Event::InitApply(object) => fresh.listed.push(value(object)),
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut fresh.listed);
                let changed = self.known().replace(&api_version, &kind, listed);
                changed.iter().for_each(|object| self.report(object));
            }
            watcher::Event::Apply(object) => {
                let value = value(object);
                if self.known().put(&value) {
                    self.report(&value);
                }
            }
            watcher::Event::Delete(object) => {
                let value = value(object);
                // Owners are looked up before the object is forgotten.
                self.report(&value);
                self.known().forget(&value);
            }
        }
    }

    /// Wakes the instances that an object belongs to.
    fn report(&self, object: &Value) {
        let known = self.known();
        for (kind, namespace, name) in known.instances_of(object) {
            if let Some((served, route)) = known.routes.get(&kind) {
                let target = ObjectRef::new_with(&name, served.resource.clone()).within(&namespace);
                // A controller that is gone needs no news.
                let _ = route.send(target);
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.close();
    }
}

/// What one watch has gathered of a listing.
struct Fresh {
    api_version: String,
    kind: String,
    listed: Vec<Arc<Value>>,
}

fn spawn(world: &Arc<World>, served: &Served, api_version: &str, kind: &str) -> Watch {
    let (ready, synced) = watch::channel(false);
    let api = world.api(served, "");
    let weak = Arc::downgrade(world);
    let mut fresh =
        Fresh { api_version: api_version.to_owned(), kind: kind.to_owned(), listed: Vec::new() };
    let task = tokio::spawn(async move {
        let events = watcher(api, watcher::Config::default()).default_backoff();
        pin_mut!(events);
        while let Some(event) = events.next().await {
            let Some(world) = weak.upgrade() else { return };
            match event {
                Ok(event) => {
                    let is_done = matches!(event, watcher::Event::InitDone);
                    world.heed(event, &mut fresh);
                    if is_done {
                        ready.send_replace(true);
                    }
                }
                Err(error) => tracing::warn!(kind = fresh.kind, %error, "a watch was interrupted"),
            }
        }
    });
    Watch { synced, task: task.abort_handle() }
}

impl Known {
    /// Stores an object unless a newer one is known; whether it was stored.
    fn put(&mut self, object: &Arc<Value>) -> bool {
        let Some(key) = ObjectKey::of(object) else { return false };
        if self.objects.get(&key).is_some_and(|old| version(old) >= version(object)) {
            return false;
        }
        if let Some(uid) = object["metadata"]["uid"].as_str() {
            self.by_uid.insert(uid.to_owned(), key.clone());
        }
        self.objects.insert(key, object.clone());
        true
    }

    fn remove(&mut self, key: &ObjectKey) {
        if let Some(old) = self.objects.remove(key) {
            self.by_uid.remove(old["metadata"]["uid"].as_str().unwrap_or_default());
        }
    }

    /// Forgets a deleted object, unless a later one bears its name.
    fn forget(&mut self, object: &Value) {
        let Some(key) = ObjectKey::of(object) else { return };
        if self.objects.get(&key).is_some_and(|old| version(old) <= version(object)) {
            self.remove(&key);
        }
    }

    /// Replaces all of a kind by a listing; what changed, deletions included.
    fn replace(
        &mut self,
        api_version: &str,
        kind: &str,
        listed: Vec<Arc<Value>>,
    ) -> Vec<Arc<Value>> {
        let keys: BTreeSet<ObjectKey> = listed.iter().filter_map(|o| ObjectKey::of(o)).collect();
        let gone: Vec<ObjectKey> = self
            .objects
            .keys()
            .filter(|key| key.api_version == api_version && key.kind == kind)
            .filter(|key| !keys.contains(key))
            .cloned()
            .collect();
        let mut changed = Vec::new();
        for key in gone {
            changed.extend(self.objects.get(&key).cloned());
            self.remove(&key);
        }
        changed.extend(listed.into_iter().filter(|object| self.put(object)));
        changed
    }

    /// Kind, namespace and name of the instances an object belongs to.
    fn instances_of(&self, object: &Value) -> Vec<(String, String, String)> {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        if object["kind"] == "PlanExecution" {
            let instance = &object["spec"]["instance"];
            let text = |field: &str| instance[field].as_str().unwrap_or_default().to_owned();
            return vec![(text("kind"), namespace, text("name"))];
        }
        let mut found = Vec::new();
        let mut level: Vec<Value> = owners(object).cloned().collect();
        // Pods are three owners deep at most: instance, Deployment, ReplicaSet.
        for _ in 0..4 {
            let mut next = Vec::new();
            for owner in &level {
                let text = |field: &str| owner[field].as_str().unwrap_or_default();
                if text("apiVersion").starts_with(PACKAGE_GROUP) {
                    let (kind, name) = (text("kind").to_owned(), text("name").to_owned());
                    found.push((kind, namespace.clone(), name));
                } else if let Some(known) = self.by_uid.get(text("uid")) {
                    let owner = self.objects.get(known);
                    next.extend(owner.into_iter().flat_map(|owner| owners(owner)).cloned());
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

/// The place of an object's version in the server's history. Resource versions of one kind are
/// comparable numbers (KEP-5504).
fn version(object: &Value) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    text.parse().unwrap_or(0)
}

/// An object as JSON, without its managed fields. What is JSON already is not taken apart.
pub(super) fn value_of(
    mut object: DynamicObject,
    api_version: &str,
    kind: &str,
) -> Result<Value, serde_json::Error> {
    object.metadata.managed_fields = None;
    let mut value = match object.data {
        Value::Object(fields) => Value::Object(fields),
        _ => Value::Object(Map::new()),
    };
    value["metadata"] = serde_json::to_value(object.metadata)?;
    complete(&mut value, api_version, kind);
    Ok(value)
}

/// Items of a list carry no apiVersion and kind of their own.
pub(super) fn complete(value: &mut Value, api_version: &str, kind: &str) {
    value["apiVersion"] = Value::from(api_version);
    value["kind"] = Value::from(kind);
}

/// The key of an instance's execution, or of an instance.
pub(super) fn key_of(api_version: &str, kind: &str, object: &impl ResourceExt) -> ObjectKey {
    ObjectKey {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
    }
}
