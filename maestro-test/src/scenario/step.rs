//! What a user of the cluster does, step by step.

use maestro_core::framework::GoDuration;
use maestro_sim::json::Map;
use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{At, DurationRange};
use crate::runner::faults::pods::PodFault;

/// One thing a user does. Besides `name` and `within` exactly one action is given.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// The step's name, which faults refer to.
    pub name: At<String>,
    /// Virtual time after which the step has failed. Default 30m for `await`, 2m for the others,
    /// which are retried while the API server cannot be reached.
    pub within: Option<At<GoDuration>>,
    /// Server-side apply of YAML files and directories (a Framework's directory is packaged
    /// first), relative to the scenario file.
    pub apply: Option<Vec<At<String>>>,
    /// Merges `spec` into an object's spec.
    pub patch: Option<PatchStep>,
    /// Merges a whole JSON merge patch (RFC 7386) into an object.
    pub edit: Option<EditStep>,
    /// Sets `spec.replicas` through the object's scale subresource.
    pub scale: Option<ScaleStep>,
    /// Deletes an object, without waiting.
    pub delete: Option<Target>,
    /// Waits until an object satisfies a CEL expression.
    #[serde(rename = "await")]
    pub wait_for: Option<AwaitStep>,
    /// Kills pods, as `pod-kill` does, once.
    pub kill: Option<PodFault>,
    /// Lets time pass.
    pub sleep: Option<DurationRange>,
}

/// An object by kind and name.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// The kind; `kind.group` where two groups have it.
    pub kind: At<String>,
    /// The object's name.
    pub name: At<String>,
    /// Its namespace. Default `default`; ignored for cluster-scoped kinds.
    pub namespace: Option<String>,
}

/// A patch of an object's spec.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchStep {
    /// The kind; `kind.group` where two groups have it.
    pub kind: At<String>,
    /// The object's name.
    pub name: At<String>,
    /// Its namespace. Default `default`.
    pub namespace: Option<String>,
    /// Merged into the object's spec; null removes a field.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub spec: Map,
}

/// A patch of a whole object.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditStep {
    /// The kind; `kind.group` where two groups have it.
    pub kind: At<String>,
    /// The object's name.
    pub name: At<String>,
    /// Its namespace. Default `default`.
    pub namespace: Option<String>,
    /// The merge patch; null removes a field.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub merge: Map,
}

/// A change of a scale.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaleStep {
    /// The kind; `kind.group` where two groups have it.
    pub kind: At<String>,
    /// The object's name.
    pub name: At<String>,
    /// Its namespace. Default `default`.
    pub namespace: Option<String>,
    /// The wanted replicas.
    pub replicas: u32,
}

/// What to wait for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwaitStep {
    /// The kind; `kind.group` where two groups have it.
    pub kind: At<String>,
    /// The object's name.
    pub name: At<String>,
    /// Its namespace. Default `default`.
    pub namespace: Option<String>,
    /// CEL over `self`, the object. `self.ready()`, `self.condition('Ready')` and
    /// `self.observed()` are there besides the functions of Kubernetes.
    pub that: Option<At<String>>,
    /// Waits until the object is gone.
    #[serde(default)]
    pub gone: bool,
}

/// What a step does, once checked.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// Server-side apply of files.
    Apply(&'a [At<String>]),
    /// Merge into the spec.
    Patch(&'a PatchStep),
    /// Merge into the object.
    Edit(&'a EditStep),
    /// Set the scale.
    Scale(&'a ScaleStep),
    /// Delete.
    Delete(&'a Target),
    /// Wait for an object.
    Await(&'a AwaitStep),
    /// Kill pods.
    Kill(&'a PodFault),
    /// Let time pass.
    Sleep(DurationRange),
}

impl Step {
    /// Every action given, with its word; exactly one in a valid scenario.
    pub fn actions(&self) -> Vec<(&'static str, Action<'_>)> {
        let all = [
            ("apply", self.apply.as_deref().map(Action::Apply)),
            ("patch", self.patch.as_ref().map(Action::Patch)),
            ("edit", self.edit.as_ref().map(Action::Edit)),
            ("scale", self.scale.as_ref().map(Action::Scale)),
            ("delete", self.delete.as_ref().map(Action::Delete)),
            ("await", self.wait_for.as_ref().map(Action::Await)),
            ("kill", self.kill.as_ref().map(Action::Kill)),
            ("sleep", self.sleep.map(Action::Sleep)),
        ];
        all.into_iter().filter_map(|(word, action)| Some((word, action?))).collect()
    }

    /// What the step does; `None` only in a scenario that was not checked.
    pub fn action(&self) -> Option<Action<'_>> {
        self.actions().first().map(|(_, action)| *action)
    }
}

/// The words of the actions, for messages.
pub const ACTIONS: [&str; 8] =
    ["apply", "patch", "edit", "scale", "delete", "await", "kill", "sleep"];
