//! The world as the operator knows it: one watch a kind, shared by all instances, and what the
//! operator itself wrote, so that it never acts on a past that it changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use kube::api::Api;
use kube::runtime::watcher::{self, watcher};
use kube::runtime::{WatchStreamExt, reflector::ObjectRef};
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::Error;
use super::ending::why;
use super::kinds::{Kinds, Served};
use super::live::Live;
use super::objects::{Objects, Owned};
use crate::task::ObjectKey;

/// How long a reconcile waits for a new watch to have listed everything.
const SYNC: Duration = Duration::from_secs(20);

/// Where changes of an instance's objects are reported to: its kind's controller.
pub(super) type Route = mpsc::UnboundedSender<ObjectRef<Live>>;

/// The live objects of every watched kind.
pub(super) struct World {
    client: Client,
    namespace: Option<String>,
    pub(super) kinds: Kinds,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    objects: Objects,
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
    pub(super) fn api(&self, served: &Served, namespace: &str) -> Api<Live> {
        let client = self.client.clone();
        match (served.namespaced, namespace, &self.namespace) {
            (false, _, _) | (true, "", None) => Api::all_with(client, &served.resource),
            (true, "", Some(own)) => Api::namespaced_with(client, own, &served.resource),
            (true, namespace, _) => Api::namespaced_with(client, namespace, &served.resource),
        }
    }

    /// The API that holds an object.
    pub(super) async fn api_of(&self, key: &ObjectKey) -> Result<Api<Live>, Error> {
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
        self.known().objects.get(key)
    }

    /// Every known object of a kind in a namespace, or everywhere for "".
    pub(super) fn list(&self, api_version: &str, kind: &str, namespace: &str) -> Vec<Arc<Value>> {
        self.known().objects.list(api_version, kind, namespace)
    }

    /// Every known object that an owner of this UID owns, at any depth.
    pub(super) fn owned(&self, namespace: &str, uid: &str) -> Owned {
        self.known().objects.owned(namespace, uid)
    }

    /// Takes note of what the server answered to a write, or to a read of one object.
    pub(super) fn note(&self, object: &Arc<Value>) {
        self.known().objects.put(object);
    }

    /// Takes note that an object is not there.
    pub(super) fn note_gone(&self, key: &ObjectKey) {
        self.known().objects.remove(key);
    }

    /// Reads an object from the server, past every cache.
    pub(super) async fn read(&self, key: &ObjectKey) -> Result<Option<Arc<Value>>, Error> {
        let api = self.api_of(key).await?;
        match api.get_opt(&key.name).await? {
            Some(object) => {
                let value = Arc::new(object.into_value(&key.api_version, &key.kind));
                self.note(&value);
                Ok(Some(value))
            }
            None => {
                self.note_gone(key);
                Ok(None)
            }
        }
    }

    fn heed(&self, event: watcher::Event<Live>, fresh: &mut Fresh) {
        let (api_version, kind) = (fresh.api_version.clone(), fresh.kind.clone());
        let value = |object: Live| Arc::new(object.into_value(&api_version, &kind));
        match event {
            watcher::Event::Init => fresh.listed.clear(),
            watcher::Event::InitApply(object) => fresh.listed.push(value(object)),
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut fresh.listed);
                let changed = self.known().objects.replace(&api_version, &kind, listed);
                changed.iter().for_each(|object| self.report(object));
            }
            watcher::Event::Apply(object) => {
                let value = value(object);
                if self.known().objects.tell(&value) {
                    self.report(&value);
                }
            }
            watcher::Event::Delete(object) => {
                let value = value(object);
                // Owners are looked up before the object is forgotten.
                self.report(&value);
                self.known().objects.forget(&value);
            }
        }
    }

    /// Wakes the instances that an object belongs to.
    fn report(&self, object: &Value) {
        let known = self.known();
        for (kind, namespace, name) in known.objects.instances_of(object) {
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
                Err(error) => tracing::warn!(
                    kind = fresh.kind,
                    error = why(&error),
                    "a watch was interrupted"
                ),
            }
        }
    });
    Watch { synced, task: task.abort_handle() }
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
