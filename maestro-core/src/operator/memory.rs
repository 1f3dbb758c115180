//! What one process remembers of an instance between reconciles. All of it can be lost: it saves
//! requests, it decides nothing that the journal does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::status::Sketch;
use crate::execution::{Moment, PlanExecution};
use crate::machine::{EffectId, Outcome};
use crate::plan::Plan;
use crate::plan::compile::Error;
use crate::task::ObjectKey;
use crate::template::Recall;

/// The objects that something was read from.
pub(super) type Sources = Vec<Arc<Value>>;

/// What is remembered of one instance.
#[derive(Default)]
pub(super) struct Memory {
    /// UIDs of executions that were read from the server, past the cache, by this process.
    pub(super) confirmed: BTreeSet<String>,
    /// Executions as read from their objects, by UID.
    pub(super) runs: BTreeMap<String, (Arc<Value>, PlanExecution)>,
    /// All executions, and the objects they were read from.
    pub(super) history: Option<(Sources, Arc<[PlanExecution]>)>,
    /// What became of effects, by the execution's UID.
    pub(super) outcomes: BTreeMap<String, BTreeMap<EffectId, Outcome>>,
    /// Rendered plans, by the execution's UID.
    pub(super) plans: BTreeMap<String, Arc<Result<Plan, Error>>>,
    /// What complete runs' plans render to now, by the execution's UID, and the version of the
    /// instance that was rendered.
    pub(super) rendered: BTreeMap<String, (Value, Arc<Result<Plan, Error>>)>,
    /// What the server made of each object that was compared with what was applied.
    pub(super) settled: BTreeMap<ObjectKey, Settled>,
    /// Repairs of each object that drifted lately: when the last was, and how many came close
    /// upon each other.
    pub(super) repairs: BTreeMap<ObjectKey, (Moment, u32)>,
    /// What expressions gave last.
    pub(super) recall: Arc<Recall>,
    /// The status that was written last.
    pub(super) status: Option<Value>,
    /// What it was made of.
    pub(super) told: Option<Sketch>,
    /// Reconciles that failed in a row.
    pub(super) failures: u32,
}

/// An object that is as it was applied, although it may look different: the server normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    /// Fingerprint of what was applied.
    pub(super) desired: u64,
    /// Fingerprint of what the server answered, status and bookkeeping left out.
    pub(super) live: u64,
}
