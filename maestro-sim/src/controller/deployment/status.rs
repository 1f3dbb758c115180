//! A Deployment's status: counts, conditions, the progress deadline.

use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::deployment::{REVISION, Roll};
use crate::controller::kinds::DEPLOYMENTS;
use crate::controller::{Context, Next, pods, shape};
use crate::json::{Value, json};
use crate::object::{Object, map_at};

/// `spec.progressDeadlineSeconds` of a Deployment that never gives up.
const NO_DEADLINE: i64 = i32::MAX as i64;

/// A Progressing condition; it alone carries a meaningful `lastUpdateTime`.
pub fn progressing(status: &str, reason: &str, message: &str, now: &str) -> Value {
    with_update(shape::condition("Progressing", status, reason, message, now), now)
}

fn with_update(mut condition: Value, now: &str) -> Value {
    condition["lastUpdateTime"] = now.into();
    condition
}

fn count(set: &Object, field: &str) -> i64 {
    set.int(&["status", field]).unwrap_or(0)
}

impl Roll {
    /// Sets a condition unless one of equal status and reason is there.
    pub(super) fn put(&mut self, mut new: Value) {
        let kind = shape::text(&new, &["type"]).to_owned();
        if let Some(old) = shape::find(&self.conditions, &kind) {
            let same = |f: &str| old.get(f) == new.get(f);
            if same("status") && same("reason") {
                return;
            }
            if same("status") {
                new["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
        }
        shape::drop_condition(&mut self.conditions, &kind);
        self.conditions.push(new);
    }

    /// Seconds until a rollout without progress counts as failed, if it ever does.
    pub(super) fn deadline(&self) -> Option<i64> {
        let seconds = self.deployment.int(&["spec", "progressDeadlineSeconds"]).unwrap_or(600);
        (seconds != NO_DEADLINE).then_some(seconds)
    }

    /// Pausing and resuming stop and restart the deadline.
    pub(super) fn note_pause(&mut self, cx: &mut dyn Context) -> Result<(), Box<Status>> {
        if self.deadline().is_none() {
            return Ok(());
        }
        let now = cx.timestamp();
        let reason = self.progress("reason");
        if reason == "ProgressDeadlineExceeded" {
            return Ok(());
        }
        let noted = reason == "DeploymentPaused";
        if self.is_paused() && !noted {
            self.put(progressing("Unknown", "DeploymentPaused", "Deployment is paused", &now));
        } else if !self.is_paused() && noted {
            self.put(progressing("Unknown", "DeploymentResumed", "Deployment is resumed", &now));
        } else {
            return Ok(());
        }
        self.write_conditions(cx)
    }

    fn progress(&self, field: &str) -> String {
        let condition = shape::find(&self.conditions, "Progressing");
        condition.map_or("", |c| shape::text(c, &[field])).to_owned()
    }

    fn sum(&self, field: &str) -> i64 {
        self.all().map(|s| count(s, field)).sum()
    }

    fn updated(&self) -> i64 {
        self.new.as_ref().map_or(0, |s| count(s, "replicas"))
    }

    /// Whether every wanted pod is new and available, and the controller saw this generation.
    pub(super) fn is_complete(&self) -> bool {
        self.updated() == self.wanted()
            && self.sum("replicas") == self.wanted()
            && self.sum("availableReplicas") == self.wanted()
            && self.deployment.int(&["status", "observedGeneration"]).unwrap_or(0)
                >= self.deployment.generation()
    }

    /// The Progressing condition of a rollout, then the status.
    pub(super) fn write_rollout_status(
        mut self,
        cx: &mut dyn Context,
    ) -> Result<Next, Box<Status>> {
        let now = cx.timestamp();
        self.put_available(&now);
        let done = self.progress("reason") == "NewReplicaSetAvailable";
        let finished = self.sum("replicas") == self.updated() && done;
        if self.deadline().is_none() {
            shape::drop_condition(&mut self.conditions, "Progressing");
        } else if !finished {
            let what = match &self.new {
                Some(set) => format!("ReplicaSet \"{}\"", set.name()),
                None => format!("Deployment \"{}\"", self.deployment.name()),
            };
            if self.all_done() {
                let message = format!("{what} has successfully progressed.");
                self.put(progressing("True", "NewReplicaSetAvailable", &message, &now));
            } else if self.has_progressed() {
                let message = format!("{what} is progressing.");
                self.renew(progressing("True", "ReplicaSetUpdated", &message, &now));
            } else if self.left(cx).is_some_and(|seconds| seconds <= 0) {
                let message = format!("{what} has timed out progressing.");
                self.put(progressing("False", "ProgressDeadlineExceeded", &message, &now));
            }
        }
        self.note_failures(&now);
        self.write_status(cx)
    }

    /// Complete but for `observedGeneration`, which this very pass writes.
    fn all_done(&self) -> bool {
        self.updated() == self.wanted()
            && self.sum("replicas") == self.wanted()
            && self.sum("availableReplicas") == self.wanted()
    }

    /// Whether the counts moved towards the goal since the status that was written last.
    fn has_progressed(&self) -> bool {
        let was = |field: &str| self.deployment.int(&["status", field]).unwrap_or(0);
        let old_now = self.sum("replicas") - self.updated();
        let old_was = was("replicas") - was("updatedReplicas");
        self.updated() > was("updatedReplicas")
            || old_now < old_was
            || self.sum("readyReplicas") > was("readyReplicas")
            || self.sum("availableReplicas") > was("availableReplicas")
    }

    /// Progress starts the deadline anew, even when the reason stays.
    fn renew(&mut self, mut new: Value) {
        let old = shape::find(&self.conditions, "Progressing");
        if let Some(old) = old.filter(|o| o.get("status") == new.get("status")) {
            new["lastTransitionTime"] = old["lastTransitionTime"].clone();
        }
        shape::drop_condition(&mut self.conditions, "Progressing");
        self.conditions.push(new);
    }

    /// Seconds until the deadline passes; `None` while it does not run.
    fn left(&self, cx: &dyn Context) -> Option<i64> {
        if self.is_paused() || self.progress("reason") == "NewReplicaSetAvailable" {
            return None;
        }
        let since = cx.unix_seconds(&self.progress("lastUpdateTime"))?;
        Some(since + self.deadline()? - pods::now_unix(cx))
    }

    /// ReplicaFailure mirrors the ReplicaSets'.
    fn note_failures(&mut self, now: &str) {
        let newest = self.new.iter().chain(self.old.iter().rev());
        let failure = newest.filter_map(|s| pods::condition(s, "ReplicaFailure")).next();
        let failure = failure.map(|c| {
            let text = |field| shape::text(c, &[field]);
            let status = text("status");
            let new = shape::condition(
                "ReplicaFailure",
                status,
                text("reason"),
                text("message"),
                text("lastTransitionTime"),
            );
            with_update(new, now)
        });
        match failure {
            Some(new) => self.put(new),
            None => shape::drop_condition(&mut self.conditions, "ReplicaFailure"),
        }
    }

    /// Whether enough pods are available, which is told before how the rollout goes.
    fn put_available(&mut self, now: &str) {
        let available = self.sum("availableReplicas");
        let least = self.wanted() - self.limits().unavailable;
        self.put(match available >= least {
            true => available_condition("True", "MinimumReplicasAvailable", "has", now),
            false => {
                available_condition("False", "MinimumReplicasUnavailable", "does not have", now)
            }
        });
    }

    /// Writes counts, conditions and the revision annotation.
    pub(super) fn write_status(mut self, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let now = cx.timestamp();
        self.put_available(&now);
        let status = self.status(self.deployment.generation());
        self.send(cx, status)?;
        match self.left(cx) {
            // A status of False is final until something moves, so nothing is waited for.
            Some(seconds) if self.progress("status") != "False" => {
                Ok(Next::After(Duration::from_secs(seconds.max(0).unsigned_abs() + 1)))
            }
            _ => Ok(Next::Done),
        }
    }

    /// Writes conditions, collisions and the revision in the middle of a pass. What the pass
    /// writes at its end is then refused as of an old version, and it is gone through again: so
    /// does the real controller.
    pub(super) fn write_conditions(&self, cx: &mut dyn Context) -> Result<(), Box<Status>> {
        let mut status = self.deployment.at(&["status"]).cloned().unwrap_or_else(|| json!({}));
        let map = map_at(&mut status, &[]);
        map.insert("conditions", self.conditions.clone().into());
        shape::put(map, "collisionCount", json!(self.collisions));
        self.send(cx, status)
    }

    fn status(&self, generation: i64) -> Value {
        let available = self.sum("availableReplicas");
        let total = self.all().map(|s| shape::replicas(s)).sum::<i64>();
        let mut status = json!({"observedGeneration": generation});
        let counts = [
            ("replicas", self.sum("replicas")),
            ("updatedReplicas", self.updated()),
            ("readyReplicas", self.sum("readyReplicas")),
            ("availableReplicas", available),
            ("unavailableReplicas", (total - available).max(0)),
        ];
        for (field, value) in counts.into_iter().filter(|(_, v)| *v > 0) {
            status[field] = value.into();
        }
        status["terminatingReplicas"] = self.sum("terminatingReplicas").into();
        if let Some(collisions) = self.collisions {
            status["collisionCount"] = collisions.into();
        }
        status["conditions"] = self.conditions.clone().into();
        status
    }

    /// Whether the Deployment says which revision is its newest.
    pub(super) fn told_revision(&self) -> bool {
        let told = self.deployment.annotation(REVISION);
        self.revision.as_deref().is_none_or(|revision| told == Some(revision))
    }

    /// The revision annotation goes with the status: `/status` of a Deployment keeps spec and
    /// labels, not annotations, so writing it there bumps no generation.
    fn send(&self, cx: &mut dyn Context, status: Value) -> Result<(), Box<Status>> {
        let deployment = &self.deployment;
        if self.told_revision() {
            let answer = shape::write_status(cx, &DEPLOYMENTS, deployment, status);
            return answer.transpose().map(drop::<Option<Arc<_>>>);
        }
        let mut body = deployment.value().clone();
        map_at(&mut body, &[]).insert("status", status);
        if let Some(revision) = &self.revision {
            let annotations = map_at(&mut body, &["metadata", "annotations"]);
            annotations.insert(REVISION, revision.as_str().into());
        }
        cx.update_status(&DEPLOYMENTS, body).map(drop)
    }
}

fn available_condition(status: &str, reason: &str, has: &str, now: &str) -> Value {
    let message = format!("Deployment {has} minimum availability.");
    with_update(shape::condition("Available", status, reason, &message, now), now)
}
