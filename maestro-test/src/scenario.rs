//! Scenario files: a cluster, an operator, what is done to them, and what must hold.
//!
//! [`Scenario::load`] reads and checks a file; whatever is wrong with it is an error that names
//! file, line and column, and says what would be right. [`Scenario::parse`] does the same for
//! text, for tests written in Rust.

pub(crate) mod check;
pub mod condition;
pub mod expect;
pub mod problem;
mod read;
pub mod step;
pub mod suggest;
pub mod text;
pub mod workload;

use std::path::{Path, PathBuf};

use maestro_sim::facts::Version;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::Program;
use crate::runner::faults;

pub use crate::runner::faults::Fault;
pub use condition::Condition;
pub use expect::{Budget, Expect, Fails, Setting};
pub use problem::{Problem, ScenarioError};
pub use step::{Action, Step};
pub use text::{At, DurationRange, NumberRange, Place};
pub use workload::Workload;

/// The API version of scenario files.
pub const API_VERSION: &str = "test.maestro.dev/v1alpha1";
/// The kind of scenario files.
pub const KIND: &str = "Scenario";

/// A scenario file as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Scenario")]
pub struct Document {
    /// `test.maestro.dev/v1alpha1`.
    pub api_version: At<String>,
    /// `Scenario`.
    pub kind: At<String>,
    /// Name and description.
    pub metadata: Metadata,
    /// The scenario.
    pub spec: Spec,
}

/// Name and description.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The scenario's name: lower-case letters, digits and `-`.
    pub name: At<String>,
    /// What it shows, in a sentence.
    #[serde(default)]
    pub description: String,
}

/// The scenario.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// The cluster.
    #[serde(default)]
    pub cluster: Cluster,
    /// The operator under test.
    #[serde(default)]
    pub operator: At<Operator>,
    /// How pods behave; the first that matches a pod counts.
    #[serde(default)]
    pub workloads: Vec<Workload>,
    /// What is done, in order.
    pub steps: At<Vec<Step>>,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Vec<At<Fault>>,
    /// What must hold.
    #[serde(default)]
    pub expect: Expect,
}

/// The cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Worker nodes.
    #[serde(default = "three")]
    pub nodes: At<u32>,
    /// The Kubernetes version, such as "1.34"; absent, the newest. Simulations and Maestro's own
    /// control planes are of it; a cluster that is there stays what it is.
    #[schemars(extend("enum" = version_names()))]
    pub version: Option<At<String>>,
}

fn version_names() -> Vec<Option<&'static str>> {
    Version::names().into_iter().map(Some).chain([None]).collect()
}

impl Default for Cluster {
    fn default() -> Self {
        Self { nodes: three(), version: None }
    }
}

/// The operator under test.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Maestro's own operator. The default.
    pub maestro: Option<Maestro>,
    /// A program and its arguments, in any language, that finds the API server through
    /// `KUBECONFIG`: a name in `PATH`, or a path from the scenario's directory. It lives by the
    /// wall's clock, so it runs on real clusters alone; in the simulation it is skipped, by name.
    pub command: Option<Vec<At<String>>>,
}

/// Maestro's own operator.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Maestro {
    /// Replicas; more than one elect a leader.
    #[serde(default = "single")]
    pub replicas: At<u32>,
}

fn three() -> At<u32> {
    3.into()
}

fn single() -> At<u32> {
    1.into()
}

/// A checked scenario and where it came from.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.description`.
    pub description: String,
    /// What to do.
    pub spec: Spec,
    /// The compiled `that` of each `await`, by the step's place in the list.
    pub conditions: Vec<Option<Condition>>,
    /// The file; relative paths in it are relative to its directory.
    pub path: PathBuf,
}

impl Scenario {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let unreadable = |error: std::io::Error| {
            let problem = Problem::new(Place::default(), format!("cannot be read: {error}"), "");
            ScenarioError::new(path, "", vec![problem])
        };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(path, &text)
    }

    /// Checks a scenario's text as if it stood at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ScenarioError> {
        let document = read::document(text).map_err(|p| ScenarioError::new(path, text, vec![p]))?;
        let mut problems = Vec::new();
        let directory = path.parent().unwrap_or(Path::new(""));
        let conditions = check::document(&document, directory, &mut problems);
        if !problems.is_empty() {
            problems.sort_by_key(|p| (p.place.line, p.place.column));
            return Err(ScenarioError::new(path, text, problems));
        }
        let Document { metadata, spec, .. } = document;
        let Metadata { name, description } = metadata;
        Ok(Self { name: name.value, description, spec, conditions, path: path.to_owned() })
    }

    /// A path written in the scenario, from where the process stands.
    pub fn resolve(&self, written: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(written)
    }

    /// The operator's program, when it is one.
    pub fn program(&self) -> Option<Program> {
        let words = self.spec.operator.command.as_ref()?;
        let (first, rest) = words.split_first()?;
        let is_path = first.value.contains(std::path::MAIN_SEPARATOR);
        let path = if is_path { self.resolve(first) } else { first.value.clone().into() };
        Some(Program { path, arguments: rest.iter().map(|word| word.value.clone()).collect() })
    }

    /// The version of Kubernetes that it runs on.
    pub fn version(&self) -> Version {
        // Checked when the scenario was read.
        let version = self.spec.cluster.version.as_ref();
        version.and_then(|version| version.parse().ok()).unwrap_or_default()
    }

    /// How many replicas of the operator run.
    pub fn replicas(&self) -> u32 {
        self.spec.operator.maestro.as_ref().map_or(1, |m| m.replicas.value)
    }
}

/// The JSON schema of scenario files, for editors (`# yaml-language-server: $schema=...`).
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Document).to_value();
    // What no Rust type says: the fixed words, and that a step and a fault each do one thing.
    let exactly_one = |words: &[&str]| -> serde_json::Value {
        words.iter().map(|word| serde_json::json!({"required": [word]})).collect()
    };
    let fixed = [
        ("/properties/apiVersion/const", API_VERSION.into()),
        ("/properties/kind/const", KIND.into()),
        ("/$defs/Step/oneOf", exactly_one(&step::ACTIONS)),
        ("/$defs/Fault/oneOf", exactly_one(&faults::KINDS)),
        (
            "/$defs/Expect/properties/properties/propertyNames",
            serde_json::json!({"enum": crate::property::NAMES}),
        ),
    ];
    for (pointer, value) in fixed {
        let Some((parent, field)) = pointer.rsplit_once('/') else { continue };
        if let Some(map) = schema.pointer_mut(parent).and_then(|v| v.as_object_mut()) {
            map.insert(field.to_owned(), value);
        }
    }
    // An editor shows what stands with the field, not what stands with its type.
    for word in faults::KINDS {
        let field = format!("/$defs/Fault/properties/{word}");
        let of = schema.pointer(&format!("{field}/anyOf/0/$ref")).and_then(|v| v.as_str());
        let of = of.and_then(|of| of.strip_prefix('#'));
        let said = of.and_then(|of| schema.pointer(&format!("{of}/description"))).cloned();
        if let (Some(said), Some(field)) = (said, schema.pointer_mut(&field)) {
            field["description"] = said;
        }
    }
    schema
}

#[cfg(test)]
mod tests;
