//! JSON trees as the cluster holds them: shared until they are changed.
//!
//! A cluster keeps many versions of objects of which each differs from the one before in a field
//! or two, and hands them to many readers. So a [`Value`] is copied by counting it, whatever it
//! holds; to change one part of a tree copies the maps on the way to it and leaves the rest
//! shared; and two trees of which one came from the other are compared without looking at what
//! they share. Names of fields are ordered by their bytes, as Kubernetes writes them, and held so
//! that most are told apart by one comparison of integers ([`Name`]).
//!
//! The methods are those of `serde_json`'s type of the same name, with which trees are exchanged
//! where a library wants one ([`Value::into_serde`], [`From`]).

mod array;
mod compare;
mod convert;
mod index;
mod macros;
mod map;
mod merge;
mod name;
mod serial;

pub use ecow::EcoString as Text;
pub use serde_json::{Error, Number};

pub use self::array::Array;
pub use self::convert::{ToValue, from_value};
pub use self::index::Index;
pub use self::map::{Entry, Map};
pub use self::merge::merge;
pub use self::name::Name;
pub(crate) use self::name::{head, order, rest, tail};
pub(crate) use self::serial::scalars;
pub use crate::json;

/// A JSON tree.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer or a decimal number; the two are never equal.
    Number(Number),
    /// A string.
    String(Text),
    /// A list.
    Array(Array),
    /// An object.
    Object(Map),
}

impl Value {
    /// A field of an object, or an element of a list.
    #[inline]
    pub fn get(&self, index: impl Index) -> Option<&Self> {
        index.of(self)
    }

    /// The same, to change.
    #[inline]
    pub fn get_mut(&mut self, index: impl Index) -> Option<&mut Self> {
        index.of_mut(self)
    }

    /// The value at a JSON pointer (RFC 6901).
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        steps(pointer)?.try_fold(self, |here, step| match here {
            Self::Object(map) => map.get(&step),
            Self::Array(list) => list.get(position(&step)?),
            _ => None,
        })
    }

    /// The same, to change.
    pub fn pointer_mut(&mut self, pointer: &str) -> Option<&mut Self> {
        // A path that leads nowhere must not copy what it shares on the way.
        self.pointer(pointer)?;
        steps(pointer)?.try_fold(self, |here, step| match here {
            Self::Object(map) => map.get_mut(&step),
            Self::Array(list) => list.get_mut(position(&step)?),
            _ => None,
        })
    }

    /// Whether both are one object or list in memory, and so equal.
    #[inline]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Object(one), Self::Object(other)) => one.is_same(other),
            (Self::Array(one), Self::Array(other)) => one.is_same(other),
            _ => false,
        }
    }

    /// The value, with null left in its place.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// A string.
    #[inline]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// A boolean.
    #[inline]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A number.
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// An integer within 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.as_i64()
    }

    /// An integer that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number()?.as_u64()
    }

    /// Any number.
    pub fn as_f64(&self) -> Option<f64> {
        self.as_number()?.as_f64()
    }

    /// A list.
    #[inline]
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(list) => Some(list),
            _ => None,
        }
    }

    /// A list, to change.
    pub fn as_array_mut(&mut self) -> Option<&mut Array> {
        match self {
            Self::Array(list) => Some(list),
            _ => None,
        }
    }

    /// An object.
    #[inline]
    pub fn as_object(&self) -> Option<&Map> {
        match self {
            Self::Object(map) => Some(map),
            _ => None,
        }
    }

    /// An object, to change.
    pub fn as_object_mut(&mut self) -> Option<&mut Map> {
        match self {
            Self::Object(map) => Some(map),
            _ => None,
        }
    }

    /// Whether this is null.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether this is a boolean.
    pub fn is_boolean(&self) -> bool {
        matches!(self, Self::Bool(_))
    }

    /// Whether this is a number.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    /// Whether this is an integer within 64 bits.
    pub fn is_i64(&self) -> bool {
        self.as_number().is_some_and(Number::is_i64)
    }

    /// Whether this is an integer that is not negative.
    pub fn is_u64(&self) -> bool {
        self.as_number().is_some_and(Number::is_u64)
    }

    /// Whether this is a string.
    pub fn is_string(&self) -> bool {
        matches!(self, Self::String(_))
    }

    /// Whether this is a list.
    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    /// Whether this is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }
}

/// The decoded steps of a JSON pointer; none when it is neither empty nor begins with a slash.
fn steps(pointer: &str) -> Option<impl Iterator<Item = String>> {
    let is_pointer = pointer.is_empty() || pointer.starts_with('/');
    is_pointer.then(|| pointer.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~")))
}

/// A step as the position in a list: digits, without a leading zero.
fn position(step: &str) -> Option<usize> {
    let is_plain = !step.starts_with('+') && (step == "0" || !step.starts_with('0'));
    if is_plain { step.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
