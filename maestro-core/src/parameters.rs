//! From what a user wrote to the values that templates see: defaults, types, bounds and rules.
//!
//! The API server does the same with the package's CRD. It is done here too because a snapshot's
//! parameters may differ from the CRD's, a run by hand brings its own, and `maestro render` has
//! no API server.

use crate::framework::{FrameworkSpec, GoDuration, Parameter, ParameterType};
use crate::template::{Scope, cache};
use serde_json::{Map, Value};

/// One thing wrong with a parameter's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameter {parameter}: {message}")]
pub struct ParameterError {
    /// The parameter's name.
    pub parameter: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Fields of an instance's `spec` that are no parameters.
pub const RESERVED: [&str; 2] = ["version", "suspend"];

/// The value of every parameter, as an object for the variable `params`. A parameter without
/// value and default is null, so that `params.x` can always be asked for.
///
/// # Errors
/// Every value that is missing, unknown or not allowed.
pub fn resolve(spec: &FrameworkSpec, given: &Value) -> Result<Value, Vec<ParameterError>> {
    let empty = Map::new();
    let given = given.as_object().unwrap_or(&empty);
    let (mut values, mut errors) = (Map::new(), Vec::new());
    for parameter in &spec.parameters {
        let set = given.get(&parameter.name).filter(|value| !value.is_null());
        let value = set.or(parameter.default.as_ref());
        match value {
            Some(value) => errors.extend(check(parameter, value)),
            None if parameter.required => errors.push(error(parameter, "is required".to_owned())),
            None => {}
        }
        values.insert(parameter.name.clone(), value.cloned().unwrap_or(Value::Null));
    }
    for name in given.keys() {
        if spec.parameter(name).is_none() && !RESERVED.contains(&name.as_str()) {
            let message = format!("there is no such parameter; {}", known(spec));
            errors.push(ParameterError { parameter: name.clone(), message });
        }
    }
    if errors.is_empty() { Ok(Value::Object(values)) } else { Err(errors) }
}

fn known(spec: &FrameworkSpec) -> String {
    let names: Vec<_> = spec.parameters.iter().map(|p| p.name.as_str()).collect();
    format!("known are {}", names.join(", "))
}

fn error(parameter: &Parameter, message: String) -> ParameterError {
    ParameterError { parameter: parameter.name.clone(), message }
}

/// Everything that is wrong with `value` as a value of `parameter`.
#[must_use]
pub fn check(parameter: &Parameter, value: &Value) -> Vec<ParameterError> {
    if let Some(problem) = wrong_type(parameter.kind, value) {
        return vec![error(parameter, problem)];
    }
    let mut problems = Vec::new();
    if !parameter.allowed.is_empty() && !parameter.allowed.contains(value) {
        let allowed: Vec<_> = parameter.allowed.iter().map(Value::to_string).collect();
        problems.push(format!("{value} is not one of {}", allowed.join(", ")));
    }
    if let (ParameterType::Integer | ParameterType::Number, Some(number)) =
        (parameter.kind, value.as_f64())
    {
        if let Some(minimum) = parameter.minimum.filter(|minimum| number < *minimum) {
            problems.push(format!("{value} is less than {minimum}"));
        }
        if let Some(maximum) = parameter.maximum.filter(|maximum| number > *maximum) {
            problems.push(format!("{value} is greater than {maximum}"));
        }
    }
    if let (Some(pattern), Some(text)) = (&parameter.pattern, value.as_str()) {
        match cache::pattern(pattern) {
            Ok(regex) if !regex.is_match(text) => {
                problems.push(format!("{text:?} does not match {pattern}"));
            }
            Ok(_) => {}
            Err(error) => problems.push(format!("its pattern is not valid: {error}")),
        }
    }
    if let Some(rule) = &parameter.rule {
        problems.extend(broken_rule(parameter, rule, value));
    }
    problems.into_iter().map(|problem| error(parameter, problem)).collect()
}

fn broken_rule(parameter: &Parameter, rule: &str, value: &Value) -> Option<String> {
    let expression = match cache::expression(rule) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("its rule does not compile: {error}")),
    };
    // A transition rule speaks of a change; a single value cannot break it.
    if expression.variables().any(|variable| variable == "oldSelf") {
        return None;
    }
    match expression.truth(&Scope::new().with("self", value.clone())) {
        Ok(true) => None,
        Ok(false) => {
            let message = parameter.message.clone();
            Some(message.unwrap_or_else(|| format!("{value} breaks the rule {rule}")))
        }
        Err(error) => Some(format!("its rule fails: {error}")),
    }
}

fn wrong_type(kind: ParameterType, value: &Value) -> Option<String> {
    let fits = match kind {
        ParameterType::String => value.is_string(),
        ParameterType::Integer => value.is_i64() || value.is_u64(),
        ParameterType::Number => value.is_number(),
        ParameterType::Boolean => value.is_boolean(),
        ParameterType::Array => value.is_array(),
        ParameterType::Object => value.is_object(),
        ParameterType::Quantity => value.is_number() || value.as_str().is_some_and(is_quantity),
        ParameterType::Duration => {
            return match value.as_str().map(str::parse::<GoDuration>) {
                Some(Ok(_)) => None,
                Some(Err(error)) => Some(error.to_string()),
                None => Some(format!("{value} is not a duration such as \"90s\"")),
            };
        }
    };
    (!fits).then(|| format!("{value} is not of type {}", kind.as_str()))
}

/// The pattern of a quantity, as `apimachinery/pkg/api/resource` defines it.
pub(crate) const QUANTITY_PATTERN: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

fn is_quantity(text: &str) -> bool {
    static QUANTITY: std::sync::LazyLock<Option<regex::Regex>> =
        std::sync::LazyLock::new(|| regex::Regex::new(QUANTITY_PATTERN).ok());
    QUANTITY.as_ref().is_some_and(|quantity| quantity.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec() -> FrameworkSpec {
        serde_json::from_value(json!({
            "names": {"kind": "Db", "plural": "dbs"},
            "version": "1.0.0",
            "parameters": [
                {"name": "nodes", "type": "integer", "default": 3, "minimum": 3, "maximum": 9,
                 "rule": "self % 2 == 1", "message": "an odd number keeps a quorum"},
                {"name": "memory", "type": "quantity", "default": "1Gi"},
                {"name": "tick", "type": "duration"},
                {"name": "mode", "type": "string", "required": true, "enum": ["a", "b"]},
                {"name": "host", "type": "string", "pattern": "^[a-z]+$"}
            ]
        }))
        .expect("a spec")
    }

    #[test]
    fn fills_in_defaults_and_refuses_what_breaks_a_parameter() {
        let check = |given: Value, expected: Result<Value, &str>| {
            let resolved = resolve(&spec(), &given).map_err(|errors| errors[0].to_string());
            assert_eq!(resolved, expected.map_err(str::to_owned), "{given}");
        };
        check(
            json!({"mode": "a", "version": "1.0.0"}),
            Ok(json!({"nodes": 3, "memory": "1Gi", "tick": null, "mode": "a", "host": null})),
        );
        check(json!({}), Err("parameter mode: is required"));
        check(json!({"mode": "c"}), Err("parameter mode: \"c\" is not one of \"a\", \"b\""));
        check(
            json!({"mode": "a", "nodes": 4}),
            Err("parameter nodes: an odd number keeps a quorum"),
        );
        check(json!({"mode": "a", "nodes": 11}), Err("parameter nodes: 11 is greater than 9"));
        check(
            json!({"mode": "a", "nodes": "3"}),
            Err("parameter nodes: \"3\" is not of type integer"),
        );
        check(
            json!({"mode": "a", "memory": "1Gb"}),
            Err("parameter memory: \"1Gb\" is not of type quantity"),
        );
        check(
            json!({"mode": "a", "host": "A"}),
            Err("parameter host: \"A\" does not match ^[a-z]+$"),
        );
        check(
            json!({"mode": "a", "nods": 3}),
            Err("parameter nods: there is no such parameter; \
                 known are nodes, memory, tick, mode, host"),
        );
    }
}
