//! Tasks: the closed list of things that a step can do.

use super::{GoDuration, open_object};
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One thing that a step does. Written as a map of one key: `apply: [services.yaml]`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Task {
    /// Server-side applies every object of these templates; done when all are healthy.
    Apply(Vec<String>),
    /// Deletes every object of these templates; done when all are gone.
    Delete(Vec<String>),
    /// Applies while a condition holds and deletes while it does not.
    Toggle(ToggleTask),
    /// Runs the Jobs of a template to completion, once per attempt.
    Job(JobTask),
    /// Waits until a condition holds.
    Wait(WaitTask),
    /// Patches objects that exist.
    Patch(PatchTask),
    /// Sets the replicas of the workloads of a template through `/scale`.
    Scale(ScaleTask),
    /// Takes pods away, so that their controller makes new ones.
    Replace(ReplaceTask),
}

impl Task {
    /// The key under which a Framework writes it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Delete(_) => "delete",
            Self::Toggle(_) => "toggle",
            Self::Job(_) => "job",
            Self::Wait(_) => "wait",
            Self::Patch(_) => "patch",
            Self::Scale(_) => "scale",
            Self::Replace(_) => "replace",
        }
    }

    /// The templates that it reads, in the order written.
    #[must_use]
    pub fn templates(&self) -> Vec<&str> {
        match self {
            Self::Apply(names) | Self::Delete(names) => names.iter().map(String::as_str).collect(),
            Self::Toggle(toggle) => toggle.templates.iter().map(String::as_str).collect(),
            Self::Job(job) => vec![&job.template],
            Self::Patch(patch) => vec![&patch.template],
            Self::Scale(scale) => vec![&scale.template],
            Self::Wait(_) | Self::Replace(_) => Vec::new(),
        }
    }
}

/// Objects that exist only while a condition holds.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct ToggleTask {
    /// The templates of the objects.
    pub templates: Vec<String>,
    /// A CEL expression; true keeps the objects, false deletes them.
    pub when: String,
}

/// A Job run to completion.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct JobTask {
    /// The template of the Job.
    pub template: String,
    /// Keeps a finished Job for reading; by default it is deleted when its step is complete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

/// A condition to wait for.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct WaitTask {
    /// A CEL expression that becomes true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// How long to wait at least, counted from the beginning of the step.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<GoDuration>,
}

/// How a patch body is read.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PatchType {
    /// RFC 7386.
    #[default]
    Merge,
    /// Strategic merge, for built-in kinds.
    Strategic,
    /// RFC 6902.
    Json,
}

/// A patch of objects that exist already.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct PatchTask {
    /// A template whose documents name the objects (apiVersion, kind, metadata.name).
    pub template: String,
    /// The kind of patch. Default: `merge`, with the template's own documents as the body.
    #[serde(rename = "type", default)]
    pub kind: PatchType,
    /// The operations of a `json` patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "operations")]
    pub operations: Option<Vec<Value>>,
}

/// A change of replicas alone.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct ScaleTask {
    /// The template whose workloads are scaled.
    pub template: String,
    /// A CEL expression giving the number of replicas.
    pub replicas: String,
}

/// Pods to take away.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct ReplaceTask {
    /// A CEL expression giving the names of the pods, a list of strings.
    pub pods: String,
    /// Deletes them at once, without the word of their kubelet; by default they are evicted. Only
    /// for pods whose node is lost: elsewhere their containers may run on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

fn operations(_: &mut schemars::SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
    })
}
