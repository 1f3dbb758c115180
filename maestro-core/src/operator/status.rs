//! The instance's status: conditions, version, plans, replicas, written only when it changed.

use std::sync::Arc;

use kube::api::{Patch, PatchParams};
use serde_json::{Map, Value, json};

use super::instance::{Outcome, Work, snapshot};
use super::instances::Kind;
use super::render::{Subject, speaks_of_pods};
use super::{Error, clock, journal};
use crate::execution::choose::baseline;
use crate::execution::{Moment, PlanExecution, State, StepState};
use crate::health::{Health, health};
use crate::task::ObjectKey;

/// One condition before it is compared with what is there.
struct Condition {
    kind: &'static str,
    holds: bool,
    reason: String,
    message: String,
}

/// What a status is made of: the same makes the same.
#[derive(Debug, PartialEq)]
pub(super) struct Sketch {
    history: History,
    generation: i64,
    blocked: Option<(String, String)>,
    unready: Option<String>,
    ill: Option<(String, bool)>,
    connection: Option<String>,
    /// What `/scale` reports: replicas, and the selector where it can be had.
    scale: Option<(i64, Option<String>)>,
}

/// All executions; the same only where nothing was read anew.
#[derive(Debug)]
struct History(Arc<[PlanExecution]>);

impl PartialEq for History {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Writes the status of an instance, unless it says the same already; when it will say something
/// else although nothing happens.
pub(super) async fn write(
    work: &mut Work<'_>,
    kind: &Kind,
    key: &ObjectKey,
    outcome: &Outcome,
) -> Result<Option<Moment>, Error> {
    let history = journal::history(&work.core.world, work.memory, &work.owner).await?;
    let (sketch, wake) = sketch(work, &kind.framework, history, outcome).await?;
    // What this process wrote last is newer than what its cache may hold.
    if work.memory.status.is_some() && work.memory.told.as_ref() == Some(&sketch) {
        return Ok(wake);
    }
    work.memory.told = None;
    let next = status(&sketch);
    let old = work.memory.status.clone().unwrap_or_else(|| work.instance["status"].clone());
    let next = with_times(next, &old);
    if old == next {
        work.memory.told = Some(sketch);
        return Ok(wake);
    }
    let mut body = json!({"status": next});
    // A merge patch removes what it names as null.
    for field in old.as_object().into_iter().flat_map(Map::keys) {
        if next.get(field).is_none() {
            body["status"][field] = Value::Null;
        }
    }
    if let (Some(old), Some(new)) = (old["activePlan"].as_object(), next.get("activePlan")) {
        for field in old.keys().filter(|field| new.get(field.as_str()).is_none()) {
            body["status"]["activePlan"][field] = Value::Null;
        }
    }
    let api = work.core.world.api(&kind.served, &key.namespace);
    match api.patch_status(&key.name, &PatchParams::default(), &Patch::Merge(&body)).await {
        Ok(_) => {
            work.memory.status = Some(next);
            work.memory.told = Some(sketch);
        }
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(error.into()),
    }
    Ok(wake)
}

async fn sketch(
    work: &Work<'_>,
    framework: &str,
    history: Arc<[PlanExecution]>,
    outcome: &Outcome,
) -> Result<(Sketch, Option<Moment>), Error> {
    let good = baseline(&history);
    let running = good.and_then(|one| one.spec.framework_version.clone());
    let named = match &running {
        Some(name) => snapshot(work.core, framework, name).await?,
        None => outcome.version.clone(),
    };
    let covered = good.or(history.last()).map(|one| one.spec.parameters.clone());
    let covered = covered.unwrap_or_default();
    let subject = named.as_deref().map(|version| {
        Subject::new(version, &work.instance, &covered).recalling(&work.memory.recall)
    });
    let ready = subject.as_ref().and_then(|one| one.version.spec.health.as_ref());
    let ill = ailing(work);
    let (unready, wake) = match (&subject, ready) {
        (Some(subject), Some(health)) => declared(work, subject, &health.ready).await?,
        _ => (ill.clone().map(|(why, _)| why), None),
    };
    let sketch = Sketch {
        generation: work.instance["metadata"]["generation"].as_i64().unwrap_or_default(),
        blocked: outcome.blocked.clone(),
        unready,
        ill,
        connection: subject.as_ref().and_then(|subject| connection(work, subject)),
        scale: subject.as_ref().and_then(|subject| scale(work, subject)),
        history: History(history),
    };
    Ok((sketch, wake))
}

fn status(sketch: &Sketch) -> Value {
    let history = &*sketch.history.0;
    let mut status = json!({
        "observedGeneration": sketch.generation,
        "conditions": conditions(sketch)
            .into_iter()
            .map(|one| json!({
                "type": one.kind,
                "status": if one.holds { "True" } else { "False" },
                "reason": one.reason,
                "message": one.message,
                "observedGeneration": sketch.generation,
            }))
            .collect::<Vec<_>>(),
        "plans": plans(history),
    });
    if let Some(version) = baseline(history).and_then(|one| one.spec.framework_version.as_ref()) {
        status["version"] = json!(version);
    }
    if let Some(active) = active(history) {
        status["activePlan"] = active_plan(active);
    }
    if let Some(connection) = &sketch.connection {
        status["connection"] = json!(connection);
    }
    if let Some((replicas, selector)) = &sketch.scale {
        status["replicas"] = json!(replicas);
        if let Some(selector) = selector {
            status["selector"] = json!(selector);
        }
    }
    status
}

/// Why the Framework's own condition says that the instance is not ready, if so, and when it will
/// say something else although nothing happens.
async fn declared(
    work: &Work<'_>,
    subject: &Subject<'_>,
    ready: &str,
) -> Result<(Option<String>, Option<Moment>), Error> {
    let expressions = [ready.to_owned()];
    if speaks_of_pods(&expressions) {
        work.core.world.ensure("v1", "Pod").await?;
    }
    let owned = work.core.world.owned(work.owner.namespace, work.owner.uid);
    let now = clock::now();
    let values = subject.values(&expressions, &owned, now);
    let why = match values.get(ready) {
        Some(Ok(Value::Bool(true))) => None,
        Some(Ok(Value::Bool(false))) => Some("health.ready is false".to_owned()),
        Some(Ok(other)) => Some(format!("health.ready gives {other}, not true or false")),
        Some(Err(why)) => Some(format!("health.ready: {why}")),
        None => None,
    };
    Ok((why, subject.change(&expressions, &owned, now)))
}

/// Where clients connect.
fn connection(work: &Work<'_>, subject: &Subject<'_>) -> Option<String> {
    let connection = subject.version.spec.connection.as_ref()?;
    let owned = work.core.world.owned(work.owner.namespace, work.owner.uid);
    let values = subject.values(std::slice::from_ref(connection), &owned, clock::now());
    match values.get(connection) {
        Some(Ok(Value::String(text))) => Some(text.clone()),
        _ => None,
    }
}

/// What `/scale` reports.
fn scale(work: &Work<'_>, subject: &Subject<'_>) -> Option<(i64, Option<String>)> {
    let scale = subject.version.spec.scale.as_ref()?;
    let owned = work.core.world.owned(work.owner.namespace, work.owner.uid);
    let workloads = owned.iter().filter(|(key, object)| {
        key.group() == "apps"
            && object["metadata"]["ownerReferences"]
                .as_array()
                .is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == work.owner.uid))
    });
    let replicas = workloads.filter_map(|(_, object)| object["status"]["replicas"].as_i64()).sum();
    let selector = scale.selector.as_ref().and_then(|text| subject.text_of(text).ok());
    Some((replicas, selector))
}

fn conditions(sketch: &Sketch) -> Vec<Condition> {
    let (history, ill, blocked) = (&*sketch.history.0, &sketch.ill, &sketch.blocked);
    let condition = |kind, holds, reason: &str, message: String| Condition {
        kind,
        holds,
        reason: reason.to_owned(),
        message,
    };
    let running = active(history);
    let last = latest(history);
    let failed = last.filter(|one| one.state() == State::Failed);
    let text = |one: &PlanExecution| {
        let status = one.status.clone().unwrap_or_default();
        format!("plan {}: {}", one.spec.plan, status.message)
    };
    let progressing = match running {
        Some(run) => {
            let reason = run.status.as_ref().map(|status| status.reason.as_str());
            let reason = reason.filter(|reason| !reason.is_empty()).unwrap_or("Running");
            condition("Progressing", run.state() != State::Suspended, reason, text(run))
        }
        None => condition("Progressing", false, "NoPlanRuns", String::new()),
    };
    let degraded = match (blocked, failed, ill) {
        (Some((reason, message)), _, _) => condition("Degraded", true, reason, message.clone()),
        (None, Some(run), _) => condition("Degraded", true, "PlanFailed", text(run)),
        (None, None, Some((why, true))) => condition("Degraded", true, "Unhealthy", why.clone()),
        _ => condition("Degraded", false, "AsExpected", String::new()),
    };
    let deployed = baseline(history).is_some();
    let ready = match (blocked, running, failed, &sketch.unready) {
        (Some((reason, message)), ..) => condition("Ready", false, reason, message.clone()),
        (_, Some(run), ..) => condition("Ready", false, "PlanRunning", text(run)),
        (_, _, Some(run), _) => condition("Ready", false, "PlanFailed", text(run)),
        _ if !deployed => condition("Ready", false, "NotDeployed", String::new()),
        (_, _, _, Some(why)) => condition("Ready", false, "Unhealthy", why.clone()),
        _ => condition("Ready", true, "Healthy", String::new()),
    };
    vec![ready, progressing, degraded]
}

/// The first of the instance's own objects that is not well, and whether it failed for good.
fn ailing(work: &Work<'_>) -> Option<(String, bool)> {
    let owned = work.core.world.owned(work.owner.namespace, work.owner.uid);
    let direct = owned.iter().filter(|(key, object)| {
        let ours = object["metadata"]["ownerReferences"]
            .as_array()
            .is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == work.owner.uid));
        // A Job's end is its plan's matter.
        ours && key.kind != "PlanExecution" && key.kind != "Job"
    });
    direct
        .filter_map(|(key, object)| match health(object) {
            Health::Healthy => None,
            Health::Progressing(why) => Some((format!("{key}: {why}"), false)),
            Health::Failed(why) => Some((format!("{key}: {why}"), true)),
        })
        .next()
}

fn active(history: &[PlanExecution]) -> Option<&PlanExecution> {
    let mut open = history.iter().filter(|one| !one.state().is_terminal());
    let first = open.clone().find(|one| one.state() != State::Pending);
    first.or_else(|| open.find(|one| !one.is_manual()))
}

fn latest(history: &[PlanExecution]) -> Option<&PlanExecution> {
    history.iter().filter(|one| !one.is_manual()).max_by_key(|one| one.spec.sequence)
}

fn active_plan(run: &PlanExecution) -> Value {
    let mut plan = json!({
        "name": run.spec.plan,
        "execution": run.metadata.name,
        "uid": run.metadata.uid,
    });
    let status = run.status.clone().unwrap_or_default();
    if let Some(at) = status.started_at {
        plan["startedAt"] = json!(at);
    }
    let under_way = status.phases.iter().find_map(|phase| {
        let step = phase.steps.iter().find(|step| {
            matches!(step.state, StepState::Running | StepState::Paused | StepState::Retrying)
        })?;
        Some((phase.name.clone(), step.name.clone()))
    });
    if let Some((phase, step)) = under_way {
        plan["phase"] = json!(phase);
        plan["step"] = json!(step);
    }
    plan
}

/// The last run of every plan, by the plan's name.
fn plans(history: &[PlanExecution]) -> Vec<Value> {
    let mut last: std::collections::BTreeMap<&str, &PlanExecution> = Default::default();
    for run in history.iter().filter(|one| one.state().is_terminal()) {
        let finished = |one: &PlanExecution| one.status.as_ref().and_then(|one| one.finished_at);
        let slot = last.entry(&run.spec.plan).or_insert(run);
        if (finished(run), run.spec.sequence) > (finished(slot), slot.spec.sequence) {
            *slot = run;
        }
    }
    let entry = |run: &&PlanExecution| {
        let status = run.status.clone().unwrap_or_default();
        let mut entry = json!({
            "name": run.spec.plan,
            "execution": run.metadata.name,
            "uid": run.metadata.uid,
            "result": status.state,
            "reason": status.reason,
            "generation": run.spec.generation,
        });
        for (field, value) in [
            ("message", json!(status.message)),
            ("version", json!(run.spec.framework_version)),
            ("startedAt", json!(status.started_at)),
            ("finishedAt", json!(status.finished_at)),
        ] {
            if !value.is_null() && value != "" {
                entry[field] = value;
            }
        }
        entry
    };
    last.values().map(entry).collect()
}

/// Gives each condition the time of its last transition.
fn with_times(mut next: Value, old: &Value) -> Value {
    let now = clock::now().timestamp();
    let now = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
    let before = old["conditions"].as_array().cloned().unwrap_or_default();
    for condition in next["conditions"].as_array_mut().into_iter().flatten() {
        let same = before
            .iter()
            .find(|one| one["type"] == condition["type"] && one["status"] == condition["status"]);
        let since = same.map(|one| one["lastTransitionTime"].clone());
        condition["lastTransitionTime"] = since.unwrap_or_else(|| json!(now));
    }
    next
}
