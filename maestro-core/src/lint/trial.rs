//! A trial: every template is rendered once with default parameters, and must give objects.

use super::{Problems, key};
use crate::framework::{FrameworkSpec, PACKAGE_GROUP, ParameterType, Task, VERSION};
use crate::parameters::resolve;
use crate::template::{Expression, Fact, Facts, POD_FACTS, Run, Scope, Templates, scope};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) fn check(spec: &FrameworkSpec, templates: &Templates, problems: &mut Problems) {
    let Ok(params) = resolve(spec, &sample(spec)) else { return };
    let instance = json!({
        "apiVersion": format!("{PACKAGE_GROUP}/{VERSION}"),
        "kind": spec.names.kind,
        "metadata": {
            "name": "sample", "namespace": "default", "uid": "sample", "generation": 1,
            "resourceVersion": "1",
        },
        "spec": params,
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "sample-0", "namespace": "default", "labels": {}},
        "spec": {}, "status": {"phase": "Running", "conditions": []},
    });
    let run = Run { plan: "deploy", phase: "trial", step: "trial" };
    let mut scope = scope("sample", spec, &instance, &params, run);
    let mut rendered = BTreeMap::new();
    for name in spec.templates.keys() {
        let Some(template) = templates.get(name) else { continue };
        match template.render(&scope) {
            Ok(objects) => {
                objects_of(name, &objects, problems);
                rendered.insert(name.as_str(), objects);
            }
            Err(error) => problems.add_at(
                key("templates", name),
                (error.line, error.column),
                format!("with default parameters: {}", error.message),
            ),
        }
    }
    twice(spec, &rendered, problems);
    let facts = Facts { names: &POD_FACTS, of: Box::new(sample_fact) };
    scope.lend_known("pods", vec![&pod], facts);
    let objects: Vec<&Value> = rendered.values().flatten().collect();
    scope.set("objects", json!(objects)).lend("self", &instance);
    conditions(spec, &scope, problems);
}

/// Everything that a condition may find about a pod, so that every comparison is made once.
fn sample_fact(_: &Value, name: &str) -> Option<Fact> {
    let hour = std::time::Duration::from_secs(3600);
    match name {
        "name" => Some(Fact::Text("sample-0".to_owned())),
        "phase" => Some(Fact::Text("Running".to_owned())),
        "ready" => Some(Fact::Truth(false)),
        "restarts" => Some(Fact::Number(0)),
        "failedFor" | "stuckFor" => Some(Fact::Duration(hour)),
        _ => None,
    }
}

/// Conditions are evaluated once over what was rendered. That something is not there yet is no
/// mistake; a value of the wrong type, or a comparison that cannot be made, is one.
fn conditions(spec: &FrameworkSpec, scope: &Scope<'_>, problems: &mut Problems) {
    for (path, source, wanted) in places(spec) {
        let Ok(expression) = Expression::compile(source) else { continue };
        let message = match (expression.evaluate(scope), wanted) {
            (Ok(Some(Value::Bool(_))), Wanted::Truth) => continue,
            (Ok(Some(Value::Array(names))), Wanted::Names)
                if names.iter().all(Value::is_string) =>
            {
                continue;
            }
            (Ok(value), wanted) => {
                let value = value.unwrap_or_default();
                format!("gives {value}, not {}", wanted.text())
            }
            (Err(error), _) if error.to_string().contains("overload") => error.to_string(),
            (Err(_), _) => continue,
        };
        problems.add(path, message);
    }
}

#[derive(Clone, Copy)]
enum Wanted {
    Truth,
    Names,
}

impl Wanted {
    fn text(self) -> &'static str {
        match self {
            Self::Truth => "true or false",
            Self::Names => "a list of names",
        }
    }
}

/// Every expression that must give a truth or a list of names, with its path.
fn places(spec: &FrameworkSpec) -> Vec<(String, &str, Wanted)> {
    let mut found = Vec::new();
    for (at, trigger) in spec.triggers.iter().enumerate() {
        let when = trigger.when.as_deref();
        found.extend(when.map(|when| (format!("triggers[{at}].when"), when, Wanted::Truth)));
    }
    let health = spec.health.as_ref().map(|health| health.ready.as_str());
    found.extend(health.map(|ready| ("health.ready".to_owned(), ready, Wanted::Truth)));
    for (name, task) in &spec.tasks {
        let path = |field: &str| format!("{}.{}.{field}", key("tasks", name), task.kind());
        match task {
            Task::Toggle(toggle) => found.push((path("when"), &toggle.when, Wanted::Truth)),
            Task::Wait(wait) => {
                let until = wait.until.as_deref();
                found.extend(until.map(|until| (path("until"), until, Wanted::Truth)));
            }
            Task::Replace(replace) => found.push((path("pods"), &replace.pods, Wanted::Names)),
            _ => {}
        }
    }
    for (name, plan) in &spec.plans {
        for (phase_at, phase) in plan.phases.iter().enumerate() {
            for (at, step) in phase.steps.iter().enumerate() {
                let path = format!("{}.phases[{phase_at}].steps[{at}]", key("plans", name));
                for (field, text) in [("when", &step.when), ("ready", &step.ready)] {
                    let text = text.as_deref();
                    found.extend(text.map(|t| (format!("{path}.{field}"), t, Wanted::Truth)));
                }
            }
        }
    }
    found
}

/// A value for each parameter that has no default but must be set.
fn sample(spec: &FrameworkSpec) -> Value {
    let mut given = Map::new();
    for parameter in spec.parameters.iter().filter(|p| p.required && p.default.is_none()) {
        let value = parameter.allowed.first().cloned().unwrap_or_else(|| match parameter.kind {
            ParameterType::String => json!("sample"),
            ParameterType::Integer => {
                #[allow(clippy::cast_possible_truncation)]
                let least = parameter.minimum.unwrap_or(1.0).ceil() as i64;
                json!(least)
            }
            ParameterType::Number => json!(parameter.minimum.unwrap_or(1.0)),
            ParameterType::Boolean => json!(true),
            ParameterType::Quantity => json!("1"),
            ParameterType::Duration => json!("1m"),
            ParameterType::Array => json!([]),
            ParameterType::Object => json!({}),
        });
        given.insert(parameter.name.clone(), value);
    }
    Value::Object(given)
}

fn objects_of(name: &str, objects: &[Value], problems: &mut Problems) {
    for (at, object) in objects.iter().enumerate() {
        for pointer in ["/apiVersion", "/kind", "/metadata/name"] {
            let text = object.pointer(pointer).and_then(Value::as_str);
            if text.is_none_or(str::is_empty) {
                let field = pointer[1..].replace('/', ".");
                let message = format!("object {} has no {field}", at + 1);
                problems.add(key("templates", name), message);
            }
        }
    }
}

/// One apply of two templates with the same object would overwrite the one with the other.
fn twice(spec: &FrameworkSpec, rendered: &BTreeMap<&str, Vec<Value>>, problems: &mut Problems) {
    for (task, kind) in &spec.tasks {
        let Task::Apply(names) = kind else { continue };
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for name in names {
            for object in rendered.get(name.as_str()).into_iter().flatten() {
                let metadata = &object["metadata"];
                let id = format!(
                    "{} {} {}/{}",
                    object["apiVersion"], object["kind"], metadata["namespace"], metadata["name"]
                )
                .replace('"', "");
                if let Some(other) = seen.insert(id.clone(), name) {
                    let message = format!("{id} is in {other} and again in {name}");
                    problems.add(format!("{}.apply", key("tasks", task)), message);
                }
            }
        }
    }
}
