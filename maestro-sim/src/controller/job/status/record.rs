//! What a pass writes of what it found: pods that ended are noted by their uids first, then lose
//! their finalizer, then count.
//!
//! Source: `trackJobStatusAndRemoveFinalizers` in `pkg/controller/job/job_controller.go`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{COUNTERS, Pass};
use crate::api::Status;
use crate::controller::job::{TRACKING, indexes, is_indexed};
use crate::controller::kinds::JOBS;
use crate::controller::{Context, pods, shape};
use crate::json::{Map, Value, json};
use crate::object::{Object, map_at};

impl Pass {
    /// Pods that still run when the Job has succeeded are stopped, and never count.
    pub(super) fn let_go(&mut self) {
        if shape::find(&self.conditions, "SuccessCriteriaMet").is_none() {
            return;
        }
        let is_kept = |pod: &&Arc<Object>| {
            pods::is_active(pod) && pod.finalizers().any(|finalizer| finalizer == TRACKING)
        };
        let running: Vec<_> = self.all.iter().filter(is_kept).cloned().collect();
        self.counted.extend(running);
    }

    /// Pods that a former pass noted and untracked, and did not come to count.
    pub(super) fn settle_uncounted(&mut self) {
        for field in COUNTERS {
            let noted = self.job.items(&["status", "uncountedTerminatedPods", field]);
            let tracked = |uid: &Value| {
                let mut all = self.all.iter().filter(|pod| *uid == pod.uid());
                all.any(|pod| pod.finalizers().any(|f| f == TRACKING))
            };
            let untracked = noted.iter().filter(|uid| !tracked(uid)).count();
            (0..untracked).for_each(|_| self.add(field));
        }
    }

    /// Whether what was found is to be written before pods lose their finalizer: a pass that ends
    /// there is taken up by the next, and no pod counts twice.
    pub(super) fn is_interim(&self) -> bool {
        let fresh = |c: &Value| pods::condition(&self.job, shape::text(c, &["type"])).is_none();
        !self.counted.is_empty() || self.conditions.iter().any(|c| !is_final(c) && fresh(c))
    }

    /// The status in which ended pods are noted by their uids, and nothing is final.
    pub(super) fn interim(&self) -> Value {
        let conditions: Vec<Value> =
            self.conditions.iter().filter(|c| !is_final(c)).cloned().collect();
        let mut status = self.rendered(&conditions);
        let map = map_at(&mut status, &[]);
        map.remove("completionTime");
        let mut noted = Map::new();
        for (place, field) in COUNTERS.into_iter().enumerate() {
            if place == 1 || !is_indexed(&self.job) {
                let before = self.before[place];
                shape::put(map, field, if before == 0 { Value::Null } else { before.into() });
            }
            if !self.uncounted[place].is_empty() {
                noted.insert(field, self.uncounted[place].clone().into());
            }
        }
        map.insert("uncountedTerminatedPods", noted.into());
        status
    }

    pub(super) fn write(&mut self, cx: &mut dyn Context, status: Value) -> Result<(), Box<Status>> {
        if let Some(written) = shape::write_status(cx, &JOBS, &self.job, status) {
            self.job = written?;
        }
        Ok(())
    }

    pub(super) fn rendered(&self, conditions: &[Value]) -> Value {
        let ended = conditions.iter().any(is_final);
        let active = if ended { Vec::new() } else { self.active() };
        let ready = active.iter().filter(|p| pods::is_ready(p)).count();
        let going = self.all.iter().filter(|p| p.is_deleting() && !pods::is_terminated(p)).count();
        let mut written = self.status.clone();
        let status = &mut written;
        let positive = |n: usize| if n == 0 { Value::Null } else { n.into() };
        shape::put(status, "active", positive(active.len()));
        status.insert("ready", ready.into());
        status.insert("terminating", going.into());
        status.insert("uncountedTerminatedPods", json!({}));
        if status.get("succeeded") == Some(&json!(0)) {
            status.remove("succeeded");
        }
        if is_indexed(&self.job) {
            let text = |set: &BTreeSet<i64>| match set.is_empty() {
                true => Value::Null,
                false => indexes::format(set).into(),
            };
            shape::put(status, "completedIndexes", text(&self.done));
            if self.job.int(&["spec", "backoffLimitPerIndex"]).is_some() {
                status.insert("failedIndexes", indexes::format(&self.lost).into());
            }
        }
        if !conditions.is_empty() {
            status.insert("conditions", conditions.to_vec().into());
        }
        Value::Object(written)
    }
}

/// Whether a condition ends a Job.
fn is_final(condition: &Value) -> bool {
    matches!(shape::text(condition, &["type"]), "Complete" | "Failed")
}
