//! CronJob: a Job at every minute its schedule names.
//!
//! Source: `pkg/controller/cronjob`.

pub mod schedule;

use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::kinds::{CRON_JOBS, JOBS};
use crate::controller::own::{absent_is_fine, controlled_by, controller_ref, controller_uid};
use crate::controller::{Change, Context, Controller, Next, Queue, View, job, pods, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, at};
use schedule::Schedule;

/// The CronJob controller.
#[derive(Debug, Default)]
pub struct CronJobController;

impl Controller for CronJobController {
    fn name(&self) -> &str {
        "cronjob-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        vec![CRON_JOBS.clone(), JOBS.clone()]
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.resource == CRON_JOBS {
            queue.add(object.key().clone());
        } else {
            queue.extend(controlled_by(view, &CRON_JOBS, object));
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(cron) = cx.view().get(&CRON_JOBS, key).cloned() else { return Ok(Next::Done) };
        let owned = cx.view().owned(&JOBS, cron.uid());
        let jobs: Vec<_> = owned.into_iter().filter(|j| controller_uid(j) == cron.uid()).collect();
        let mut status = cron.at(&["status"]).cloned().unwrap_or_else(|| json!({}));
        clean_up(cx, &cron, &jobs)?;
        let mut active: Vec<Arc<Object>> =
            jobs.iter().filter(|j| !job::status::is_finished(j)).cloned().collect();
        let ends = jobs.iter().filter(|j| pods::has_condition(j, "Complete"));
        if let Some(last) = ends.map(|j| j.text(&["status", "completionTime"])).max()
            && last > shape::text(&status, &["lastSuccessfulTime"])
        {
            status["lastSuccessfulTime"] = last.into();
        }
        let next = start_due(cx, &cron, &mut active, &mut status)?;
        // A Job is named as it was when it was made.
        let known = cron.items(&["status", "active"]);
        let named = |job: &Object| known.iter().find(|r| shape::text(r, &["uid"]) == job.uid());
        let references = active.iter().map(|j| named(j).cloned().unwrap_or_else(|| reference(j)));
        let references: Vec<Value> = references.collect();
        let list = if references.is_empty() { Value::Null } else { references.into() };
        if let Some(map) = status.as_object_mut() {
            shape::put(map, "active", list);
        }
        shape::write_status(cx, &CRON_JOBS, &cron, status).transpose()?;
        Ok(next)
    }
}

fn reference(job: &Object) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "namespace": job.namespace(),
        "name": job.name(), "uid": job.uid(),
        "resourceVersion": job.resource_version().to_string(),
    })
}

/// Starts the latest run that is due, under the concurrency policy.
fn start_due(
    cx: &mut dyn Context,
    cron: &Object,
    active: &mut Vec<Arc<Object>>,
    status: &mut Value,
) -> Result<Next, Box<Status>> {
    let suspended = cron.at(&["spec", "suspend"]).and_then(Value::as_bool) == Some(true);
    if cron.is_deleting() || suspended {
        return Ok(Next::Done);
    }
    let text = cron.text(&["spec", "schedule"]);
    let zone = cron.text(&["spec", "timeZone"]);
    let Some(schedule) = Schedule::parse(text, zone) else {
        let message = format!("unparseable schedule: {text} in time zone {zone:?}");
        cx.event(cron, "Warning", "UnparseableSchedule", &message);
        return Ok(Next::Done);
    };
    let now = pods::now_unix(cx);
    let last = cx.unix_seconds(shape::text(status, &["lastScheduleTime"]));
    let mut from = last.unwrap_or_else(|| pods::created(cx, cron));
    let deadline = cron.int(&["spec", "startingDeadlineSeconds"]);
    if let Some(deadline) = deadline {
        from = from.max(now - deadline);
    }
    let wait = schedule.next(now).map_or(Next::Done, |at| {
        Next::After(Duration::from_secs((at - now).max(1).unsigned_abs()))
    });
    let Some(due) = schedule.last(from, now) else { return Ok(wait) };
    match cron.text(&["spec", "concurrencyPolicy"]) {
        "Forbid" if !active.is_empty() => {
            let message = "Not starting job because prior execution is running and concurrency \
                           policy is Forbid";
            cx.event(cron, "Normal", "JobAlreadyActive", message);
            return Ok(wait);
        }
        "Replace" => {
            for job in active.drain(..) {
                delete(cx, cron, &job)?;
            }
        }
        _ => {}
    }
    if let Some(job) = create(cx, cron, due)? {
        active.push(job);
    }
    status["lastScheduleTime"] = schedule::rfc3339(due).into();
    Ok(wait)
}

/// The Job of a scheduled time is named after its minute, so that it cannot be made twice.
fn create(
    cx: &mut dyn Context,
    cron: &Object,
    due: i64,
) -> Result<Option<Arc<Object>>, Box<Status>> {
    let template = at(cron.value(), &["spec", "jobTemplate"]).cloned().unwrap_or_default();
    let mut annotations = at(&template, &["metadata", "annotations"])
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let scheduled = "batch.kubernetes.io/cronjob-scheduled-timestamp";
    annotations.insert(scheduled, schedule::rfc3339(due).into());
    let name = format!("{}-{}", cron.name(), due / 60);
    let body = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "namespace": cron.namespace(), "annotations": annotations,
            "labels": at(&template, &["metadata", "labels"]).cloned().unwrap_or_else(|| json!({})),
            "ownerReferences": [controller_ref(&CRON_JOBS, cron)],
        },
        "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
    });
    match cx.create(&JOBS, body) {
        Ok(job) => {
            cx.event(cron, "Normal", "SuccessfulCreate", &format!("Created job {name}"));
            Ok(Some(job))
        }
        Err(status) if status.reason == "AlreadyExists" => Ok(None),
        Err(status) => {
            let message = format!("Error creating job: {}", status.message);
            cx.event(cron, "Warning", "FailedCreate", &message);
            Err(status)
        }
    }
}

fn delete(cx: &mut dyn Context, cron: &Object, job: &Object) -> Result<(), Box<Status>> {
    let options = json!({"propagationPolicy": "Background"});
    if absent_is_fine(cx.delete(&JOBS, job.key(), options))?.is_some() {
        let message = format!("Deleted job {}", job.name());
        cx.event(cron, "Normal", "SuccessfulDelete", &message);
    }
    Ok(())
}

/// Keeps the newest finished Jobs: 3 that succeeded and 1 that failed, unless told otherwise.
fn clean_up(cx: &mut dyn Context, cron: &Object, jobs: &[Arc<Object>]) -> Result<(), Box<Status>> {
    let rows =
        [("Complete", "successfulJobsHistoryLimit", 3), ("Failed", "failedJobsHistoryLimit", 1)];
    for (condition, field, default) in rows {
        let limit = cron.int(&["spec", field]).unwrap_or(default);
        let limit = usize::try_from(limit).unwrap_or(0);
        let mut done: Vec<_> =
            jobs.iter().filter(|j| pods::has_condition(j, condition) && !j.is_deleting()).collect();
        done.sort_by_key(|j| (j.text(&["status", "startTime"]).to_owned(), j.name().to_owned()));
        for job in done.iter().take(done.len().saturating_sub(limit)) {
            delete(cx, cron, job)?;
        }
    }
    Ok(())
}
