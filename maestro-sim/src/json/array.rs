//! Lists, shared until one is changed.

use std::ops::{Deref, DerefMut};

use ecow::{EcoVec, vec};

use super::Value;

/// The elements of a list, which dereferences to their slice.
#[derive(Clone, Default, Eq)]
pub struct Array(EcoVec<Value>);

impl Array {
    /// No elements, and nothing allocated.
    pub const fn new() -> Self {
        Self(EcoVec::new())
    }

    /// No elements, with room for some.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(EcoVec::with_capacity(capacity))
    }

    /// The elements.
    #[inline]
    pub fn as_slice(&self) -> &[Value] {
        self.0.as_slice()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both are one list in memory, and so equal.
    #[inline]
    pub fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.as_slice(), other.as_slice())
    }

    /// Adds one at the end.
    pub fn push(&mut self, value: Value) {
        self.0.push(value);
    }

    /// Removes the last one.
    pub fn pop(&mut self) -> Option<Value> {
        self.0.pop()
    }

    /// Puts one in at a place.
    ///
    /// # Panics
    /// When the place is past the end.
    pub fn insert(&mut self, at: usize, value: Value) {
        self.0.insert(at, value);
    }

    /// Removes the one at a place.
    ///
    /// # Panics
    /// When there is none.
    pub fn remove(&mut self, at: usize) -> Value {
        self.0.remove(at)
    }

    /// Keeps those of which `keep` is true. Nothing is copied when it keeps them all.
    pub fn retain(&mut self, mut keep: impl FnMut(&Value) -> bool) {
        let dropped = self.0.iter().position(|value| !keep(value));
        if let Some(first) = dropped {
            let mut at = 0;
            self.0.retain(|value| {
                at += 1;
                // Each is asked about once.
                at <= first || (at > first + 1 && keep(value))
            });
        }
    }

    /// Keeps this many from the beginning.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Moves all elements of another one to the end of this one.
    pub fn append(&mut self, other: &mut Self) {
        self.extend(std::mem::take(other));
    }

    /// The elements as a vector.
    pub fn into_vec(self) -> Vec<Value> {
        self.into_iter().collect()
    }
}

impl Deref for Array {
    type Target = [Value];

    #[inline]
    fn deref(&self) -> &[Value] {
        self.as_slice()
    }
}

impl DerefMut for Array {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Value] {
        self.0.make_mut()
    }
}

/// Two that are one in memory are equal without being looked at.
impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0 == other.0
    }
}

impl From<Vec<Value>> for Array {
    fn from(list: Vec<Value>) -> Self {
        Self(list.into_iter().collect())
    }
}

impl From<Array> for Vec<Value> {
    fn from(list: Array) -> Self {
        list.into_vec()
    }
}

impl PartialEq<[Value]> for Array {
    fn eq(&self, other: &[Value]) -> bool {
        self.as_slice() == other
    }
}

impl From<&[Value]> for Array {
    fn from(list: &[Value]) -> Self {
        Self(list.into())
    }
}

impl<V: Into<Value>> FromIterator<V> for Array {
    fn from_iter<I: IntoIterator<Item = V>>(list: I) -> Self {
        Self(list.into_iter().map(Into::into).collect())
    }
}

impl<V: Into<Value>> Extend<V> for Array {
    fn extend<I: IntoIterator<Item = V>>(&mut self, list: I) {
        self.0.extend(list.into_iter().map(Into::into));
    }
}

impl<'a> IntoIterator for &'a Array {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Array {
    type Item = &'a mut Value;
    type IntoIter = std::slice::IterMut<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl IntoIterator for Array {
    type Item = Value;
    type IntoIter = vec::IntoIter<Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
