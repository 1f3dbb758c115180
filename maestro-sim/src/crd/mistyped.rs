//! Values of another type than the fields of a definition's schemas have, in the words of Go's
//! decoder.
//!
//! Source: `encoding/json` of Go, and the decoders of
//! `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1`.

use super::fields::{FIELDS, Holds};
use crate::json::Value;
use crate::typed::json_type;

const SCHEMA: &str = "JSONSchemaProps";

/// The first value in the schemas of a definition that cannot be decoded, and why.
pub fn mistyped(crd: &Value) -> Option<String> {
    let versions = crd.pointer("/spec/versions")?.as_array()?;
    let mut path = vec!["spec", "versions", "schema", "openAPIV3Schema"];
    versions.iter().find_map(|version| {
        let schema = version.pointer("/schema/openAPIV3Schema")?;
        match schema {
            Value::Null => None,
            Value::Object(_) => node(schema, &mut path),
            other => Some(wrong(other, "CustomResourceValidation", &path, "v1.JSONSchemaProps")),
        }
    })
}

fn wrong(value: &Value, owner: &str, path: &[&str], of: &str) -> String {
    let what = match value {
        // Of a number too large or broken for its field its digits are told.
        Value::Number(number) if matches!(of, "int64") => format!("number {number}"),
        value => json_type(value).to_owned(),
    };
    let path = path.join(".");
    format!("json: cannot unmarshal {what} into Go struct field {owner}.{path} of type {of}")
}

/// A schema, or what stands in its place.
fn schema<'a>(value: &'a Value, path: &mut Vec<&'a str>) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Object(_) => node(value, path),
        other => Some(wrong(other, SCHEMA, path, "v1.JSONSchemaProps")),
    }
}

fn node<'a>(schema: &'a Value, path: &mut Vec<&'a str>) -> Option<String> {
    let fields = schema.as_object()?.iter().filter(|(_, value)| !value.is_null());
    for (name, value) in fields {
        path.push(name);
        let found = field(name, value, path);
        path.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

fn field<'a>(name: &'a str, value: &'a Value, path: &mut Vec<&'a str>) -> Option<String> {
    let wants =
        |of: &str, fits: bool, path: &[&str]| (!fits).then(|| wrong(value, SCHEMA, path, of));
    let (_, _, holds) = FIELDS.iter().find(|(_, known, _)| *known == name)?;
    match *holds {
        Holds::Text | Holds::Pointer => wants("string", value.is_string(), path),
        Holds::Flag | Holds::FlagPointer => wants("bool", value.is_boolean(), path),
        Holds::Whole => wants("int64", value.as_i64().is_some(), path),
        Holds::Number => wants("float64", value.is_number(), path),
        Holds::Values => wants("[]v1.JSON", value.is_array(), path),
        Holds::Anything => None,
        Holds::Texts => each(value, "[]string", path, |one, path| text(one, path)),
        Holds::Schema => schema(value, path),
        Holds::Schemas => each(value, "[]v1.JSONSchemaProps", path, schema),
        Holds::Rules => each(value, "v1.ValidationRules", path, rule),
        Holds::Named(of) => by_name(value, of, path, schema),
        Holds::Dependencies => {
            by_name(value, "v1.JSONSchemaDependencies", path, |one, path| match one {
                Value::Array(list) => list.iter().find_map(|one| text(one, path)),
                other => node(other, path),
            })
        }
        // These decode themselves: a schema, or something else that is allowed in its place.
        Holds::Items => match value {
            Value::Array(list) => list.iter().find_map(|one| schema(one, path)),
            other => node(other, path),
        },
        Holds::Allowed => match value {
            Value::Object(_) => node(value, path),
            Value::Bool(_) => None,
            _ => Some("boolean or JSON schema expected".to_owned()),
        },
    }
}

type Check<'a> = fn(&'a Value, &mut Vec<&'a str>) -> Option<String>;

/// A list of a type that Go calls so.
fn each<'a>(
    value: &'a Value,
    of: &str,
    path: &mut Vec<&'a str>,
    check: Check<'a>,
) -> Option<String> {
    match value.as_array() {
        None => Some(wrong(value, SCHEMA, path, of)),
        Some(list) => list.iter().find_map(|one| check(one, path)),
    }
}

/// A map of a type that Go calls so.
fn by_name<'a>(
    value: &'a Value,
    of: &str,
    path: &mut Vec<&'a str>,
    check: Check<'a>,
) -> Option<String> {
    match value.as_object() {
        None => Some(wrong(value, SCHEMA, path, of)),
        Some(all) => all.values().find_map(|one| check(one, path)),
    }
}

/// A text in a list of them.
fn text(value: &Value, path: &[&str]) -> Option<String> {
    let fits = value.is_string() || value.is_null();
    (!fits).then(|| wrong(value, SCHEMA, path, "string"))
}

fn rule<'a>(value: &'a Value, path: &mut Vec<&'a str>) -> Option<String> {
    let fields = match value {
        Value::Null => return None,
        Value::Object(fields) => fields,
        other => return Some(wrong(other, SCHEMA, path, "v1.ValidationRule")),
    };
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let (of, fits) = match name.as_str() {
            "optionalOldSelf" => ("bool", value.is_boolean()),
            "reason" => ("v1.FieldValueErrorReason", value.is_string()),
            "fieldPath" | "message" | "messageExpression" | "rule" => ("string", value.is_string()),
            _ => continue,
        };
        if !fits {
            path.push(name);
            let why = wrong(value, "ValidationRule", path, of);
            path.pop();
            return Some(why);
        }
    }
    None
}
