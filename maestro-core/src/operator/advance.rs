//! One run, as far as it goes now: step the machine, write its journal, send its effects, look at
//! what they came to, and step again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::events::EventType;

use super::instance::{Work, snapshot};
use super::render::{self, Subject};
use super::{Error, clock, effects, journal};
use crate::execution::{Moment, PlanExecution, PlanExecutionStatus, State, StepState};
use crate::framework::FrameworkVersionSpec;
use crate::machine::{self, Execution, Observed, Outcome};
use crate::plan::Plan;

/// More passes than any plan needs in one reconcile; the rest is left to the next.
const MOST_PASSES: usize = 64;
/// How long to wait before what was hindered is sent again.
const HINDERED: Duration = Duration::from_secs(2);

/// How a run stands after this.
pub(super) struct Stand {
    pub(super) over: bool,
    pub(super) state: State,
    pub(super) at: Option<Moment>,
}

/// Takes a run as far as it goes.
pub(super) async fn advance(
    work: &mut Work<'_>,
    framework: &str,
    run: &PlanExecution,
    suspended: bool,
) -> Result<Stand, Error> {
    let (version, run) = match adopt(work, framework, run).await? {
        Adopted::Run(version, run) => (version, run),
        Adopted::Failed(stand) => return Ok(stand),
    };
    let uid = run.metadata.uid.clone().unwrap_or_default();
    let subject = Subject::new(&version, &work.instance, &run.spec.parameters);
    let plan = match work.memory.plans.get(&uid) {
        Some(plan) => plan.clone(),
        None => {
            let plan = Arc::new(subject.plan(&run.spec.plan));
            work.memory.plans.insert(uid.clone(), plan.clone());
            plan
        }
    };
    match &*plan {
        Ok(plan) => pass(work, &version, run, plan, suspended).await,
        Err(why) => {
            let failed =
                machine::fail(&execution(&run), "NotRunnable", &why.to_string(), clock::now());
            save(work, &run, &failed.status).await?;
            Ok(Stand { over: true, state: State::Failed, at: None })
        }
    }
}

/// Ends a run that the instance wants no more.
pub(super) async fn stop(
    work: &mut Work<'_>,
    run: &PlanExecution,
    observed: &Observed,
) -> Result<(), Error> {
    let plan = Plan {
        name: run.spec.plan.clone(),
        strategy: crate::plan::Strategy::Serial,
        phases: Vec::new(),
    };
    let next = machine::step(&plan, &execution(run), observed, clock::now());
    save(work, run, &next.execution.status).await.map(|_| ())
}

enum Adopted {
    Run(Arc<FrameworkVersionSpec>, PlanExecution),
    Failed(Stand),
}

/// Fills in what a person left out of a run: the version, and parameters like the instance's.
async fn adopt(
    work: &mut Work<'_>,
    framework: &str,
    run: &PlanExecution,
) -> Result<Adopted, Error> {
    let mut run = run.clone();
    let history = journal::history(&work.core.world, work.memory, &work.owner).await?;
    let good = crate::execution::choose::baseline(&history);
    if run.is_manual()
        && let Some(good) = good
    {
        let mut parameters = good.spec.parameters.clone();
        parameters.append(&mut run.spec.parameters);
        run.spec.parameters = parameters;
        if run.spec.framework_version.is_none() {
            run.spec.framework_version.clone_from(&good.spec.framework_version);
        }
    }
    let name = run.spec.framework_version.clone().unwrap_or_default();
    if let Some(version) = snapshot(work.core, framework, &name).await? {
        return Ok(Adopted::Run(version, run));
    }
    let why = format!("the framework {framework} has no version {name:?}");
    let failed = machine::fail(&execution(&run), "NoVersion", &why, clock::now());
    save(work, &run, &failed.status).await?;
    Ok(Adopted::Failed(Stand { over: true, state: State::Failed, at: None }))
}

async fn pass(
    work: &mut Work<'_>,
    version: &FrameworkVersionSpec,
    mut run: PlanExecution,
    plan: &Plan,
    suspended: bool,
) -> Result<Stand, Error> {
    let expressions = render::expressions_of(plan);
    let keys = render::objects_of(plan);
    let kinds: BTreeSet<_> = keys.iter().map(|key| (&key.api_version, &key.kind)).collect();
    for (api_version, kind) in kinds {
        work.core.world.ensure(api_version, kind).await?;
    }
    if render::speaks_of_pods(&expressions) {
        work.core.world.ensure("v1", "Pod").await?;
    }
    let uid = run.metadata.uid.clone().unwrap_or_default();
    let mut at = None;
    for _ in 0..MOST_PASSES {
        let now = clock::now();
        let mut observed = observe(work, version, &run, &keys, &expressions, now);
        observed.suspended = suspended;
        let next = machine::step(plan, &execution(&run), &observed, now);
        at = next.wake;
        let mut status = next.execution.status;
        status.observed_generation = run.metadata.generation.unwrap_or_default();
        let old = run.status.clone().unwrap_or_default();
        // What only tells people more can wait for the end of the passes.
        if !same_states(&old, &status) || (next.effects.is_empty() && old != status) {
            run = save(work, &run, &status).await?;
        }
        if status.state.is_terminal() {
            work.memory.outcomes.remove(&uid);
            work.memory.plans.remove(&uid);
            return Ok(Stand { over: true, state: status.state, at: None });
        }
        if next.effects.is_empty() && at.is_none_or(|at| at > now) {
            break;
        }
        let mut hindered = false;
        for effect in next.effects {
            let outcome = effects::perform(work.core, &effect.action).await;
            if let Outcome::Hindered(why) = &outcome {
                tracing::warn!(step = effect.id.step, why, "an effect was hindered");
                hindered = true;
            }
            work.memory.outcomes.entry(uid.clone()).or_default().insert(effect.id, outcome);
        }
        if hindered {
            at = super::instance::earlier(at, Some(clock::now().after(HINDERED)));
            break;
        }
    }
    let state = run.state();
    if state == State::Running {
        let owned = work.core.world.owned(work.owner.namespace, work.owner.uid);
        let subject = Subject::new(version, &work.instance, &run.spec.parameters);
        let change = subject.change(&expressions, &owned, clock::now());
        at = super::instance::earlier(at, change);
    }
    Ok(Stand { over: false, state, at })
}

fn observe(
    work: &Work<'_>,
    version: &FrameworkVersionSpec,
    run: &PlanExecution,
    keys: &[crate::task::ObjectKey],
    expressions: &[String],
    now: Moment,
) -> Observed {
    let owned = work.core.world.owned(work.owner.namespace, work.owner.uid);
    let subject =
        Subject::new(version, &work.instance, &run.spec.parameters).recalling(&work.memory.recall);
    let values = subject.values(expressions, &owned, now);
    let mut observed = Observed { values, ..Observed::default() };
    for key in keys {
        if let Some(object) = work.core.world.get(key) {
            observed.objects.insert(key.clone(), object);
        }
    }
    for (key, object) in owned.iter() {
        observed.objects.entry(key.clone()).or_insert_with(|| object.clone());
    }
    let uid = run.metadata.uid.as_deref().unwrap_or_default();
    observed.outcomes = work.memory.outcomes.get(uid).cloned().unwrap_or_default();
    observed
}

fn execution(run: &PlanExecution) -> Execution {
    Execution {
        uid: run.metadata.uid.clone().unwrap_or_default(),
        spec: run.spec.clone(),
        status: run.status.clone().unwrap_or_default(),
    }
}

/// Writes a journal and tells of what it says that the one before did not.
async fn save(
    work: &mut Work<'_>,
    run: &PlanExecution,
    status: &PlanExecutionStatus,
) -> Result<PlanExecution, Error> {
    let old = run.status.clone().unwrap_or_default();
    if old == *status {
        return Ok(run.clone());
    }
    let written = journal::write(work.core, run, status).await?;
    // Parameters of a run by hand are completed in memory only: its spec is its author's.
    let mut next = run.clone();
    next.metadata = written.metadata;
    next.status = Some(status.clone());
    if old.state != status.state {
        if status.state.is_terminal() {
            let state = format!("{:?}", status.state);
            work.core.metrics.count("maestro_plans_finished_total", &state);
        }
        tell(work, &next, status).await;
    } else {
        tell_steps(work, &next, &old, status).await;
    }
    Ok(next)
}

async fn tell(work: &Work<'_>, run: &PlanExecution, status: &PlanExecutionStatus) {
    let kind = match status.state {
        State::Failed => EventType::Warning,
        // That it runs was told when it was started.
        State::Running | State::Pending => return,
        _ => EventType::Normal,
    };
    let plan = &run.spec.plan;
    let note = match status.message.as_str() {
        "" => format!("plan {plan}: {:?}", status.state),
        message => format!("plan {plan}: {message}"),
    };
    let reason = format!("Plan{:?}", status.state);
    work.core.events.tell(&work.instance, kind, &reason, &note).await;
}

/// Tells of steps that wait for a person or failed an attempt.
async fn tell_steps(
    work: &Work<'_>,
    run: &PlanExecution,
    old: &PlanExecutionStatus,
    new: &PlanExecutionStatus,
) {
    for (phase_at, phase) in new.phases.iter().enumerate() {
        for (at, step) in phase.steps.iter().enumerate() {
            let before = old.phases.get(phase_at).and_then(|phase| phase.steps.get(at));
            let failed = step.failures > before.map_or(0, |step| step.failures);
            let paused = step.state == StepState::Paused
                && before.is_none_or(|step| step.state != StepState::Paused);
            let (kind, reason) = match (failed, paused) {
                (true, _) => (EventType::Warning, "StepFailed"),
                (false, true) => (EventType::Normal, "AwaitingApproval"),
                (false, false) => continue,
            };
            let place = format!("{}/{}/{}", run.spec.plan, phase.name, step.name);
            let note = format!("{place}: {}", step.message);
            work.core.events.tell(&work.instance, kind, reason, &note).await;
        }
    }
}

/// Whether two journals differ in nothing but what they tell people.
fn same_states(one: &PlanExecutionStatus, other: &PlanExecutionStatus) -> bool {
    let plain = |status: &PlanExecutionStatus| {
        let mut status = status.clone();
        status.message.clear();
        status.reason.clear();
        for phase in &mut status.phases {
            for step in &mut phase.steps {
                step.message.clear();
                step.tasks.iter_mut().for_each(|task| task.message.clear());
            }
        }
        status
    };
    plain(one) == plain(other)
}
