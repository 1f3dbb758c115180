//! What a scenario expects of its runs.

use std::collections::BTreeMap;

use maestro_core::framework::GoDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::text::At;
use crate::property::Violation;

/// What must hold. Every property that applies is on by default.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// By when desired equals actual, counted from the last fault and the last edit.
    pub converges: Option<Within>,
    /// What a broken fixture must fail: the run passes if this, and nothing before it, is found.
    pub fails: Option<Fails>,
    /// Properties by name, to turn off or to tune.
    #[serde(default)]
    pub properties: BTreeMap<At<String>, Setting>,
    /// What the operator may spend.
    pub budget: Option<Budget>,
}

/// The one violation that a run must end with. A run that fails otherwise, or not at all, has
/// failed: a broken operator may well break something else than what it is an example of.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fails {
    /// The property, which must be the first that is found broken.
    pub property: At<String>,
    /// Stands in the object that the finding is about, as in `PersistentVolumeClaim default/`.
    pub object: Option<At<String>>,
    /// Stands in what the finding says is wrong.
    pub contains: Option<At<String>>,
}

impl Fails {
    /// Why a violation is not the expected one; `None` when it is.
    pub fn differs(&self, found: &Violation) -> Option<String> {
        if found.property != self.property.as_str() {
            return Some(format!("{} was found broken instead", found.property));
        }
        let lacks = |part: &Option<At<String>>, text: &str| {
            part.as_ref().filter(|part| !text.contains(part.as_str())).map(|p| p.value.clone())
        };
        if let Some(part) = lacks(&self.object, &found.object) {
            return Some(format!("it is about `{}`, not `{part}`", found.object));
        }
        lacks(&self.contains, &found.detail).map(|part| format!("its reason lacks `{part}`"))
    }
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
