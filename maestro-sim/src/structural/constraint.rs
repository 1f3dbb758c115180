//! What a value must satisfy besides its type, with the texts of the server's OpenAPI validator.
//!
//! Source of the texts: `k8s.io/kube-openapi/pkg/validation/errors`.

use super::path::Path;
use super::problem::Problem;
use super::{cache, format, validate};
use crate::api::status::Cause;
use crate::json::{Number, Value};
use crate::schema::{Constraints, Schema};

/// Adds a cause for each constraint that `value` breaks.
pub(super) fn check(limits: &Constraints, value: &Value, path: &Path, out: &mut Vec<Cause>) {
    out.extend(not_among(limits, value, path));
    match value {
        Value::String(text) => string(limits, text, value, path, out),
        Value::Number(n) => number(limits, n, value, path, out),
        Value::Array(list) => {
            if let Some(max) = limits.max_items.filter(|max| list.len() as u64 > *max) {
                out.push(Problem::too_many(path, list.len(), max));
            }
            if let Some(min) = limits.min_items.filter(|min| (list.len() as u64) < *min) {
                let detail = format!("{path} in body should have at least {min} items");
                out.push(Problem::invalid(path, &list.len().into(), &detail));
            }
            if limits.unique_items && list.iter().enumerate().any(|(i, v)| list[..i].contains(v)) {
                let detail = format!("{path} in body shouldn't contain duplicates");
                out.push(Problem::invalid(path, value, &detail));
            }
        }
        Value::Object(map) => {
            for name in map.keys().filter(|_| limits.closed) {
                let detail = format!("{} in body is a forbidden property", path.field(name));
                out.push(Problem::invalid(path, &name.as_str().into(), &detail));
            }
            if let Some(max) = limits.max_properties.filter(|max| map.len() as u64 > *max) {
                out.push(Problem::too_many(path, map.len(), max));
            }
            if let Some(min) = limits.min_properties.filter(|min| (map.len() as u64) < *min) {
                let detail = format!("{path} in body should have at least {min} properties");
                out.push(Problem::invalid(path, &map.len().into(), &detail));
            }
        }
        _ => {}
    }
    junctors(limits, value, path, out);
}

/// What is wrong with a value that is none of those that are allowed, if only some are.
pub(super) fn not_among(limits: &Constraints, value: &Value, path: &Path) -> Option<Cause> {
    let allowed = &limits.one_of;
    if allowed.is_empty() || allowed.contains(value) {
        return None;
    }
    let cause = unsupported(allowed, value, path);
    // A null is not quoted here.
    Some(Cause { message: cause.message.replacen("\"null\"", "null", 1), ..cause })
}

fn unsupported(allowed: &[Value], value: &Value, path: &Path) -> Cause {
    let texts: Vec<String> =
        allowed.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
    Problem::not_supported(path, value, texts.iter().map(String::as_str))
}

fn string(limits: &Constraints, text: &str, value: &Value, path: &Path, out: &mut Vec<Cause>) {
    if let Some(problem) = size_or_pattern(limits, text, value, path) {
        out.push(problem);
    }
    if let Some(name) = &limits.format
        && !format::accepts(name, text)
    {
        let detail = format!("{path} in body must be of type {name}: {text:?}");
        out.push(Problem::wrong_type(path, value, &detail));
    }
}

/// The first of a text's limits that it does not keep.
fn size_or_pattern(limits: &Constraints, text: &str, value: &Value, path: &Path) -> Option<Cause> {
    if limits.max_length.is_some() || limits.min_length.is_some() {
        let length = text.chars().count() as u64;
        if let Some(max) = limits.max_length.filter(|max| length > *max) {
            return Some(Problem::too_long(path, max));
        }
        if let Some(min) = limits.min_length.filter(|min| length < *min) {
            let detail = format!("{path} in body should be at least {min} chars long");
            return Some(Problem::invalid(path, value, &detail));
        }
    }
    let pattern = limits.pattern.as_ref().filter(|pattern| !cache::matches(pattern, text))?;
    let detail = format!("{path} in body should match '{pattern}'");
    Some(Problem::invalid(path, value, &detail))
}

fn number(limits: &Constraints, n: &Number, value: &Value, path: &Path, out: &mut Vec<Cause>) {
    let Some(x) = n.as_f64() else { return };
    let mut say = |detail: String| out.push(Problem::invalid(path, value, &detail));
    if let Some(max) = limits.maximum {
        if limits.exclusive_maximum && x >= max {
            say(format!("{path} in body should be less than {max}"));
        } else if x > max {
            say(format!("{path} in body should be less than or equal to {max}"));
        }
    }
    if let Some(min) = limits.minimum {
        if limits.exclusive_minimum && x <= min {
            say(format!("{path} in body should be greater than {min}"));
        } else if x < min {
            say(format!("{path} in body should be greater than or equal to {min}"));
        }
    }
    if let Some(step) = limits.multiple_of.filter(|step| *step > 0.0)
        && (x / step).fract() != 0.0
    {
        say(format!("{path} in body should be a multiple of {step}"));
    }
    if let Some(name) = limits.format.as_deref() {
        let fits = match name {
            "int32" => n.as_i64().is_none_or(|i| i32::try_from(i).is_ok()),
            "int64" => n.as_u64().is_none_or(|u| i64::try_from(u).is_ok()),
            _ => true,
        };
        if !fits {
            let detail = format!("{path} in body must be of type {name}: \"{value}\"");
            out.push(Problem::invalid(path, value, &detail));
        }
    }
}

/// The errors of `value` under one schema of an `allOf`, `anyOf`, `oneOf` or `not`.
fn under(schema: &Schema, value: &Value, path: &Path) -> Vec<Cause> {
    let mut found = Vec::new();
    validate::shape(schema, value, path, &mut found);
    found
}

fn junctors(limits: &Constraints, value: &Value, path: &Path, out: &mut Vec<Cause>) {
    // The server reports these against no field; the text names it.
    let nowhere = Path::root("<nil>");
    let empty = Value::from(String::new());
    let mut say = |text: String, more: Vec<Cause>| {
        out.push(Problem::invalid(&nowhere, &empty, &text));
        out.extend(more);
    };
    if !limits.any_of.is_empty() {
        let found = fewest(&limits.any_of, value, path);
        if !found.is_empty() {
            say(format!("\"{path}\" must validate at least one schema (anyOf)"), found);
        }
    }
    if !limits.exactly_one_of.is_empty() {
        let valid =
            limits.exactly_one_of.iter().filter(|s| under(s, value, path).is_empty()).count();
        let text = format!("\"{path}\" must validate one and only one schema (oneOf).");
        match valid {
            0 => {
                let found = fewest(&limits.exactly_one_of, value, path);
                say(format!("{text} Found none valid"), found);
            }
            1 => {}
            many => say(format!("{text} Found {many} valid alternatives"), Vec::new()),
        }
    }
    if !limits.all_of.is_empty() {
        let found: Vec<Cause> = limits.all_of.iter().flat_map(|s| under(s, value, path)).collect();
        if !found.is_empty() {
            let valid = limits.all_of.iter().any(|s| under(s, value, path).is_empty());
            let none = if valid { "" } else { ". None validated" };
            say(format!("\"{path}\" must validate all the schemas (allOf){none}"), found);
        }
    }
    if let Some(schema) = &limits.not
        && under(schema, value, path).is_empty()
    {
        say(format!("\"{path}\" must not validate the schema (not)"), Vec::new());
    }
}

/// Nothing when one of the schemas holds, else the errors of the one that came closest.
fn fewest(schemas: &[Schema], value: &Value, path: &Path) -> Vec<Cause> {
    let mut best: Option<Vec<Cause>> = None;
    for schema in schemas {
        let found = under(schema, value, path);
        if found.is_empty() {
            return found;
        }
        if best.as_ref().is_none_or(|b| found.len() < b.len()) {
            best = Some(found);
        }
    }
    best.unwrap_or_default()
}
