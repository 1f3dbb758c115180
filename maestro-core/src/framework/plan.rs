//! Plans, phases and steps: in which order tasks run, and what happens when one fails.

use super::{GoDuration, open_object};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether the children of a plan or a phase run one after another or together.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// Each begins when the one before is complete.
    #[default]
    Serial,
    /// All begin at once.
    Parallel,
}

/// What to do when a step has failed and its retries are used up.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// Try again, with backoff, for as long as it takes.
    Retry,
    /// End the execution as failed, with a reason, and wait for the user.
    #[default]
    Fail,
    /// Run the `rollback` plan to the last version and parameters that completed.
    Rollback,
}

/// An ordered way from one state to the next.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct Plan {
    /// How its phases run.
    #[serde(default)]
    pub strategy: Strategy,
    /// Its phases, whose names are unique in the plan.
    pub phases: Vec<Phase>,
}

/// A group of steps.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct Phase {
    /// Unique in the plan.
    pub name: String,
    /// How its steps run.
    #[serde(default)]
    pub strategy: Strategy,
    /// Its steps, whose names are unique in the phase.
    pub steps: Vec<Step>,
}

/// Tasks that belong together: a step is complete when all of them are.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct Step {
    /// Unique in the phase.
    pub name: String,
    /// Names of tasks. They begin together, and what they send is sent in this order; none waits
    /// for another to be done. What has to wait is a step of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// A CEL expression; the step is skipped while it is false when its turn comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// A CEL expression that must hold, besides the tasks' own health, for completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// How long an attempt may take before it has failed. Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
    /// How often a failed attempt is repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Waits for a person's approval before it begins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pause: bool,
    /// What to do when no retry is left.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// Repetition of a failed step.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct Retry {
    /// Attempts after the first.
    pub limit: u32,
    /// Wait before the first repetition; doubled for each one after it. Default: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<GoDuration>,
}
