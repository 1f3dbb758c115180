//! One field error, with the server's words around it.
//!
//! Source: `k8s.io/apimachinery/pkg/util/validation/field`.

use super::path::Path;
use crate::api::status::Cause;
use crate::json::Value;

/// Builds [`Cause`]s the way `field.Error` prints itself.
pub struct Problem;

/// A value as an error shows it: strings quoted, everything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "\"null\"".to_owned(),
        other => other.to_string(),
    }
}

fn joined(kind: &str, detail: &str) -> String {
    if detail.is_empty() { kind.to_owned() } else { format!("{kind}: {detail}") }
}

impl Problem {
    /// A value that breaks a rule.
    pub fn invalid(path: &Path, value: &Value, detail: &str) -> Cause {
        let message = joined(&format!("Invalid value: {}", shown(value)), detail);
        Cause::new("FieldValueInvalid", &path.to_string(), message)
    }

    /// What could not be checked, which stands nowhere and concerns no value.
    pub fn skipped(detail: &str) -> Cause {
        Cause::new("FieldValueInvalid", "<nil>", format!("Invalid value: null: {detail}"))
    }

    /// A value that breaks a rule and is better not shown.
    pub fn invalid_unshown(path: &Path, detail: &str) -> Cause {
        Cause::new("FieldValueInvalid", &path.to_string(), joined("Invalid value", detail))
    }

    /// A value of the wrong type.
    pub fn wrong_type(path: &Path, value: &Value, detail: &str) -> Cause {
        let message = joined(&format!("Invalid value: {}", shown(value)), detail);
        Cause::new("FieldValueTypeInvalid", &path.to_string(), message)
    }

    /// A field that has to be there.
    pub fn required(path: &Path, detail: &str) -> Cause {
        Cause::new("FieldValueRequired", &path.to_string(), joined("Required value", detail))
    }

    /// A value or a change that is not allowed here.
    pub fn forbidden(path: &Path, detail: &str) -> Cause {
        Cause::new("FieldValueForbidden", &path.to_string(), joined("Forbidden", detail))
    }

    /// A value that is there twice.
    pub fn duplicate(path: &Path, value: &Value) -> Cause {
        let message = format!("Duplicate value: {}", shown(value));
        Cause::new("FieldValueDuplicate", &path.to_string(), message)
    }

    /// A value that is not one of the few allowed.
    pub fn not_supported<'a>(
        path: &Path,
        value: &Value,
        allowed: impl IntoIterator<Item = &'a str>,
    ) -> Cause {
        let all: Vec<String> = allowed.into_iter().map(|a| format!("{a:?}")).collect();
        let message =
            format!("Unsupported value: {}: supported values: {}", shown(value), all.join(", "));
        Cause::new("FieldValueNotSupported", &path.to_string(), message)
    }

    /// A reference to something that is not there.
    pub fn not_found(path: &Path, value: &Value) -> Cause {
        let message = format!("Not found: {}", shown(value));
        Cause::new("FieldValueNotFound", &path.to_string(), message)
    }

    /// Text longer than `max` bytes.
    pub fn too_long(path: &Path, max: u64) -> Cause {
        let bytes = if max == 1 { "byte" } else { "bytes" };
        let message = format!("Too long: may not be more than {max} {bytes}");
        Cause::new("FieldValueTooLong", &path.to_string(), message)
    }

    /// A list or map of more than `max` entries.
    pub fn too_many(path: &Path, actual: usize, max: u64) -> Cause {
        let items = if max == 1 { "item" } else { "items" };
        let message = format!("Too many: {actual}: must have at most {max} {items}");
        Cause::new("FieldValueTooMany", &path.to_string(), message)
    }
}
