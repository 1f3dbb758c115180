//! Values of expressions, and their parts as expressions ask for them.

use std::sync::Arc;

use kube_cel::cel::Value;
use kube_cel::cel::common::ast::LiteralValue;
use kube_cel::cel::objects::{Key, Opaque, OptionalValue};

use super::convert::HIDDEN;

/// A type, as a value.
#[derive(Debug, PartialEq, Eq)]
struct TypeName(String);

impl Opaque for TypeName {
    fn runtime_type_name(&self) -> &str {
        "type"
    }
}

pub(super) fn type_value(name: &str) -> Value {
    Value::Opaque(Arc::new(TypeName(name.to_owned())))
}

/// The name of the type that a value is, if it is one.
pub(super) fn named_type(value: &Value) -> Option<&str> {
    let Value::Opaque(one) = value else { return None };
    one.downcast_ref::<TypeName>().map(|name| name.0.as_str())
}

/// The name of a value's type.
pub(super) fn type_name(value: &Value) -> &str {
    match value {
        Value::Int(_) => "int",
        Value::UInt(_) => "uint",
        Value::Float(_) => "double",
        Value::String(_) => "string",
        Value::Bytes(_) => "bytes",
        Value::Bool(_) => "bool",
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Null => "null_type",
        Value::Duration(_) => "google.protobuf.Duration",
        Value::Timestamp(_) => "google.protobuf.Timestamp",
        Value::Opaque(one) => one.runtime_type_name(),
        Value::Function(..) => "",
    }
}

pub(super) fn text(value: impl Into<String>) -> Value {
    Value::String(Arc::new(value.into()))
}

pub(super) fn literal(literal: &LiteralValue) -> Value {
    match literal {
        LiteralValue::Boolean(one) => Value::Bool(*one.inner()),
        LiteralValue::Bytes(one) => Value::Bytes(Arc::new(one.inner().to_vec())),
        LiteralValue::Double(one) => Value::Float(*one.inner()),
        LiteralValue::Int(one) => Value::Int(*one.inner()),
        LiteralValue::UInt(one) => Value::UInt(*one.inner()),
        LiteralValue::String(one) => text(one.inner()),
        LiteralValue::Null => Value::Null,
    }
}

pub(super) fn none() -> Value {
    Value::Opaque(Arc::new(OptionalValue::none()))
}

pub(super) fn some(value: Value) -> Value {
    Value::Opaque(Arc::new(OptionalValue::of(value)))
}

pub(super) fn is_optional(value: &Value) -> bool {
    <&OptionalValue>::try_from(value).is_ok()
}

/// The value of an optional one, if it has one; nothing for what is none.
pub(super) fn present(value: &Value) -> Option<Option<Value>> {
    let optional = <&OptionalValue>::try_from(value).ok()?;
    Some(optional.value().cloned())
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

/// The entries of a map in the order of their keys. A real server takes them as they come; here
/// every run takes them alike.
pub(super) fn entries(map: &kube_cel::cel::objects::Map) -> Vec<(&Key, &Value)> {
    let hidden = |key: &Key| matches!(key, Key::String(name) if name.starts_with(HIDDEN));
    let mut entries: Vec<_> = map.map.iter().filter(|(key, _)| !hidden(key)).collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}
