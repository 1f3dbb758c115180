//! One pass over a Job: count what ended, decide, start or stop pods, write the status.

mod record;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::expect::Expectations;
use crate::controller::job::policy::{self, Verdict, judge};
use crate::controller::job::{self, TRACKING, indexes, is_indexed, is_suspended, untrack};
use crate::controller::replica_set::is_terminating_namespace;
use crate::controller::{Context, Next, batch, pods, shape};
use crate::json::{Array, Map, Value};
use crate::object::Object;

/// Back-off of pods that replace failed ones.
const BACKOFF_SECS: i64 = 10;
const BACKOFF_MOST_SECS: i64 = 600;
/// The counters of pods that ended.
const COUNTERS: [&str; 2] = ["succeeded", "failed"];

/// Whether Complete or Failed is True.
pub fn is_finished(job: &Object) -> bool {
    pods::has_condition(job, "Complete") || pods::has_condition(job, "Failed")
}

/// What one pass knows.
pub struct Pass {
    job: Arc<Object>,
    all: Vec<Arc<Object>>,
    settled: bool,
    now: String,
    now_unix: i64,
    status: Map,
    conditions: Array,
    done: BTreeSet<i64>,
    lost: BTreeSet<i64>,
    /// Why the Job fails, as reason and message.
    failing: Option<(String, String)>,
    /// The pods counted in this pass.
    counted: Vec<Arc<Object>>,
    /// The counters without them, and their uids: succeeded and failed.
    before: [i64; 2],
    uncounted: [Vec<String>; 2],
}

impl Pass {
    /// Starts from the status that is written.
    pub fn new(cx: &dyn Context, job: Arc<Object>, all: Vec<Arc<Object>>, settled: bool) -> Self {
        let status = job.at(&["status"]).and_then(Value::as_object).cloned().unwrap_or_default();
        let completions = job.int(&["spec", "completions"]).unwrap_or(0);
        let set = |field| indexes::parse(job.text(&["status", field]), completions);
        let (done, lost) = (set("completedIndexes"), set("failedIndexes"));
        let conditions = job.list(&["status", "conditions"]);
        let (now, now_unix) = (cx.timestamp(), pods::now_unix(cx));
        let (failing, counted) = (None, Vec::new());
        let (before, uncounted) = ([0; 2], [Vec::new(), Vec::new()]);
        Self {
            job,
            all,
            settled,
            now,
            now_unix,
            status,
            conditions,
            done,
            lost,
            failing,
            counted,
            before,
            uncounted,
        }
    }

    /// Runs the pass.
    pub fn run(
        mut self,
        cx: &mut dyn Context,
        expected: &mut Expectations,
    ) -> Result<Next, Box<Status>> {
        if !is_suspended(&self.job) && !self.status.contains_key("startTime") {
            self.status.insert("startTime", self.now.as_str().into());
        }
        self.count();
        self.decide(cx);
        self.let_go();
        let mut wait = None;
        let mut refused = None;
        if self.is_ending() {
            job::pods::delete(cx, &self.job, &self.all)?;
        } else if is_suspended(&self.job) {
            self.suspend(cx)?;
        } else {
            self.resume(cx);
            if self.settled && !self.job.is_deleting() {
                match self.manage(cx, expected) {
                    Ok(seconds) => wait = seconds,
                    // What ended is counted all the same.
                    Err(status) => refused = Some(status),
                }
            }
        }
        self.finish(cx)?;
        if self.is_interim() {
            let status = self.interim();
            self.write(cx, status)?;
        }
        for pod in &self.counted {
            untrack(cx, pod)?;
        }
        let status = self.rendered(&self.conditions);
        self.write(cx, status)?;
        if let Some(status) = refused {
            return Err(status);
        }
        let wait = [wait, self.until_deadline(cx)].into_iter().flatten().min();
        Ok(wait.map_or(Next::Done, |s| Next::After(Duration::from_secs(s.max(1).unsigned_abs()))))
    }

    fn number(&self, field: &str) -> i64 {
        self.status.get(field).and_then(Value::as_i64).unwrap_or(0)
    }

    fn spec(&self, field: &str) -> Option<i64> {
        self.job.int(&["spec", field])
    }

    fn active(&self) -> Vec<Arc<Object>> {
        self.all.iter().filter(|p| pods::is_active(p)).cloned().collect()
    }

    fn is_ending(&self) -> bool {
        self.failing.is_some()
            || ["FailureTarget", "SuccessCriteriaMet"]
                .iter()
                .any(|kind| shape::find(&self.conditions, kind).is_some())
    }

    /// Counts pods that ended and still carry the finalizer.
    fn count(&mut self) {
        self.settle_uncounted();
        self.before = COUNTERS.map(|field| self.number(field));
        let waits_for_failed = self.job.text(&["spec", "podReplacementPolicy"]) == "Failed"
            || self.job.at(&["spec", "podFailurePolicy"]).is_some();
        for pod in self.all.clone() {
            if pod.finalizers().all(|f| f != TRACKING) {
                continue;
            }
            let index = job::pods::index(&pod);
            let phase = pods::phase(&pod);
            if phase == "Succeeded" {
                self.counted.push(Arc::clone(&pod));
                match index {
                    Some(index) if is_indexed(&self.job) => drop(self.done.insert(index)),
                    _ => {
                        self.uncounted[0].push(pod.uid().to_owned());
                        self.add("succeeded");
                    }
                }
            } else if phase == "Failed" || (pod.is_deleting() && !waits_for_failed) {
                self.counted.push(Arc::clone(&pod));
                self.count_failure(&pod, index);
            }
        }
        if is_indexed(&self.job) {
            self.status.insert("succeeded", self.done.len().into());
        }
    }

    fn add(&mut self, field: &str) {
        let next = self.number(field) + 1;
        self.status.insert(field, next.into());
    }

    fn count_failure(&mut self, pod: &Object, index: Option<i64>) {
        match judge(&self.job, pod) {
            Verdict::Ignore => return,
            Verdict::FailJob(message) => {
                self.failing = Some(("PodFailurePolicy".into(), message));
            }
            Verdict::FailIndex => self.lost.extend(index),
            Verdict::Count => {
                if let (Some(limit), Some(index)) = (self.spec("backoffLimitPerIndex"), index)
                    && self.failures_of(index) > limit
                {
                    self.lost.insert(index);
                }
            }
        }
        self.uncounted[1].push(pod.uid().to_owned());
        self.add("failed");
    }

    /// Failed pods of an index that are still there.
    fn failures_of(&self, index: i64) -> i64 {
        let failed = self
            .all
            .iter()
            .filter(|p| job::pods::index(p) == Some(index) && pods::phase(p) == "Failed");
        i64::try_from(failed.count()).unwrap_or(i64::MAX)
    }

    /// Decides whether the Job fails or has succeeded.
    fn decide(&mut self, cx: &dyn Context) {
        if let Some(target) = shape::find(&self.conditions, "FailureTarget") {
            let text = |field: &str| shape::text(target, &[field]).to_owned();
            self.failing = Some((text("reason"), text("message")));
            return;
        }
        if self.failing.is_some() || shape::find(&self.conditions, "SuccessCriteriaMet").is_some() {
            return;
        }
        let per_index = self.spec("backoffLimitPerIndex").is_some();
        let limit = self.spec("backoffLimit").unwrap_or(if per_index { i64::MAX } else { 6 });
        let restarts = self.restarts();
        let lost = i64::try_from(self.lost.len()).unwrap_or(i64::MAX);
        let completions = self.spec("completions");
        let fail = |reason: &str, message: &str| Some((reason.to_owned(), message.to_owned()));
        if self.number("failed") > limit || (restarts > 0 && restarts >= limit) {
            self.failing =
                fail("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        } else if self.until_deadline(cx).is_some_and(|left| left <= 0) {
            self.failing =
                fail("DeadlineExceeded", "Job was active longer than specified deadline");
        } else if self.spec("maxFailedIndexes").is_some_and(|most| lost > most) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            self.failing = fail("MaxFailedIndexesExceeded", message);
        } else if lost > 0 && completions.is_some_and(|c| self.number("succeeded") + lost >= c) {
            self.failing = fail("FailedIndexes", "Job has failed indexes");
        } else if is_indexed(&self.job)
            && let Some(message) = policy::success(&self.job, &self.done)
        {
            self.set("SuccessCriteriaMet", "SuccessPolicy", &message);
        }
    }

    /// Container restarts of running pods count when the template restarts on failure.
    fn restarts(&self) -> i64 {
        if self.job.text(&["spec", "template", "spec", "restartPolicy"]) != "OnFailure" {
            return 0;
        }
        let active = self.active();
        let statuses = active.iter().flat_map(|p| p.items(&["status", "containerStatuses"]));
        statuses.filter_map(|c| c.get("restartCount").and_then(Value::as_i64)).sum()
    }

    fn until_deadline(&self, cx: &dyn Context) -> Option<i64> {
        if is_suspended(&self.job) || self.is_ending() {
            return None;
        }
        let deadline = self.spec("activeDeadlineSeconds")?;
        let start = cx.unix_seconds(self.status.get("startTime")?.as_str()?)?;
        Some(start + deadline - self.now_unix)
    }

    fn suspend(&mut self, cx: &mut dyn Context) -> Result<(), Box<Status>> {
        job::pods::delete(cx, &self.job, &self.all)?;
        self.status.remove("startTime");
        let new = shape::condition("Suspended", "True", "JobSuspended", "Job suspended", &self.now);
        if shape::set_condition(&mut self.conditions, new) {
            cx.event(&self.job, "Normal", "Suspended", "Job suspended");
        }
        Ok(())
    }

    fn resume(&mut self, cx: &mut dyn Context) {
        if shape::find(&self.conditions, "Suspended").is_none() {
            return;
        }
        let new = shape::condition("Suspended", "False", "JobResumed", "Job resumed", &self.now);
        if shape::set_condition(&mut self.conditions, new) {
            self.status.insert("startTime", self.now.as_str().into());
            cx.event(&self.job, "Normal", "Resumed", "Job resumed");
        }
    }

    /// Starts or stops pods; returns the seconds to wait for a back-off.
    fn manage(
        &mut self,
        cx: &mut dyn Context,
        expected: &mut Expectations,
    ) -> Result<Option<i64>, Box<Status>> {
        let active = self.active();
        let running = i64::try_from(active.len()).unwrap_or(i64::MAX);
        let parallel = self.spec("parallelism").unwrap_or(1);
        let succeeded = self.number("succeeded");
        let wanted = match self.spec("completions") {
            // A work queue: once one pod succeeded, no more are started.
            None if succeeded > 0 => running.min(parallel),
            None => parallel,
            Some(completions) => {
                let lost = i64::try_from(self.lost.len()).unwrap_or(0);
                (completions - succeeded - lost).clamp(0, parallel)
            }
        };
        if running > wanted {
            let surplus = usize::try_from(running - wanted).unwrap_or(0);
            let doomed: Vec<_> = active.into_iter().rev().take(surplus).collect();
            expected.deletes(self.job.key(), doomed.iter().map(|p| p.key().clone()), cx.now());
            job::pods::delete(cx, &self.job, &doomed)?;
            return Ok(None);
        }
        let going = self.all.iter().filter(|p| p.is_deleting() && !pods::is_terminated(p)).count();
        let waits = self.job.text(&["spec", "podReplacementPolicy"]) == "Failed"
            || self.job.at(&["spec", "podFailurePolicy"]).is_some();
        let held = if waits { i64::try_from(going).unwrap_or(0) } else { 0 };
        let missing = usize::try_from(wanted - running - held).unwrap_or(0);
        if missing == 0 {
            return Ok(None);
        }
        if let Some(left) = self.backoff(cx) {
            return Ok(Some(left));
        }
        let mut taken: BTreeSet<i64> = self.done.union(&self.lost).copied().collect();
        taken.extend(active.iter().filter_map(|p| job::pods::index(p)));
        let slots = job::pods::free_indexes(&self.job, &taken, missing);
        expected.creates(self.job.key(), slots.len(), cx.now());
        let job = &self.job;
        let (made, failed) =
            batch::slow_start(slots.len(), |i| job::pods::create(cx, job, slots[i]));
        (made..slots.len()).for_each(|_| expected.created(job.key()));
        // In a namespace that is going, more tries would only fail too.
        failed.filter(|status| !is_terminating_namespace(status)).map_or(Ok(None), Err)
    }

    /// Seconds until the next pod may start: 10 s doubling for each failure since the last
    /// success, 10 minutes at most.
    fn backoff(&self, cx: &dyn Context) -> Option<i64> {
        let ended = |phase: &str| -> Vec<i64> {
            let of_phase = self.all.iter().filter(|p| pods::phase(p) == phase);
            of_phase.map(|p| job::pods::finished_at(cx, p)).collect()
        };
        let last_success = ended("Succeeded").into_iter().max().unwrap_or(i64::MIN);
        let failures: Vec<i64> =
            ended("Failed").into_iter().filter(|at| *at >= last_success).collect();
        let last = failures.iter().max()?;
        let doublings = u32::try_from(failures.len() - 1).unwrap_or(u32::MAX).min(10);
        let wait = (BACKOFF_SECS << doublings).min(BACKOFF_MOST_SECS);
        Some(last + wait - self.now_unix).filter(|left| *left > 0)
    }

    fn is_complete(&self) -> bool {
        let succeeded = self.number("succeeded");
        match self.spec("completions") {
            Some(completions) => succeeded >= completions,
            None => succeeded > 0 && self.active().is_empty(),
        }
    }

    /// Interim conditions first; the final ones once no pod runs any more.
    fn finish(&mut self, cx: &mut dyn Context) -> Result<(), Box<Status>> {
        let running = self.all.iter().any(|p| !pods::is_terminated(p));
        let job = Arc::clone(&self.job);
        if let Some((reason, message)) = self.failing.clone() {
            self.set("FailureTarget", &reason, &message);
            if !running {
                self.set("Failed", &reason, &message);
                cx.event(&job, "Warning", &reason, &message);
            }
            return Ok(());
        }
        let met = shape::find(&self.conditions, "SuccessCriteriaMet")
            .map(|met| ["reason", "message"].map(|field| shape::text(met, &[field]).to_owned()));
        if met.is_none() && (!self.is_complete() || is_suspended(&job)) {
            return Ok(());
        }
        let [reason, message] = met.unwrap_or_else(|| {
            ["CompletionsReached", "Reached expected number of succeeded pods"].map(str::to_owned)
        });
        self.set("SuccessCriteriaMet", &reason, &message);
        if running {
            return job::pods::delete(cx, &job, &self.all);
        }
        self.set("Complete", &reason, &message);
        self.status.insert("completionTime", self.now.as_str().into());
        cx.event(&job, "Normal", "Completed", "Job completed");
        Ok(())
    }

    fn set(&mut self, kind: &str, reason: &str, message: &str) {
        let mut new = shape::condition(kind, "True", reason, message, &self.now);
        if shape::find(&self.conditions, kind).is_none() {
            new["lastProbeTime"] = self.now.as_str().into();
            self.conditions.push(new);
        }
    }
}
