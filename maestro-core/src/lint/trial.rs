//! A trial: every template is rendered once with default parameters, and must give objects.

use super::{Problems, key};
use crate::framework::{FrameworkSpec, PACKAGE_GROUP, ParameterType, Task, VERSION};
use crate::parameters::resolve;
use crate::template::{Run, Templates, scope};
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
    let run = Run { plan: "deploy", phase: "trial", step: "trial" };
    let scope = scope("sample", spec, &instance, &params, run);
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
