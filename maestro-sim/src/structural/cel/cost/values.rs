//! Parts of values, as expressions ask for them.

use std::sync::Arc;

use kube_cel::cel::Value;
use kube_cel::cel::objects::{Key, OptionalValue};

pub(super) fn none() -> Value {
    Value::Opaque(Arc::new(OptionalValue::none()))
}

pub(super) fn is_optional(value: &Value) -> bool {
    <&OptionalValue>::try_from(value).is_ok()
}

/// The value of an optional one, if it has one; nothing for what is none.
pub(super) fn present(value: &Value) -> Option<Option<Value>> {
    let optional = <&OptionalValue>::try_from(value).ok()?;
    Some(optional.value().cloned())
}

pub(super) fn field(whole: &Value, name: &str) -> Option<Value> {
    match whole {
        Value::Map(map) => map.map.get(&Key::String(Arc::new(name.to_owned()))).cloned(),
        _ => None,
    }
}

pub(super) fn item(whole: &Value, index: &Value) -> Option<Value> {
    match (whole, index) {
        (Value::List(items), Value::Int(at)) => items.get(usize::try_from(*at).ok()?).cloned(),
        (Value::List(items), Value::UInt(at)) => items.get(usize::try_from(*at).ok()?).cloned(),
        (Value::Map(map), key) => map.map.get(&as_key(key)?).cloned(),
        _ => None,
    }
}

pub(super) fn as_key(value: &Value) -> Option<Key> {
    Some(match value {
        Value::String(text) => Key::String(Arc::clone(text)),
        Value::Int(number) => Key::Int(*number),
        Value::UInt(number) => Key::Uint(*number),
        Value::Bool(flag) => Key::Bool(*flag),
        _ => return None,
    })
}

pub(super) fn key_value(key: &Key) -> Value {
    match key {
        Key::String(text) => Value::String(Arc::clone(text)),
        Key::Int(number) => Value::Int(*number),
        Key::Uint(number) => Value::UInt(*number),
        Key::Bool(flag) => Value::Bool(*flag),
    }
}

/// The name of a value's type.
pub(super) fn type_name(value: &Value) -> Value {
    let name = match value {
        Value::Int(_) => "int",
        Value::UInt(_) => "uint",
        Value::Float(_) => "double",
        Value::String(_) => "string",
        Value::Bytes(_) => "bytes",
        Value::Bool(_) => "bool",
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Null => "null_type",
        _ => "",
    };
    Value::String(Arc::new(name.to_owned()))
}
