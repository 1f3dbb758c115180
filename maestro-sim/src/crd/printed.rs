//! A schema as a real server prints it in its words: as Go prints its own type of one.
//!
//! Source: `JSONSchemaProps` of `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions`.

use super::fields::{FIELDS, Holds};
use crate::json::Value;

/// The fields that a schema has which is not empty, by their Go names, in Go's order.
pub(super) fn held(schema: &Value) -> impl Iterator<Item = &'static str> {
    let says = |value: &Value, holds: Holds| match (value, holds) {
        (Value::Null, _) => false,
        // Of these nothing is what they are where they are absent.
        (Value::Bool(flag), Holds::Flag) => *flag,
        (Value::String(text), Holds::Text) => !text.is_empty(),
        _ => true,
    };
    let held = FIELDS
        .iter()
        .filter(move |(_, name, holds)| schema.get(*name).is_some_and(|value| says(value, *holds)));
    held.map(|(go, _, _)| *go)
}

/// A schema as Go prints it.
pub(super) fn schema(value: &Value) -> String {
    let shown =
        FIELDS.map(|(go, name, holds)| format!("\"{go}\":{}", part(value.get(name), holds)));
    format!("{{{}}}", shown.join(","))
}

fn part(value: Option<&Value>, holds: Holds) -> String {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return match holds {
            Holds::Text => "\"\"",
            Holds::Flag => "false",
            _ => "null",
        }
        .to_owned();
    };
    let list = |value: &Value, one: fn(&Value) -> String| {
        let all: Vec<String> = value.as_array().into_iter().flatten().map(one).collect();
        format!("[{}]", all.join(","))
    };
    match holds {
        Holds::Schema => schema(value),
        Holds::Schemas => list(value, schema),
        Holds::Rules => list(value, rule),
        Holds::Named(_) => {
            let map = value.as_object().into_iter().flatten();
            let all: Vec<String> = map
                .map(|(name, value)| format!("{}:{}", Value::from(&**name), schema(value)))
                .collect();
            format!("{{{}}}", all.join(","))
        }
        Holds::Allowed => match value {
            Value::Bool(allows) => format!("{{\"Allows\":{allows},\"Schema\":null}}"),
            value => format!("{{\"Allows\":true,\"Schema\":{}}}", schema(value)),
        },
        Holds::Items => match value.is_array() {
            true => format!("{{\"Schema\":null,\"JSONSchemas\":{}}}", list(value, schema)),
            false => format!("{{\"Schema\":{},\"JSONSchemas\":null}}", schema(value)),
        },
        _ => value.to_string(),
    }
}

fn rule(rule: &Value) -> String {
    let fields = [
        ("Rule", "rule", Holds::Text),
        ("Message", "message", Holds::Text),
        ("MessageExpression", "messageExpression", Holds::Text),
        ("Reason", "reason", Holds::Pointer),
        ("FieldPath", "fieldPath", Holds::Text),
        ("OptionalOldSelf", "optionalOldSelf", Holds::FlagPointer),
    ];
    let shown = fields.map(|(go, name, holds)| format!("\"{go}\":{}", part(rule.get(name), holds)));
    format!("{{{}}}", shown.join(","))
}
