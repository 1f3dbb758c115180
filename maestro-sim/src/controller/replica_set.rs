//! ReplicaSet and ReplicationController: as many equal pods as asked for.
//!
//! The older kind differs in its name, in how it selects and in what its status lacks.
//!
//! Sources: `pkg/controller/replicaset/replica_set.go`,
//! `pkg/controller/replication/conversion.go`.

pub mod rank;

use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::expect::Expectations;
use crate::controller::kinds::{PODS, REPLICA_SETS, REPLICATION_CONTROLLERS};
use crate::controller::labels::Labels;
use crate::controller::own::{Claim, controlled_by, controller_ref, controller_uid};
use crate::controller::{Change, Context, Controller, Next, Queue, View, batch, pods, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, map_at};

/// At most this many pods are created or deleted in one pass.
const BURST: usize = 500;

/// The controller of ReplicaSets, or that of ReplicationControllers.
#[derive(Debug)]
pub struct ReplicaSetController {
    kind: Kind,
    expected: Expectations,
}

/// Whose replicas a controller keeps.
#[derive(Clone, Copy, Debug)]
enum Kind {
    ReplicaSet,
    ReplicationController,
}

impl Kind {
    fn resource(self) -> &'static GroupResource {
        match self {
            Self::ReplicaSet => &REPLICA_SETS,
            Self::ReplicationController => &REPLICATION_CONTROLLERS,
        }
    }

    fn selector(self, set: &Object) -> Labels {
        let selector = set.at(&["spec", "selector"]);
        match self {
            Self::ReplicaSet => Labels::of(selector),
            Self::ReplicationController => Labels::of_map(selector),
        }
    }
}

impl ReplicaSetController {
    /// That of ReplicaSets.
    pub fn of_replica_sets() -> Self {
        Self { kind: Kind::ReplicaSet, expected: Expectations::default() }
    }

    /// That of ReplicationControllers.
    pub fn of_replication_controllers() -> Self {
        Self { kind: Kind::ReplicationController, expected: Expectations::default() }
    }
}

impl Controller for ReplicaSetController {
    fn name(&self) -> &str {
        match self.kind {
            Kind::ReplicaSet => "replicaset-controller",
            Kind::ReplicationController => "replication-controller",
        }
    }

    fn watches(&self) -> Vec<GroupResource> {
        vec![self.kind.resource().clone(), PODS.clone()]
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        if change.resource == *self.kind.resource() {
            let Some(set) = change.object() else { return };
            if change.new.is_none() {
                self.expected.forget(set.key());
            }
            queue.add(set.key().clone());
        } else if change.resource == PODS {
            self.observe_pod(change, view, queue);
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(set) = cx.view().get(self.kind.resource(), key).cloned() else {
            self.expected.forget(key);
            return Ok(Next::Done);
        };
        let settled = self.expected.satisfied(key, cx.now());
        let selector = self.kind.selector(&set);
        if selector.is_empty() {
            return Ok(Next::Done);
        }
        let claim = Claim { resource: self.kind.resource(), owner: &set, selector: &selector };
        let all = claim.run(cx, &PODS, |_| true)?;
        let active: Vec<_> = all.iter().filter(|p| pods::is_active(p)).cloned().collect();
        let outcome = match settled && !set.is_deleting() {
            true => self.manage(cx, &set, &active),
            false => Ok(()),
        };
        let terminating = all.iter().filter(|p| p.is_deleting() && !pods::is_terminated(p)).count();
        let failed = outcome.as_ref().err().map(|s| &**s);
        write_status(cx, self.kind, &set, &active, terminating, failed)?;
        outcome?;
        let min_ready = shape::min_ready(&set);
        let waits = active.iter().filter_map(|p| pods::until_available(cx, p, min_ready));
        let soon = waits.filter(|s| *s > 0).min();
        Ok(soon.map_or(Next::Done, |s| Next::After(Duration::from_secs(s.unsigned_abs()))))
    }
}

impl ReplicaSetController {
    fn observe_pod(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let owner = |pod: &Arc<Object>| controlled_by(view, self.kind.resource(), pod);
        let before = change.old.as_ref().and_then(owner);
        let after = change.new.as_ref().and_then(owner);
        let Some(pod) = change.object() else { return };
        if change.old.is_none()
            && let Some(set) = &after
        {
            self.expected.created(set);
        }
        if (change.new.is_none() || pod.is_deleting())
            && let Some(set) = after.as_ref().or(before.as_ref())
        {
            self.expected.deleted(set, pod.key());
        }
        if after.is_none() && pod.controller().is_none() && change.new.is_some() {
            let sets = view.list(self.kind.resource(), pod.namespace());
            let selecting = sets
                .filter(|set| self.kind.selector(set).matches(pod.labels()))
                .map(|set| set.key().clone());
            queue.extend(selecting);
        }
        queue.extend(before.into_iter().chain(after));
    }

    fn manage(
        &mut self,
        cx: &mut dyn Context,
        set: &Object,
        active: &[Arc<Object>],
    ) -> Result<(), Box<Status>> {
        let wanted = usize::try_from(shape::replicas(set)).unwrap_or(0);
        if active.len() < wanted {
            self.create(cx, set, (wanted - active.len()).min(BURST))
        } else if active.len() > wanted {
            self.delete(cx, set, active, (active.len() - wanted).min(BURST))
        } else {
            Ok(())
        }
    }

    fn create(
        &mut self,
        cx: &mut dyn Context,
        set: &Object,
        count: usize,
    ) -> Result<(), Box<Status>> {
        self.expected.creates(set.key(), count, cx.now());
        let empty = Value::Null;
        let template = set.at(&["spec", "template"]).unwrap_or(&empty);
        let owner = controller_ref(self.kind.resource(), set);
        let mut body = shape::pod_from_template(template, set.namespace(), owner);
        let prefix = format!("{}-", set.name());
        map_at(&mut body, &["metadata"]).insert("generateName", prefix.into());
        let (created, failed) = batch::slow_start(count, |_| create_pod(cx, set, &body));
        // Calls that failed or were skipped will never be seen by the watch.
        for _ in created..count {
            self.expected.created(set.key());
        }
        match failed {
            // The namespace is going: more tries would only fail too.
            Some(status) if is_terminating_namespace(&status) => Ok(()),
            Some(status) => Err(status),
            None => Ok(()),
        }
    }

    fn delete(
        &mut self,
        cx: &mut dyn Context,
        set: &Object,
        active: &[Arc<Object>],
        count: usize,
    ) -> Result<(), Box<Status>> {
        let related = related(cx, self.kind, set);
        let victims = rank::victims(cx, active, &related, count);
        let keys = victims.iter().map(|p| p.key().clone());
        self.expected.deletes(set.key(), keys, cx.now());
        let mut failed = None;
        for pod in &victims {
            match cx.delete(&PODS, pod.key(), Value::Null) {
                Ok(_) => {
                    let message = format!("Deleted pod: {}", pod.name());
                    cx.event(set, "Normal", "SuccessfulDelete", &message);
                }
                Err(status) => {
                    self.expected.deleted(set.key(), pod.key());
                    if status.reason != "NotFound" {
                        let message = format!("Error deleting: {}", status.message);
                        cx.event(set, "Warning", "FailedDelete", &message);
                        failed = failed.or(Some(status));
                    }
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// The pods of all sets that share this one's controller.
fn related(cx: &dyn Context, kind: Kind, set: &Object) -> Vec<Arc<Object>> {
    let owner = controller_uid(set);
    if owner.is_empty() {
        return cx.view().owned(&PODS, set.uid());
    }
    let siblings = cx.view().owned(kind.resource(), owner);
    siblings.iter().flat_map(|s| cx.view().owned(&PODS, s.uid())).collect()
}

fn create_pod(cx: &mut dyn Context, set: &Object, body: &Value) -> Result<(), Box<Status>> {
    match cx.create(&PODS, body.clone()) {
        Ok(pod) => {
            let message = format!("Created pod: {}", pod.name());
            cx.event(set, "Normal", "SuccessfulCreate", &message);
            Ok(())
        }
        Err(status) => {
            if !is_terminating_namespace(&status) {
                let message = format!("Error creating: {}", status.message);
                cx.event(set, "Warning", "FailedCreate", &message);
            }
            Err(status)
        }
    }
}

/// Whether a create was refused because its namespace is being deleted.
pub fn is_terminating_namespace(status: &Status) -> bool {
    let causes = status.details.get("causes").and_then(Value::as_array);
    causes.into_iter().flatten().any(|c| shape::text(c, &["reason"]) == "NamespaceTerminating")
}

fn write_status(
    cx: &mut dyn Context,
    kind: Kind,
    set: &Object,
    active: &[Arc<Object>],
    terminating: usize,
    failed: Option<&Status>,
) -> Result<(), Box<Status>> {
    let template = Labels::of(Some(&json!({
        "matchLabels": set.at(&["spec", "template", "metadata", "labels"]),
    })));
    let min_ready = shape::min_ready(set);
    let ready = active.iter().filter(|p| pods::is_ready(p)).count();
    let available = active.iter().filter(|p| pods::is_available(cx, p, min_ready)).count();
    let labelled = active.iter().filter(|p| template.matches(p.labels())).count();
    let mut conditions = set.list(&["status", "conditions"]);
    match failed {
        Some(status) => {
            let short = usize::try_from(shape::replicas(set)).unwrap_or(0) > active.len();
            let reason = if short { "FailedCreate" } else { "FailedDelete" };
            let now = cx.timestamp();
            let new = shape::condition("ReplicaFailure", "True", reason, &status.message, &now);
            if shape::find(&conditions, "ReplicaFailure").is_none() {
                conditions.push(new);
            }
        }
        None => shape::drop_condition(&mut conditions, "ReplicaFailure"),
    }
    let mut status = json!({"replicas": active.len(), "observedGeneration": set.generation()});
    let counts = [
        ("fullyLabeledReplicas", labelled),
        ("readyReplicas", ready),
        ("availableReplicas", available),
    ];
    for (field, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        status[field] = count.into();
    }
    if let Kind::ReplicaSet = kind {
        status["terminatingReplicas"] = terminating.into();
    }
    if !conditions.is_empty() {
        status["conditions"] = conditions.into();
    }
    shape::write_status(cx, kind.resource(), set, status).transpose().map(drop::<Option<Arc<_>>>)
}
