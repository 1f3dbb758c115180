//! Trees from plain values, and back.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{Array, Error, Map, Name, Number, Text, Value};

/// What can stand as a value in [`json!`](crate::json!): read, not consumed.
pub trait ToValue {
    /// The tree of this value; a tree itself is shared.
    fn to_value(&self) -> Value;
}

/// Reads a type out of a tree.
///
/// # Errors
/// As `serde_json::from_value`.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value.into_serde())
}

impl Value {
    /// The tree in `serde_json`'s type.
    pub fn into_serde(self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => serde_json::Value::Bool(value),
            Self::Number(number) => serde_json::Value::Number(number),
            Self::String(text) => serde_json::Value::String(text.into()),
            Self::Array(list) => list.into_iter().map(Self::into_serde).collect(),
            Self::Object(map) => {
                map.into_iter().map(|(n, v)| (String::from(n), v.into_serde())).collect()
            }
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        (&value).into()
    }
}

impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => Self::Number(number.clone()),
            serde_json::Value::String(text) => Self::String(text.into()),
            serde_json::Value::Array(list) => Self::Array(list.iter().collect()),
            serde_json::Value::Object(map) => Self::Object(map.iter().collect()),
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        value.into_serde()
    }
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Null
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

/// What is no number of JSON becomes null.
impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Number::from_f64(number).map_or(Self::Null, Self::Number)
    }
}

macro_rules! from {
    ($kind:ident: $($of:ty),*) => {$(
        impl From<$of> for Value {
            fn from(value: $of) -> Self {
                Self::$kind(value.into())
            }
        }
    )*};
}

from!(String: &str, String, &String, Cow<'_, str>, Text, &Text);

impl From<Name> for Value {
    fn from(name: Name) -> Self {
        (&name).into()
    }
}

impl From<&Name> for Value {
    fn from(name: &Name) -> Self {
        Self::String(name.to_text())
    }
}

impl From<Array> for Value {
    fn from(list: Array) -> Self {
        Self::Array(list)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Object(map)
    }
}

impl From<&Self> for Value {
    fn from(value: &Self) -> Self {
        value.clone()
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Self {
        Self::Array(list.into_iter().collect())
    }
}

impl<T: Into<Self> + Clone> From<&[T]> for Value {
    fn from(list: &[T]) -> Self {
        Self::Array(list.iter().cloned().collect())
    }
}

impl<T: Into<Self>, const COUNT: usize> From<[T; COUNT]> for Value {
    fn from(list: [T; COUNT]) -> Self {
        Self::Array(list.into_iter().collect())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<V: Into<Self>> FromIterator<V> for Value {
    fn from_iter<I: IntoIterator<Item = V>>(list: I) -> Self {
        Self::Array(list.into_iter().collect())
    }
}

impl<N: Into<Name>, V: Into<Self>> FromIterator<(N, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        Self::Object(fields.into_iter().collect())
    }
}

from!(Number: i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

macro_rules! copied {
    ($($of:ty),*) => {$(
        impl ToValue for $of {
            fn to_value(&self) -> Value {
                (*self).into()
            }
        }
    )*};
}

copied!((), bool, f64, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

macro_rules! cloned {
    ($($of:ty),*) => {$(
        impl ToValue for $of {
            fn to_value(&self) -> Value {
                self.clone().into()
            }
        }
    )*};
}

cloned!(Value, Array, Map, Number, Text, Name);

macro_rules! texts {
    ($($of:ty),*) => {$(
        impl ToValue for $of {
            fn to_value(&self) -> Value {
                Value::String(Text::from(&**self))
            }
        }
    )*};
}

texts!(String, Cow<'_, str>, Arc<str>, Rc<str>, Box<str>);

impl ToValue for str {
    fn to_value(&self) -> Value {
        self.into()
    }
}

impl ToValue for serde_json::Value {
    fn to_value(&self) -> Value {
        self.into()
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: ToValue> ToValue for [T] {
    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(ToValue::to_value).collect())
    }
}

impl<T: ToValue> ToValue for Vec<T> {
    fn to_value(&self) -> Value {
        self.as_slice().to_value()
    }
}

impl<T: ToValue, const COUNT: usize> ToValue for [T; COUNT] {
    fn to_value(&self) -> Value {
        self.as_slice().to_value()
    }
}

impl<N: AsRef<str>, V: ToValue> ToValue for BTreeMap<N, V> {
    fn to_value(&self) -> Value {
        Value::Object(self.iter().map(|(name, value)| (name.as_ref(), value.to_value())).collect())
    }
}
