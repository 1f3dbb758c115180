//! A case: what its pods do, and what a person does to its objects, as files under
//! `tests/behaviour` say it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use maestro_sim::json::Value;
use maestro_sim::workload::{Crash, Rule, Selector, Span};
use regex::Regex;
use serde::Deserialize;

/// One sequence of edits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name, and its namespace.
    pub name: String,
    /// The cases of one group share a real control plane. The empty name is a group, too.
    #[serde(default)]
    pub group: String,
    /// Runs when no other case of its group does: it counts nodes, or changes them.
    #[serde(default)]
    pub alone: bool,
    /// Where its pods land is not compared; it never is where the case is not alone.
    #[serde(default)]
    pub any_node: bool,
    /// How its pods behave, first match first. What none matches is quick and healthy.
    #[serde(default)]
    pub workloads: Vec<Workload>,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// How pods behave. Times are in milliseconds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// Labels that the pods carry.
    pub labels: BTreeMap<String, String>,
    /// From started to ready.
    pub ready_ms: Option<u64>,
    /// Containers end by themselves after so long.
    pub run_ms: Option<u64>,
    /// And exit with this code.
    pub exit_code: i32,
    /// From SIGTERM to the end.
    pub shutdown_ms: Option<u64>,
    /// Every start ends with exit code 1 after so long.
    pub crash_after_ms: Option<u64>,
    /// Images that cannot be pulled, as a regular expression.
    pub fails_to_pull: Option<String>,
    /// Images whose containers never become ready, as a regular expression.
    pub never_ready: Option<String>,
}

/// One thing that is done; exactly one field is set. After each the cluster comes to rest.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Applies objects, as YAML documents.
    pub apply: Option<String>,
    /// Merges into an object.
    pub patch: Option<Patch>,
    /// Deletes an object.
    pub delete: Option<Target>,
    /// Sets the replicas of an object through its scale.
    pub scale: Option<Scale>,
    /// Evicts a pod.
    pub evict: Option<Target>,
    /// Waits until something is so, at most a minute and a half.
    pub until: Option<Until>,
    /// Cuts a node's kubelet off the API server.
    pub cut: Option<String>,
    /// Joins it again.
    pub join: Option<String>,
}

/// An object: by its name, or the oldest that carries these labels.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// `Kind` or `Kind.group`; Pod when it is not said.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// Labels, where there is no name.
    pub labels: BTreeMap<String, String>,
    /// `propagationPolicy`, for deletions.
    pub propagation: Option<String>,
}

/// A merge patch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Of what.
    #[serde(default)]
    pub target: Target,
    /// Of which subresource.
    #[serde(default)]
    pub subresource: String,
    /// What is merged.
    pub merge: Value,
}

/// A new number of replicas.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Of what.
    pub target: Target,
    /// How many.
    pub replicas: i64,
}

/// What is waited for: that a field has a value, or that the object is gone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// Of what.
    pub target: Target,
    /// `TYPE=STATUS` of one of its conditions.
    #[serde(default)]
    pub condition: Option<String>,
    /// A JSON pointer.
    #[serde(default)]
    pub field: Option<String>,
    /// What stands there.
    #[serde(default)]
    pub is: Value,
    /// That there is no such object.
    #[serde(default)]
    pub gone: bool,
}

impl Workload {
    /// As kubelets take it, for the pods of a namespace.
    ///
    /// # Errors
    /// When an image is no regular expression.
    pub fn rule(&self, namespace: &str) -> Result<Rule, String> {
        let exactly = |ms: u64| Some(Span::exactly(Duration::from_millis(ms)));
        let patterns = |text: &Option<String>| {
            let all: Result<Vec<_>, _> = text.iter().map(|text| Regex::new(text)).collect();
            all.map_err(|error| format!("{namespace}: {error}"))
        };
        Ok(Rule {
            selector: Selector {
                namespace: Some(namespace.to_owned()),
                labels: self.labels.clone(),
                image: None,
            },
            image_pull: exactly(20),
            start: exactly(50),
            init: exactly(50),
            ready: exactly(self.ready_ms.unwrap_or(100)),
            run: self.run_ms.and_then(exactly),
            exit_code: self.exit_code,
            shutdown: exactly(self.shutdown_ms.unwrap_or(100)),
            crash: self.crash_after_ms.map(|ms| Crash {
                percent: 100,
                after: Span::exactly(Duration::from_millis(ms)),
                exit_code: 1,
                times: None,
            }),
            fails_to_pull: patterns(&self.fails_to_pull)?,
            never_ready: patterns(&self.never_ready)?,
            ..Rule::default()
        })
    }
}

impl Case {
    /// How its pods behave: its own rules, and one for the rest.
    ///
    /// # Errors
    /// When an image is no regular expression.
    pub fn rules(&self) -> Result<Vec<Rule>, String> {
        let rest = Workload::default();
        self.workloads.iter().chain([&rest]).map(|workload| workload.rule(&self.name)).collect()
    }
}

/// All cases of a folder: every YAML file but the one of deliberate differences, each a list.
///
/// # Errors
/// With the file that cannot be read, or the name that stands twice.
pub fn all(folder: &Path) -> Result<Vec<Case>, String> {
    let told = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let entries = std::fs::read_dir(folder).map_err(|error| told(folder, &error))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.retain(|path| !path.ends_with("deliberate.yaml"));
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(|error| told(&path, &error))?;
        let read: Vec<Case> = serde_yaml::from_str(&text).map_err(|error| told(&path, &error))?;
        for case in read {
            if cases.iter().any(|known| known.name == case.name) {
                return Err(told(&path, &format!("{} stands twice", case.name)));
            }
            cases.push(case);
        }
    }
    Ok(cases)
}
