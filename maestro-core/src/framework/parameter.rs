//! A parameter: one typed thing that a user may set in an instance's `spec`.

use super::open_object;
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a parameter's value may be.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// Text.
    String,
    /// A whole number of at most 64 bits.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// A Kubernetes quantity, such as `500m` or `1Gi`; may be written as a number.
    Quantity,
    /// A Go duration, such as `90s`.
    Duration,
    /// A list; [`Parameter::schema`] says of what.
    Array,
    /// A map; [`Parameter::schema`] says of what.
    Object,
}

impl ParameterType {
    /// The name as it is written in a Framework.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Quantity => "quantity",
            Self::Duration => "duration",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// One field of the instance's `spec`, with what keeps it valid and what its change starts.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = open_object)]
pub struct Parameter {
    /// The field's name, in `lowerCamelCase`.
    pub name: String,
    /// The type of its value.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// What it means, for the CRD and the parameter reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The value when a user leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_value")]
    pub default: Option<Value>,
    /// A user must set it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// It cannot change once the instance exists.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub immutable: bool,
    /// The only values allowed.
    #[serde(rename = "enum", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "any_values")]
    pub allowed: Vec<Value>,
    /// The least number allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// The greatest number allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// A regular expression that a string must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// A CEL rule over `self` (and `oldSelf`), as in `x-kubernetes-validations`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What a user reads when the rule is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The plan that a change of this parameter starts, instead of `update`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_change: Option<String>,
    /// A structural OpenAPI schema that takes the place of the one made from the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_value")]
    pub schema: Option<Value>,
}

/// Any JSON value, as a structural schema says it.
pub(super) fn any_value(_: &mut schemars::SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

fn any_values(_: &mut schemars::SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": true}})
}
