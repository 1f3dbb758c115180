//! Tasks, plans and triggers: every name leads somewhere, and is said once.

use super::expressions::{condition, unknown};
use super::{Problems, key};
use crate::execution::Schedule;
use crate::framework::{FrameworkSpec, OnFailure, PatchType, Step, Task, Trigger, lifecycle};
use std::collections::BTreeSet;

pub(super) fn tasks(spec: &FrameworkSpec, problems: &mut Problems) {
    for (name, task) in &spec.tasks {
        let path = format!("{}.{}", key("tasks", name), task.kind());
        for template in task.templates() {
            if !spec.templates.contains_key(template) {
                let message = unknown("template", template, spec.templates.keys());
                problems.add(&path, message);
            }
        }
        match task {
            Task::Apply(names) | Task::Delete(names) if names.is_empty() => {
                problems.add(&path, "names no template");
            }
            Task::Toggle(toggle) => {
                condition(&toggle.when, &format!("{path}.when"), spec, problems);
            }
            Task::Wait(wait) => match (&wait.until, wait.duration) {
                (Some(until), _) => condition(until, &format!("{path}.until"), spec, problems),
                (None, None) => problems.add(&path, "needs `until`, `for` or both"),
                (None, Some(_)) => {}
            },
            Task::Scale(scale) => {
                condition(&scale.replicas, &format!("{path}.replicas"), spec, problems);
            }
            Task::Patch(patch) => match (patch.kind, &patch.operations) {
                (PatchType::Json, None) => problems.add(&path, "a json patch needs `operations`"),
                (PatchType::Merge | PatchType::Strategic, Some(_)) => {
                    problems.add(&path, "only a json patch has `operations`");
                }
                _ => {}
            },
            Task::Replace(replace) => {
                condition(&replace.pods, &format!("{path}.pods"), spec, problems);
            }
            Task::Apply(_) | Task::Delete(_) | Task::Job(_) => {}
        }
    }
}

pub(super) fn check(spec: &FrameworkSpec, problems: &mut Problems) {
    if !spec.plans.contains_key(lifecycle::DEPLOY) {
        problems.add("plans", "there is no plan \"deploy\", which every Framework needs");
    }
    for (name, plan) in &spec.plans {
        let path = key("plans", name);
        if plan.phases.is_empty() {
            problems.add(format!("{path}.phases"), "a plan needs at least one phase");
        }
        let mut phases = BTreeSet::new();
        for (at, phase) in plan.phases.iter().enumerate() {
            let path = format!("{path}.phases[{at}]");
            label(&phase.name, "phase", &mut phases, &path, problems);
            if phase.steps.is_empty() {
                problems.add(format!("{path}.steps"), "a phase needs at least one step");
            }
            let mut steps = BTreeSet::new();
            for (at, step) in phase.steps.iter().enumerate() {
                let path = format!("{path}.steps[{at}]");
                label(&step.name, "step", &mut steps, &path, problems);
                check_step(spec, step, &path, problems);
            }
        }
    }
}

fn label<'a>(
    name: &'a str,
    what: &str,
    seen: &mut BTreeSet<&'a str>,
    path: &str,
    problems: &mut Problems,
) {
    let path = format!("{path}.name");
    if !seen.insert(name) {
        problems.add(&path, format!("there are two {what}s {name:?}"));
    }
    let fine = !name.is_empty()
        && name.len() <= 63
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fine {
        problems.add(path, format!("{name:?} is not lower-case letters, digits and dashes"));
    }
}

fn check_step(spec: &FrameworkSpec, step: &Step, path: &str, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (at, task) in step.tasks.iter().enumerate() {
        let path = format!("{path}.tasks[{at}]");
        if !spec.tasks.contains_key(task) {
            problems.add(&path, unknown("task", task, spec.tasks.keys()));
        }
        if !seen.insert(task) {
            problems.add(path, format!("runs {task:?} a second time"));
        }
    }
    if step.tasks.is_empty() && step.ready.is_none() && !step.pause {
        problems.add(path, "does nothing: it has no tasks, no `ready` and no `pause`");
    }
    for (field, expression) in [("when", &step.when), ("ready", &step.ready)] {
        if let Some(expression) = expression {
            condition(expression, &format!("{path}.{field}"), spec, problems);
        }
    }
    if step.on_failure == OnFailure::Rollback && !spec.plans.contains_key(lifecycle::ROLLBACK) {
        let message = unknown("plan", lifecycle::ROLLBACK, spec.plans.keys());
        problems.add(format!("{path}.onFailure"), message);
    }
}

pub(super) fn triggers(spec: &FrameworkSpec, problems: &mut Problems) {
    for (at, trigger) in spec.triggers.iter().enumerate() {
        let path = format!("triggers[{at}]");
        if !spec.plans.contains_key(&trigger.plan) {
            let message = unknown("plan", &trigger.plan, spec.plans.keys());
            problems.add(format!("{path}.plan"), message);
        }
        cause(trigger, &path, problems);
        if let Some(when) = &trigger.when {
            condition(when, &format!("{path}.when"), spec, problems);
        }
        for name in trigger.watched_parameters() {
            if spec.parameter(name).is_none() {
                let names = spec.parameters.iter().map(|parameter| &parameter.name);
                problems.add(&path, unknown("parameter", name, names));
            }
        }
    }
}

fn cause(trigger: &Trigger, path: &str, problems: &mut Problems) {
    let causes = usize::from(trigger.when.is_some())
        + usize::from(trigger.parameter.is_some() || !trigger.parameters.is_empty())
        + usize::from(trigger.schedule.is_some());
    if causes != 1 {
        let message = "needs exactly one of `when`, `parameter` (or `parameters`) and `schedule`";
        problems.add(path, message);
    }
    if let Some(schedule) = &trigger.schedule
        && let Err(why) = Schedule::parse(schedule)
    {
        problems.add(format!("{path}.schedule"), why);
    }
}
