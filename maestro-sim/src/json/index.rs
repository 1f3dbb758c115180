//! Reading and setting parts of a tree by name and place.

use std::ops;

use super::{Map, Name, Value};

static NULL: Value = Value::Null;

/// What a part of a tree is found by: the name of a field or the place in a list.
pub trait Index {
    /// The part, if it is there.
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value>;

    /// The same, to change.
    fn of_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value>;

    /// The part, to set: a field that is absent becomes null, and a tree that is null an object.
    ///
    /// # Panics
    /// When the tree is of another kind, or the place past the end of the list.
    fn or_insert<'v>(&self, value: &'v mut Value) -> &'v mut Value;
}

impl Index for str {
    #[inline]
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match value {
            Value::Object(map) => map.get(self),
            _ => None,
        }
    }

    #[inline]
    fn of_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        match value {
            Value::Object(map) => map.get_mut(self),
            _ => None,
        }
    }

    fn or_insert<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        if value.is_null() {
            *value = Value::Object(Map::new());
        }
        match value {
            Value::Object(map) => map.entry(self).or_insert(Value::Null),
            other => panic!("the field {self:?} of {other}, which is no object"),
        }
    }
}

impl Index for usize {
    #[inline]
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.as_array()?.get(*self)
    }

    fn of_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        value.as_array_mut()?.get_mut(*self)
    }

    fn or_insert<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        match value {
            Value::Array(list) => &mut list[*self],
            other => panic!("the element {self} of {other}, which is no list"),
        }
    }
}

macro_rules! as_text {
    ($($of:ty),*) => {$(
        impl Index for $of {
            #[inline]
            fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
                self.as_str().of(value)
            }

            #[inline]
            fn of_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
                self.as_str().of_mut(value)
            }

            fn or_insert<'v>(&self, value: &'v mut Value) -> &'v mut Value {
                self.as_str().or_insert(value)
            }
        }
    )*};
}

as_text!(String, Name, super::Text);

impl<I: Index + ?Sized> Index for &I {
    #[inline]
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        (**self).of(value)
    }

    #[inline]
    fn of_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        (**self).of_mut(value)
    }

    fn or_insert<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        (**self).or_insert(value)
    }
}

impl<I: Index> ops::Index<I> for Value {
    type Output = Self;

    /// The part of the tree; null where there is none.
    #[inline]
    fn index(&self, index: I) -> &Self {
        index.of(self).unwrap_or(&NULL)
    }
}

impl<I: Index> ops::IndexMut<I> for Value {
    fn index_mut(&mut self, index: I) -> &mut Self {
        index.or_insert(self)
    }
}
