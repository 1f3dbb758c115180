//! Jobs and CronJobs.

use super::fill::{each, get, inside, made, set, spec, text};
use super::pod;
use crate::json::{Map, Value, json};

/// A Job.
pub(super) fn job(object: &mut Value) {
    let Some(spec) = spec(object) else { return };
    job_spec(spec);
    set(spec, "suspend", false);
    set(spec, "manualSelector", false);
    label_job(object);
}

/// A Job without labels has those of its pods.
pub(super) fn label_job(object: &mut Value) {
    let own = object.pointer("/metadata/labels").and_then(Value::as_object);
    if own.is_some_and(|own| !own.is_empty()) {
        return;
    }
    let labels =
        object.pointer("/spec/template/metadata/labels").filter(|labels| labels.is_object());
    let labels = labels.cloned();
    let meta = object.as_object_mut().and_then(|root| made(root, "metadata"));
    if let (Some(labels), Some(meta)) = (labels, meta) {
        meta.insert("labels", labels);
    }
}

/// Gives a Job with a uid the selector and labels that tie its pods to it. Answers whether readers
/// will see labels of its own by that, which are not stored with it.
pub fn tie_job(object: &mut Value) -> bool {
    let meta = object.get("metadata");
    let field = |name: &str| {
        meta.and_then(|m| m.get(name)).and_then(Value::as_str).unwrap_or("").to_owned()
    };
    let (uid, name) = (field("uid"), field("name"));
    let Some(spec) = spec(object) else { return false };
    let generated = spec.get("manualSelector") == Some(&Value::Bool(false));
    let blank =
        |selector: &Value| selector.is_null() || selector.as_object().is_some_and(Map::is_empty);
    if generated && spec.get("selector").is_none_or(blank) && !uid.is_empty() {
        generate_selector(spec, &uid, &name);
    }
    let own = object.pointer("/metadata/labels").and_then(Value::as_object);
    own.is_none_or(Map::is_empty) && object.pointer("/spec/template/metadata/labels").is_some()
}

fn job_spec(spec: &mut Map) {
    let absent = |name: &str| spec.get(name).is_none_or(Value::is_null);
    let (no_completions, no_parallelism) = (absent("completions"), absent("parallelism"));
    if no_parallelism {
        spec.insert("parallelism", 1.into());
        if no_completions {
            spec.insert("completions", 1.into());
        }
    }
    let unlimited = i64::from(i32::MAX);
    let limit = if absent_in(spec, "backoffLimitPerIndex") { 6 } else { unlimited };
    set(spec, "backoffLimit", limit);
    set(spec, "completionMode", "NonIndexed");
    let policy = if absent_in(spec, "podFailurePolicy") { "TerminatingOrFailed" } else { "Failed" };
    set(spec, "podReplacementPolicy", policy);
    failure_policy(spec);
    pod::template(spec);
}

fn failure_policy(spec: &mut Map) {
    let Some(policy) = inside(spec, "podFailurePolicy") else { return };
    for rule in each(policy, "rules") {
        each(rule, "onPodConditions").for_each(|pattern| text(pattern, "status", "True"));
    }
}

fn absent_in(spec: &Map, name: &str) -> bool {
    spec.get(name).is_none_or(Value::is_null)
}

/// Source: the labels documented at
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#batchkubernetesio-controller-uid>.
fn generate_selector(spec: &mut Map, uid: &str, name: &str) {
    let labels = made(spec, "template").and_then(|t| made(t, "metadata"));
    if let Some(labels) = labels.and_then(|m| made(m, "labels")) {
        for (key, value) in [
            ("batch.kubernetes.io/controller-uid", uid),
            ("batch.kubernetes.io/job-name", name),
            ("controller-uid", uid),
            ("job-name", name),
        ] {
            labels.insert(key.to_owned(), value.into());
        }
    }
    let selector = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    spec.insert("selector", selector);
}

/// A CronJob.
pub(super) fn cron_job(object: &mut Value) {
    let Some(spec) = spec(object) else { return };
    if get(spec, "concurrencyPolicy").is_empty() {
        text(spec, "concurrencyPolicy", "Allow");
    }
    set(spec, "suspend", false);
    set(spec, "successfulJobsHistoryLimit", 3);
    set(spec, "failedJobsHistoryLimit", 1);
    if let Some(job) = inside(spec, "jobTemplate").and_then(|t| inside(t, "spec")) {
        // A template stays open; its Job gets the rest when it is created.
        failure_policy(job);
        pod::template(job);
    }
}
