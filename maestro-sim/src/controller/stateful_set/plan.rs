//! One pass over the pods of a StatefulSet: create, replace, scale down, update.
//!
//! Source: `stateful_set_control.go`.

use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::kinds::PODS;
use crate::controller::pods;
use crate::controller::revision;
use crate::controller::stateful_set::{claims, pod};
use crate::controller::{Context, shape};
use crate::json::{Value, json};
use crate::object::{Object, map_at};

/// What a pass counts, and later writes as status.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    /// `status.replicas`.
    pub replicas: i64,
    /// `status.readyReplicas`.
    pub ready: i64,
    /// `status.availableReplicas`.
    pub available: i64,
    /// `status.currentReplicas`.
    pub current: i64,
    /// `status.updatedReplicas`.
    pub updated: i64,
}

/// A StatefulSet and the revisions its pods may have.
pub struct Plan<'a> {
    /// The set, as its controller sees it.
    pub set: &'a Object,
    /// The revision rolled out last.
    pub current: &'a Object,
    /// The revision of the template of now.
    pub update: &'a Object,
}

impl Plan<'_> {
    fn min_ready(&self) -> i64 {
        shape::min_ready(self.set)
    }

    fn start(&self) -> i64 {
        self.set.int(&["spec", "ordinals", "start"]).unwrap_or(0)
    }

    fn ordered(&self) -> bool {
        self.set.text(&["spec", "podManagementPolicy"]) != "Parallel"
    }

    fn rolling(&self, field: &str) -> Option<&Value> {
        self.set.at(&["spec", "updateStrategy", "rollingUpdate", field])
    }

    /// The pods that fill the wanted ordinals (absent ones are `None`), and the ones to remove,
    /// highest ordinal first.
    pub fn sort(&self, pods: &[Arc<Object>]) -> (Vec<Option<Arc<Object>>>, Vec<Arc<Object>>) {
        let wanted = usize::try_from(shape::replicas(self.set)).unwrap_or(0);
        let mut slots = vec![None; wanted];
        let mut condemned = Vec::new();
        for pod in pods {
            let Some(ordinal) = pod::ordinal(self.set, pod.name()) else { continue };
            let index = usize::try_from(ordinal - self.start()).ok();
            match index.and_then(|i| slots.get_mut(i)) {
                Some(slot) => *slot = Some(Arc::clone(pod)),
                None => condemned.push((ordinal, Arc::clone(pod))),
            }
        }
        condemned.sort_by_key(|(ordinal, _)| -ordinal);
        (slots, condemned.into_iter().map(|(_, pod)| pod).collect())
    }

    /// Counts pods as status does.
    pub fn count(&self, cx: &dyn Context, pods: &[Arc<Object>]) -> Counts {
        let mut counts = Counts::default();
        for pod in pods.iter().filter(|p| !pods::phase(p).is_empty()) {
            counts.replicas += 1;
            if pods::phase(pod) == "Running" && pods::is_ready(pod) {
                counts.ready += 1;
                counts.available += i64::from(pods::is_available(cx, pod, self.min_ready()));
            }
            if !pod.is_deleting() {
                counts.current += i64::from(revision_of(pod) == self.current.name());
                counts.updated += i64::from(revision_of(pod) == self.update.name());
            }
        }
        counts
    }

    /// Acts on the pods; returns when minReadySeconds alone will make a difference.
    pub fn run(
        &self,
        cx: &mut dyn Context,
        pods: &[Arc<Object>],
        counts: &mut Counts,
    ) -> Result<Option<Duration>, Box<Status>> {
        let (slots, condemned) = self.sort(pods);
        let soon = self.next_look(cx, pods);
        if self.set.is_deleting() {
            return Ok(soon);
        }
        for pod in &condemned {
            if let Some(ordinal) = pod::ordinal(self.set, pod.name()) {
                claims::apply_retention(cx, self.set, ordinal, pod, true)?;
            }
        }
        for (index, slot) in slots.iter().enumerate() {
            let ordinal = self.start() + i64::try_from(index).unwrap_or(i64::MAX);
            if self.fill(cx, ordinal, slot.as_ref(), counts)? {
                return Ok(soon);
            }
        }
        if self.remove(cx, &slots, &condemned, counts)? {
            return Ok(soon);
        }
        if self.set.text(&["spec", "updateStrategy", "type"]) != "OnDelete" {
            self.roll(cx, &slots, counts)?;
        }
        Ok(soon)
    }

    /// Takes care of one wanted ordinal; true when the pass has to end here.
    fn fill(
        &self,
        cx: &mut dyn Context,
        ordinal: i64,
        slot: Option<&Arc<Object>>,
        counts: &mut Counts,
    ) -> Result<bool, Box<Status>> {
        let Some(pod) = slot else {
            if claims::is_stale(cx, self.set, ordinal, "") {
                return Ok(true);
            }
            self.create(cx, ordinal, counts)?;
            return Ok(self.ordered());
        };
        if pods::is_terminated(pod) {
            if !pod.is_deleting() {
                self.say_recreating(cx, pod);
                claims::delete_pod(cx, self.set, pod)?;
            }
            return Ok(true);
        }
        if pods::phase(pod) == "Pending" {
            claims::ensure(cx, self.set, ordinal)?;
        }
        if self.ordered() && (pod.is_deleting() || !self.is_available(cx, pod)) {
            return Ok(true);
        }
        claims::apply_retention(cx, self.set, ordinal, pod, false)?;
        self.restore_identity(cx, ordinal, pod)?;
        Ok(false)
    }

    fn say_recreating(&self, cx: &mut dyn Context, pod: &Object) {
        let (reason, what) = match pods::phase(pod) {
            "Failed" => ("RecreatingFailedPod", "failed"),
            _ => ("RecreatingTerminatedPod", "terminated"),
        };
        let set = format!("{}/{}", self.set.namespace(), self.set.name());
        let message = format!("StatefulSet {set} is recreating {what} Pod {}", pod.name());
        cx.event(self.set, "Warning", reason, &message);
    }

    fn create(
        &self,
        cx: &mut dyn Context,
        ordinal: i64,
        counts: &mut Counts,
    ) -> Result<(), Box<Status>> {
        let old = self.needs_current(ordinal);
        let revision = if old { self.current } else { self.update };
        let body = pod::make(self.set, &revision::template(revision), revision.name(), ordinal);
        claims::ensure(cx, self.set, ordinal)?;
        let about = format!(
            "Create Pod {} in StatefulSet {}",
            pod::name(self.set, ordinal),
            self.set.name()
        );
        match cx.create(&PODS, body) {
            Ok(_) => {
                cx.event(self.set, "Normal", "SuccessfulCreate", &format!("{about} successful"));
            }
            Err(status) if status.reason == "AlreadyExists" => return Err(status),
            Err(status) => {
                let message = format!("{about} failed error: {}", status.message);
                cx.event(self.set, "Warning", "FailedCreate", &message);
                return Err(status);
            }
        }
        counts.replicas += 1;
        counts.current += i64::from(revision.name() == self.current.name());
        counts.updated += i64::from(revision.name() == self.update.name());
        Ok(())
    }

    /// Whether a missing pod of this ordinal is remade from the current revision.
    fn needs_current(&self, ordinal: i64) -> bool {
        if self.set.text(&["spec", "updateStrategy", "type"]) == "OnDelete" {
            return false;
        }
        let fixed = match self.rolling("partition").and_then(Value::as_i64) {
            Some(partition) => partition,
            None => self.set.int(&["status", "currentReplicas"]).unwrap_or(0),
        };
        ordinal < self.start() + fixed
    }

    fn restore_identity(
        &self,
        cx: &mut dyn Context,
        ordinal: i64,
        pod: &Object,
    ) -> Result<(), Box<Status>> {
        let wanted = pod::identity(pod.name(), ordinal);
        if wanted.iter().all(|(k, v)| pod.label(k) == v.as_str()) {
            return Ok(());
        }
        let mut patch = json!({"metadata": {"uid": pod.uid()}});
        map_at(&mut patch, &["metadata", "labels"]).extend(wanted);
        cx.patch(&PODS, pod.key(), patch).map(drop)
    }

    /// Removes what is beyond the wanted ordinals; true when the pass has to end here.
    fn remove(
        &self,
        cx: &mut dyn Context,
        slots: &[Option<Arc<Object>>],
        condemned: &[Arc<Object>],
        counts: &mut Counts,
    ) -> Result<bool, Box<Status>> {
        let unhealthy = |pod: &&Arc<Object>| pod.is_deleting() || !is_running_ready(pod);
        let first = slots.iter().flatten().find(unhealthy).or(condemned.iter().find(unhealthy));
        let first = first.map(|pod| pod.uid().to_owned());
        for pod in condemned {
            if pod.is_deleting() {
                if self.ordered() {
                    return Ok(true);
                }
                continue;
            }
            let is_first = first.as_deref() == Some(pod.uid());
            if self.ordered() && !is_first && !self.is_available(cx, pod) {
                return Ok(true);
            }
            claims::delete_pod(cx, self.set, pod)?;
            counts.current -= i64::from(revision_of(pod) == self.current.name());
            counts.updated -= i64::from(revision_of(pod) == self.update.name());
            if self.ordered() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Replaces pods of older revisions from the highest ordinal down to the partition, while
    /// fewer than `maxUnavailable` pods are unavailable. An unavailable pod of an older revision
    /// costs nothing to replace; one of the new revision is waited for.
    fn roll(
        &self,
        cx: &mut dyn Context,
        slots: &[Option<Arc<Object>>],
        counts: &mut Counts,
    ) -> Result<(), Box<Status>> {
        let total = i64::try_from(slots.len()).unwrap_or(i64::MAX);
        let allowed = self.rolling("maxUnavailable");
        let allowed = allowed.map_or(1, |v| shape::scaled(v, total, false)).max(1);
        let partition = self.rolling("partition").and_then(Value::as_i64).unwrap_or(0);
        let down = |cx: &dyn Context, slot: &Option<Arc<Object>>| {
            slot.as_ref().is_none_or(|p| p.is_deleting() || !self.is_available(cx, p))
        };
        let mut unavailable =
            i64::try_from(slots.iter().filter(|s| down(cx, s)).count()).unwrap_or(i64::MAX);
        let mut waiting = 0;
        let from = usize::try_from(partition).unwrap_or(0).min(slots.len());
        for slot in slots[from..].iter().rev() {
            let is_down = down(cx, slot);
            let old = slot.as_ref().filter(|p| !p.is_deleting());
            let old = old.filter(|p| revision_of(p) != self.update.name());
            match old {
                Some(pod) => {
                    if !is_down && unavailable >= allowed {
                        return Ok(());
                    }
                    claims::delete_pod(cx, self.set, pod)?;
                    counts.current -= i64::from(revision_of(pod) == self.current.name());
                    unavailable += i64::from(!is_down);
                    waiting += 1;
                }
                None => waiting += i64::from(is_down),
            }
            if waiting >= allowed {
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_available(&self, cx: &dyn Context, pod: &Object) -> bool {
        is_running_ready(pod) && pods::is_available(cx, pod, self.min_ready())
    }

    fn next_look(&self, cx: &dyn Context, pods: &[Arc<Object>]) -> Option<Duration> {
        let waits = pods.iter().filter_map(|p| pods::until_available(cx, p, self.min_ready()));
        let soonest = waits.filter(|seconds| *seconds > 0).min()?;
        Some(Duration::from_secs(soonest.unsigned_abs()))
    }
}

/// The revision a pod was made from.
pub fn revision_of(pod: &Object) -> &str {
    pod.label(pod::REVISION_LABEL).unwrap_or("")
}

fn is_running_ready(pod: &Object) -> bool {
    pods::phase(pod) == "Running" && pods::is_ready(pod)
}
