//! Field paths, and the words of `field.Error` in the API server.
//!
//! Source: `k8s.io/apimachinery/pkg/util/validation/field`.

use std::fmt;

use super::text::Problems;
use crate::api::Cause;
use crate::json::Value;

/// Where in a tree something stands. Text is made only when there is something to say.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    /// The tree itself.
    Root,
    /// A field of an object.
    Field(&'a Path<'a>, &'a str),
    /// An item of a list.
    Index(&'a Path<'a>, usize),
    /// A value in a map.
    Key(&'a Path<'a>, &'a str),
}

impl<'a> Path<'a> {
    /// The path of a field below this one.
    pub fn field(&'a self, name: &'a str) -> Path<'a> {
        Path::Field(self, name)
    }

    /// The path of a list item below this one.
    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path::Index(self, index)
    }

    /// The path of a map's value below this one.
    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Field(Path::Root, name) => f.write_str(name),
            Path::Field(parent, name) => write!(f, "{parent}.{name}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
            Path::Key(parent, key) => write!(f, "{parent}[{key}]"),
        }
    }
}

/// A value as the server quotes it in a message.
pub fn quoted(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        other => other.to_string(),
    }
}

fn at(path: &impl fmt::Display, reason: &str, message: String) -> Cause {
    let path = path.to_string();
    let field = if path.is_empty() { "<nil>" } else { &path };
    Cause::new(reason, field, message)
}

/// `field.Invalid`.
pub fn invalid(path: &impl fmt::Display, value: &Value, detail: &str) -> Cause {
    at(path, "FieldValueInvalid", format!("Invalid value: {}: {detail}", quoted(value)))
}

/// `field.Invalid` of a value that the server prints in an order of its own.
pub fn invalid_shown(path: &impl fmt::Display, shown: &str, detail: &str) -> Cause {
    let parts: Vec<&str> = [shown, detail].into_iter().filter(|part| !part.is_empty()).collect();
    at(path, "FieldValueInvalid", format!("Invalid value: {}", parts.join(": ")))
}

/// A struct as the server prints it: its fields in the order of their declaration, those that are
/// not set left out.
pub fn in_order(value: &Value, fields: &[&str]) -> String {
    let shown: Vec<String> = fields
        .iter()
        .filter_map(|name| Some(format!("{:?}:{}", name, set(value, name)?)))
        .collect();
    format!("{{{}}}", shown.join(","))
}

/// A label selector as the server prints it.
pub fn selector(value: &Value) -> String {
    in_order(value, &["matchLabels", "matchExpressions"])
}

/// `field.Required`.
pub fn required(path: &impl fmt::Display, detail: &str) -> Cause {
    let message = match detail {
        "" => "Required value".to_owned(),
        detail => format!("Required value: {detail}"),
    };
    at(path, "FieldValueRequired", message)
}

/// `field.Forbidden`.
pub fn forbidden(path: &impl fmt::Display, detail: &str) -> Cause {
    at(path, "FieldValueForbidden", format!("Forbidden: {detail}"))
}

/// `field.Duplicate`.
pub fn duplicate(path: &impl fmt::Display, value: &Value) -> Cause {
    at(path, "FieldValueDuplicate", format!("Duplicate value: {}", quoted(value)))
}

/// `field.Duplicate` of a value that the server prints in an order of its own.
pub fn duplicate_shown(path: &impl fmt::Display, shown: &str) -> Cause {
    at(path, "FieldValueDuplicate", format!("Duplicate value: {shown}"))
}

/// A list of more than so many.
pub fn too_many(path: &impl fmt::Display, actual: usize, most: usize) -> Cause {
    let items = if most == 1 { "item" } else { "items" };
    let message = format!("Too many: {actual}: must have at most {most} {items}");
    Cause::new("FieldValueTooMany", &path.to_string(), message)
}

/// `field.TooLong`.
pub fn too_long(path: &impl fmt::Display, max: u64) -> Cause {
    let bytes = if max == 1 { "byte" } else { "bytes" };
    at(path, "FieldValueTooLong", format!("Too long: may not be more than {max} {bytes}"))
}

/// `field.NotSupported`.
pub fn not_supported(path: &impl fmt::Display, value: &Value, allowed: &[&str]) -> Cause {
    let allowed: Vec<String> = allowed.iter().map(|a| format!("{a:?}")).collect();
    let list = allowed.join(", ");
    let message = format!("Unsupported value: {}: supported values: {list}", quoted(value));
    at(path, "FieldValueNotSupported", message)
}

/// `field.NotSupported` of a value that the server prints in an order of its own.
pub fn not_supported_shown(path: &impl fmt::Display, shown: &str, allowed: &[&str]) -> Cause {
    let allowed: Vec<String> = allowed.iter().map(|a| format!("{a:?}")).collect();
    let list = allowed.join(", ");
    let message = format!("Unsupported value: {shown}: supported values: {list}");
    at(path, "FieldValueNotSupported", message)
}

/// `field.NotFound`.
pub fn not_found(path: &impl fmt::Display, value: &Value) -> Cause {
    at(path, "FieldValueNotFound", format!("Not found: {}", quoted(value)))
}

/// The same with what it should have been.
pub fn not_found_because(path: &impl fmt::Display, value: &Value, detail: &str) -> Cause {
    at(path, "FieldValueNotFound", format!("Not found: {}: {detail}", quoted(value)))
}

/// `field.Invalid`, once for each thing that is wrong with a text.
pub(crate) fn each(
    path: &impl fmt::Display,
    text: &str,
    problems: &Problems,
    causes: &mut Vec<Cause>,
) {
    causes.extend(problems.iter().map(|problem| invalid(path, &text.into(), problem)));
}

/// A text that must be there and be one of a few; the allowed are in the order of the message.
pub(crate) fn one_of(
    path: &impl fmt::Display,
    text: &str,
    allowed: &[&str],
    causes: &mut Vec<Cause>,
) {
    if text.is_empty() {
        causes.push(required(path, ""));
    } else if !allowed.contains(&text) {
        causes.push(not_supported(path, &text.into(), allowed));
    }
}

/// A word in a field that may be absent, but is one of a few where it is there, and not empty.
pub(crate) fn word(
    value: &Value,
    name: &str,
    allowed: &[&str],
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    if let Some(found) = set(value, name)
        && !found.as_str().is_some_and(|word| allowed.contains(&word))
    {
        causes.push(not_supported(&path.field(name), found, allowed));
    }
}

/// A number that is not below 0, where there is one.
pub(crate) fn not_negative(path: &impl fmt::Display, number: Option<i64>, causes: &mut Vec<Cause>) {
    if let Some(number) = number.filter(|number| *number < 0) {
        causes.push(invalid(path, &number.into(), "must be greater than or equal to 0"));
    }
}

/// A number within its range, where there is one.
pub(crate) fn in_range(
    path: &impl fmt::Display,
    number: Option<i64>,
    (least, most): (i64, i64),
    causes: &mut Vec<Cause>,
) {
    if let Some(number) = number.filter(|number| !(least..=most).contains(number)) {
        causes.push(invalid(path, &number.into(), &super::text::range(least, most)));
    }
}

/// A list that may not be longer.
pub(crate) fn at_most(
    path: &impl fmt::Display,
    count: usize,
    most: usize,
    causes: &mut Vec<Cause>,
) {
    if count > most {
        let message = format!("Too many: {count}: must have at most {most} items");
        causes.push(at(path, "FieldValueTooMany", message));
    }
}

/// The text of a field, empty when absent.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

/// The items of a list field, none when absent.
pub(crate) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], |list| list.as_slice())
}

/// The number in a field.
pub(crate) fn int(value: &Value, name: &str) -> Option<i64> {
    value.get(name)?.as_i64()
}

/// A field that is there and not null.
pub(crate) fn set<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.get(name).filter(|field| !field.is_null())
}

/// What a field holds, null when absent.
pub(crate) fn part<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// Whether a field says true.
pub(crate) fn on(value: &Value, name: &str) -> bool {
    value.get(name) == Some(&Value::Bool(true))
}
