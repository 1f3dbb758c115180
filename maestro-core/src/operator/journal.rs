//! The journal's reads and writes: executions of an instance, past every stale cache.

use std::sync::Arc;

use kube::api::{Api, PostParams};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::memory::Memory;
use super::world::{World, complete};
use super::{Core, Error};
use crate::execution::choose::Start;
use crate::execution::name::{Identity, execution_name};
use crate::execution::{
    INSTANCE_LABEL, InstanceReference, PLAN_LABEL, PlanExecution, PlanExecutionSpec,
    PlanExecutionStatus,
};
use crate::framework::{GROUP, VERSION};
use crate::task::ObjectKey;

/// What an execution's owner is.
pub(super) struct Owner<'a> {
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
}

/// `apiVersion` of PlanExecution.
pub(super) fn api_version() -> String {
    format!("{GROUP}/{VERSION}")
}

/// Every execution of an instance, as new as this process can know.
///
/// A run that is not over is read from the server once in each process: a cache may have been
/// filled from a past in which less of the run was done.
pub(super) async fn history(
    world: &World,
    memory: &mut Memory,
    owner: &Owner<'_>,
) -> Result<Arc<[PlanExecution]>, Error> {
    let mut known = world.list(&api_version(), "PlanExecution", owner.namespace);
    known.retain(|value| {
        let instance = &value["spec"]["instance"];
        let uid = instance["uid"].as_str().unwrap_or_default();
        instance["kind"] == owner.kind
            && instance["name"] == owner.name
            && (uid.is_empty() || uid == owner.uid)
    });
    if let Some((from, history)) = &memory.history
        && from.len() == known.len()
        && from.iter().zip(&known).all(|(from, known)| Arc::ptr_eq(from, known))
    {
        return Ok(history.clone());
    }
    let mut history = Vec::new();
    let mut as_known = true;
    for value in &known {
        let mut run = parsed(memory, value)?;
        let uid = run.metadata.uid.clone().unwrap_or_default();
        if !memory.confirmed.contains(&uid) {
            if !run.state().is_terminal() {
                as_known = false;
                let Some(key) = ObjectKey::of(value) else { continue };
                match world.read(&key).await? {
                    Some(fresh) => run = parsed(memory, &fresh)?,
                    None => continue,
                }
            }
            memory.confirmed.insert(uid);
        }
        history.push(run);
    }
    let is_there = |uid: &str| history.iter().any(|run| run.metadata.uid.as_deref() == Some(uid));
    memory.runs.retain(|uid, _| is_there(uid));
    let history: Arc<[PlanExecution]> = history.into();
    memory.history = as_known.then(|| (known, history.clone()));
    Ok(history)
}

/// An execution as read from its object, each version of it once.
fn parsed(memory: &mut Memory, value: &Arc<Value>) -> Result<PlanExecution, Error> {
    let uid = value["metadata"]["uid"].as_str().unwrap_or_default();
    if let Some((from, run)) = memory.runs.get(uid)
        && Arc::ptr_eq(from, value)
    {
        return Ok(run.clone());
    }
    let run = PlanExecution::deserialize(&**value)?;
    memory.runs.insert(uid.to_owned(), (value.clone(), run.clone()));
    Ok(run)
}

/// Creates the execution of a start. That it exists already is as good: its name says all.
pub(super) async fn create(
    core: &Core,
    memory: &mut Memory,
    owner: &Owner<'_>,
    start: &Start,
) -> Result<(), Error> {
    let name = execution_name(&Identity {
        instance: owner.name,
        uid: owner.uid,
        plan: &start.plan,
        generation: start.generation,
        sequence: start.sequence,
        version: &start.version,
        parameters: &start.parameters,
    });
    let mut execution = PlanExecution::new(
        &name,
        PlanExecutionSpec {
            instance: InstanceReference {
                group: crate::framework::PACKAGE_GROUP.to_owned(),
                kind: owner.kind.to_owned(),
                name: owner.name.to_owned(),
                uid: owner.uid.to_owned(),
            },
            plan: start.plan.clone(),
            framework_version: Some(start.version.clone()),
            generation: start.generation,
            sequence: start.sequence,
            cause: Some(start.cause),
            scheduled_for: start.scheduled_for,
            parameters: start.parameters.clone(),
            ..PlanExecutionSpec::default()
        },
    );
    let labels = [(INSTANCE_LABEL, owner.name), (PLAN_LABEL, start.plan.as_str())];
    execution.metadata.labels = Some(
        labels
            .into_iter()
            .filter(|(_, value)| value.len() <= 63)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    );
    execution.metadata.owner_references = Some(vec![serde_json::from_value(json!({
        "apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name,
        "uid": owner.uid, "controller": true, "blockOwnerDeletion": true,
    }))?]);
    let api = Api::<PlanExecution>::namespaced(core.client.clone(), owner.namespace);
    match api.create(&PostParams::default(), &execution).await {
        Ok(created) => {
            memory.confirmed.extend(created.metadata.uid.clone());
            note(&core.world, &created)
        }
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let key = key(owner.namespace, &name);
            core.world.read(&key).await.map(|_| ())
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes a journal, on the condition that nobody wrote the execution since it was read.
pub(super) async fn write(
    core: &Core,
    execution: &PlanExecution,
    status: &PlanExecutionStatus,
) -> Result<PlanExecution, Error> {
    let mut next = execution.clone();
    next.status = Some(status.clone());
    let namespace = execution.metadata.namespace.as_deref().unwrap_or_default();
    let name = execution.metadata.name.as_deref().unwrap_or_default();
    let api = Api::<PlanExecution>::namespaced(core.client.clone(), namespace);
    core.metrics.count("maestro_journal_writes_total", &execution.spec.plan);
    match api.replace_status(name, &PostParams::default(), &next).await {
        Ok(written) => {
            note(&core.world, &written)?;
            Ok(written)
        }
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
            core.world.read(&key(namespace, name)).await?;
            Err(Error::Changed(format!("PlanExecution {name}")))
        }
        Err(error) => Err(error.into()),
    }
}

fn note(world: &World, execution: &PlanExecution) -> Result<(), Error> {
    let mut value: Value = serde_json::to_value(execution)?;
    complete(&mut value, &api_version(), "PlanExecution");
    world.note(&Arc::new(value));
    Ok(())
}

/// The key of an execution.
pub(super) fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey {
        api_version: api_version(),
        kind: "PlanExecution".to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
