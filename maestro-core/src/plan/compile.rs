//! From a Framework's plan to the machine's: every template rendered, every name resolved.

use serde_json::Value;

use super::{Phase, Plan, Retry, Step};
use crate::framework::{self, FrameworkSpec, PatchType};
use crate::task::{Apply, Delete, Job, ObjectKey, Patch, PatchKind, Scale, Task, TaskKind};
use crate::task::{Replace, Toggle, Wait};

/// Where in a plan a template is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The plan's name.
    pub plan: &'a str,
    /// The phase's name.
    pub phase: &'a str,
    /// The step's name.
    pub step: &'a str,
    /// The task's name.
    pub task: &'a str,
}

/// Renders the template of a name into complete objects: namespace, labels and owners included.
pub type Render<'a> = dyn FnMut(&Place<'_>, &str) -> Result<Vec<Value>, String> + 'a;

/// Why a plan cannot be run at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The Framework version has no such plan.
    #[error("the framework has no plan {0:?}")]
    NoPlan(String),
    /// A step names a task that is not there.
    #[error("{0}: the framework has no task {1:?}")]
    NoTask(String, String),
    /// A template does not render, or not into what the task needs.
    #[error("{0}: {1}")]
    Render(String, String),
}

/// Renders a plan for one run.
///
/// # Errors
/// When a name is unknown or a template does not render.
pub fn compile(spec: &FrameworkSpec, plan: &str, render: &mut Render<'_>) -> Result<Plan, Error> {
    let source = spec.plans.get(plan).ok_or_else(|| Error::NoPlan(plan.to_owned()))?;
    let mut phases = Vec::with_capacity(source.phases.len());
    for phase in &source.phases {
        let mut steps = Vec::with_capacity(phase.steps.len());
        for step in &phase.steps {
            let place = Place { plan, phase: &phase.name, step: &step.name, task: "" };
            steps.push(compile_step(spec, step, place, render)?);
        }
        phases.push(Phase { name: phase.name.clone(), strategy: phase.strategy, steps });
    }
    Ok(Plan { name: plan.to_owned(), strategy: source.strategy, phases })
}

fn compile_step(
    spec: &FrameworkSpec,
    step: &framework::Step,
    place: Place<'_>,
    render: &mut Render<'_>,
) -> Result<Step, Error> {
    let mut tasks = Vec::with_capacity(step.tasks.len());
    for name in &step.tasks {
        let place = Place { task: name, ..place };
        let at = || format!("{}/{}/{}/{name}", place.plan, place.phase, place.step);
        let task = spec.tasks.get(name).ok_or_else(|| Error::NoTask(at(), name.clone()))?;
        let kind =
            compile_task(task, &place, render).map_err(|error| Error::Render(at(), error))?;
        tasks.push(Task { name: name.clone(), kind });
    }
    let retry = step.retry.as_ref();
    let default = Retry::default();
    Ok(Step {
        name: step.name.clone(),
        tasks,
        when: step.when.clone(),
        ready: step.ready.clone(),
        timeout: step.timeout.map(|timeout| timeout.0),
        retry: Retry {
            limit: retry.map_or(default.limit, |retry| retry.limit),
            backoff: retry.and_then(|retry| retry.backoff).map_or(default.backoff, |wait| wait.0),
        },
        pause: step.pause,
        on_failure: step.on_failure,
    })
}

fn compile_task(
    task: &framework::Task,
    place: &Place<'_>,
    render: &mut Render<'_>,
) -> Result<TaskKind, String> {
    let mut objects = Vec::new();
    for template in task.templates() {
        let rendered =
            render(place, template).map_err(|error| format!("template {template}: {error}"))?;
        objects.extend(rendered);
    }
    Ok(match task {
        framework::Task::Apply(_) => TaskKind::Apply(Apply { objects }),
        framework::Task::Delete(_) => TaskKind::Delete(Delete { objects: keys(&objects)? }),
        framework::Task::Toggle(toggle) => {
            TaskKind::Toggle(Toggle { objects, when: toggle.when.clone() })
        }
        framework::Task::Job(job) => {
            let mut objects = objects.into_iter();
            match (objects.next(), objects.next()) {
                (Some(object), None) if object["kind"] == "Job" => {
                    TaskKind::Job(Job { object, keep: job.keep })
                }
                _ => return Err(format!("template {} must hold one Job", job.template)),
            }
        }
        framework::Task::Wait(wait) => TaskKind::Wait(Wait {
            until: wait.until.clone(),
            duration: wait.duration.map(|duration| duration.0),
        }),
        framework::Task::Patch(patch) => TaskKind::Patch(compile_patch(patch, objects)?),
        framework::Task::Scale(scale) => {
            TaskKind::Scale(Scale { targets: keys(&objects)?, replicas: scale.replicas.clone() })
        }
        framework::Task::Replace(replace) => {
            TaskKind::Replace(Replace { pods: replace.pods.clone(), force: replace.force })
        }
    })
}

fn compile_patch(patch: &framework::PatchTask, objects: Vec<Value>) -> Result<Patch, String> {
    let kind = match patch.kind {
        PatchType::Merge => PatchKind::Merge,
        PatchType::Strategic => PatchKind::Strategic,
        PatchType::Json => PatchKind::Json,
    };
    let keys = keys(&objects)?;
    let bodies = objects.into_iter().map(|mut object| match kind {
        PatchKind::Json => patch.operations.clone().unwrap_or_default().into(),
        PatchKind::Merge | PatchKind::Strategic => {
            // Owners are for what an instance made; what it patches may belong to others.
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove("ownerReferences");
            }
            object
        }
    });
    Ok(Patch { kind, patches: keys.into_iter().zip(bodies).collect() })
}

fn keys(objects: &[Value]) -> Result<Vec<ObjectKey>, String> {
    objects
        .iter()
        .map(|object| {
            ObjectKey::of(object)
                .ok_or_else(|| "an object has no apiVersion, kind or name".to_owned())
        })
        .collect()
}
