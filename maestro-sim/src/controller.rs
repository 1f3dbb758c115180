//! Controllers, scheduler and kubelets: ordinary clients, each a step woken by its own watches.
//!
//! A [`Controller`] sees the cluster only through its [`View`], a cache fed by watches that lag,
//! and changes it only through the API calls of its [`Context`], each of which stands on a link
//! that may delay, drop or fail it. Shape of client-go's informer plus workqueue.
//!
//! To add one: a file under `controller/` with a type that implements [`Controller`], and one
//! line in the list of built-in controllers.

pub mod address_repair;
pub mod attributes_class;
pub mod batch;
pub mod cron_job;
pub mod daemon_set;
pub mod definition;
pub mod deployment;
pub mod disruption;
pub mod endpoint_slice;
pub mod endpoint_slice_mirroring;
pub mod endpoints;
pub mod expect;
pub mod garbage;
pub mod hash;
pub mod job;
pub mod kinds;
pub mod kubernetes_service;
pub mod label_index;
pub mod labels;
pub mod list;
pub mod namespace;
pub mod node_lifecycle;
pub mod own;
pub mod pod_gc;
pub mod pods;
pub mod policy_status;
pub mod replica_set;
pub mod resource_quota;
pub mod revision;
pub mod role_aggregation;
pub mod service_cidr;
pub mod shape;
pub mod stateful_set;
pub mod view;
pub mod volume;

#[cfg(test)]
mod disruption_tests;
#[cfg(test)]
mod quota_tests;
#[cfg(test)]
mod rest_tests;
#[cfg(test)]
mod testing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::api::{Answer, Status};
use crate::json::Value;
use crate::object::{GroupResource, Key, Object};

pub use view::View;

/// What a watch told: an object of `resource` appeared, changed or went.
#[derive(Clone, Debug)]
pub struct Change {
    /// The collection.
    pub resource: GroupResource,
    /// The version before, as this client last saw it.
    pub old: Option<Arc<Object>>,
    /// The version now; `None` when the object is gone.
    pub new: Option<Arc<Object>>,
}

impl Change {
    /// The newest version known.
    pub fn object(&self) -> Option<&Arc<Object>> {
        self.new.as_ref().or(self.old.as_ref())
    }
}

/// The keys waiting to be reconciled: a set, so that many changes make one pass.
#[derive(Default, Debug)]
pub struct Queue {
    items: BTreeSet<Key>,
}

impl Queue {
    /// Adds a key; a key already waiting stays one.
    pub fn add(&mut self, key: Key) {
        self.items.insert(key);
    }

    /// Adds several keys.
    pub fn extend(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.items.extend(keys);
    }

    /// Takes the first key.
    pub fn pop(&mut self) -> Option<Key> {
        self.items.pop_first()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// When a key wants to be looked at again, besides when something changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Only on a change.
    Done,
    /// After this much virtual time (replaces an earlier wish for the same key).
    After(Duration),
}

/// A step of the cluster's own machinery.
pub trait Controller: Send {
    /// The name in traces, for example `deployment-controller`, and as field manager unless it is
    /// part of a program ([`World::add_part`](crate::world::World::add_part)).
    fn name(&self) -> &str;

    /// The collections it watches; its view holds exactly these.
    fn watches(&self) -> Vec<GroupResource>;

    /// Whether its watch selects this object (a kubelet watches the pods of its node).
    fn selects(&self, _resource: &GroupResource, _object: &Object) -> bool {
        true
    }

    /// Whether an update of an object it watches gives it something to do. What it does not heed
    /// it still sees, when something else wakes it.
    fn heeds(&self, _resource: &GroupResource, _old: &Object, _new: &Object) -> bool {
        true
    }

    /// Tells which custom collections are served now; asked for its watches again afterwards.
    fn served(&mut self, _custom: &[GroupResource]) {}

    /// Whether it watches more than when this was last asked.
    fn grew(&mut self) -> bool {
        false
    }

    /// Maps a change to the keys to reconcile. The view already holds the change.
    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue);

    /// One pass over one key. An error requeues the key with client-go's back-off
    /// (5 ms doubling to 1,000 s); so does a lost request.
    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>>;
}

/// What a controller may do: read its view, know the time, draw from its stream, call the API.
///
/// Calls return what the API server answered, or a status with reason `Timeout` (504) when the
/// link lost the request or its answer: the write may then have happened or not.
pub trait Context {
    /// This client's cache.
    fn view(&self) -> &View;

    /// Virtual time since the simulation began.
    fn now(&self) -> Duration;

    /// Virtual time as RFC 3339 with seconds, as in `creationTimestamp`.
    fn timestamp(&self) -> String;

    /// Seconds since the Unix epoch of an RFC 3339 time read off an object; `None` if malformed.
    fn unix_seconds(&self, rfc3339: &str) -> Option<i64>;

    /// A number in `0..bound` from this controller's own seeded stream; 0 when `bound` is 0.
    fn draw(&mut self, bound: u64) -> u64;

    /// A live GET.
    fn get(&mut self, resource: &GroupResource, key: &Key) -> Answer;

    /// POST to a collection. `metadata.generateName` is honoured.
    fn create(&mut self, resource: &GroupResource, object: Value) -> Answer;

    /// PUT of the main resource. A `metadata.resourceVersion` in the body is a precondition.
    fn update(&mut self, resource: &GroupResource, object: Value) -> Answer;

    /// PUT to `/status`.
    fn update_status(&mut self, resource: &GroupResource, object: Value) -> Answer;

    /// JSON merge patch of the main resource.
    fn patch(&mut self, resource: &GroupResource, key: &Key, patch: Value) -> Answer;

    /// JSON merge patch of `/status`.
    fn patch_status(&mut self, resource: &GroupResource, key: &Key, patch: Value) -> Answer;

    /// DELETE. `options` is a `DeleteOptions` body (preconditions, gracePeriodSeconds,
    /// propagationPolicy) or `Null`.
    fn delete(&mut self, resource: &GroupResource, key: &Key, options: Value) -> Answer;

    /// POST to a subresource, for example a pod's `binding` or `eviction`.
    fn create_sub(
        &mut self,
        resource: &GroupResource,
        key: &Key,
        subresource: &'static str,
        body: Value,
    ) -> Answer;

    /// PUT to a subresource other than status, for example a namespace's `finalize`.
    fn update_sub(
        &mut self,
        resource: &GroupResource,
        subresource: &'static str,
        body: Value,
    ) -> Answer;

    /// Records a core/v1 Event about an object (`type` Normal or Warning), counted as client-go
    /// does. Lost events are not errors.
    fn event(&mut self, regarding: &Object, kind: &str, reason: &str, message: &str);
}
