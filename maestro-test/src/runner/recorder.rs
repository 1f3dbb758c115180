//! Turns what the cluster does into events, feeds the properties and keeps what reports need.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maestro_sim::api::Verb;
use maestro_sim::object::{GroupResource, Key};
use maestro_sim::store::{self, EventType, Table};
use maestro_sim::world::{Observer, RequestSummary};
use tokio::sync::Notify;

use crate::event::{Event, Happening, Request, Write, describe, is_operator};
use crate::outcome::{LastWrite, Outcome};
use crate::property::{Class, Coverage, Reason, Violation, Watchers};
use crate::scenario::Scenario;

/// How many of the last writes a failure shows.
const LAST_WRITES: usize = 12;

#[derive(Debug)]
struct State {
    watchers: Watchers,
    steps: Vec<String>,
    violations: Vec<Violation>,
    last_writes: VecDeque<LastWrite>,
    coverage: Coverage,
    requests: u64,
    writes: u64,
    converged_at: Option<Duration>,
    disturbed_at: Duration,
    begun: Option<usize>,
    failing: Option<String>,
    /// The write that is being carried out: who, how, where.
    writer: Option<(Arc<str>, Verb, GroupResource, String)>,
    /// Who makes the direct requests of the present call.
    direct: Option<(Arc<str>, Verb)>,
}

/// The recorder of one run; clones share it.
#[derive(Clone, Debug)]
pub struct Recorder {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

impl Recorder {
    /// For one run.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let state = State {
            watchers: Watchers::new(scenario, seed),
            steps: scenario.spec.steps.iter().map(|s| s.name.value.clone()).collect(),
            violations: Vec::new(),
            last_writes: VecDeque::new(),
            coverage: Coverage::default(),
            requests: 0,
            writes: 0,
            converged_at: None,
            disturbed_at: Duration::ZERO,
            begun: None,
            failing: None,
            writer: None,
            direct: None,
        };
        Self { state: Arc::new(Mutex::new(state)), changed: Arc::new(Notify::new()) }
    }

    /// Waits for a write that counts, or for a property to be found broken.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Feeds one event.
    pub fn tell(&self, at: Duration, what: Happening) {
        self.feed(&mut self.lock(), Event { at, what });
    }

    fn feed(&self, state: &mut State, event: Event) {
        let counts = match &event.what {
            Happening::Write(write) => Class::of(&write.resource) != Class::Background,
            _ => false,
        };
        state.feed(event);
        if counts || !state.violations.is_empty() {
            self.changed.notify_one();
        }
    }

    /// Names who makes direct requests from here on; `None` ends it.
    pub fn acting(&self, who: Option<(&str, Verb)>) {
        self.lock().direct = who.map(|(who, verb)| (who.into(), verb));
    }

    /// Whether a property was found broken.
    pub fn broken(&self) -> bool {
        !self.lock().violations.is_empty()
    }

    /// Notes the last moment of a fault or an edit.
    pub fn disturbed(&self, at: Duration) {
        self.lock().disturbed_at = at;
    }

    /// Since when everything is settled.
    pub fn settled_since(&self) -> Option<Duration> {
        self.lock().watchers.settled().since()
    }

    /// Notes that the cluster has converged.
    pub fn converged(&self, at: Duration) {
        self.lock().converged_at = Some(at);
    }

    /// Whether a step, or one after it, has begun.
    pub fn has_begun(&self, step: usize) -> bool {
        self.lock().begun.is_some_and(|begun| begun >= step)
    }

    /// A look at the live objects.
    pub fn live<T>(&self, look: impl FnOnce(&crate::property::Live) -> T) -> T {
        look(self.lock().watchers.live())
    }

    /// Why the run did not converge.
    pub fn reason(&self) -> Option<Reason> {
        let state = self.lock();
        if let Some(cause) = state.watchers.settled().cause() {
            return Some(Reason {
                object: cause.object.clone(),
                waits_for: cause.waits_for.clone(),
                failing_request: state.failing.clone(),
            });
        }
        None
    }

    /// Ends the run and says what became of it.
    pub fn finish(&self, at: Duration, reason: Option<Reason>) -> Outcome {
        let mut state = self.lock();
        let ending = super::ending(at, state.converged_at, state.disturbed_at, reason);
        // What stopped the run is what is wrong; the end adds to it only when nothing did.
        if state.violations.is_empty() {
            state.violations = state.watchers.finish(&ending);
        }
        Outcome {
            violations: state.violations.clone(),
            last_writes: state.last_writes.iter().cloned().collect(),
            virtual_time: at,
            requests: state.requests,
            writes: state.writes,
            coverage: state.coverage.clone(),
            ..Outcome::default()
        }
    }
}

impl State {
    fn feed(&mut self, event: Event) {
        if self.violations.is_empty() {
            self.remember(&event);
        }
        match &event.what {
            Happening::Fault { kind, .. } => *self.coverage.faults.entry(kind).or_default() += 1,
            Happening::StepMet { index } => {
                if let Some(name) = self.steps.get(*index) {
                    self.coverage.steps.insert(name.clone(), 1);
                }
            }
            Happening::StepBegan { index } => self.begun = Some(*index),
            _ => {}
        }
        if let Some(found) = self.watchers.observe(&event) {
            self.violations.push(found);
        }
    }

    fn remember(&mut self, event: &Event) {
        let (actor, what) = match &event.what {
            Happening::Write(write) => {
                let Some(object) = write.object() else { return };
                if Class::of(&write.resource) == Class::Background {
                    return;
                }
                let what = format!("{} {}", write.verb.as_str(), describe(&write.resource, object));
                (write.actor.to_string(), what)
            }
            Happening::Fault { kind, target } => ("fault".to_owned(), format!("{kind} {target}")),
            Happening::Healed { kind, target } => {
                ("fault".to_owned(), format!("{kind} {target} ends"))
            }
            _ => return,
        };
        if self.last_writes.len() == LAST_WRITES {
            self.last_writes.pop_front();
        }
        self.last_writes.push_back(LastWrite { at: event.at, actor, what });
    }
}

impl Observer for Recorder {
    fn stored(&mut self, table: &Table, event: &store::Event) {
        let mut state = self.lock();
        state.writes += 1;
        let known = state.writer.take().filter(|(_, _, resource, name)| {
            *resource == table.resource && (name.is_empty() || name == event.object.name())
        });
        let usual = match event.kind {
            EventType::Added => Verb::Create,
            EventType::Modified => Verb::Update,
            EventType::Deleted => Verb::Delete,
        };
        let (actor, verb) = known
            .map(|(actor, verb, ..)| (actor, verb))
            .or_else(|| state.direct.clone())
            .unwrap_or_else(|| ("controllers".into(), usual));
        let gone = event.kind == EventType::Deleted;
        let write = Write {
            actor,
            verb,
            resource: table.resource.clone(),
            old: if gone { Some(Arc::clone(&event.object)) } else { event.old.clone() },
            new: (!gone).then(|| Arc::clone(&event.object)),
        };
        self.feed(&mut state, Event { at: event.at, what: Happening::Write(write) });
    }

    fn requested(&mut self, now: Duration, summary: &RequestSummary<'_>) {
        let mut state = self.lock();
        let request = summary.request;
        let actor: Arc<str> = summary.client.into();
        if request.verb.writes() {
            let place = (request.resource.clone(), request.name.clone());
            state.writer = Some((Arc::clone(&actor), request.verb, place.0, place.1));
        }
        if !is_operator(summary.client) {
            return;
        }
        state.requests += 1;
        let refused = request.verb.writes() && summary.code >= 400 && summary.code != 409;
        if refused {
            state.failing = Some(format!(
                "{} {} {} answers {}: {}",
                request.verb.as_str(),
                request.resource,
                request.name,
                summary.code,
                summary.message
            ));
        }
        let what = Request {
            actor,
            verb: request.verb,
            resource: request.resource.clone(),
            key: Key::new(&request.namespace, &request.name),
            code: summary.code,
            reason: "",
        };
        self.feed(&mut state, Event { at: now, what: Happening::Request(what) });
    }
}
