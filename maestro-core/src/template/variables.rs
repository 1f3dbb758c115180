//! The variables that expressions of a Framework see.

use super::Scope;
use crate::framework::FrameworkSpec;
use serde_json::Value;

/// What a template may refer to.
///
/// `params` the instance's parameters with defaults; `name`, `namespace`, `uid` and the whole
/// `instance` as it is in the cluster; `framework`, `version` and `appVersion`; `plan`, `phase`
/// and `step` that render it.
pub const TEMPLATE_VARIABLES: [&str; 11] = [
    "params",
    "name",
    "namespace",
    "uid",
    "instance",
    "framework",
    "version",
    "appVersion",
    "plan",
    "phase",
    "step",
];

/// What a condition (`when`, `ready`, `until`, triggers, health) may refer to besides: `objects`,
/// every object of the instance as observed; `pods`, the pods among or below them, each with the
/// fields `name`, `phase`, `ready` (a bool) and `restarts` (of all containers) besides its own,
/// and as durations `failedFor` while it is not ready and `stuckFor` while it is past the grace
/// period of its deletion; and `self`, the instance.
pub const CONDITION_VARIABLES: [&str; 3] = ["objects", "pods", "self"];

/// What a condition finds of each of `pods` besides what the pod says itself.
pub const POD_FACTS: [&str; 6] = ["name", "phase", "ready", "restarts", "failedFor", "stuckFor"];

/// Which step of which plan an expression belongs to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run<'a> {
    /// The plan; empty outside one.
    pub plan: &'a str,
    /// The phase.
    pub phase: &'a str,
    /// The step.
    pub step: &'a str,
}

/// The variables of a template, for one instance and one step.
#[must_use]
pub fn scope<'a>(
    framework: &str,
    spec: &FrameworkSpec,
    instance: &'a Value,
    params: &'a Value,
    run: Run<'_>,
) -> Scope<'a> {
    let metadata = &instance["metadata"];
    let text = |field: &str| metadata[field].as_str().unwrap_or_default();
    let mut scope = Scope::new();
    scope
        .lend("params", params)
        .set("name", text("name"))
        .set("namespace", text("namespace"))
        .set("uid", text("uid"))
        .lend("instance", instance)
        .set("framework", framework)
        .set("version", spec.version.as_str())
        .set("appVersion", spec.app_version.clone())
        .set("plan", run.plan)
        .set("phase", run.phase)
        .set("step", run.step);
    scope
}
