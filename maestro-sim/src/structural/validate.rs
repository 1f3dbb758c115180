//! A whole object against its schema: types, constraints, lists, then CEL rules.
//!
//! The valid case walks once and allocates nothing. Only when an update has errors is it walked
//! again with the old object beside it, because errors in unchanged parts are let pass
//! (KEP-4008, ratcheting).

use super::path::Path;
use super::problem::Problem;
use super::{cel, constraint, list};
use crate::api::status::Cause;
use crate::json::Value;
use crate::schema::{Kind, Schema};

/// Everything wrong with a whole object; on an update, `old` is what is stored. What is wrong with
/// it `beside` the schema is told after what the schema finds, before what its rules say.
pub fn validate(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    beside: Vec<Cause>,
) -> Vec<Cause> {
    let path = Path::root("");
    let mut out = Vec::new();
    shape(schema, value, &path, &mut out);
    lists(schema, value, &path, &mut out);
    if let (false, Some(old)) = (out.is_empty(), old) {
        out.clear();
        changed(schema, value, Some(old), &path, &mut out, &shape_here);
        changed(schema, value, Some(old), &path, &mut out, &lists_here);
    }
    out.extend(beside);
    if !out.iter().any(is_blocking) {
        cel::check(schema, value, old, &path, &mut out);
    } else if has_rules(schema) {
        let text = "some validation rules were not checked because the object was invalid; \
                    correct the existing errors to complete validation";
        out.push(Problem::skipped(text));
    }
    out
}

/// What is wrong with a default: its types and constraints, and when these are right its rules,
/// as if it had been so before and as if it were new. A place in it is told as if the whole were
/// an object; rules tell it as what it is.
///
/// Source: `ValidateDefaults` of `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting`.
pub fn of_default(limits: &Schema, rules: &Schema, value: &Value, at: &str) -> Vec<Cause> {
    let mut out = Vec::new();
    shape(limits, value, &Path::root(""), &mut out);
    if !out.is_empty() {
        // The place of a key says that it is one, that of a field of the whole does not.
        let is_key = |field: &str| {
            let first = field.split(['.', '[']).next().unwrap_or_default();
            limits.additional.is_some() && !first.is_empty()
        };
        let whole = |cause: Cause| {
            let (field, told) = (&cause.field, format!("{} in body", cause.field));
            Cause {
                field: match field.as_str() {
                    "" | "<nil>" => at.to_owned(),
                    within => format!("{at}.{within}"),
                },
                message: match is_key(field) {
                    true => cause.message.replacen(&told, &format!(".{told}"), 1),
                    false => cause.message,
                },
                ..cause
            }
        };
        return out.into_iter().map(whole).collect();
    }
    for old in [Some(value), None] {
        if out.is_empty() {
            cel::check(rules, value, old, &Path::root(at), &mut out);
        }
    }
    out
}

/// Whether there is a rule in CEL anywhere in a schema.
fn has_rules(schema: &Schema) -> bool {
    let below = schema.properties.values().chain(&schema.additional).chain(&schema.items);
    !schema.rules.is_empty() || below.into_iter().any(|child| has_rules(child))
}

/// Errors after which CEL could not rely on types and sizes.
fn is_blocking(cause: &Cause) -> bool {
    matches!(
        cause.reason.as_str(),
        "FieldValueNotSupported"
            | "FieldValueRequired"
            | "FieldValueTooLong"
            | "FieldValueTooMany"
            | "FieldValueTypeInvalid"
    )
}

/// Types and constraints of `value` and all below it.
pub(super) fn shape(schema: &Schema, value: &Value, path: &Path, out: &mut Vec<Cause>) {
    if !shape_here(schema, value, path, out) {
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, field) in map {
                if let Some(child) = schema.field(name) {
                    shape(child, field, &path.field(name), out);
                }
            }
        }
        Value::Array(items) => {
            let Some(child) = &schema.items else { return };
            for (index, item) in items.iter().enumerate() {
                shape(child, item, &path.index(index), out);
            }
        }
        _ => {}
    }
}

/// Checks one node; whether it makes sense to look below it.
fn shape_here(schema: &Schema, value: &Value, path: &Path, out: &mut Vec<Cause>) -> bool {
    // Where only some values are right, one of another type is none of them either.
    let not_among = || {
        let limits = schema.constraints.as_ref();
        limits.and_then(|limits| constraint::not_among(limits, value, path))
    };
    if value.is_null() && schema.nullable {
        out.extend(not_among());
        return false;
    }
    if !has_type(schema.kind, value) {
        if is_let_pass(schema, value) {
            return false;
        }
        // Of what is no text the format is told, where one is wanted.
        let (wanted, actual) = match (schema.format(), value) {
            (None, _) | (_, Value::String(_) | Value::Array(_) | Value::Null) => {
                (kind_name(schema.kind), type_name(value))
            }
            (Some(format), Value::Number(number)) if number.is_f64() => (format, "double"),
            (Some(format), Value::Number(_)) => (format, "int64"),
            (Some(format), _) => (format, ""),
        };
        let text = format!("{path} in body must be of type {wanted}: \"{actual}\"");
        out.push(Problem::wrong_type(path, &actual.into(), &text));
        out.extend(not_among());
        return false;
    }
    if let Value::Object(map) = value {
        for name in schema.required.iter().filter(|name| !map.contains_key(name.as_ref())) {
            out.push(Problem::required(&path.field(name), ""));
        }
    }
    if let Some(limits) = &schema.constraints {
        constraint::check(limits, value, path, out);
    }
    true
}

/// Whether a text or a list is taken where something of a format is wanted that is no number,
/// whatever its type, as the real validator does.
///
/// Source: `type.go` of `k8s.io/kube-openapi/pkg/validation/validate`.
fn is_let_pass(schema: &Schema, value: &Value) -> bool {
    schema.format().is_some()
        && !matches!(schema.kind, Kind::Integer | Kind::Number)
        && (value.is_string() || value.is_array())
}

fn has_type(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Any => true,
        Kind::Object => value.is_object(),
        Kind::Array => value.is_array(),
        Kind::String => value.is_string(),
        Kind::Boolean => value.is_boolean(),
        Kind::Number => value.is_number(),
        Kind::Integer => is_integer(value),
        Kind::IntOrString => value.is_string() || is_integer(value),
    }
}

/// `3.0` is an integer, as in JSON schema.
fn is_integer(value: &Value) -> bool {
    match value {
        Value::Number(n) => {
            n.is_i64() || n.is_u64() || n.as_f64().is_some_and(|f| f.fract() == 0.0)
        }
        _ => false,
    }
}

/// What a type is called where values of another are refused.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Any => "",
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::String => "string",
        Kind::Boolean => "boolean",
        Kind::Number => "number",
        Kind::Integer => "integer",
        Kind::IntOrString => "integer,string",
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Items that repeat, in `value` and all below it.
fn lists(schema: &Schema, value: &Value, path: &Path, out: &mut Vec<Cause>) {
    match value {
        Value::Object(map) => {
            for (name, field) in map {
                if let Some(child) = schema.properties.get(name.as_str()) {
                    lists(child, field, &path.field(name), out);
                } else if let Some(child) = &schema.additional {
                    lists(child, field, &path.key(name), out);
                }
            }
        }
        Value::Array(items) => {
            list::duplicates(schema, items, path, out);
            let Some(child) = &schema.items else { return };
            for (index, item) in items.iter().enumerate() {
                lists(child, item, &path.index(index), out);
            }
        }
        _ => {}
    }
}

fn lists_here(schema: &Schema, value: &Value, path: &Path, out: &mut Vec<Cause>) -> bool {
    if let Value::Array(items) = value {
        list::duplicates(schema, items, path, out);
    }
    true
}

type Check<'c> = &'c dyn Fn(&Schema, &Value, &Path, &mut Vec<Cause>) -> bool;

/// Runs a check on every node that an update changed.
fn changed(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &Path,
    out: &mut Vec<Cause>,
    check: Check,
) {
    if old == Some(value) || !check(schema, value, path, out) {
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, field) in map {
                let Some(child) = schema.field(name) else { continue };
                let before = old.and_then(|o| o.get(name));
                changed(child, field, before, &path.field(name), out, check);
            }
        }
        Value::Array(items) => {
            let Some(child) = &schema.items else { return };
            for (index, item) in items.iter().enumerate() {
                let before = list::before(schema, old, item);
                changed(child, item, before, &path.index(index), out, check);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
