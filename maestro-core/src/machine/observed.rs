//! What the machine is told of the cluster, and what it wants sent there.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::task::{ObjectKey, PatchKind};

/// What is known of the cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Live objects; an object that is not here does not exist.
    pub objects: BTreeMap<ObjectKey, Arc<Value>>,
    /// What became of the effects this process has sent. It need not outlive the process: effects
    /// can be sent again.
    pub outcomes: BTreeMap<EffectId, Outcome>,
    /// Values of the plan's CEL expressions, by their text.
    pub values: BTreeMap<String, Result<Value, String>>,
    /// Whether the instance holds its runs.
    pub suspended: bool,
    /// Why the instance wants this run no more, if so.
    pub superseded: Option<String>,
}

impl Observed {
    /// The truth of a CEL expression, or why it has none.
    ///
    /// # Errors
    /// A sentence, when it could not be evaluated or is not a boolean.
    pub fn truth(&self, expression: &str) -> Result<bool, String> {
        match self.value(expression)? {
            Value::Bool(truth) => Ok(*truth),
            other => Err(format!("{expression} gives {other}, not true or false")),
        }
    }

    /// The whole number a CEL expression gives, at least zero, or why it gives none.
    ///
    /// # Errors
    /// A sentence, when it could not be evaluated or is not such a number.
    pub fn number(&self, expression: &str) -> Result<i64, String> {
        let value = self.value(expression)?;
        value
            .as_i64()
            .filter(|number| *number >= 0)
            .ok_or_else(|| format!("{expression} gives {value}, not a whole number"))
    }

    /// The list of strings a CEL expression gives, or why it gives none.
    ///
    /// # Errors
    /// A sentence, when it could not be evaluated or is not such a list.
    pub fn texts(&self, expression: &str) -> Result<Vec<String>, String> {
        let value = self.value(expression)?;
        let texts = value.as_array().map(|items| {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        texts.flatten().ok_or_else(|| format!("{expression} gives {value}, not a list of strings"))
    }

    fn value(&self, expression: &str) -> Result<&Value, String> {
        match self.values.get(expression) {
            Some(Ok(value)) => Ok(value),
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!("{expression} has not been evaluated")),
        }
    }
}

/// One thing to send, under a name of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Its name.
    pub id: EffectId,
    /// What to send.
    pub action: Action,
}

/// Names one effect of one attempt of one task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EffectId {
    /// `phase/step`.
    pub step: String,
    /// The task's place in its step.
    pub task: usize,
    /// The number of the step's attempt.
    pub attempt: u32,
    /// The effect's place in its task.
    pub index: usize,
}

/// A write to the API. Every one of them may be sent again after a crash.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Server-side apply, field manager `maestro`, forced.
    Apply {
        /// The object.
        object: Value,
    },
    /// Create; an object of that name that is there already is as good.
    Create {
        /// The object.
        object: Value,
    },
    /// Delete, with the UID as precondition and background propagation. Not found is as good.
    Delete {
        /// The object.
        key: ObjectKey,
        /// The UID it was seen with.
        uid: String,
    },
    /// Evict a pod, with the UID as precondition. Not found is as good.
    Evict {
        /// The pod.
        key: ObjectKey,
        /// The UID it was seen with.
        uid: String,
        /// Delete it at once instead, whatever its kubelet and budgets say.
        force: bool,
    },
    /// Patch an object that exists.
    Patch {
        /// The object.
        key: ObjectKey,
        /// How the body is read.
        kind: PatchKind,
        /// The body.
        body: Value,
    },
    /// Set `spec.replicas` through the `/scale` subresource.
    Scale {
        /// The workload.
        key: ObjectKey,
        /// The number of replicas.
        replicas: i64,
    },
}

/// What became of an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server did it; this is what it answered.
    Done(Seen),
    /// The server will not do it, however often it is asked; this is why.
    Refused(String),
    /// It may be done when it is sent again; this is what came in between.
    Hindered(String),
}

/// What tells one state of an object from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its UID.
    pub uid: String,
    /// Its generation; 0 for kinds that have none.
    pub generation: i64,
}

impl Seen {
    /// What an object says of itself.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let metadata = &object["metadata"];
        Self {
            uid: metadata["uid"].as_str().unwrap_or_default().to_owned(),
            generation: metadata["generation"].as_i64().unwrap_or_default(),
        }
    }
}
