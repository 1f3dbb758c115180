//! Job: pods that run to completion, each counted exactly once.
//!
//! A pod keeps the finalizer `batch.kubernetes.io/job-tracking` until it stands in the Job's
//! status. Source: `pkg/controller/job`, KEP-2307, KEP-3329, KEP-3850.

pub mod indexes;
pub mod pods;
pub mod policy;
pub mod status;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::expect::Expectations;
use crate::controller::kinds::{JOBS, PODS};
use crate::controller::labels::Labels;
use crate::controller::own::{self, Claim, controlled_by};
use crate::controller::{Change, Context, Controller, Next, Queue, View, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object};

/// The finalizer of pods that are not counted yet.
pub const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// The Job controller, with the collector of finished Jobs.
#[derive(Debug, Default)]
pub struct JobController {
    expected: Expectations,
    /// Jobs that are to be looked at without delay.
    prompt: BTreeSet<Key>,
    /// Jobs whose pods or status changed: looked at a little later, once for many changes.
    batched: BTreeSet<Key>,
    due: BTreeMap<Key, Duration>,
    /// Pods that carry the finalizer and may have no Job any more.
    orphans: BTreeSet<Key>,
}

/// Who keeps Jobs that name nobody else in `spec.managedBy` (KEP-4368).
const MANAGER: &str = "kubernetes.io/job-controller";

/// How long changes of pods are collected (`syncJobBatchPeriod`).
const BATCH: Duration = Duration::from_secs(1);

impl Controller for JobController {
    fn name(&self) -> &str {
        "job-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        vec![JOBS.clone(), PODS.clone()]
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.resource == JOBS {
            let status_alone =
                change.old.as_ref().is_some_and(|o| o.generation() == object.generation());
            let wish = if status_alone { &mut self.batched } else { &mut self.prompt };
            wish.insert(object.key().clone());
            queue.add(object.key().clone());
            if change.new.is_none() {
                for pod in view.owned(&PODS, object.uid()) {
                    self.observe_orphan(&pod, queue);
                }
            }
            return;
        }
        let Some(job) = controlled_by(view, &JOBS, object) else {
            if change.new.is_some() {
                self.observe_orphan(object, queue);
                self.find_parents(object, view, queue);
            }
            return;
        };
        if change.old.is_none() {
            self.expected.created(&job);
        }
        let untracked = object.finalizers().all(|f| f != TRACKING);
        if change.new.is_none() || object.is_deleting() || untracked {
            self.expected.deleted(&job, object.key());
        }
        self.batched.insert(job.clone());
        queue.add(job);
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        if self.orphans.remove(key) {
            release(cx, key)?;
        }
        let Some(job) = cx.view().get(&JOBS, key).cloned() else {
            self.expected.forget(key);
            self.prompt.remove(key);
            self.batched.remove(key);
            self.due.remove(key);
            return Ok(Next::Done);
        };
        if is_managed_elsewhere(&job) {
            return Ok(Next::Done);
        }
        if let Some(wait) = self.held_back(key, cx.now()) {
            return Ok(Next::After(wait));
        }
        if status::is_finished(&job) {
            self.untrack_all(cx, &job)?;
            return expire(cx, &job);
        }
        let selector = Labels::of(job.at(&["spec", "selector"]));
        let claim = Claim { resource: &JOBS, owner: &job, selector: &selector };
        let pods = claim.run(cx, &PODS, |_| true)?;
        let settled = self.expected.satisfied(key, cx.now());
        let pass = status::Pass::new(cx, Arc::clone(&job), pods, settled);
        let next = pass.run(cx, &mut self.expected)?;
        let due = self.due.get(key).map(|due| due.saturating_sub(cx.now()));
        Ok(match (next, due) {
            (Next::After(wait), Some(due)) => Next::After(wait.min(due)),
            (Next::Done, Some(due)) => Next::After(due),
            (next, None) => next,
        })
    }
}

impl JobController {
    /// A pod without a Job is let go in a pass of its own.
    fn observe_orphan(&mut self, pod: &Object, queue: &mut Queue) {
        if pod.finalizers().any(|f| f == TRACKING) {
            self.orphans.insert(pod.key().clone());
            queue.add(pod.key().clone());
        }
    }

    /// The Jobs that could adopt a pod.
    fn find_parents(&mut self, pod: &Object, view: &View, queue: &mut Queue) {
        if pod.controller().is_some() || pod.is_deleting() {
            return;
        }
        let selecting = view
            .list(&JOBS, pod.namespace())
            .filter(|job| Labels::of(job.at(&["spec", "selector"])).matches(pod.labels()));
        for job in selecting {
            self.batched.insert(job.key().clone());
            queue.add(job.key().clone());
        }
    }

    /// How long a Job waits for more changes of its pods; `None` when it is its turn.
    fn held_back(&mut self, key: &Key, now: Duration) -> Option<Duration> {
        if self.batched.remove(key) {
            self.due.entry(key.clone()).or_insert(now + BATCH);
        }
        let due = self.due.get(key).copied();
        if due.is_some_and(|due| due <= now) {
            self.due.remove(key);
        } else if let (Some(due), false) = (due, self.prompt.contains(key)) {
            return Some(due - now);
        }
        self.prompt.remove(key);
        None
    }

    /// Pods left over when a Job finished lose the finalizer uncounted.
    fn untrack_all(&mut self, cx: &mut dyn Context, job: &Object) -> Result<(), Box<Status>> {
        for pod in cx.view().owned(&PODS, job.uid()) {
            untrack(cx, &pod)?;
        }
        Ok(())
    }
}

/// Takes the tracking finalizer off a pod that no unfinished Job owns.
fn release(cx: &mut dyn Context, key: &Key) -> Result<(), Box<Status>> {
    let Some(pod) = cx.view().get(&PODS, key).cloned() else { return Ok(()) };
    if let Some(owner) = pod.controller() {
        let job = controlled_by(cx.view(), &JOBS, &pod);
        let job = job.and_then(|job| cx.view().get(&JOBS, &job));
        let kept = job.is_some_and(|job| is_managed_elsewhere(job) || !status::is_finished(job));
        if kept || shape::text(owner, &["kind"]) != "Job" {
            return Ok(());
        }
    }
    untrack(cx, &pod)
}

/// Whether another controller keeps a Job.
fn is_managed_elsewhere(job: &Object) -> bool {
    !matches!(job.text(&["spec", "managedBy"]), "" | MANAGER)
}

/// Takes the tracking finalizer off a pod.
pub fn untrack(cx: &mut dyn Context, pod: &Object) -> Result<(), Box<Status>> {
    if pod.finalizers().all(|f| f != TRACKING) {
        return Ok(());
    }
    let left: Vec<&str> = pod.finalizers().filter(|f| *f != TRACKING).collect();
    let patch = json!({"metadata": {"uid": pod.uid(), "finalizers": left}});
    own::absent_is_fine(cx.patch(&PODS, pod.key(), patch)).map(drop)
}

/// Deletes a finished Job `spec.ttlSecondsAfterFinished` after it finished.
fn expire(cx: &mut dyn Context, job: &Object) -> Result<Next, Box<Status>> {
    let Some(ttl) = job.int(&["spec", "ttlSecondsAfterFinished"]) else { return Ok(Next::Done) };
    if job.is_deleting() {
        return Ok(Next::Done);
    }
    let conditions = job.items(&["status", "conditions"]);
    let done = ["Complete", "Failed"].iter().find_map(|kind| shape::find(conditions, kind));
    let at = done.map_or("", |c| shape::text(c, &["lastTransitionTime"]));
    let left = cx.unix_seconds(at).unwrap_or(0) + ttl - crate::controller::pods::now_unix(cx);
    if left > 0 {
        return Ok(Next::After(Duration::from_secs(left.unsigned_abs())));
    }
    let options = json!({"preconditions": {"uid": job.uid()}, "propagationPolicy": "Foreground"});
    own::absent_is_fine(cx.delete(&JOBS, job.key(), options))?;
    Ok(Next::Done)
}

/// Whether the Job is Indexed.
pub fn is_indexed(job: &Object) -> bool {
    job.text(&["spec", "completionMode"]) == "Indexed"
}

/// `spec.suspend`.
pub fn is_suspended(job: &Object) -> bool {
    job.at(&["spec", "suspend"]).and_then(Value::as_bool) == Some(true)
}
