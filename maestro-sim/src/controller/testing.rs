//! A small world for controller tests: an object store with the rules controllers rely on, a
//! trivial kubelet, and a loop of change → observe → reconcile until nothing is left to do.

mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::api::{Answer, Status};
use crate::controller::kinds::PODS;
use crate::controller::{Context, Controller, Next, Queue, View, list, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object};
use server::{Server, rfc3339};

/// One controller with its cache, queue and timers.
struct Actor {
    controller: Box<dyn Controller>,
    view: View,
    queue: Queue,
    timers: BTreeMap<Key, Duration>,
    seen: usize,
}

/// What a controller is given for one pass.
struct Pass<'a> {
    view: &'a View,
    server: &'a mut Server,
}

/// The world of one test.
pub struct World {
    /// The store.
    pub server: Server,
    actors: Vec<Actor>,
    /// Whether a pod becomes ready once it has run; by default all do.
    pub healthy: fn(&Object) -> bool,
    /// Every pod made, readied or removed, in order.
    pub trace: Vec<String>,
    traced: usize,
}

impl World {
    /// A world with all built-in controllers.
    pub fn new() -> Self {
        Self::with(list::built_in(""))
    }

    /// A world with these controllers only.
    pub fn with(controllers: Vec<Box<dyn Controller>>) -> Self {
        let actor = |controller| Actor {
            controller,
            view: View::default(),
            queue: Queue::default(),
            timers: BTreeMap::new(),
            seen: 0,
        };
        Self {
            server: Server::default(),
            actors: controllers.into_iter().map(actor).collect(),
            healthy: |_| true,
            trace: Vec::new(),
            traced: 0,
        }
    }

    /// Creates an object.
    pub fn create(&mut self, resource: &GroupResource, body: Value) -> Arc<Object> {
        self.server.create(resource, body).expect("the test's object is fine")
    }

    /// Merge-patches an object.
    pub fn patch(&mut self, resource: &GroupResource, name: &str, patch: Value) {
        let key = Key::new("default", name);
        self.server.patch(resource, &key, &patch, false).expect("the test's patch is fine");
    }

    /// Deletes an object under a propagation policy.
    pub fn delete(&mut self, resource: &GroupResource, name: &str, policy: &str) {
        let key = Key::new("default", name);
        let options = json!({"propagationPolicy": policy});
        self.server.delete(resource, &key, &options).expect("the test's object is there");
    }

    /// An object of the default namespace.
    pub fn get(&self, resource: &GroupResource, name: &str) -> Option<Arc<Object>> {
        self.server.get(resource, &Key::new("default", name)).ok()
    }

    /// The names of a collection.
    pub fn names(&self, resource: &GroupResource) -> Vec<String> {
        self.server.list(resource).map(|o| o.name().to_owned()).collect()
    }

    /// Runs everything, the kubelet included, until nothing changes.
    pub fn settle(&mut self) {
        for _ in 0..400 {
            self.controllers();
            self.write_trace();
            if !self.kubelet() {
                return;
            }
        }
        panic!("the world does not come to rest; last: {:?}", self.trace.iter().rev().take(9));
    }

    /// Lets time pass in steps of a second, doing all that becomes due.
    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.server.now += Duration::from_secs(1);
            self.settle();
        }
    }

    /// Runs the controllers until their queues are empty.
    pub fn controllers(&mut self) {
        let mut budget = 20_000;
        loop {
            let mut busy = false;
            for actor in &mut self.actors {
                busy |= actor.step(&mut self.server);
                budget -= 1;
            }
            assert!(budget > 0, "the controllers do not come to rest");
            if !busy {
                return;
            }
        }
    }

    fn write_trace(&mut self) {
        let log = &self.server.log[self.traced..];
        for (resource, key, object) in log.iter().filter(|(r, ..)| *r == PODS) {
            let what = match object {
                None => "gone",
                Some(o) if o.is_deleting() => continue,
                Some(o) if o.at(&["status", "phase"]).is_none() => "made",
                Some(_) => continue,
            };
            let _ = resource;
            self.trace.push(format!("{what} {}", key.name));
        }
        self.traced = self.server.log.len();
    }

    /// Starts pods that wait and removes those that are being deleted, one step each.
    fn kubelet(&mut self) -> bool {
        let mut busy = false;
        for pod in self.server.list(&PODS).cloned().collect::<Vec<_>>() {
            if pod.is_deleting() {
                if pod.finalizers().next().is_none() {
                    let now = json!({"gracePeriodSeconds": 0});
                    busy |= self.server.delete(&PODS, pod.key(), &now).is_ok();
                }
                continue;
            }
            let healthy = (self.healthy)(&pod);
            let terminated = crate::controller::pods::is_terminated(&pod);
            let ready = crate::controller::pods::is_ready(&pod);
            let phase = crate::controller::pods::phase(&pod);
            if terminated || (phase == "Running" && ready == healthy) {
                continue;
            }
            let ready = if healthy { "True" } else { "False" };
            let now = rfc3339(self.server.now);
            let status = json!({"status": {
                "phase": "Running",
                "conditions": [shape::condition("Ready", ready, "", "", &now)],
            }});
            busy |= self.server.patch(&PODS, pod.key(), &status, true).is_ok();
        }
        busy
    }
}

impl Actor {
    /// Takes in what happened, then reconciles one key. False when there was nothing to do.
    fn step(&mut self, server: &mut Server) -> bool {
        let watched = self.controller.watches();
        let mut busy = false;
        while let Some((resource, key, object)) = server.log.get(self.seen).cloned() {
            self.seen += 1;
            if watched.contains(&resource) {
                let object = object.filter(|o| self.controller.selects(&resource, o));
                if object.is_none() && self.view.get(&resource, &key).is_none() {
                    continue;
                }
                busy = true;
                let change = self.view.apply(&resource, &key, object);
                self.controller.observe(&change, &self.view, &mut self.queue);
            }
        }
        let due: Vec<Key> = self
            .timers
            .iter()
            .filter(|(_, at)| **at <= server.now)
            .map(|(k, _)| k.clone())
            .collect();
        for key in due {
            self.timers.remove(&key);
            self.queue.add(key);
        }
        let Some(key) = self.queue.pop() else { return busy };
        let mut pass = Pass { view: &self.view, server };
        match self.controller.reconcile(&key, &mut pass) {
            Ok(Next::Done) => {}
            Ok(Next::After(wait)) => {
                self.timers.insert(key, pass.server.now + wait);
            }
            Err(status) => {
                pass.server.errors.push(format!("{key}: {}", status.message));
                self.timers.insert(key, pass.server.now + Duration::from_millis(5));
                pass.server.now += Duration::from_millis(5);
            }
        }
        true
    }
}

impl Context for Pass<'_> {
    fn view(&self) -> &View {
        self.view
    }

    fn now(&self) -> Duration {
        self.server.now
    }

    fn timestamp(&self) -> String {
        rfc3339(self.server.now)
    }

    fn unix_seconds(&self, rfc3339: &str) -> Option<i64> {
        rfc3339.parse::<jiff::Timestamp>().ok().map(|t| t.as_second())
    }

    fn draw(&mut self, bound: u64) -> u64 {
        self.server.serial += 1;
        self.server.serial.checked_rem(bound).unwrap_or(0)
    }

    fn get(&mut self, resource: &GroupResource, key: &Key) -> Answer {
        self.server.get(resource, key)
    }

    fn create(&mut self, resource: &GroupResource, object: Value) -> Answer {
        self.server.create(resource, object)
    }

    fn update(&mut self, resource: &GroupResource, object: Value) -> Answer {
        self.server.update(resource, object, false)
    }

    fn update_status(&mut self, resource: &GroupResource, object: Value) -> Answer {
        self.server.update(resource, object, true)
    }

    fn patch(&mut self, resource: &GroupResource, key: &Key, patch: Value) -> Answer {
        self.server.patch(resource, key, &patch, false)
    }

    fn patch_status(&mut self, resource: &GroupResource, key: &Key, patch: Value) -> Answer {
        self.server.patch(resource, key, &patch, true)
    }

    fn delete(&mut self, resource: &GroupResource, key: &Key, options: Value) -> Answer {
        self.server.delete(resource, key, &options)
    }

    fn create_sub(
        &mut self,
        resource: &GroupResource,
        key: &Key,
        _subresource: &'static str,
        _body: Value,
    ) -> Answer {
        Err(Box::new(Status::not_found(resource, &key.name)))
    }

    fn update_sub(
        &mut self,
        resource: &GroupResource,
        subresource: &'static str,
        body: Value,
    ) -> Answer {
        self.server.finalize(resource, subresource, body)
    }

    fn event(&mut self, regarding: &Object, kind: &str, reason: &str, message: &str) {
        let name = regarding.name();
        self.server.events.push(format!("{kind} {reason} {name}: {message}"));
    }
}
