//! The world: API server, actors, links and one queue of timers, stepped at virtual instants.
//!
//! Synchronous and single-threaded: nothing here waits. [`crate::sim`] drives it from tokio's
//! paused clock, so that an operator's futures and the cluster share one time.

mod links;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::{Actor, Surroundings};
use crate::api::Request;
use crate::api::server::{Handled, Server};
use crate::controller::Controller;
use crate::json::Value;
use crate::link::{LinkId, Verdict};
use crate::links::Links;
use crate::object::{GroupResource, Key};
pub use crate::observe::{Observer, RequestSummary, Writer};
use crate::observe::{outcome, traced};
use crate::pace::Spin;
use crate::rng::Stream;
use crate::store::TableId;
use crate::trace::{Trace, TraceLevel};

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Timer {
    Actor(usize),
}

/// Everything in one simulation.
pub struct World {
    /// The API server.
    pub server: Server,
    /// The trace.
    pub trace: Trace,
    /// Virtual time since the simulation began.
    pub now: Duration,
    /// What lies between clients and the API server. Whatever waits on a link that is touched
    /// looks again at the end of the present call.
    pub links: Links,
    seed: u64,
    actors: Vec<Actor>,
    subscribers: Vec<(TableId, Vec<usize>)>,
    seen: Vec<(TableId, u64)>,
    timers: BinaryHeap<Reverse<(Duration, u64, Timer)>>,
    sequence: u64,
    observers: Vec<Box<dyn Observer>>,
    definitions: Option<TableId>,
}

impl World {
    /// An empty world.
    pub fn new(seed: u64, level: TraceLevel) -> Self {
        Self {
            server: Server::new(seed),
            trace: Trace::new(level),
            now: Duration::ZERO,
            seed,
            links: Links::new(seed),
            actors: Vec::new(),
            subscribers: Vec::new(),
            seen: Vec::new(),
            timers: BinaryHeap::new(),
            sequence: 0,
            observers: Vec::new(),
            definitions: None,
        }
    }

    /// The simulation's seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A stream of its own for a part of the run that the world does not know.
    pub fn stream(&self, name: &str) -> Stream {
        Stream::new(self.seed, name)
    }

    /// Adds an observer of stored events.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.observers.push(observer);
    }

    /// Takes the observers back at the end of a run.
    pub fn take_observers(&mut self) -> Vec<Box<dyn Observer>> {
        std::mem::take(&mut self.observers)
    }

    /// Adds an actor on a link.
    pub fn add_actor(&mut self, controller: Box<dyn Controller>, link: LinkId) -> usize {
        let lag = self.links.used(link).watch_lag();
        let actor = Actor::new(controller, link, &mut self.server, self.seed, lag);
        let index = self.actors.len();
        let tables: Vec<TableId> = actor
            .controller
            .watches()
            .iter()
            .map(|resource| self.server.store.table_id(resource))
            .collect();
        self.actors.push(actor);
        for table in tables {
            self.subscribe(table, index);
        }
        self.wake(index, self.now);
        index
    }

    /// Adds an actor that is part of a program, as all controllers are of
    /// `kube-controller-manager`: the program owns the fields that it writes.
    pub fn add_part(
        &mut self,
        program: &'static str,
        controller: Box<dyn Controller>,
        link: LinkId,
    ) -> usize {
        let index = self.add_actor(controller, link);
        self.actors[index].program = Some(program);
        index
    }

    /// The index of the actor with this name.
    pub fn find_actor(&self, name: &str) -> Option<usize> {
        self.actors.iter().position(|a| a.controller.name() == name)
    }

    /// Stops or starts an actor's process.
    pub fn set_stopped(&mut self, actor: usize, stopped: bool) {
        if let Some(found) = self.actors.get_mut(actor) {
            found.stopped = stopped;
        }
        self.wake(actor, self.now);
    }

    /// Puts a key into an actor's queue.
    pub fn enqueue(&mut self, actor: usize, key: Key) {
        if let Some(found) = self.actors.get_mut(actor) {
            found.enqueue(key);
        }
        self.wake(actor, self.now);
    }

    fn subscribe(&mut self, table: TableId, actor: usize) {
        match self.subscribers.iter_mut().find(|(t, _)| *t == table) {
            Some((_, actors)) if actors.contains(&actor) => {}
            Some((_, actors)) => actors.push(actor),
            None => self.subscribers.push((table, vec![actor])),
        }
    }

    fn wake(&mut self, actor: usize, at: Duration) {
        let Some(found) = self.actors.get_mut(actor) else { return };
        if found.wake.is_some_and(|earlier| earlier <= at) {
            return;
        }
        found.wake = Some(at);
        self.sequence += 1;
        self.timers.push(Reverse((at, self.sequence, Timer::Actor(actor))));
    }

    /// Carries out one request that arrives now on a link; `None` when its answer is lost.
    ///
    /// The second value says whether the client's process dies with it (`operator-crash`).
    pub fn request(&mut self, link: LinkId, request: Request) -> (Option<Handled>, bool) {
        self.server.now = self.now;
        let verb = request.verb;
        let verdict = self.links.used(link).verdict(&request);
        let word = match &verdict {
            Verdict::Pass => "pass",
            Verdict::Drop => "drop",
            Verdict::LostReply => "lost-reply",
            Verdict::Error(_) => "error",
        };
        let name = std::mem::take(&mut self.links.used(link).name);
        self.trace.request(self.now, &name, &request, word);
        let summary = (!self.observers.is_empty()).then(|| Request {
            body: Value::Null,
            resource: request.resource.clone(),
            version: request.version.clone(),
            namespace: request.namespace.clone(),
            name: request.name.clone(),
            subresource: request.subresource.clone(),
            options: crate::api::Options::default(),
            user_agent: Arc::clone(&request.user_agent),
            user: None,
            ..request
        });
        let reply = match verdict {
            Verdict::Drop => None,
            Verdict::Error(status) => Some(Err(status)),
            Verdict::LostReply => {
                let _ = self.server.handle(request);
                None
            }
            Verdict::Pass => Some(self.server.handle(request)),
        };
        let (code, message) = outcome(reply.as_ref());
        if let Some(reply) = &reply {
            self.trace.answer(self.now, &name, verb, traced(reply));
        }
        if let Some(summary) = &summary {
            let told = RequestSummary { client: &name, request: summary, code, message };
            for observer in &mut self.observers {
                observer.requested(self.now, &told);
            }
        }
        let crashed = verb.writes() && self.links.count_write(link);
        self.settle(Writer { client: &name, verb: Some(verb) });
        self.links.used(link).name = name;
        (reply, crashed)
    }

    /// A request that no link stands before: set-up, the scenario's own steps, faults.
    ///
    /// # Errors
    /// What the API server answers.
    pub fn direct(&mut self, request: Request) -> Handled {
        self.server.now = self.now;
        let agent = Arc::clone(&request.user_agent);
        self.trace.request(self.now, &agent, &request, "pass");
        let verb = request.verb;
        let reply = self.server.handle(request);
        self.trace.answer(self.now, &agent, verb, traced(&reply));
        self.settle(Writer { client: &agent, verb: Some(verb) });
        reply
    }

    /// Notes something that is no request.
    pub fn note(&mut self, what: &str, details: &Value) {
        self.trace.note(self.now, what, details.clone());
        for observer in &mut self.observers {
            observer.noted(self.now, what, details);
        }
    }

    /// Feeds observers and schedules wake-ups for everything written since the last call.
    fn settle(&mut self, writer: Writer<'_>) {
        if !self.server.store.is_dirty() {
            return;
        }
        for table in self.server.store.take_dirty() {
            let from = self.feed(table, writer);
            let Some(at) = self.subscribers.iter().position(|(t, _)| *t == table) else {
                continue;
            };
            for index in 0..self.subscribers[at].1.len() {
                let actor = self.subscribers[at].1[index];
                if self.actors[actor].notice(table, from, &self.server) {
                    let wake = self.now + self.actors[actor].lag();
                    self.wake(actor, wake);
                }
            }
        }
        if self.server.registry.take_changed() {
            self.follow_new_kinds();
        }
    }

    /// Shows observers what was written to a collection; the position it began at.
    fn feed(&mut self, table: TableId, writer: Writer<'_>) -> u64 {
        let end = self.server.store.table(table).end();
        let from = match self.seen.iter_mut().find(|(t, _)| *t == table) {
            Some((_, position)) => std::mem::replace(position, end),
            None => {
                self.seen.push((table, end));
                0
            }
        };
        let collection = self.server.store.table(table);
        for position in from..end {
            let Some(event) = collection.event(position) else { continue };
            for observer in &mut self.observers {
                observer.stored(collection, event, writer);
            }
        }
        from
    }

    fn follow_new_kinds(&mut self) {
        let definitions = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
        self.definitions = Some(self.server.store.table_id(&definitions));
        let resources = self.server.registry.custom_resources();
        for index in 0..self.actors.len() {
            let actor = &mut self.actors[index];
            actor.controller.served(&resources);
            for table in actor.follow(&mut self.server) {
                self.subscribe(table, index);
            }
            self.wake(index, self.now);
        }
    }

    /// The next virtual instant at which something happens by itself.
    pub fn next(&self) -> Option<Duration> {
        self.timers.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Runs everything that is due by `now`.
    pub fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        while let Some(Reverse((at, _, timer))) = self.timers.peek().copied() {
            if at > self.now {
                break;
            }
            self.timers.pop();
            let Timer::Actor(index) = timer;
            if self.actors[index].wake == Some(at) {
                self.actors[index].wake = None;
                self.step(index);
            }
        }
    }

    fn spins(&mut self, actor: &str, spin: &Spin) {
        let details = crate::json!({"actor": actor, "key": spin.key.to_string(),
            "passes": spin.passes, "sinceSeconds": spin.since.as_secs_f64()});
        self.note("spin", &details);
    }

    fn step(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        let (link, agent) = (actor.link, actor.agent());
        let seen = self.definitions.and_then(|table| actor.position(table));
        let next = actor.step(&mut Surroundings {
            server: &mut self.server,
            link: self.links.used(link),
            trace: &mut self.trace,
            now: self.now,
        });
        self.settle(Writer { client: &agent, verb: None });
        if let Some(spin) = self.actors[index].spin.take() {
            self.spins(&agent, &spin);
        }
        let grew = self.actors[index].controller.grew();
        if grew || self.definitions.and_then(|table| self.actors[index].position(table)) != seen {
            // What it has just seen of a CustomResourceDefinition may be a kind to watch.
            for table in self.actors[index].follow(&mut self.server) {
                self.subscribe(table, index);
                self.wake(index, self.now + Duration::from_millis(1));
            }
        }
        if let Some(at) = next {
            self.wake(index, at.max(self.now + Duration::from_millis(1)));
        }
    }
}
