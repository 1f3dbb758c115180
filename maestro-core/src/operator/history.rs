//! The end of executions: old ones are deleted, and with the instance what only they knew of.

use std::collections::BTreeSet;

use kube::api::{Api, DeleteParams, Preconditions};

use super::instance::{Work, snapshot};
use super::render::Subject;
use super::{Core, Error, journal};
use crate::execution::PlanExecution;
use crate::execution::history::surplus;
use crate::framework::enhance::OWNER_LABEL;
use crate::task::{ObjectKey, TaskKind};

/// Deletes the executions that nothing depends on any more, beyond the last so many.
pub(super) async fn prune(
    work: &mut Work<'_>,
    framework: &str,
    history: &[PlanExecution],
    limit: u32,
) -> Result<(), Error> {
    let surplus = surplus(history, limit);
    let mut known: Option<BTreeSet<ObjectKey>> = None;
    for at in &surplus {
        let Some(run) = history.get(*at) else { continue };
        // What it applied out of reach of owner references, `sweep` learns from it, unless
        // another run that stays tells the same.
        let Some(far) = far(work, framework, run).await? else { continue };
        if !far.is_empty() {
            if known.is_none() {
                known = Some(of_others(work, framework, history, &surplus).await?);
            }
            let known = known.get_or_insert_default();
            if !far.is_subset(known) {
                known.extend(far);
                continue;
            }
        }
        delete(work, run).await?;
    }
    Ok(())
}

/// What the runs that stay applied out of reach of owner references.
async fn of_others(
    work: &Work<'_>,
    framework: &str,
    history: &[PlanExecution],
    surplus: &[usize],
) -> Result<BTreeSet<ObjectKey>, Error> {
    let mut known = BTreeSet::new();
    for (at, run) in history.iter().enumerate() {
        if !surplus.contains(&at) {
            known.extend(far(work, framework, run).await?.unwrap_or_default());
        }
    }
    Ok(known)
}

async fn delete(work: &mut Work<'_>, run: &PlanExecution) -> Result<(), Error> {
    let name = run.metadata.name.as_deref().unwrap_or_default();
    let api = Api::<PlanExecution>::namespaced(work.core.client.clone(), work.owner.namespace);
    // Somebody may have asked for another go of it since it was read.
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: run.metadata.uid.clone(),
            resource_version: run.metadata.resource_version.clone(),
        }),
        ..DeleteParams::background()
    };
    match api.delete(name, &params).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(kube::Error::Api(status)) if status.is_conflict() => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    work.core.world.note_gone(&journal::key(work.owner.namespace, name));
    if let Some(uid) = &run.metadata.uid {
        work.memory.confirmed.remove(uid);
    }
    Ok(())
}

/// Deletes what no owner reference reaches: what any run applied at cluster scope or in
/// another namespace.
pub(super) async fn sweep(
    work: &mut Work<'_>,
    framework: &str,
    history: &[PlanExecution],
) -> Result<(), Error> {
    for run in history {
        for key in far(work, framework, run).await?.unwrap_or_default() {
            remove(work.core, &key, work.owner.uid).await?;
        }
    }
    Ok(())
}

/// What a run applied at cluster scope or in another namespace; none when that cannot be said now.
async fn far(
    work: &Work<'_>,
    framework: &str,
    run: &PlanExecution,
) -> Result<Option<BTreeSet<ObjectKey>>, Error> {
    let Some(name) = run.spec.framework_version.as_deref() else { return Ok(None) };
    let Some(version) = snapshot(work.core, framework, name).await? else { return Ok(None) };
    let subject = Subject::new(&version, &work.instance, &run.spec.parameters);
    let Ok(plan) = subject.plan(&run.spec.plan) else { return Ok(None) };
    let steps = plan.phases.iter().flat_map(|phase| &phase.steps);
    let applied = steps
        .flat_map(|step| &step.tasks)
        .filter(|task| matches!(task.kind, TaskKind::Apply(_) | TaskKind::Toggle(_)));
    let far = applied.flat_map(|task| task.objects());
    Ok(Some(far.filter(|key| key.namespace != work.owner.namespace).collect()))
}

async fn remove(core: &Core, key: &ObjectKey, owner: &str) -> Result<(), Error> {
    let Some(live) = core.world.read(key).await? else { return Ok(()) };
    let ours = live["metadata"]["labels"][OWNER_LABEL] == owner;
    if !ours || live["metadata"]["deletionTimestamp"].is_string() {
        return Ok(());
    }
    let uid = live["metadata"]["uid"].as_str().map(str::to_owned);
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version: None }),
        ..DeleteParams::background()
    };
    match core.world.api_of(key).await?.delete(&key.name, &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}
