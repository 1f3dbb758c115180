//! A controller as the client of an API server elsewhere: the same step, fed by whoever watches.

use std::sync::Arc;
use std::time::Duration;

use super::backlog::Backlog;
use super::calls::{Calls, Wire};
use crate::controller::{Controller, Queue, View};
use crate::object::{GroupResource, Key, Object};
use crate::rng::Stream;

/// A controller with its cache and its queue, for a server that is no part of a simulation.
pub struct Remote {
    controller: Box<dyn Controller>,
    view: View,
    queue: Queue,
    backlog: Backlog,
    user_agent: Arc<str>,
    stream: Stream,
}

impl Remote {
    /// A controller that has seen nothing yet; what it draws is drawn from the seed and its name.
    pub fn new(controller: Box<dyn Controller>, seed: u64) -> Self {
        let stream = Stream::new(seed, controller.name());
        let user_agent = controller.name().into();
        let (view, queue, backlog) = (View::default(), Queue::default(), Backlog::default());
        Self { controller, view, queue, backlog, user_agent, stream }
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.user_agent
    }

    /// The collections that it is to be told of.
    pub fn watches(&self) -> Vec<GroupResource> {
        self.controller.watches()
    }

    /// What a watch told: the newest version of an object, or that it is gone.
    pub fn see(&mut self, resource: &GroupResource, key: &Key, new: Option<Arc<Object>>) {
        let new = new.filter(|object| self.controller.selects(resource, object));
        if new.is_none() && self.view.get(resource, key).is_none() {
            return;
        }
        let change = self.view.apply(resource, key, new);
        self.controller.observe(&change, &self.view, &mut self.queue);
    }

    /// Puts a key in its queue, as if something had changed.
    pub fn enqueue(&mut self, key: Key) {
        self.queue.add(key);
    }

    /// Reconciles every key that waits, and says when to come again if nothing is told before.
    pub fn step(&mut self, wire: &mut impl Wire) -> Option<Duration> {
        self.queue.extend(self.backlog.ready(wire.now()));
        while let Some(key) = self.queue.pop() {
            let (view, user_agent, stream) = (&self.view, &self.user_agent, &mut self.stream);
            let mut calls = Calls { view, wire: &mut *wire, user_agent, program: None, stream };
            let outcome = self.controller.reconcile(&key, &mut calls);
            self.backlog.passed(&key, &outcome, wire.now());
        }
        self.backlog.next()
    }
}
