//! How the pods of a scenario behave.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{At, DurationRange};

/// How the pods that carry these labels behave. What is left out keeps the simulator's default.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// Labels a pod must carry; empty for every pod. The first workload that matches counts.
    #[serde(default)]
    pub selector: BTreeMap<String, String>,
    /// Only pods of this namespace.
    pub namespace: Option<String>,
    /// Time to pull an image that the node does not have.
    pub image_pull: Option<DurationRange>,
    /// Time to create and start a container.
    pub start: Option<DurationRange>,
    /// Time from started to ready.
    pub ready: Option<DurationRange>,
    /// Containers run this long and exit; absent, for ever (a Job's pods 1 to 5 s).
    pub run: Option<DurationRange>,
    /// What a container that ran to its end exits with.
    #[serde(default)]
    pub exit_code: i32,
    /// Time from SIGTERM to exit.
    pub shutdown: Option<DurationRange>,
    /// Containers that end with a failure.
    pub crash: Option<Crash>,
    /// Members that need a majority of each other.
    pub quorum: Option<Quorum>,
    /// Regular expressions of images that cannot be pulled.
    #[serde(default)]
    pub fails_to_pull: Vec<At<String>>,
    /// Regular expressions of images whose containers never become ready.
    #[serde(default)]
    pub never_ready: Vec<At<String>>,
}

/// A container that ends with a failure.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Crash {
    /// Chance of each start to crash, in percent.
    pub percent: At<u8>,
    /// Time from start to crash.
    pub after: DurationRange,
    /// The exit code.
    #[serde(default = "one")]
    pub exit_code: i32,
    /// Only the first so many starts may crash; absent, every start.
    pub times: Option<u32>,
}

/// Pods are ready only while a majority of the members runs; losing it breaks `budgeted`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// How many members there are: a number, or `${replicas}` for what their StatefulSet wants.
    pub of: At<String>,
}

fn one() -> i32 {
    1
}
