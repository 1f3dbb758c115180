//! PlanExecution: one run of one plan. Its spec says what to run, its status is the journal.
//!
//! The journal is what makes a crash harmless: every decision of the machine is written here
//! before its effects are sent, so whoever reads it next continues instead of repeating.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub mod choose;
pub mod history;
pub mod moment;
pub mod name;
mod schedule;

pub use moment::Moment;
pub use schedule::Schedule;

/// The label that carries the instance's name on its executions.
pub const INSTANCE_LABEL: &str = "maestro.dev/instance";
/// The label that carries the plan's name on its executions.
pub const PLAN_LABEL: &str = "maestro.dev/plan";

/// What to run, for which instance, and what a user asks of the run.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "maestro.dev",
    version = "v1alpha1",
    kind = "PlanExecution",
    plural = "planexecutions",
    singular = "planexecution",
    shortname = "pe",
    namespaced,
    status = "PlanExecutionStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn = r#"{"name":"Instance","type":"string","jsonPath":".spec.instance.name"}"#,
    printcolumn = r#"{"name":"Plan","type":"string","jsonPath":".spec.plan"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct PlanExecutionSpec {
    /// The instance the plan runs for, in the execution's own namespace.
    pub instance: InstanceReference,
    /// The plan's name in the Framework.
    pub plan: String,
    /// The Framework version whose plan runs. Empty in an execution created by hand: the version
    /// the instance runs then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework_version: Option<String>,
    /// The generation of the instance this run covers. 0 in an execution created by hand.
    #[serde(default)]
    pub generation: i64,
    /// The place of this run among the instance's runs. 0 in an execution created by hand.
    #[serde(default)]
    pub sequence: i64,
    /// Why the operator started this run. Absent in an execution created by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The instant of a trigger's schedule that this run covers, and with it all before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_for: Option<Moment>,
    /// The parameters of this run, defaults filled in. In an execution created by hand, only
    /// those that differ from the instance's.
    #[serde(default)]
    #[schemars(schema_with = "free_form")]
    pub parameters: BTreeMap<String, Value>,
    /// Hold the run where it is; false lets it go on.
    #[serde(default)]
    pub suspend: bool,
    /// End the run where it is.
    #[serde(default)]
    pub cancel: bool,
    /// A new value here gives the failed steps of a failed run another go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    /// Steps to pass over, each as `phase/step`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<String>,
    /// Paused steps that may go on, each as `phase/step`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approve: Vec<String>,
}

/// The instance a run belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceReference {
    /// The API group of the package's kind.
    #[serde(default)]
    pub group: String,
    /// The package's kind.
    pub kind: String,
    /// The instance's name.
    pub name: String,
    /// The instance's UID. Empty in an execution created by hand: whoever bears the name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// Why the operator started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Cause {
    /// The instance is new.
    Created,
    /// `spec.version` names another version.
    VersionChanged,
    /// Parameters differ from those the last run covered.
    ParametersChanged,
    /// The instance is being deleted.
    Deleted,
    /// A trigger's condition holds.
    Triggered,
    /// A step failed whose `onFailure` is `rollback`.
    RolledBack,
}

/// The journal: where the run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanExecutionStatus {
    /// Where the whole run stands.
    #[serde(default)]
    pub state: State,
    /// A CamelCase word for why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the first step was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Moment>,
    /// When the run reached a terminal state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Moment>,
    /// Since when the run is held; deadlines are moved by that time when it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<Moment>,
    /// Whether a failed step asked for a rollback.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
    /// The last `spec.retry` that was honoured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried: Option<String>,
    /// The generation of the execution itself that was read last.
    #[serde(default)]
    pub observed_generation: i64,
    /// The plan's phases, in the plan's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseStatus>,
}

/// Where a phase stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseStatus {
    /// The phase's name in the plan.
    pub name: String,
    /// Where it stands.
    #[serde(default)]
    pub state: StepState,
    /// Its steps, in the plan's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepStatus>,
}

/// Where a step stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepStatus {
    /// The step's name in its phase.
    pub name: String,
    /// Where it stands.
    #[serde(default)]
    pub state: StepState,
    /// How often it was begun.
    #[serde(default)]
    pub attempt: u32,
    /// How many attempts failed since the step was begun, or retried by a user.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// When the present attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Moment>,
    /// When it completed, failed for good or was passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Moment>,
    /// When the next attempt begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Moment>,
    /// What it waits for, or why it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Its tasks, in the plan's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskStatus>,
}

/// Where a task stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskStatus {
    /// The task's name in the Framework.
    pub name: String,
    /// Where it stands.
    #[serde(default)]
    pub state: StepState,
    /// What it waits for, or why it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Where a run stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum State {
    /// Nothing was begun.
    #[default]
    Pending,
    /// Steps are under way.
    Running,
    /// Held by the user.
    Suspended,
    /// Every step is complete or passed over. Terminal.
    Complete,
    /// A step failed for good. Terminal until the user asks for a retry.
    Failed,
    /// Ended by the user. Terminal.
    Cancelled,
    /// Ended because the instance asks for something else now. Terminal.
    Superseded,
}

impl State {
    /// Whether the run is over.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Cancelled | Self::Superseded)
    }
}

/// Where a phase, a step or a task stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum StepState {
    /// Not begun.
    #[default]
    Pending,
    /// Waits for approval.
    Paused,
    /// Under way.
    Running,
    /// Failed, and waits for its next attempt.
    Retrying,
    /// Done, and observed to be so.
    Complete,
    /// Passed over: its `when` is false, or the user said so.
    Skipped,
    /// Failed for good.
    Failed,
    /// Left where it was because the run ended.
    Cancelled,
}

impl StepState {
    /// Whether what comes after may begin.
    #[must_use]
    pub fn is_done(self) -> bool {
        matches!(self, Self::Complete | Self::Skipped)
    }
}

impl PlanExecution {
    /// The state the journal records; Pending while there is none.
    #[must_use]
    pub fn state(&self) -> State {
        self.status.as_ref().map(|status| status.state).unwrap_or_default()
    }

    /// Whether it is to bring the instance to a desired state: neither by hand, nor by a trigger,
    /// nor cleanup.
    #[must_use]
    pub fn covers(&self) -> bool {
        matches!(
            self.spec.cause,
            Some(
                Cause::Created
                    | Cause::VersionChanged
                    | Cause::ParametersChanged
                    | Cause::RolledBack
            )
        )
    }

    /// Whether a person created this run.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.spec.cause.is_none()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Parameters are of any shape: the package's CRD validates them, not this one.
fn free_form(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

#[cfg(test)]
mod tests {
    use kube::CustomResourceExt;

    use super::*;

    #[test]
    fn the_crd_keeps_parameters_and_has_a_status() {
        let crd = serde_json::to_value(PlanExecution::crd()).expect("a CRD is JSON");
        let version = &crd["spec"]["versions"][0];
        assert_eq!(crd["metadata"]["name"], "planexecutions.maestro.dev");
        assert!(version["subresources"]["status"].is_object());
        let spec = &version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
        assert_eq!(spec["parameters"]["x-kubernetes-preserve-unknown-fields"], true);
        assert_eq!(spec["parameters"]["type"], "object");
    }
}
