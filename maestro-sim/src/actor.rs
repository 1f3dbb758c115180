//! Actors: the cluster's own clients, each a [`Controller`] with its cache, queue and link.
//!
//! The shape is client-go's: an informer that lags, a workqueue without duplicates, back-off per
//! key from 5 ms doubling to 1,000 s.

mod backlog;
mod calls;
mod remote;

use std::sync::Arc;
use std::time::Duration;

use self::backlog::Backlog;
use self::calls::Calls;
pub use self::calls::{Wire, lost};
pub use self::remote::Remote;
use crate::api::server::Server;
use crate::controller::{Change, Controller, Queue, View};
use crate::link::{Link, LinkId};
use crate::object::{GroupResource, Key, Object};
use crate::pace::{Pace, Spin};
use crate::rng::Stream;
use crate::store::{EventType, TableId};
use crate::trace::Trace;

/// A controller and everything that is its own.
pub struct Actor {
    /// The step.
    pub controller: Box<dyn Controller>,
    /// The link it stands on.
    pub link: LinkId,
    /// Whether its process is stopped: it neither sees nor does anything.
    pub stopped: bool,
    /// Why it was stopped: it did not come to rest.
    pub(crate) spin: Option<Spin>,
    /// The earliest wake-up already in the timer queue.
    pub(crate) wake: Option<Duration>,
    cursors: Vec<Cursor>,
    view: View,
    queue: Queue,
    backlog: Backlog,
    pace: Pace,
    user_agent: Arc<str>,
    /// The program that it is part of, if it is not one of its own.
    pub(crate) program: Option<&'static str>,
    stream: Stream,
    lag: Duration,
}

struct Cursor {
    table: TableId,
    position: u64,
    /// Whether there may be events it has not taken in.
    behind: bool,
}

/// What an actor needs of the world to take a step.
pub(crate) struct Surroundings<'a> {
    pub server: &'a mut Server,
    pub link: &'a mut Link,
    pub trace: &'a mut Trace,
    pub now: Duration,
}

impl Actor {
    /// An actor whose watches begin with the present state of the store.
    pub(crate) fn new(
        controller: Box<dyn Controller>,
        link: LinkId,
        server: &mut Server,
        seed: u64,
        lag: Duration,
    ) -> Self {
        let stream = Stream::new(seed, controller.name());
        let user_agent: Arc<str> = controller.name().into();
        let mut actor = Self {
            controller,
            link,
            stopped: false,
            spin: None,
            wake: None,
            cursors: Vec::new(),
            view: View::default(),
            queue: Queue::default(),
            backlog: Backlog::default(),
            pace: Pace::default(),
            user_agent,
            program: None,
            stream,
            lag,
        };
        actor.follow(server);
        actor
    }

    /// Starts watches on the collections it asks for and does not yet follow.
    pub(crate) fn follow(&mut self, server: &mut Server) -> Vec<TableId> {
        let mut new = Vec::new();
        for resource in self.controller.watches() {
            let table = server.store.table_id(&resource);
            if self.cursors.iter().any(|c| c.table == table) {
                continue;
            }
            let objects: Vec<Arc<Object>> =
                server.store.table(table).objects.values().cloned().collect();
            let position = server.store.table(table).end();
            self.cursors.push(Cursor { table, position, behind: false });
            for object in objects {
                let key = object.key().clone();
                self.see(&resource, &key, Some(object), None);
            }
            new.push(table);
        }
        new
    }

    /// Up to where it has seen a collection's events; `None` when it does not watch it.
    pub(crate) fn position(&self, table: TableId) -> Option<u64> {
        self.cursors.iter().find(|c| c.table == table).map(|c| c.position)
    }

    /// Takes note that a collection was written to from this position on; whether something of
    /// that concerns it.
    pub(crate) fn notice(&mut self, table: TableId, from: u64, server: &Server) -> bool {
        if let Some(cursor) = self.cursors.iter_mut().find(|c| c.table == table) {
            cursor.behind = true;
        }
        let collection = server.store.table(table);
        let resource = &collection.resource;
        (from..collection.end()).filter_map(|at| collection.event(at)).any(|event| {
            let selects = |object: &Object| self.controller.selects(resource, object);
            match (&event.old, event.kind) {
                (Some(old), EventType::Modified) => {
                    let (was, is) = (selects(old), selects(&event.object));
                    was != is || (is && self.controller.heeds(resource, old, &event.object))
                }
                _ => selects(&event.object),
            }
        })
    }

    /// The name under which it makes requests.
    pub(crate) fn agent(&self) -> Arc<str> {
        Arc::clone(&self.user_agent)
    }

    /// The lag of its watches.
    pub(crate) fn lag(&self) -> Duration {
        self.lag
    }

    /// Puts a key in its queue, as if something had changed.
    pub(crate) fn enqueue(&mut self, key: Key) {
        self.queue.add(key);
    }

    /// Takes a version of an object in, or its end. `old` is the version before: of what the store
    /// held without telling anybody, it is the first that is heard.
    fn see(
        &mut self,
        resource: &GroupResource,
        key: &Key,
        new: Option<Arc<Object>>,
        old: Option<&Arc<Object>>,
    ) {
        let new = new.filter(|o| self.controller.selects(resource, o));
        let held = || old.filter(|old| self.controller.selects(resource, old)).cloned();
        let mut change = if new.is_none() && self.view.get(resource, key).is_none() {
            let Some(old) = held() else { return };
            Change { resource: resource.clone(), old: Some(old), new }
        } else {
            self.view.apply(resource, key, new)
        };
        if change.old.is_none() {
            change.old = held();
        }
        self.controller.observe(&change, &self.view, &mut self.queue);
    }

    /// Takes in what is there now, as a reflector does whose watch was answered with 410 Gone:
    /// what happened in between it never learns.
    fn list_again(&mut self, index: usize, server: &Server) {
        let table = server.store.table(self.cursors[index].table);
        let resource = &table.resource;
        let known = self.view.list(resource, "").map(|object| object.key().clone());
        let gone: Vec<Key> = known.filter(|key| !table.objects.contains_key(key)).collect();
        for key in &gone {
            self.see(resource, key, None, None);
        }
        for (key, object) in table.objects.iter() {
            let is_news = self.view.get(resource, key).is_none_or(|old| !Arc::ptr_eq(old, object));
            if is_news {
                self.see(resource, key, Some(Arc::clone(object)), None);
            }
        }
        self.cursors[index].position = table.end();
    }

    /// Takes in what its watches deliver by now; the time of the first event not yet delivered.
    fn catch_up(&mut self, server: &Server, now: Duration) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        for index in 0..self.cursors.len() {
            if !self.cursors[index].behind {
                continue;
            }
            if server.store.table(self.cursors[index].table).is_lost(self.cursors[index].position) {
                self.list_again(index, server);
            }
            self.cursors[index].behind = loop {
                let cursor = &self.cursors[index];
                let table = server.store.table(cursor.table);
                let Some(event) = table.event(cursor.position) else { break false };
                if event.at + self.lag > now {
                    let at = event.at + self.lag;
                    next = Some(next.map_or(at, |n| n.min(at)));
                    break true;
                }
                let new = (event.kind != EventType::Deleted).then(|| Arc::clone(&event.object));
                let key = event.object.key().clone();
                self.cursors[index].position += 1;
                let old = event.old.as_ref();
                self.see(&table.resource, &key, new, old);
            };
        }
        next
    }

    /// One step at `now`: deliver, reconcile every ready key, and say when to come again.
    pub(crate) fn step(&mut self, around: &mut Surroundings<'_>) -> Option<Duration> {
        if self.stopped {
            return None;
        }
        let heard = around.link.hears();
        let mut next = if heard { self.catch_up(around.server, around.now) } else { None };
        self.queue.extend(self.backlog.ready(around.now));
        while let Some(key) = self.queue.pop() {
            if let Some(spin) = self.pace.pass(&key, around.now) {
                // Whoever drives the run is told; for the cluster this process has died.
                self.stopped = true;
                self.spin = Some(spin);
                return None;
            }
            self.reconcile(&key, around);
        }
        if let Some(at) = self.backlog.next() {
            next = Some(next.map_or(at, |n| n.min(at)));
        }
        next
    }

    fn reconcile(&mut self, key: &Key, around: &mut Surroundings<'_>) {
        let now = around.now;
        let mut calls = Calls {
            view: &self.view,
            wire: around,
            user_agent: &self.user_agent,
            program: self.program,
            stream: &mut self.stream,
        };
        let outcome = self.controller.reconcile(key, &mut calls);
        self.backlog.passed(key, &outcome, now);
    }
}
