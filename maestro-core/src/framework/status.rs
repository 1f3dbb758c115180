//! The schema of `status.conditions`, which every kind of Maestro has.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A list of `metav1.Condition` merged by type, for `#[schemars(schema_with = …)]`.
pub fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    Schema::try_from(conditions_value()).unwrap_or_else(|_| json_schema!({"type": "array"}))
}

/// The same as plain JSON, for CRDs that are made at run time.
pub(crate) fn conditions_value() -> Value {
    json!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {"type": "string", "maxLength": 316},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024},
                "message": {"type": "string", "maxLength": 32768}
            }
        }
    })
}
