//! What starts a plan besides the lifecycle, and when an instance counts as ready.

use super::open_object;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Starts a plan: on a condition, on a change of parameters, or on a schedule. Exactly one of
/// `when`, `parameter`, `parameters` and `schedule` is set.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct Trigger {
    /// The plan to start.
    pub plan: String,
    /// A CEL expression; the plan starts when it is true between other plans, also when time
    /// alone makes it so, and again only five minutes after its last run. Each of `pods` is the
    /// whole pod and has the fields `name`, `phase`, `ready`, `restarts`; `failedFor`, a duration,
    /// while it is not ready; and `stuckFor`, a duration, when it is still there after the grace
    /// period of its deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// A parameter whose change starts the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Parameters of which any change starts the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<String>,
    /// A cron expression of five fields, in UTC. Each instant is run for once; those that were
    /// missed, once together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
}

impl Trigger {
    /// `parameter` and `parameters` together.
    pub fn watched_parameters(&self) -> impl Iterator<Item = &str> {
        self.parameter.iter().chain(&self.parameters).map(String::as_str)
    }
}

/// When an instance is ready.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct Health {
    /// A CEL expression over `objects`.
    pub ready: String,
}
