//! A schema as a real server prints it in its words: as Go prints its own type of one.
//!
//! Source: `JSONSchemaProps` of `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions`.

use crate::json::Value;

/// How a field is printed.
#[derive(Clone, Copy)]
enum Form {
    /// A text, empty where it is absent.
    Text,
    /// Whether something is so, which it is not where it is absent.
    Flag,
    /// Anything, null where it is absent.
    Plain,
    /// A schema.
    Schema,
    /// A list of schemas.
    Schemas,
    /// Schemas by names.
    Named,
    /// A schema, or whether anything is allowed.
    Allowed,
    /// A schema, or several.
    Items,
}

const FIELDS: [(&str, &str, Form); 43] = [
    ("ID", "id", Form::Text),
    ("Schema", "$schema", Form::Text),
    ("Ref", "$ref", Form::Plain),
    ("Description", "description", Form::Text),
    ("Type", "type", Form::Text),
    ("Nullable", "nullable", Form::Flag),
    ("Format", "format", Form::Text),
    ("Title", "title", Form::Text),
    ("Default", "default", Form::Plain),
    ("Maximum", "maximum", Form::Plain),
    ("ExclusiveMaximum", "exclusiveMaximum", Form::Flag),
    ("Minimum", "minimum", Form::Plain),
    ("ExclusiveMinimum", "exclusiveMinimum", Form::Flag),
    ("MaxLength", "maxLength", Form::Plain),
    ("MinLength", "minLength", Form::Plain),
    ("Pattern", "pattern", Form::Text),
    ("MaxItems", "maxItems", Form::Plain),
    ("MinItems", "minItems", Form::Plain),
    ("UniqueItems", "uniqueItems", Form::Flag),
    ("MultipleOf", "multipleOf", Form::Plain),
    ("Enum", "enum", Form::Plain),
    ("MaxProperties", "maxProperties", Form::Plain),
    ("MinProperties", "minProperties", Form::Plain),
    ("Required", "required", Form::Plain),
    ("Items", "items", Form::Items),
    ("AllOf", "allOf", Form::Schemas),
    ("OneOf", "oneOf", Form::Schemas),
    ("AnyOf", "anyOf", Form::Schemas),
    ("Not", "not", Form::Schema),
    ("Properties", "properties", Form::Named),
    ("AdditionalProperties", "additionalProperties", Form::Allowed),
    ("PatternProperties", "patternProperties", Form::Named),
    ("Dependencies", "dependencies", Form::Plain),
    ("AdditionalItems", "additionalItems", Form::Allowed),
    ("Definitions", "definitions", Form::Named),
    ("ExternalDocs", "externalDocs", Form::Plain),
    ("Example", "example", Form::Plain),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", Form::Plain),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", Form::Flag),
    ("XIntOrString", "x-kubernetes-int-or-string", Form::Flag),
    ("XListMapKeys", "x-kubernetes-list-map-keys", Form::Plain),
    ("XListType", "x-kubernetes-list-type", Form::Plain),
    ("XMapType", "x-kubernetes-map-type", Form::Plain),
];

/// The fields that a schema has which is not empty, by their Go names, in Go's order; the rules
/// come last.
pub(super) fn held(schema: &Value) -> impl Iterator<Item = &'static str> {
    let says = |value: &Value| match value {
        Value::Bool(flag) => *flag,
        Value::String(text) => !text.is_empty(),
        Value::Null => false,
        _ => true,
    };
    let own = FIELDS.iter().filter(move |(_, name, form)| {
        let plain = matches!(form, Form::Plain | Form::Allowed);
        schema.get(*name).is_some_and(|value| says(value) || plain && !value.is_null())
    });
    let rules = schema.get("x-kubernetes-validations").is_some().then_some("XValidations");
    own.map(|(go, _, _)| *go).chain(rules)
}

/// A schema as Go prints it.
pub(super) fn schema(value: &Value) -> String {
    let mut shown: Vec<String> = FIELDS
        .iter()
        .map(|(go, name, form)| format!("\"{go}\":{}", part(value.get(*name), *form)))
        .collect();
    shown.push(format!("\"XValidations\":{}", rules(value.get("x-kubernetes-validations"))));
    format!("{{{}}}", shown.join(","))
}

fn part(value: Option<&Value>, form: Form) -> String {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return match form {
            Form::Text => "\"\"",
            Form::Flag => "false",
            _ => "null",
        }
        .to_owned();
    };
    let list = |value: &Value| {
        let all: Vec<String> = value.as_array().into_iter().flatten().map(schema).collect();
        format!("[{}]", all.join(","))
    };
    match form {
        Form::Text | Form::Flag | Form::Plain => value.to_string(),
        Form::Schema => schema(value),
        Form::Schemas => list(value),
        Form::Named => {
            let map = value.as_object().into_iter().flatten();
            let all: Vec<String> = map
                .map(|(name, value)| format!("{}:{}", Value::from(&**name), schema(value)))
                .collect();
            format!("{{{}}}", all.join(","))
        }
        Form::Allowed => match value {
            Value::Bool(allows) => format!("{{\"Allows\":{allows},\"Schema\":null}}"),
            value => format!("{{\"Allows\":true,\"Schema\":{}}}", schema(value)),
        },
        Form::Items => match value.is_array() {
            true => format!("{{\"Schema\":null,\"JSONSchemas\":{}}}", list(value)),
            false => format!("{{\"Schema\":{},\"JSONSchemas\":null}}", schema(value)),
        },
    }
}

fn rules(value: Option<&Value>) -> String {
    let Some(list) = value.and_then(Value::as_array) else { return "null".to_owned() };
    let fields = [
        ("Rule", "rule", Form::Text),
        ("Message", "message", Form::Text),
        ("MessageExpression", "messageExpression", Form::Text),
        ("Reason", "reason", Form::Plain),
        ("FieldPath", "fieldPath", Form::Text),
        ("OptionalOldSelf", "optionalOldSelf", Form::Plain),
    ];
    let one = |rule: &Value| {
        let shown =
            fields.map(|(go, name, form)| format!("\"{go}\":{}", part(rule.get(name), form)));
        format!("{{{}}}", shown.join(","))
    };
    format!("[{}]", list.iter().map(one).collect::<Vec<_>>().join(","))
}
