//! The pods of a Job: making them, by number or by index, and their back-off.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::Status;
use crate::controller::job::{TRACKING, is_indexed};
use crate::controller::kinds::{JOBS, PODS};
use crate::controller::replica_set::is_terminating_namespace;
use crate::controller::{Context, own, pods, shape};
use crate::json::{Value, json};
use crate::object::{Object, map_at};

/// Label and annotation of an indexed pod.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The completion index of a pod.
pub fn index(pod: &Object) -> Option<i64> {
    pod.annotation(INDEX)?.parse().ok()
}

/// Makes one pod, of an index when the Job is Indexed.
pub fn create(cx: &mut dyn Context, job: &Object, at: Option<i64>) -> Result<(), Box<Status>> {
    let nothing = Value::Null;
    let template = job.at(&["spec", "template"]).unwrap_or(&nothing);
    let owner = own::controller_ref(&JOBS, job);
    let mut body = shape::pod_from_template(template, job.namespace(), owner);
    let prefix = match at {
        Some(index) => format!("{}-{index}-", job.name()),
        None => format!("{}-", job.name()),
    };
    let meta = map_at(&mut body, &["metadata"]);
    meta.insert("generateName", prefix.into());
    let finalizers = meta.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut() {
        list.push(TRACKING.into());
    }
    if let Some(index) = at {
        let text = index.to_string();
        map_at(&mut body, &["metadata", "annotations"]).insert(INDEX, text.clone().into());
        map_at(&mut body, &["metadata", "labels"]).insert(INDEX, text.into());
        let host = format!("{}-{index}", job.name());
        map_at(&mut body, &["spec"]).insert("hostname", host.into());
        set_index_variable(&mut body);
    }
    match cx.create(&PODS, body) {
        Ok(pod) => {
            let message = format!("Created pod: {}", pod.name());
            cx.event(job, "Normal", "SuccessfulCreate", &message);
            Ok(())
        }
        Err(status) => {
            if !is_terminating_namespace(&status) {
                let message = format!("Error creating: {}", status.message);
                cx.event(job, "Warning", "FailedCreate", &message);
            }
            Err(status)
        }
    }
}

/// Every container reads its index from the pod's label through the downward API.
fn set_index_variable(pod: &mut Value) {
    let path = format!("metadata.labels['{INDEX}']");
    let variable =
        json!({"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": path}}});
    for list in ["initContainers", "containers"] {
        let containers = pod["spec"][list].as_array_mut().into_iter().flatten();
        for container in containers {
            let env = map_at(container, &[]).entry("env").or_insert_with(|| json!([]));
            let Some(env) = env.as_array_mut() else { continue };
            if env.iter().all(|v| shape::text(v, &["name"]) != "JOB_COMPLETION_INDEX") {
                env.push(variable.clone());
            }
        }
    }
}

/// The indexes to start now: the lowest that are neither done, failed nor running.
pub fn free_indexes(job: &Object, taken: &BTreeSet<i64>, count: usize) -> Vec<Option<i64>> {
    if !is_indexed(job) {
        return vec![None; count];
    }
    let total = job.int(&["spec", "completions"]).unwrap_or(0);
    (0..total).filter(|i| !taken.contains(i)).take(count).map(Some).collect()
}

/// Deletes pods, at most once each.
pub fn delete(
    cx: &mut dyn Context,
    job: &Object,
    doomed: &[Arc<Object>],
) -> Result<(), Box<Status>> {
    for pod in doomed.iter().filter(|p| pods::is_active(p)) {
        let options = shape::only_uid(pod.uid());
        if own::absent_is_fine(cx.delete(&PODS, pod.key(), options))?.is_some() {
            let message = format!("Deleted pod: {}", pod.name());
            cx.event(job, "Normal", "SuccessfulDelete", &message);
        }
    }
    Ok(())
}

/// When a terminated pod ended, in Unix seconds.
pub fn finished_at(cx: &dyn Context, pod: &Object) -> i64 {
    let all = pod.items(&["status", "containerStatuses"]).iter();
    let ends =
        all.filter_map(|c| cx.unix_seconds(shape::text(c, &["state", "terminated", "finishedAt"])));
    ends.max().or_else(|| pods::since(cx, pod, "Ready")).unwrap_or_else(|| pods::created(cx, pod))
}
