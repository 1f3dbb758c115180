//! Drift: between plans, what the last complete run of each plan applied is kept as its templates
//! render it now: with the run's version and parameters, and the instance as it is.
//!
//! An object is applied again when it is missing or differs. The server normalises what it is
//! given, so an object that still looks different after that is left alone until it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::events::EventType;
use serde_json::Value;

use super::instance::{Work, earlier, snapshot};
use super::memory::Settled;
use super::render::{self, Subject};
use super::{Error, clock, effects};
use crate::execution::name::fingerprint;
use crate::execution::{Cause, Moment, PlanExecution, State};
use crate::plan::{Plan, compile};
use crate::task::{ObjectKey, TaskKind};

/// The longest rest between two repairs of one object.
const LONGEST_REST: Duration = Duration::from_secs(300);
/// How long an object must have been left alone to be repaired at once again.
const CALM: Duration = Duration::from_secs(600);

/// Applies again what is missing or differs; when to look again at what was repaired just now.
pub(super) async fn repair(
    work: &mut Work<'_>,
    framework: &str,
    history: &[PlanExecution],
) -> Result<Option<Moment>, Error> {
    let Some(wanted) = wanted(work, framework, history).await? else { return Ok(None) };
    let mut wake = None;
    for (key, wanted) in wanted {
        let Some(desired) = wanted.object() else { continue };
        work.core.world.ensure(&key.api_version, &key.kind).await?;
        let live = work.core.world.get(&key);
        if live.as_deref().is_some_and(|live| is_settled(work, &key, desired, live)) {
            continue;
        }
        // An object on its way out is applied again once it is gone.
        if live.is_some_and(|live| live["metadata"]["deletionTimestamp"].is_string()) {
            continue;
        }
        let now = clock::now();
        let (last, count) = work.memory.repairs.get(&key).copied().unwrap_or((now, 0));
        let count = if now.since(last) > CALM { 0 } else { count };
        if let Some(again) = rest(last, count).filter(|again| now < *again) {
            wake = earlier(wake, Some(again));
            continue;
        }
        work.memory.repairs.insert(key.clone(), (now, count.saturating_add(1)));
        let before = work.core.world.get(&key).map(|live| print(&live));
        let applied = effects::apply(work.core, desired).await?;
        let settled = Settled { desired: fingerprint(desired), live: print(&applied) };
        work.memory.settled.insert(key.clone(), settled);
        if before != Some(settled.live) {
            work.core.metrics.count("maestro_drift_repairs_total", &key.kind);
            let note = format!("{key} differed from what was applied, and was applied again");
            work.core.events.tell(&work.instance, EventType::Normal, "DriftRepaired", &note).await;
        }
    }
    Ok(wake)
}

/// When an object may be repaired again. The first repair is made at once; somebody who undoes
/// each of them, be it another controller or the templates themselves, is answered ever slower.
fn rest(last: Moment, count: u32) -> Option<Moment> {
    let doublings = count.checked_sub(1)?;
    let wait = Duration::from_secs(2u64.saturating_pow(doublings)).min(LONGEST_REST);
    Some(last.after(wait))
}

/// One object of a rendered plan.
struct Wanted {
    plan: Arc<Result<Plan, compile::Error>>,
    phase: usize,
    step: usize,
    task: usize,
    object: usize,
}

impl Wanted {
    fn object(&self) -> Option<&Value> {
        let phase = self.plan.as_ref().as_ref().ok()?.phases.get(self.phase)?;
        match &phase.steps.get(self.step)?.tasks.get(self.task)?.kind {
            TaskKind::Apply(apply) => apply.objects.get(self.object),
            TaskKind::Toggle(toggle) => toggle.objects.get(self.object),
            _ => None,
        }
    }
}

/// What should be there: of every object, what the latest complete run made of it; none while
/// the last run that covered a desired state is not complete.
async fn wanted(
    work: &mut Work<'_>,
    framework: &str,
    history: &[PlanExecution],
) -> Result<Option<BTreeMap<ObjectKey, Wanted>>, Error> {
    let covering =
        |one: &&PlanExecution| one.spec.cause.is_some() && one.spec.cause != Some(Cause::Deleted);
    let mut runs: Vec<&PlanExecution> = history.iter().filter(covering).collect();
    runs.sort_by_key(|one| -one.spec.sequence);
    if runs.first().is_none_or(|last| last.state() != State::Complete) {
        return Ok(None);
    }
    let mut seen: BTreeSet<ObjectKey> = BTreeSet::new();
    let mut plans: BTreeSet<&str> = BTreeSet::new();
    let mut wanted: BTreeMap<ObjectKey, Wanted> = BTreeMap::new();
    let mut rendered = BTreeMap::new();
    for run in runs.into_iter().filter(|one| one.state() == State::Complete) {
        if !plans.insert(&run.spec.plan) {
            continue;
        }
        let name = run.spec.framework_version.as_deref().unwrap_or_default();
        let Some(version) = snapshot(work.core, framework, name).await? else { continue };
        let subject = Subject::new(&version, &work.instance, &run.spec.parameters)
            .recalling(&work.memory.recall);
        let uid = run.metadata.uid.clone().unwrap_or_default();
        // Of what a template sees, only the instance changes.
        let seen_as = match subject.looks_at_instance() {
            true => work.instance["metadata"]["resourceVersion"].clone(),
            false => Value::Null,
        };
        let known = work.memory.rendered.get(&uid).filter(|known| known.0 == seen_as);
        let plan = match known {
            Some((_, plan)) => plan.clone(),
            None => Arc::new(subject.plan(&run.spec.plan)),
        };
        rendered.insert(uid, (seen_as, plan.clone()));
        let rendered = &plan;
        let Ok(plan) = &**rendered else { continue };
        let owned = work.core.world.owned(work.owner.namespace, work.owner.uid);
        let values = subject.values(&render::expressions_of(plan), &owned, clock::now());
        let skipped = skipped(run);
        let steps = plan.phases.iter().enumerate().flat_map(|(at, phase)| {
            phase.steps.iter().enumerate().map(move |(step_at, step)| (at, phase, step_at, step))
        });
        for (phase_at, phase, step_at, step) in steps.rev() {
            if skipped.contains(&format!("{}/{}", phase.name, step.name)) {
                continue;
            }
            for (task_at, task) in step.tasks.iter().enumerate().rev() {
                let objects = match &task.kind {
                    TaskKind::Apply(apply) => &apply.objects,
                    TaskKind::Toggle(toggle)
                        if matches!(values.get(&toggle.when), Some(Ok(Value::Bool(true)))) =>
                    {
                        &toggle.objects
                    }
                    // What a later task deletes, patches or scales is no longer as applied.
                    TaskKind::Job(_) | TaskKind::Wait(_) | TaskKind::Replace(_) => continue,
                    _ => {
                        seen.extend(task.objects());
                        continue;
                    }
                };
                for (object_at, object) in objects.iter().enumerate() {
                    if let Some(key) = ObjectKey::of(object)
                        && seen.insert(key.clone())
                    {
                        let plan = rendered.clone();
                        let (phase, step, task, object) = (phase_at, step_at, task_at, object_at);
                        wanted.insert(key, Wanted { plan, phase, step, task, object });
                    }
                }
            }
        }
    }
    work.memory.rendered = rendered;
    Ok(Some(wanted))
}

fn skipped(run: &PlanExecution) -> BTreeSet<String> {
    let phases = run.status.iter().flat_map(|status| &status.phases);
    phases
        .flat_map(|phase| phase.steps.iter().map(move |step| (phase, step)))
        .filter(|(_, step)| step.state == crate::execution::StepState::Skipped)
        .map(|(phase, step)| format!("{}/{}", phase.name, step.name))
        .collect()
}

fn is_settled(work: &Work<'_>, key: &ObjectKey, desired: &Value, live: &Value) -> bool {
    covers(live, desired)
        || work.memory.settled.get(key).is_some_and(|settled| {
            *settled == Settled { desired: fingerprint(desired), live: print(live) }
        })
}

/// The fingerprint of what an author can ask of an object: all but its status and bookkeeping.
fn print(live: &Value) -> u64 {
    let mut plain = live.clone();
    if let Some(fields) = plain.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = plain["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
        metadata.remove("generation");
    }
    fingerprint(&plain)
}

/// Whether a live object has everything that was asked for, defaults of the server aside.
pub(super) fn covers(live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (Value::Object(live), Value::Object(desired)) => desired.iter().all(|(name, wanted)| {
            wanted.is_null() || live.get(name).is_some_and(|live| covers(live, wanted))
        }),
        (Value::Array(live), Value::Array(desired)) => {
            live.len() == desired.len() && live.iter().zip(desired).all(|(a, b)| covers(a, b))
        }
        (live, desired) => live == desired,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_adds_is_no_drift_and_what_it_lacks_is() {
        let desired = json!({"spec": {"replicas": 3, "ports": [{"port": 1}]}});
        let defaulted = json!({"spec": {"replicas": 3, "ports": [{"port": 1, "protocol": "TCP"}],
                                        "type": "ClusterIP"}, "status": {}});
        assert!(covers(&defaulted, &desired));
        let scaled = json!({"spec": {"replicas": 5, "ports": [{"port": 1}]}});
        assert!(!covers(&scaled, &desired));
        assert_ne!(print(&scaled), print(&defaulted));
    }
}
