//! The store: objects by collection and key, one counter of resource versions, one event log a
//! collection. A watch is a cursor over that log.

mod objects;
mod past;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::json::Value;
use crate::object::{GroupResource, Key, Object};

pub use objects::Objects;

/// Index of a collection in its store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TableId(usize);

/// What happened to an object, as watches name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventType {
    /// Created.
    Added,
    /// Changed.
    Modified,
    /// Deleted; the event's object is the last content at the resource version of the deletion.
    Deleted,
}

/// One entry of a collection's log.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventType,
    /// The object after it (for Deleted: the last content).
    pub object: Arc<Object>,
    /// The object before it.
    pub old: Option<Arc<Object>>,
    /// Virtual time of the write.
    pub at: Duration,
}

/// One collection.
#[derive(Debug)]
pub struct Table {
    /// Which collection.
    pub resource: GroupResource,
    /// The live objects, in key order.
    pub objects: Objects,
    log: VecDeque<Event>,
    first: u64,
    compacted: u64,
    wakers: Vec<Waker>,
}

impl Table {
    /// The position after the newest event.
    pub fn end(&self) -> u64 {
        self.first + self.log.len() as u64
    }

    /// The event at a position; `None` past the end or when it is compacted away.
    pub fn event(&self, position: u64) -> Option<&Event> {
        let index = position.checked_sub(self.first)?;
        self.log.get(usize::try_from(index).ok()?)
    }

    /// The events after a version, oldest first; none if some of them are compacted away.
    pub fn since(&self, version: u64) -> Option<impl Iterator<Item = &Event>> {
        let later = |event: &Event| event.object.resource_version() <= version;
        (version >= self.compacted).then(|| self.log.range(self.log.partition_point(later)..))
    }

    /// The position of the first event after `version`, or the compacted version that is newer.
    pub fn position_after(&self, version: u64) -> Result<u64, u64> {
        if version < self.compacted {
            return Err(self.compacted);
        }
        let index = self.log.partition_point(|e| e.object.resource_version() <= version);
        Ok(self.first + index as u64)
    }

    /// Whether a cursor at this position has lost events to compaction.
    pub fn is_lost(&self, position: u64) -> bool {
        position < self.first
    }

    /// Wakes this waker at the next event.
    pub fn wake_on_event(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|w| w.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }

    /// The resource version up to which events are gone, 0 for none.
    pub fn compacted(&self) -> u64 {
        self.compacted
    }
}

/// All collections of a cluster.
#[derive(Debug, Default)]
pub struct Store {
    version: u64,
    tables: Vec<Table>,
    by_resource: BTreeMap<GroupResource, TableId>,
    dirty: Vec<TableId>,
    past: past::Past,
}

/// Events kept per collection; older ones are compacted away, as etcd does every five minutes.
const LOG_LIMIT: usize = 100_000;

impl Store {
    /// The newest resource version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The collection's index, made on first use.
    pub fn table_id(&mut self, resource: &GroupResource) -> TableId {
        if let Some(id) = self.by_resource.get(resource) {
            return *id;
        }
        let id = TableId(self.tables.len());
        self.tables.push(Table {
            resource: resource.clone(),
            objects: Objects::default(),
            log: VecDeque::new(),
            first: 0,
            compacted: 0,
            wakers: Vec::new(),
        });
        self.by_resource.insert(resource.clone(), id);
        id
    }

    /// The collection, if anything was ever stored in or asked of it.
    pub fn find(&self, resource: &GroupResource) -> Option<&Table> {
        self.by_resource.get(resource).and_then(|id| self.tables.get(id.0))
    }

    /// A collection by index.
    pub fn table(&self, id: TableId) -> &Table {
        &self.tables[id.0]
    }

    /// A collection by index, to change.
    pub fn table_mut(&mut self, id: TableId) -> &mut Table {
        &mut self.tables[id.0]
    }

    /// One object.
    pub fn get(&self, resource: &GroupResource, key: &Key) -> Option<&Arc<Object>> {
        self.find(resource)?.objects.get(key)
    }

    /// The object of a name in a namespace (empty for cluster scope).
    pub fn named(
        &self,
        resource: &GroupResource,
        namespace: &str,
        name: &str,
    ) -> Option<&Arc<Object>> {
        self.find(resource)?.objects.named(namespace, name)
    }

    /// Every collection.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Stores a new version of an object and logs the event.
    pub fn put(&mut self, resource: &GroupResource, mut value: Value, at: Duration) -> Arc<Object> {
        self.version += 1;
        stamp(&mut value, self.version);
        let object = Arc::new(Object::new(value));
        let id = self.table_id(resource);
        let table = self.table_mut(id);
        let old = table.objects.insert(Arc::clone(&object));
        let kind = if old.is_some() { EventType::Modified } else { EventType::Added };
        self.log(id, Event { kind, object: Arc::clone(&object), old, at });
        object
    }

    /// A store with the present objects of some collections, and nothing else of this one.
    pub fn only(&self, resources: &[GroupResource]) -> Self {
        let mut out = Self { version: self.version, ..Self::default() };
        for resource in resources {
            let id = out.table_id(resource);
            if let Some(table) = self.find(resource) {
                out.table_mut(id).objects = table.objects.clone();
            }
        }
        out
    }

    /// Gives out a version, for something that [`Store::hold`] may put in later.
    pub fn reserve(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Puts an object in as if it had always been there: nobody is told. The version it carries
    /// is older than whatever follows.
    pub fn hold(&mut self, resource: &GroupResource, value: Value) {
        let object = Arc::new(Object::new(value));
        let id = self.table_id(resource);
        self.table_mut(id).objects.insert(object);
    }

    /// Removes an object and logs the event; `None` when there is no such object.
    pub fn remove(
        &mut self,
        resource: &GroupResource,
        key: &Key,
        at: Duration,
    ) -> Option<Arc<Object>> {
        let id = self.table_id(resource);
        let old = self.table_mut(id).objects.remove(key)?;
        self.version += 1;
        let mut value = old.value().clone();
        stamp(&mut value, self.version);
        let object = Arc::new(Object::new(value));
        let event =
            Event { kind: EventType::Deleted, object: Arc::clone(&object), old: Some(old), at };
        self.log(id, event);
        Some(object)
    }

    fn log(&mut self, id: TableId, event: Event) {
        let table = self.table_mut(id);
        table.log.push_back(event);
        if table.log.len() > LOG_LIMIT {
            let version = table.log[LOG_LIMIT / 2].object.resource_version();
            table.compact(version);
        }
        for waker in table.wakers.drain(..) {
            waker.wake();
        }
        if !self.dirty.contains(&id) {
            self.dirty.push(id);
        }
    }

    /// Forgets former states as time goes on.
    pub fn age(&mut self, now: Duration) {
        self.past.age(now, self.version);
    }

    /// The version of the oldest state that can still be listed.
    pub fn oldest(&self) -> u64 {
        self.past.oldest()
    }

    /// Forgets the events up to `version` in every collection (a watch gap).
    pub fn compact(&mut self, version: u64) {
        for table in &mut self.tables {
            table.compact(version.min(self.version));
        }
    }

    /// The collections written to since the last call.
    pub fn take_dirty(&mut self) -> Vec<TableId> {
        std::mem::take(&mut self.dirty)
    }

    /// Whether anything was written since [`Store::take_dirty`].
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }
}

impl Table {
    fn compact(&mut self, version: u64) {
        while self.log.front().is_some_and(|e| e.object.resource_version() <= version) {
            self.log.pop_front();
            self.first += 1;
        }
        self.compacted = self.compacted.max(version);
    }
}

fn stamp(value: &mut Value, version: u64) {
    crate::object::map_at(value, &["metadata"])
        .insert("resourceVersion", version.to_string().into());
}
