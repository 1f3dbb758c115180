//! Everything that happens in a run, as one stream. Properties and reporters only read it.

use std::sync::Arc;
use std::time::Duration;

use maestro_sim::api::Verb;
use maestro_sim::object::{GroupResource, Key, Object};

/// One effective write: the store changed. `at` of the stream is virtual time since the start.
#[derive(Clone, Debug)]
pub struct Write {
    /// Who wrote: a link's name such as `operator/0`, `statefulset-controller`, `user`, `fault`.
    pub actor: Arc<str>,
    /// With which verb.
    pub verb: Verb,
    /// Where.
    pub resource: GroupResource,
    /// The object before; `None` when it was created.
    pub old: Option<Arc<Object>>,
    /// The object after; `None` when it is gone.
    pub new: Option<Arc<Object>>,
}

impl Write {
    /// The newest version known. `None` only for a write of nothing, which no store makes.
    pub fn object(&self) -> Option<&Arc<Object>> {
        self.new.as_ref().or(self.old.as_ref())
    }

    /// Whether the operator under test wrote.
    pub fn by_operator(&self) -> bool {
        is_operator(&self.actor)
    }

    /// Whether a person or a fault wrote, whom no property binds.
    pub fn from_outside(&self) -> bool {
        &*self.actor == USER || &*self.actor == FAULT
    }
}

/// The actor of a scenario's steps.
pub const USER: &str = "user";
/// The actor of a scenario's faults.
pub const FAULT: &str = "fault";

/// Whether a link is one of the operator's (`operator` or `operator/N`).
pub fn is_operator(actor: &str) -> bool {
    actor.strip_prefix("operator").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A request that the API server answered, or a link failed.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asked.
    pub actor: Arc<str>,
    /// With which verb.
    pub verb: Verb,
    /// Of what.
    pub resource: GroupResource,
    /// Of which object; an empty name for collections.
    pub key: Key,
    /// The answer's HTTP status code; 0 when there was no answer.
    pub code: u16,
    /// The answer's `reason`, empty for success.
    pub reason: &'static str,
}

/// The parts of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Steps are driven under faults; safety must hold.
    Steps,
    /// The faults have stopped; the cluster must converge.
    Liveness,
    /// It has converged; it must stay so.
    Stay,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Happening {
    /// The store changed.
    Write(Write),
    /// The operator made a request.
    Request(Request),
    /// A phase began.
    Phase(Phase),
    /// A step began.
    StepBegan {
        /// Its place in the list.
        index: usize,
    },
    /// A step did what it should.
    StepMet {
        /// Its place in the list.
        index: usize,
    },
    /// A step did not within its time.
    StepMissed {
        /// Its place in the list.
        index: usize,
        /// Why.
        why: String,
    },
    /// A fault struck.
    Fault {
        /// Its kind, for example `pod-kill`.
        kind: &'static str,
        /// What it struck.
        target: String,
    },
    /// A fault ended.
    Healed {
        /// Its kind.
        kind: &'static str,
        /// What it had struck.
        target: String,
    },
    /// A fault cannot be injected in this kind of cluster.
    Skipped {
        /// Its kind.
        kind: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// A task of the operator panicked.
    Panicked {
        /// Which replica.
        actor: Arc<str>,
        /// What it said.
        message: String,
    },
}

/// One thing that happened, and when.
#[derive(Clone, Debug)]
pub struct Event {
    /// Virtual time since the start of the run.
    pub at: Duration,
    /// What.
    pub what: Happening,
}

/// `Kind namespace/name`, as reports write objects.
pub fn describe(resource: &GroupResource, object: &Object) -> String {
    let kind = object.text(&["kind"]);
    if kind.is_empty() {
        return format!("{resource} {}", object.key());
    }
    format!("{kind} {}", object.key())
}
