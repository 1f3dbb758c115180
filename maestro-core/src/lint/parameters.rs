//! Parameters and the scale mapping.

use super::{Problems, expressions};
use crate::framework::{FrameworkSpec, Parameter, ParameterType};
use crate::parameters::{RESERVED, check as check_value};
use std::collections::BTreeSet;

pub(super) fn check(spec: &FrameworkSpec, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (at, parameter) in spec.parameters.iter().enumerate() {
        let path = format!("parameters[{at}]");
        if !seen.insert(&parameter.name) {
            let message = format!("there are two parameters {:?}", parameter.name);
            problems.add(format!("{path}.name"), message);
        }
        name(parameter, &path, problems);
        bounds(parameter, &path, problems);
        values(parameter, &path, problems);
        if let Some(plan) = &parameter.on_change
            && !spec.plans.contains_key(plan)
        {
            let message = expressions::unknown("plan", plan, spec.plans.keys());
            problems.add(format!("{path}.onChange"), message);
        }
    }
    scale(spec, problems);
}

fn name(parameter: &Parameter, path: &str, problems: &mut Problems) {
    let name = &parameter.name;
    let fine = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric());
    if !fine {
        let message = format!("{name:?} is not lowerCamelCase, as in tickTime");
        problems.add(format!("{path}.name"), message);
    }
    if RESERVED.contains(&name.as_str()) {
        let message = format!("{name:?} is a field that every instance has already");
        problems.add(format!("{path}.name"), message);
    }
}

fn bounds(parameter: &Parameter, path: &str, problems: &mut Problems) {
    let numeric = matches!(parameter.kind, ParameterType::Integer | ParameterType::Number);
    for (field, set) in
        [("minimum", parameter.minimum.is_some()), ("maximum", parameter.maximum.is_some())]
    {
        if set && !numeric {
            let message = format!(
                "only an integer or a number has bounds, not a {}",
                parameter.kind.as_str()
            );
            problems.add(format!("{path}.{field}"), message);
        }
    }
    if let (Some(minimum), Some(maximum)) = (parameter.minimum, parameter.maximum)
        && minimum > maximum
    {
        let message = format!("no number is at least {minimum} and at most {maximum}");
        problems.add(format!("{path}.minimum"), message);
    }
    if let Some(pattern) = &parameter.pattern {
        if parameter.kind != ParameterType::String {
            problems.add(format!("{path}.pattern"), "only a string has a pattern");
        } else if let Err(error) = regex::Regex::new(pattern) {
            problems.add(format!("{path}.pattern"), format!("not a regular expression: {error}"));
        }
    }
    let structured = matches!(parameter.kind, ParameterType::Array | ParameterType::Object);
    if parameter.schema.is_some() && !structured {
        problems.add(format!("{path}.schema"), "only an array or an object has its own schema");
    }
    if parameter.message.is_some() && parameter.rule.is_none() {
        problems.add(format!("{path}.message"), "there is no rule that could give this message");
    }
}

fn values(parameter: &Parameter, path: &str, problems: &mut Problems) {
    let mut rule_compiles = true;
    if let Some(rule) = &parameter.rule {
        let before = problems.0.len();
        let known = ["self", "oldSelf"];
        expressions::compile(rule, &format!("{path}.rule"), &known, None, problems);
        rule_compiles = problems.0.len() == before;
    }
    let bare = Parameter { allowed: Vec::new(), rule: None, ..parameter.clone() };
    for (at, value) in parameter.allowed.iter().enumerate() {
        for error in check_value(&bare, value) {
            problems.add(format!("{path}.enum[{at}]"), error.message);
        }
    }
    if let Some(default) = &parameter.default
        && rule_compiles
    {
        for error in check_value(parameter, default) {
            problems.add(format!("{path}.default"), error.message);
        }
    }
}

fn scale(spec: &FrameworkSpec, problems: &mut Problems) {
    let Some(scale) = &spec.scale else { return };
    match spec.parameter(&scale.parameter) {
        Some(parameter) if parameter.kind != ParameterType::Integer => {
            let message = format!("{:?} is not an integer", scale.parameter);
            problems.add("scale.parameter", message);
        }
        Some(_) => {}
        None => {
            let names = spec.parameters.iter().map(|parameter| &parameter.name);
            let message = expressions::unknown("parameter", &scale.parameter, names);
            problems.add("scale.parameter", message);
        }
    }
    if let Some(selector) = &scale.selector {
        expressions::text(selector, "scale.selector", spec, problems);
    }
}
