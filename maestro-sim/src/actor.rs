//! Actors: the cluster's own clients, each a [`Controller`] with its cache, queue and link.
//!
//! The shape is client-go's: an informer that lags, a workqueue without duplicates, back-off per
//! key from 5 ms doubling to 1,000 s.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::api::server::{Response, Server};
use crate::api::{Answer, Options, PatchType, Request, Status, Verb};
use crate::controller::{Context, Controller, Next, Queue, View};
use crate::link::{Link, LinkId, Verdict};
use crate::object::{GroupResource, Key, Object};
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
    /// The earliest wake-up already in the timer queue.
    pub(crate) wake: Option<Duration>,
    cursors: Vec<Cursor>,
    view: View,
    queue: Queue,
    due: BTreeMap<Key, Duration>,
    failures: BTreeMap<Key, u32>,
    user_agent: Arc<str>,
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
            wake: None,
            cursors: Vec::new(),
            view: View::default(),
            queue: Queue::default(),
            due: BTreeMap::new(),
            failures: BTreeMap::new(),
            user_agent,
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
                self.see(&resource, &key, Some(object));
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

    /// The lag of its watches.
    pub(crate) fn lag(&self) -> Duration {
        self.lag
    }

    /// Puts a key in its queue, as if something had changed.
    pub(crate) fn enqueue(&mut self, key: Key) {
        self.queue.add(key);
    }

    fn see(&mut self, resource: &GroupResource, key: &Key, new: Option<Arc<Object>>) {
        let new = new.filter(|o| self.controller.selects(resource, o));
        if new.is_none() && self.view.get(resource, key).is_none() {
            return;
        }
        let change = self.view.apply(resource, key, new);
        self.controller.observe(&change, &self.view, &mut self.queue);
    }

    /// Takes in what its watches deliver by now; the time of the first event not yet delivered.
    fn catch_up(&mut self, server: &Server, now: Duration) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        for index in 0..self.cursors.len() {
            if !self.cursors[index].behind {
                continue;
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
                self.see(&table.resource, &key, new);
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
        let ready: Vec<Key> =
            self.due.iter().filter(|(_, at)| **at <= around.now).map(|(k, _)| k.clone()).collect();
        for key in ready {
            self.due.remove(&key);
            self.queue.add(key);
        }
        while let Some(key) = self.queue.pop() {
            self.reconcile(&key, around);
        }
        if let Some(at) = self.due.values().min() {
            next = Some(next.map_or(*at, |n| n.min(*at)));
        }
        next
    }

    fn reconcile(&mut self, key: &Key, around: &mut Surroundings<'_>) {
        let mut calls = Calls {
            view: &self.view,
            around,
            user_agent: &self.user_agent,
            stream: &mut self.stream,
        };
        let outcome = self.controller.reconcile(key, &mut calls);
        match outcome {
            Ok(next) => {
                self.failures.remove(key);
                self.due.remove(key);
                if let Next::After(delay) = next {
                    // Nothing may be due at the very instant it asks: time has to move.
                    let delay = delay.max(Duration::from_millis(1));
                    self.due.insert(key.clone(), around.now + delay);
                }
            }
            Err(_) => {
                let count = self.failures.entry(key.clone()).or_default();
                let delay = Duration::from_millis(5 << (*count).min(18));
                *count += 1;
                let at = around.now + delay.min(Duration::from_secs(1000));
                self.due.insert(key.clone(), at);
            }
        }
    }
}

/// The API calls of one pass.
struct Calls<'a, 'b> {
    view: &'a View,
    around: &'a mut Surroundings<'b>,
    user_agent: &'a Arc<str>,
    stream: &'a mut Stream,
}

impl Calls<'_, '_> {
    fn call(&mut self, request: Request) -> Answer {
        let Surroundings { server, link, trace, now } = self.around;
        server.now = *now;
        let verb = request.verb;
        let verdict = link.verdict(&request);
        let client = self.user_agent.as_ref();
        let lost =
            || Err(Box::new(Status::new(504, "Timeout", "the request was lost on its link")));
        let reply = match verdict {
            Verdict::Drop => {
                trace.request(*now, client, &request, "drop");
                return lost();
            }
            Verdict::Error(status) => {
                trace.request(*now, client, &request, "error");
                return Err(status);
            }
            Verdict::LostReply => {
                trace.request(*now, client, &request, "lost-reply");
                let _ = server.handle(request);
                return lost();
            }
            Verdict::Pass => {
                trace.request(*now, client, &request, "pass");
                server.handle(request)
            }
        };
        let answer = match reply? {
            Response::Object { code, object } => (code, object),
            Response::Value { code, value } => (code, Arc::new(Object::new(value))),
            _ => return Err(Box::new(Status::method_not_allowed())),
        };
        trace.answer(*now, client, verb, Ok((answer.0, answer.1.resource_version())));
        Ok(answer.1)
    }

    fn request(
        &self,
        verb: Verb,
        resource: &GroupResource,
        namespace: &str,
        name: &str,
    ) -> Request {
        let version = self.around.server.registry.preferred(resource);
        Request {
            verb,
            resource: resource.clone(),
            version,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: "".into(),
            patch: None,
            options: Options::default(),
            body: Value::Null,
            user_agent: Arc::clone(self.user_agent),
        }
    }

    fn with_body(&self, verb: Verb, resource: &GroupResource, body: Value) -> Request {
        let text = |field: &str| {
            let found = crate::object::at(&body, &["metadata", field]).and_then(Value::as_str);
            found.unwrap_or("").to_owned()
        };
        let name = if verb == Verb::Create { String::new() } else { text("name") };
        let namespace = text("namespace");
        Request { body, ..self.request(verb, resource, &namespace, &name) }
    }
}

impl Context for Calls<'_, '_> {
    fn view(&self) -> &View {
        self.view
    }

    fn now(&self) -> Duration {
        self.around.now
    }

    fn timestamp(&self) -> String {
        crate::time::rfc3339(self.around.now)
    }

    fn unix_seconds(&self, rfc3339: &str) -> Option<i64> {
        crate::time::unix_seconds(rfc3339)
    }

    fn draw(&mut self, bound: u64) -> u64 {
        self.stream.below(bound)
    }

    fn get(&mut self, resource: &GroupResource, key: &Key) -> Answer {
        let request = self.request(Verb::Get, resource, &key.namespace, &key.name);
        self.call(request)
    }

    fn create(&mut self, resource: &GroupResource, object: Value) -> Answer {
        let request = self.with_body(Verb::Create, resource, object);
        self.call(request)
    }

    fn update(&mut self, resource: &GroupResource, object: Value) -> Answer {
        let request = self.with_body(Verb::Update, resource, object);
        self.call(request)
    }

    fn update_status(&mut self, resource: &GroupResource, object: Value) -> Answer {
        self.update_sub(resource, "status", object)
    }

    fn patch(&mut self, resource: &GroupResource, key: &Key, patch: Value) -> Answer {
        let request = self.request(Verb::Patch, resource, &key.namespace, &key.name);
        self.call(Request { patch: Some(PatchType::Merge), body: patch, ..request })
    }

    fn patch_status(&mut self, resource: &GroupResource, key: &Key, patch: Value) -> Answer {
        let request = self.request(Verb::Patch, resource, &key.namespace, &key.name);
        let patch_type = Some(PatchType::Merge);
        self.call(Request {
            patch: patch_type,
            subresource: "status".into(),
            body: patch,
            ..request
        })
    }

    fn delete(&mut self, resource: &GroupResource, key: &Key, options: Value) -> Answer {
        let request = self.request(Verb::Delete, resource, &key.namespace, &key.name);
        self.call(Request { body: options, ..request })
    }

    fn create_sub(
        &mut self,
        resource: &GroupResource,
        key: &Key,
        subresource: &'static str,
        body: Value,
    ) -> Answer {
        let request = self.request(Verb::Create, resource, &key.namespace, &key.name);
        self.call(Request { subresource: subresource.into(), body, ..request })
    }

    fn update_sub(
        &mut self,
        resource: &GroupResource,
        subresource: &'static str,
        body: Value,
    ) -> Answer {
        let request = self.with_body(Verb::Update, resource, body);
        self.call(Request { subresource: subresource.into(), ..request })
    }

    fn event(&mut self, regarding: &Object, kind: &str, reason: &str, message: &str) {
        let component = self.user_agent.clone();
        crate::event::record(self, &component, regarding, (kind, reason, message));
    }
}
