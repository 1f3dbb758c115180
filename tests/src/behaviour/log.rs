//! What happened on a cluster: every write, and what is there now.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maestro_sim::object::{GroupResource, Key, Object};
use maestro_sim::store::{self, EventType, Table};
use maestro_sim::world::{Observer, Writer};
use maestro_test::cluster::Sink;
use maestro_test::event::Write;

/// One version of an object.
#[derive(Clone, Debug)]
pub struct Change {
    /// When, since the cluster began.
    pub at: Duration,
    /// Its collection.
    pub resource: GroupResource,
    /// The object; its last version where it is gone.
    pub object: Arc<Object>,
    /// Whether it is gone.
    pub gone: bool,
    /// Who wrote, as far as it is known.
    pub actor: Arc<str>,
}

#[derive(Debug, Default)]
struct Known {
    changes: Vec<Change>,
    live: BTreeMap<(GroupResource, Key), Arc<Object>>,
}

/// The log of one cluster; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Known>>);

/// Whether a collection tells of nothing but the passing of time, or of what others did.
pub fn is_noise(resource: &GroupResource) -> bool {
    matches!(&*resource.resource, "events" | "leases" | "ipaddresses")
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, change: Change) {
        if is_noise(&change.resource) {
            return;
        }
        let mut known = self.lock();
        let place = (change.resource.clone(), change.object.key().clone());
        if change.gone {
            known.live.remove(&place);
        } else {
            known.live.insert(place, Arc::clone(&change.object));
        }
        known.changes.push(change);
    }

    /// Everything since the cluster began, in order.
    pub fn changes(&self) -> Vec<Change> {
        self.lock().changes.clone()
    }

    /// The oldest object that is there and passes a test, as it is now.
    pub fn find(
        &self,
        resource: &GroupResource,
        passes: &dyn Fn(&Object) -> bool,
    ) -> Option<Arc<Object>> {
        let known = self.lock();
        let all = known.live.iter().filter(|((of, _), object)| of == resource && passes(object));
        let age = |object: &Object| object.text(&["metadata", "creationTimestamp"]).to_owned();
        all.map(|(_, object)| Arc::clone(object))
            .min_by_key(|object| (age(object), object.name().to_owned()))
    }

    /// When something was last written that concerns a namespace.
    pub fn last(&self, namespace: &str) -> Duration {
        let known = self.lock();
        let concerns = known.changes.iter().rev().find(|change| belongs(change, namespace));
        concerns.map_or(Duration::ZERO, |change| change.at)
    }
}

/// Whether a change belongs to the case of a namespace: what is in it, the namespace itself, what
/// is named for it and has no namespace, and volumes that a claim of it holds.
pub fn belongs(change: &Change, namespace: &str) -> bool {
    let object = &change.object;
    if !object.namespace().is_empty() {
        return object.namespace() == namespace;
    }
    object.name() == namespace
        || object.name().strip_prefix(namespace).is_some_and(|rest| rest.starts_with('.'))
        || object.text(&["spec", "claimRef", "namespace"]) == namespace
}

impl Sink for Log {
    fn wrote(&self, at: Duration, write: Write) {
        let gone = write.new.is_none();
        let Some(object) = write.object().cloned() else { return };
        self.take(Change { at, resource: write.resource, object, gone, actor: write.actor });
    }
}

impl Observer for Log {
    fn stored(&mut self, table: &Table, event: &store::Event, writer: Writer<'_>) {
        self.take(Change {
            at: event.at,
            resource: table.resource.clone(),
            object: Arc::clone(&event.object),
            gone: event.kind == EventType::Deleted,
            actor: writer.client.into(),
        });
    }
}
