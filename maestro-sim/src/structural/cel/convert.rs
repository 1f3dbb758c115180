//! A JSON tree as CEL sees it: typed by its schema, field names escaped.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube_cel::KubeCelExt;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, Program, Value as CelValue};

use super::lists::Lists;
use crate::json::Value;
use crate::schema::{Kind, ListType, Schema};

/// What begins the names of fields that a schema does not know: they count when values are
/// compared, but no rule can ask for them.
pub(super) const HIDDEN: char = '\0';

/// Converts a value; `root` says that it is a whole object, `lists` learns which lists are sets or
/// maps. Of an object with fields, one that is null is as good as absent, and of metadata rules see
/// names alone.
///
/// Source: `k8s.io/apiserver/pkg/cel/common/valuesunstructured.go`.
pub(super) fn to_cel(schema: &Schema, value: &Value, root: bool, lists: &Lists) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(n) => number(schema.kind, n),
        Value::String(text) => string(schema, text),
        Value::Array(items) => {
            let any = Schema::default();
            let child = schema.items.as_deref().unwrap_or(&any);
            let items = items.iter().map(|item| to_cel(child, item, false, lists));
            let items: Arc<Vec<CelValue>> = Arc::new(items.collect());
            match &schema.list_type {
                ListType::Atomic => {}
                ListType::Set => lists.add(&items, &[]),
                ListType::Map(keys) => {
                    let keys: Vec<String> = keys.iter().map(|key| escape(key)).collect();
                    lists.add(&items, &keys);
                }
            }
            CelValue::List(items)
        }
        Value::Object(map) => {
            let any = Schema::default();
            let is_object = schema.kind == Kind::Object;
            let whole = root || schema.embedded_resource;
            let has_fields = is_object && (whole || !schema.properties.is_empty());
            let there = |field: &Value| !(has_fields && field.is_null());
            let fields = map.iter().filter(|(_, field)| there(field)).map(|(name, field)| {
                let known = schema.properties.get(name.as_str());
                let child = known.or(schema.additional.as_ref()).map_or(&any, |c| c.as_ref());
                // Keys of a map are data; only names of fields could clash with the language.
                let key = match (known, &schema.additional) {
                    (Some(_), _) => escape(name),
                    (None, None) if whole && name == "metadata" => {
                        return (Key::from("metadata"), metadata(field));
                    }
                    (None, None) if whole && (name == "apiVersion" || name == "kind") => {
                        name.to_string()
                    }
                    (None, None) if is_object => format!("{HIDDEN}{name}"),
                    _ => name.to_string(),
                };
                (Key::String(Arc::new(key)), to_cel(child, field, false, lists))
            });
            CelValue::Map(Map { map: Arc::new(fields.collect()) })
        }
    }
}

/// Metadata that a schema says nothing of.
fn metadata(value: &Value) -> CelValue {
    let Value::Object(map) = value else { return CelValue::Null };
    let any = Schema::default();
    let fields = map.iter().map(|(name, field)| {
        let seen = name == "name" || name == "generateName";
        let key = if seen { name.to_string() } else { format!("{HIDDEN}{name}") };
        (Key::String(Arc::new(key)), to_cel(&any, field, false, &Lists::default()))
    });
    CelValue::Map(Map { map: Arc::new(fields.collect()) })
}

fn number(kind: Kind, n: &crate::json::Number) -> CelValue {
    let float = || CelValue::Float(n.as_f64().unwrap_or_default());
    match (kind, n.as_i64()) {
        (Kind::Number, _) => float(),
        (_, Some(i)) => CelValue::Int(i),
        (Kind::Integer, None) => n.as_u64().map_or_else(float, CelValue::UInt),
        (_, None) => float(),
    }
}

fn string(schema: &Schema, text: &str) -> CelValue {
    let format = schema.format();
    let typed = match format {
        Some("date-time") => text.parse().ok().map(CelValue::Timestamp),
        Some("date") => format!("{text}T00:00:00Z").parse().ok().map(CelValue::Timestamp),
        Some("duration") => duration(text),
        Some("byte") => STANDARD.decode(text).ok().map(|bytes| CelValue::Bytes(Arc::new(bytes))),
        _ => None,
    };
    typed.unwrap_or_else(|| CelValue::String(Arc::new(text.to_owned())))
}

fn duration(text: &str) -> Option<CelValue> {
    static PARSE: LazyLock<Option<Program>> =
        LazyLock::new(|| Program::compile("duration(text)").ok());
    static BASE: LazyLock<Context<'static>> = LazyLock::new(|| Context::default().with_all());
    let mut scope = BASE.new_inner_scope();
    scope.add_variable_from_value("text", text.to_owned());
    PARSE.as_ref()?.execute(&scope).ok()
}

const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// A field name as a rule writes it: `__namespace__`, `foo__dash__bar`.
pub(super) fn escape(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    if !name.contains("__") && !name.contains(['.', '-', '/']) {
        return name.to_owned();
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}
