//! Every expression compiles and refers only to what exists.

use super::{Problems, key};
use crate::framework::FrameworkSpec;
use crate::template::{
    CONDITION_VARIABLES, Expression, TEMPLATE_VARIABLES, Template, Templates, Text,
};

/// "there is no plan "x"; known are …".
pub(super) fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a String>,
) -> String {
    let known: Vec<_> = known.map(String::as_str).collect();
    if known.is_empty() {
        return format!("there is no {what} {name:?}, nor any other");
    }
    format!("there is no {what} {name:?}; known are {}", known.join(", "))
}

/// Compiles one expression and checks its variables, and its parameters where `spec` is given.
pub(super) fn compile(
    source: &str,
    path: &str,
    variables: &[&str],
    spec: Option<&FrameworkSpec>,
    problems: &mut Problems,
) {
    match Expression::compile(source) {
        Ok(expression) => {
            for message in dangling(&expression, variables, spec) {
                problems.add(path, message);
            }
        }
        Err(error) => {
            let message = format!("column {} of `{source}`: {error}", error.column);
            problems.add(path, message);
        }
    }
}

/// What an expression refers to that does not exist.
fn dangling(
    expression: &Expression,
    variables: &[&str],
    spec: Option<&FrameworkSpec>,
) -> Vec<String> {
    let mut messages = Vec::new();
    for variable in expression.variables() {
        if !variables.contains(&variable) {
            let known = variables.join(", ");
            messages.push(format!("there is no variable {variable:?}; known are {known}"));
        }
    }
    let Some(spec) = spec else { return messages };
    for field in expression.fields_of("params") {
        if spec.parameter(field).is_none() {
            let names = spec.parameters.iter().map(|parameter| &parameter.name);
            messages.push(unknown("parameter", field, names));
        }
    }
    messages
}

/// A condition, which sees the observed objects besides the templates' variables.
pub(super) fn condition(source: &str, path: &str, spec: &FrameworkSpec, problems: &mut Problems) {
    let variables: Vec<_> =
        TEMPLATE_VARIABLES.iter().chain(&CONDITION_VARIABLES).copied().collect();
    compile(source, path, &variables, Some(spec), problems);
}

/// A string in which `${…}` may stand.
pub(super) fn text(source: &str, path: &str, spec: &FrameworkSpec, problems: &mut Problems) {
    match Text::compile(source) {
        Ok(text) => {
            for expression in text.expressions() {
                for message in dangling(expression, &TEMPLATE_VARIABLES, Some(spec)) {
                    problems.add(path, message);
                }
            }
        }
        Err(error) => problems.add(path, error.to_string()),
    }
}

/// Templates; those that compile are handed on.
pub(super) fn templates(spec: &FrameworkSpec, problems: &mut Problems) -> Templates {
    let mut found = Vec::new();
    for (name, source) in &spec.templates {
        let path = key("templates", name);
        match Template::compile(name, source) {
            Ok(template) => {
                for (line, column, expression) in template.placed_expressions() {
                    for message in dangling(expression, &TEMPLATE_VARIABLES, Some(spec)) {
                        problems.add_at(&path, (line, column), message);
                    }
                }
                found.push(template);
            }
            Err(error) => problems.add_at(path, (error.line, error.column), error.message),
        }
    }
    found.into_iter().collect()
}

/// Health and connection.
pub(super) fn rest(spec: &FrameworkSpec, problems: &mut Problems) {
    if let Some(health) = &spec.health {
        condition(&health.ready, "health.ready", spec, problems);
    }
    if let Some(connection) = &spec.connection {
        condition(connection, "connection", spec, problems);
    }
}
