//! Objects: fields in the order of their names, shared until one is changed.

use std::ops;

use ecow::{EcoVec, vec};

use super::name::head;
use super::{Name, Value};

/// The fields of an object, ordered by name.
#[derive(Clone, Default, Eq)]
pub struct Map(EcoVec<(Name, Value)>);

impl Map {
    /// No fields, and nothing allocated.
    pub const fn new() -> Self {
        Self(EcoVec::new())
    }

    /// No fields, with room for some.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(EcoVec::with_capacity(capacity))
    }

    /// The fields of a list, in any order; of two with one name the later one counts.
    pub(super) fn from_fields(mut fields: EcoVec<(Name, Value)>) -> Self {
        if !fields.is_sorted_by(|(a, _), (b, _)| a < b) {
            fields.make_mut().sort_by(|(a, _), (b, _)| a.cmp(b));
            let mut unique: EcoVec<(Name, Value)> = EcoVec::with_capacity(fields.len());
            for field in fields {
                match unique.make_mut().last_mut() {
                    Some(last) if last.0 == field.0 => *last = field,
                    _ => unique.push(field),
                }
            }
            return Self(unique);
        }
        Self(fields)
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both are one map in memory, and so equal.
    #[inline]
    pub fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.0.as_slice(), other.0.as_slice())
    }

    /// The place of a name, or where it would stand.
    #[inline]
    fn place(&self, name: &str) -> Result<usize, usize> {
        let head = head(name);
        self.0.as_slice().binary_search_by(|(found, _)| found.order(head, name))
    }

    /// A field.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.place(name).ok().map(|at| &self.0[at].1)
    }

    /// A field, to change.
    #[inline]
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let at = self.place(name).ok()?;
        Some(&mut self.0.make_mut()[at].1)
    }

    /// Whether there is such a field.
    #[inline]
    pub fn contains_key(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Sets a field; what it was before.
    pub fn insert(&mut self, name: impl Into<Name>, value: Value) -> Option<Value> {
        let name = name.into();
        if self.0.last().is_none_or(|(last, _)| *last < name) {
            self.0.push((name, value));
            return None;
        }
        match self.place(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.0.make_mut()[at].1, value)),
            Err(at) => {
                self.0.insert(at, (name, value));
                None
            }
        }
    }

    /// Removes a field; what it was.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.place(name).ok()?;
        Some(self.0.remove(at).1)
    }

    /// A field to be set where it is absent.
    pub fn entry(&mut self, name: impl Into<Name>) -> Entry<'_> {
        let name = name.into();
        let place = self.place(&name);
        Entry { map: self, name, place }
    }

    /// Keeps the fields of which `keep` is true. Nothing is copied when it keeps them all.
    pub fn retain(&mut self, mut keep: impl FnMut(&Name, &Value) -> bool) {
        let dropped = self.0.iter().position(|(name, value)| !keep(name, value));
        if let Some(first) = dropped {
            let mut at = 0;
            self.0.retain(|(name, value)| {
                at += 1;
                // Each is asked about once.
                at <= first || (at > first + 1 && keep(name, value))
            });
        }
    }

    /// Moves all fields of another one here.
    pub fn append(&mut self, other: &mut Self) {
        self.extend(std::mem::take(other));
    }

    /// Removes every field.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The fields in order.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }

    /// The fields in order, their values to change.
    pub fn iter_mut(&mut self) -> IterMut<'_> {
        IterMut(self.0.make_mut().iter_mut())
    }

    /// The names in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Name> + ExactSizeIterator + Clone {
        self.0.iter().map(|(name, _)| name)
    }

    /// The values in the order of their names.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values in the order of their names, to change.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Value> {
        self.0.make_mut().iter_mut().map(|(_, value)| value)
    }

    /// The values in the order of their names.
    pub fn into_values(self) -> impl DoubleEndedIterator<Item = Value> {
        self.0.into_iter().map(|(_, value)| value)
    }
}

/// A field of a map, present or not.
pub struct Entry<'a> {
    map: &'a mut Map,
    name: Name,
    place: Result<usize, usize>,
}

impl<'a> Entry<'a> {
    /// The field, set to this where it is absent.
    pub fn or_insert(self, value: Value) -> &'a mut Value {
        self.or_insert_with(|| value)
    }

    /// The field, set to what this makes where it is absent.
    pub fn or_insert_with(self, make: impl FnOnce() -> Value) -> &'a mut Value {
        let at = self.place.unwrap_or_else(|at| {
            self.map.0.insert(at, (self.name, make()));
            at
        });
        &mut self.map.0.make_mut()[at].1
    }
}

/// Two that are one in memory are equal without being looked at.
impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0 == other.0
    }
}

impl ops::Index<&str> for Map {
    type Output = Value;

    /// # Panics
    /// When there is no such field; [`Map::get`] does not.
    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or_else(|| panic!("no field {name:?}"))
    }
}

impl ops::IndexMut<&str> for Map {
    fn index_mut(&mut self, name: &str) -> &mut Value {
        self.entry(name).or_insert(Value::Null)
    }
}

impl<N: Into<Name>, V: Into<Value>> FromIterator<(N, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self::from_fields(fields.collect())
    }
}

impl<N: Into<Name>, V: Into<Value>> Extend<(N, V)> for Map {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, fields: I) {
        for (name, value) in fields {
            self.insert(name, value.into());
        }
    }
}

impl<N: Into<Name>, V: Into<Value>, const COUNT: usize> From<[(N, V); COUNT]> for Map {
    fn from(fields: [(N, V); COUNT]) -> Self {
        fields.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a Name, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Map {
    type Item = (&'a Name, &'a mut Value);
    type IntoIter = IterMut<'a>;

    fn into_iter(self) -> IterMut<'a> {
        self.iter_mut()
    }
}

impl IntoIterator for Map {
    type Item = (Name, Value);
    type IntoIter = vec::IntoIter<(Name, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The fields of a map in order.
#[derive(Clone)]
pub struct Iter<'a>(std::slice::Iter<'a, (Name, Value)>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Name, &'a Value);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(name, value)| (name, value))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// The fields of a map in order, their values to change.
pub struct IterMut<'a>(std::slice::IterMut<'a, (Name, Value)>);

impl<'a> Iterator for IterMut<'a> {
    type Item = (&'a Name, &'a mut Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (&*name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for IterMut<'_> {}
