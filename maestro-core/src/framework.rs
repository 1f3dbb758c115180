//! The Framework: one declarative spec for the whole life of a system, and its snapshots.
//!
//! A [`Framework`] is what an author writes. A [`FrameworkVersion`] is an immutable copy of its
//! spec, made by the operator for every version that ever ran, so that instances, upgrades and
//! rollbacks always find the exact version they name.

mod duration;
pub mod enhance;
mod parameter;
mod plan;
mod status;
mod task;
mod trigger;

pub use duration::{DurationError, GoDuration};
pub use parameter::{Parameter, ParameterType};
pub use plan::{OnFailure, Phase, Plan, Retry, Step, Strategy};
pub use status::conditions_schema;
pub(crate) use status::conditions_value;
pub use task::{JobTask, PatchTask, PatchType, ReplaceTask, ScaleTask, Task, ToggleTask, WaitTask};
pub use trigger::{Health, Trigger};

use kube::CustomResource;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The API group of Maestro's own kinds.
pub const GROUP: &str = "maestro.dev";
/// The API version of Maestro's own kinds and of every package's kind.
pub const VERSION: &str = "v1alpha1";
/// The API group in which every package's kind lives.
pub const PACKAGE_GROUP: &str = "packages.maestro.dev";

/// Names of the lifecycle plans, which the operator starts by itself.
pub mod lifecycle {
    /// Brings a new instance into being. Every Framework has it.
    pub const DEPLOY: &str = "deploy";
    /// Runs when parameters changed; `deploy` stands in for it where it is missing.
    pub const UPDATE: &str = "update";
    /// Runs when `spec.version` moved up; `update`, then `deploy`, stand in for it.
    pub const UPGRADE: &str = "upgrade";
    /// Runs when a step failed with `onFailure: rollback`, or the version moved down.
    pub const ROLLBACK: &str = "rollback";
    /// Runs under the finalizer when the instance is deleted.
    pub const CLEANUP: &str = "cleanup";
    /// Runs when a trigger names it.
    pub const RECOVER: &str = "recover";
}

/// What an author says about a system: what users may set, what is rendered, and in which order
/// the cluster is brought from one state to the next.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[kube(
    group = "maestro.dev",
    version = "v1alpha1",
    kind = "Framework",
    derive = "PartialEq",
    shortname = "fw",
    category = "maestro",
    status = "FrameworkStatus",
    printcolumn = r#"{"name":"Kind","type":"string","jsonPath":".spec.names.kind"}"#,
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".spec.version"}"#,
    printcolumn = r#"{"name":"App","type":"string","jsonPath":".spec.appVersion"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct FrameworkSpec {
    /// How the package's kind is called in the API.
    pub names: Names,
    /// The version of this Framework (semantic versioning).
    pub version: String,
    /// The version of the software it runs, for image tags and labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// Which versions an instance may be upgraded from, as a Cargo/npm range such as `^1.0`.
    /// Absent means any older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgradable_from: Option<String>,
    /// What a user may set in the instance's `spec`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Maps one parameter to the `/scale` subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScaleMapping>,
    /// Multi-document YAML templates with `${CEL}`, by file name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<String, String>,
    /// What steps can do, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<String, Task>,
    /// Plans by name; see [`lifecycle`] for those that the operator starts by itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plans: BTreeMap<String, Plan>,
    /// What starts a plan besides the lifecycle. Several at once are served in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<Trigger>,
    /// How many finished executions of an instance are kept. Older ones are deleted, but those that
    /// say what the instance runs and when each plan ran last, and those that people created.
    /// Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_limit: Option<u32>,
    /// When an instance is ready. Absent: when every rendered object is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// A CEL expression giving the string under which clients reach the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
}

/// Names of the package's kind, as in a CustomResourceDefinition.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct Names {
    /// `CamelCase` kind, e.g. `ZooKeeper`.
    pub kind: String,
    /// Lower-case plural, which is the resource's name in URLs.
    pub plural: String,
    /// Lower-case singular; the lower-cased kind by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub singular: Option<String>,
    /// Short names for `kubectl`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short_names: Vec<String>,
    /// Groups of resources it belongs to, such as `all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

/// The `/scale` subresource of the package's kind.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct ScaleMapping {
    /// The integer parameter that `kubectl scale` writes.
    pub parameter: String,
    /// A label selector, in which `${…}` may stand, that finds the scaled pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
}

/// What the operator reports of a Framework.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkStatus {
    /// The generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` is true once the package's CRD is established and the snapshot exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>,
    /// The snapshot that holds the present spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<String>,
}

/// An immutable snapshot of a Framework's spec at one version.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[kube(
    group = "maestro.dev",
    version = "v1alpha1",
    kind = "FrameworkVersion",
    derive = "PartialEq",
    shortname = "fwv",
    category = "maestro",
    printcolumn = r#"{"name":"Framework","type":"string","jsonPath":".spec.framework"}"#,
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".spec.version"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = immutable_object)]
pub struct FrameworkVersionSpec {
    /// Name of the Framework.
    pub framework: String,
    /// Its version; equal to `spec.version` of the snapshot.
    pub version: String,
    /// The whole spec as it was.
    pub spec: FrameworkSpec,
    /// [`digest`] of `spec`.
    pub digest: String,
}

impl FrameworkVersionSpec {
    /// A snapshot of `spec`.
    #[must_use]
    pub fn of(framework: &str, spec: &FrameworkSpec) -> Self {
        Self {
            framework: framework.to_owned(),
            version: spec.version.clone(),
            spec: spec.clone(),
            digest: digest(spec),
        }
    }
}

impl FrameworkVersion {
    /// The object's name: `<framework>-<version>`, where `+` (build metadata, not allowed in an
    /// object's name) becomes `-`, in lower case.
    #[must_use]
    pub fn object_name(framework: &str, version: &str) -> String {
        format!("{framework}-{}", version.replace('+', "-").to_ascii_lowercase())
    }
}

impl FrameworkSpec {
    /// The parameter of this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// The package's CRD name, `<plural>.packages.maestro.dev`.
    #[must_use]
    pub fn crd_name(&self) -> String {
        format!("{}.{PACKAGE_GROUP}", self.names.plural)
    }
}

/// A digest of a spec: equal specs have equal digests in every process and on every platform.
///
/// FNV-1a over the canonical JSON (sorted keys), 64 bits in hexadecimal. It tells versions apart;
/// it does not protect against forgery.
#[must_use]
pub fn digest<T: Serialize>(value: &T) -> String {
    let canonical = serde_json::to_value(value).unwrap_or_default().to_string();
    hash(canonical.as_bytes())
}

/// FNV-1a, 64 bits, as sixteen hexadecimal digits.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{sum:016x}")
}

/// The API server prunes unknown fields and forbids `additionalProperties` beside `properties`,
/// so what serde's `deny_unknown_fields` says must not reach a CRD.
pub(crate) fn open_object(schema: &mut Schema) {
    schema.remove("additionalProperties");
}

fn immutable_object(schema: &mut Schema) {
    open_object(schema);
    schema.insert(
        "x-kubernetes-validations".to_owned(),
        serde_json::json!([{"rule": "self == oldSelf", "message": "a FrameworkVersion is immutable"}]),
    );
}
