//! A JSON tree as CEL sees it: typed by its schema, field names escaped.

use std::sync::{Arc, LazyLock};

use kube_cel::KubeCelExt;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, Program, Value as CelValue};

use crate::json::Value;
use crate::schema::{Kind, Schema};

/// Converts `value`; fields the schema does not know are left out unless it preserves them.
pub(super) fn to_cel(schema: &Schema, value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(n) => number(schema.kind, n),
        Value::String(text) => string(schema, text),
        Value::Array(items) => {
            let any = Schema::default();
            let child = schema.items.as_deref().unwrap_or(&any);
            CelValue::List(Arc::new(items.iter().map(|item| to_cel(child, item)).collect()))
        }
        Value::Object(map) => {
            let any = Schema::default();
            let fields = map.iter().map(|(name, field)| {
                let known = schema.properties.get(name.as_str());
                let child = known.or(schema.additional.as_ref()).map_or(&any, |c| c.as_ref());
                // Keys of a map are data; only names of fields could clash with the language.
                let key = match (known, &schema.additional) {
                    (None, Some(_)) => name.to_string(),
                    _ => escape(name),
                };
                (Key::String(Arc::new(key)), to_cel(child, field))
            });
            CelValue::Map(Map { map: Arc::new(fields.collect()) })
        }
    }
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
    let format = schema.constraints.as_ref().and_then(|c| c.format.as_deref());
    let typed = match format {
        Some("date-time") => text.parse().ok().map(CelValue::Timestamp),
        Some("date") => format!("{text}T00:00:00Z").parse().ok().map(CelValue::Timestamp),
        Some("duration") => duration(text),
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
