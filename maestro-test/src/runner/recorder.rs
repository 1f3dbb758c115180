//! Turns what the cluster does into events, feeds the properties and keeps what reports need.

mod history;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maestro_sim::api::Verb;
use maestro_sim::object::Key;
use maestro_sim::store::{self, EventType, Table};
use maestro_sim::world::{Observer, RequestSummary, Writer};
use tokio::sync::Notify;

use self::history::History;
use crate::cluster::Sink;
use crate::event::{Event, Happening, Request, Write, is_operator};
use crate::outcome::{LastWrite, Outcome};
use crate::property::{Class, Coverage, Reason, Violation, Watchers};
use crate::report::human::round;
use crate::scenario::Scenario;

#[derive(Debug)]
struct State {
    watchers: Watchers,
    steps: Vec<String>,
    violations: Vec<Violation>,
    history: History,
    coverage: Coverage,
    requests: u64,
    writes: u64,
    converged_at: Option<Duration>,
    disturbed_at: Duration,
    begun: Option<usize>,
    failing: Option<String>,
    pace: Pace,
    spin: Option<String>,
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
            history: History::default(),
            coverage: Coverage::default(),
            requests: 0,
            writes: 0,
            converged_at: None,
            disturbed_at: Duration::ZERO,
            begun: None,
            failing: None,
            pace: Pace::default(),
            spin: None,
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

    /// Whether the run is over: a property was found broken, or something spins.
    pub fn broken(&self) -> bool {
        let state = self.lock();
        !state.violations.is_empty() || state.spin.is_some()
    }

    /// Notes the last moment of a fault or an edit.
    pub fn disturbed(&self, at: Duration) {
        self.lock().disturbed_at = at;
    }

    /// A client's process died: of a fault, since nothing else kills one.
    fn crashed(&self, now: Duration, details: &maestro_sim::json::Value) {
        let target = details["client"].as_str().unwrap_or("?").to_owned();
        self.tell(now, Happening::Fault { kind: "operator-crash", target });
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
        if state.violations.is_empty() && state.spin.is_none() {
            state.violations = state.watchers.finish(&ending);
        }
        Outcome {
            violations: state.violations.clone(),
            spin: state.spin.clone(),
            last_writes: state.history.telling(&state.violations),
            virtual_time: at,
            requests: state.requests,
            writes: state.writes,
            coverage: state.coverage.clone(),
            ..Outcome::default()
        }
    }
}

/// So many requests of the operator at one virtual instant are a loop without end: a request
/// takes a millisecond, so only what waits for no answer can make them.
const MOST_AT_ONCE: u32 = 10_000;

/// Counts the operator's requests of one virtual instant.
#[derive(Debug, Default)]
struct Pace {
    at: Duration,
    requests: u32,
}

impl Pace {
    /// Whether this request is the first of too many.
    fn one_more(&mut self, now: Duration) -> bool {
        if now != self.at {
            (self.at, self.requests) = (now, 0);
        }
        self.requests = self.requests.saturating_add(1);
        self.requests == MOST_AT_ONCE
    }
}

impl State {
    fn spin(&mut self, what: String) {
        self.spin.get_or_insert(what);
    }

    fn feed(&mut self, event: Event) {
        if self.violations.is_empty() {
            self.history.remember(&event);
        }
        match &event.what {
            Happening::Fault { kind, .. } => *self.coverage.faults.entry(kind).or_default() += 1,
            Happening::Skipped { kind, why } => {
                self.coverage.skipped.insert(kind, why);
            }
            Happening::StepMet { index } => {
                if let Some(name) = self.steps.get(*index) {
                    self.coverage.steps.insert(name.clone(), 1);
                }
            }
            Happening::StepBegan { index } => self.begun = Some(*index),
            _ => {}
        }
        if let Some(found) = self.watchers.observe(&event) {
            // Once broken, a property is often broken again at once: the first says why.
            if !self.violations.iter().any(|known| known.property == found.property) {
                self.violations.push(found);
            }
        }
    }
}

impl Recorder {
    /// Takes note of a write that changed the store.
    pub fn wrote(&self, at: Duration, write: Write) {
        let mut state = self.lock();
        state.writes += 1;
        self.feed(&mut state, Event { at, what: Happening::Write(write) });
    }
}

impl Sink for Recorder {
    fn wrote(&self, at: Duration, write: Write) {
        self.wrote(at, write);
    }

    fn requested(&self, now: Duration, summary: &RequestSummary<'_>) {
        Observer::requested(&mut self.clone(), now, summary);
    }

    fn noted(&self, now: Duration, what: &str, details: &maestro_sim::json::Value) {
        Observer::noted(&mut self.clone(), now, what, details);
    }
}

impl Observer for Recorder {
    fn stored(&mut self, table: &Table, event: &store::Event, writer: Writer<'_>) {
        // What a component wrote in a step of several requests is told by what became of it.
        let verb = writer.verb.unwrap_or(match event.kind {
            EventType::Added => Verb::Create,
            EventType::Modified => Verb::Update,
            EventType::Deleted => Verb::Delete,
        });
        let gone = event.kind == EventType::Deleted;
        let write = Write {
            actor: writer.client.into(),
            verb,
            resource: table.resource.clone(),
            old: if gone { Some(Arc::clone(&event.object)) } else { event.old.clone() },
            new: (!gone).then(|| Arc::clone(&event.object)),
        };
        self.wrote(event.at, write);
    }

    fn requested(&mut self, now: Duration, summary: &RequestSummary<'_>) {
        let mut state = self.lock();
        let request = summary.request;
        let actor: Arc<str> = summary.client.into();
        if !is_operator(summary.client) {
            return;
        }
        state.requests += 1;
        if state.pace.one_more(now) {
            let (verb, resource) = (request.verb.as_str().to_uppercase(), &request.resource);
            let key = Key::new(&request.namespace, &request.name);
            state.spin(format!(
                "{actor} spins on {resource} {key}: {MOST_AT_ONCE} requests at one instant of \
                 virtual time, the last a {verb}"
            ));
        }
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

    fn noted(&mut self, now: Duration, what: &str, details: &maestro_sim::json::Value) {
        match what {
            "crash" => return self.crashed(now, details),
            "spin" => {}
            _ => return,
        }
        let text = |field: &str| details[field].as_str().unwrap_or("?").to_owned();
        let since = Duration::try_from_secs_f64(details["sinceSeconds"].as_f64().unwrap_or(0.0));
        self.lock().spin(format!(
            "{} spins on {}: more than {} passes between {} and {} of virtual time",
            text("actor"),
            text("key"),
            details["passes"].as_u64().unwrap_or(0),
            round(since.unwrap_or_default()),
            round(now),
        ));
        self.changed.notify_one();
    }
}
