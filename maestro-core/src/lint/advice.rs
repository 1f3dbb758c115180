//! What works but will be regretted: endless steps, names that nothing uses, missing plans.

use super::{Problems, key};
use crate::framework::{FrameworkSpec, ParameterType, Task, lifecycle};
use std::collections::BTreeSet;

pub(super) fn check(spec: &FrameworkSpec, problems: &mut Problems) {
    endless(spec, problems);
    unused(spec, problems);
    parameters(spec, problems);
    if spec.app_version.is_none() {
        problems.add("appVersion", "is missing; objects get no app.kubernetes.io/version label");
    }
    if spec.health.is_none() {
        problems.add("health", "is missing; Ready only says that every object is healthy");
    }
    for plan in [lifecycle::UPGRADE, lifecycle::ROLLBACK] {
        if !spec.plans.contains_key(plan) {
            problems.add("plans", format!("there is no plan {plan:?}; another stands in for it"));
        }
    }
}

fn endless(spec: &FrameworkSpec, problems: &mut Problems) {
    for (name, plan) in &spec.plans {
        for (p, phase) in plan.phases.iter().enumerate() {
            for (s, step) in phase.steps.iter().enumerate() {
                if step.timeout.is_none() && !step.pause {
                    let path = format!("{}.phases[{p}].steps[{s}]", key("plans", name));
                    problems.add(path, "has no timeout, so it may wait for ever");
                }
            }
        }
    }
}

fn unused(spec: &FrameworkSpec, problems: &mut Problems) {
    let steps = spec.plans.values().flat_map(|plan| &plan.phases).flat_map(|phase| &phase.steps);
    let tasks: BTreeSet<&str> = steps.flat_map(|step| &step.tasks).map(String::as_str).collect();
    let templates: BTreeSet<&str> = spec.tasks.values().flat_map(Task::templates).collect();
    for name in spec.tasks.keys().filter(|name| !tasks.contains(name.as_str())) {
        problems.add(key("tasks", name), "is in no step of any plan");
    }
    for name in spec.templates.keys().filter(|name| !templates.contains(name.as_str())) {
        problems.add(key("templates", name), "is in no task");
    }
}

fn parameters(spec: &FrameworkSpec, problems: &mut Problems) {
    for (at, parameter) in spec.parameters.iter().enumerate() {
        let path = format!("parameters[{at}]");
        if parameter.description.is_none() {
            problems.add(&path, format!("{:?} has no description", parameter.name));
        }
        let open = matches!(parameter.kind, ParameterType::Array | ParameterType::Object);
        if open && parameter.schema.is_none() {
            problems.add(&path, format!("{:?} has no schema; anything fits", parameter.name));
        }
        if parameter.required && parameter.default.is_some() {
            problems.add(&path, format!("{:?} is required and has a default", parameter.name));
        }
    }
}
