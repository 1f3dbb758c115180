//! What a scenario expects of its runs.

use std::collections::BTreeMap;

use maestro_core::framework::GoDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::text::At;

/// What must hold. Every property that applies is on by default.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// By when desired equals actual, counted from the last fault and the last edit.
    pub converges: Option<Within>,
    /// The property that a broken fixture must fail: the run passes if exactly this one is found
    /// broken.
    pub fails: Option<At<String>>,
    /// Properties by name, to turn off or to tune.
    #[serde(default)]
    pub properties: BTreeMap<At<String>, Setting>,
    /// What the operator may spend.
    pub budget: Option<Budget>,
}

/// A limit of virtual time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Within {
    /// The limit.
    pub within: At<GoDuration>,
}

/// How one property is to be checked.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Setting {
    /// Do not check it.
    #[serde(default)]
    pub off: bool,
    /// `stays`, `quiesces`: how long it is watched after converging. Default 15m.
    pub window: Option<GoDuration>,
    /// `budgeted`: members that may be unavailable at once, besides what the
    /// PodDisruptionBudgets say.
    pub max_unavailable: Option<u32>,
}

/// What the operator may spend in one run.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// API requests of all replicas.
    pub requests: Option<u64>,
    /// Writes of all replicas.
    pub writes: Option<u64>,
}
