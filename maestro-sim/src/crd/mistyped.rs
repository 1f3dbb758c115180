//! Values of another type than the fields of a definition's schemas have, in the words of Go's
//! decoder. The tables of types leave schemas open, for their type is made of itself.
//!
//! Source: `JSONSchemaProps` of `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1`.

use crate::json::Value;
use crate::typed::json_type;

const SCHEMA: &str = "JSONSchemaProps";

/// What a field holds.
#[derive(Clone, Copy)]
enum Holds {
    /// A text, and what Go calls its type.
    Text(&'static str),
    Flag,
    Whole,
    Number,
    /// A list of texts.
    Texts,
    /// A list of anything, of a type that Go calls so.
    List(&'static str),
    Schema,
    Schemas,
    /// Schemas by names, and what Go calls the type of all.
    Named(&'static str),
    /// Schemas or lists of texts by names.
    Dependencies,
    Rules,
}

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

fn holds(name: &str) -> Option<Holds> {
    Some(match name {
        "$ref"
        | "$schema"
        | "description"
        | "format"
        | "id"
        | "pattern"
        | "title"
        | "type"
        | "x-kubernetes-list-type"
        | "x-kubernetes-map-type" => Holds::Text("string"),
        "exclusiveMaximum"
        | "exclusiveMinimum"
        | "nullable"
        | "uniqueItems"
        | "x-kubernetes-embedded-resource"
        | "x-kubernetes-int-or-string"
        | "x-kubernetes-preserve-unknown-fields" => Holds::Flag,
        "maxItems" | "maxLength" | "maxProperties" | "minItems" | "minLength" | "minProperties" => {
            Holds::Whole
        }
        "maximum" | "minimum" | "multipleOf" => Holds::Number,
        "required" | "x-kubernetes-list-map-keys" => Holds::Texts,
        "enum" => Holds::List("[]v1.JSON"),
        "not" => Holds::Schema,
        "allOf" | "anyOf" | "oneOf" => Holds::Schemas,
        "definitions" => Holds::Named("v1.JSONSchemaDefinitions"),
        "patternProperties" | "properties" => Holds::Named("map[string]v1.JSONSchemaProps"),
        "dependencies" => Holds::Dependencies,
        "x-kubernetes-validations" => Holds::Rules,
        _ => return None,
    })
}

fn field<'a>(name: &'a str, value: &'a Value, path: &mut Vec<&'a str>) -> Option<String> {
    // These decode themselves: a schema, or something else that is allowed in its place.
    if matches!(name, "additionalItems" | "additionalProperties" | "items") {
        return match value {
            Value::Array(list) if name == "items" => list.iter().find_map(|one| schema(one, path)),
            Value::Object(_) => node(value, path),
            Value::Bool(_) => None,
            _ if name == "items" => None,
            _ => Some("boolean or JSON schema expected".to_owned()),
        };
    }
    let wants =
        |of: &str, fits: bool, path: &[&str]| (!fits).then(|| wrong(value, SCHEMA, path, of));
    match holds(name)? {
        Holds::Text(of) => wants(of, value.is_string(), path),
        Holds::Flag => wants("bool", value.is_boolean(), path),
        Holds::Whole => wants("int64", value.as_i64().is_some(), path),
        Holds::Number => wants("float64", value.is_number(), path),
        Holds::List(of) => wants(of, value.is_array(), path),
        Holds::Texts => match value.as_array() {
            None => Some(wrong(value, SCHEMA, path, "[]string")),
            Some(list) => {
                let odd = list.iter().find(|one| !one.is_string() && !one.is_null());
                odd.map(|one| wrong(one, SCHEMA, path, "string"))
            }
        },
        Holds::Schema => schema(value, path),
        Holds::Schemas => match value.as_array() {
            None => Some(wrong(value, SCHEMA, path, "[]v1.JSONSchemaProps")),
            Some(list) => list.iter().find_map(|one| schema(one, path)),
        },
        Holds::Dependencies => match value.as_object() {
            None => Some(wrong(value, SCHEMA, path, "v1.JSONSchemaDependencies")),
            Some(all) => all.values().find_map(|one| match one {
                Value::Array(list) => {
                    let odd = list.iter().find(|one| !one.is_string() && !one.is_null());
                    odd.map(|one| wrong(one, SCHEMA, path, "string"))
                }
                Value::Object(_) => node(one, path),
                _ => None,
            }),
        },
        Holds::Named(of) => match value.as_object() {
            None => Some(wrong(value, SCHEMA, path, of)),
            Some(all) => all.values().find_map(|one| schema(one, path)),
        },
        Holds::Rules => match value.as_array() {
            None => Some(wrong(value, SCHEMA, path, "v1.ValidationRules")),
            Some(list) => list.iter().find_map(|one| rule(one, path)),
        },
    }
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
