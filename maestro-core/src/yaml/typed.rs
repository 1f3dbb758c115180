//! Types made from a tree.

use std::cell::Cell;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Expected, Unexpected, Visitor,
};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::Place;
use super::access::{Entries, Items, Variant, text};
use super::error::{Error, Mistake};
use super::node::Node;

/// Makes a type from a tree that was read from `text`.
pub(super) fn from_tree<T: DeserializeOwned>(
    tree: &Spanned<Node>,
    text: &str,
    strict_booleans: bool,
) -> Result<T, Error> {
    Typed { node: tree, text, strict_booleans }.read(PhantomData)
}

/// The name by which [`placed`] asks for a place.
const PLACED: &str = "maestro::yaml::placed";

thread_local! {
    /// The place of the value that is about to be handed over, for [`placed`] to take.
    static PLACE: Cell<Option<Place>> = const { Cell::new(None) };
}

/// A value and its place, which is line 0 when it does not come from YAML.
///
/// # Errors
/// Those of the value.
pub fn placed<'de, T, D>(deserializer: D) -> Result<(T, Place), D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Newtype<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Newtype<T> {
        type Value = (T, Place);

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a value")
        }

        fn visit_newtype_struct<D: Deserializer<'de>>(
            self,
            deserializer: D,
        ) -> Result<(T, Place), D::Error> {
            let place = PLACE.take().unwrap_or_default();
            Ok((T::deserialize(deserializer)?, place))
        }
    }

    PLACE.set(None);
    deserializer.deserialize_newtype_struct(PLACED, Newtype(PhantomData))
}

/// A node with what is needed to read it as any type.
#[derive(Clone, Copy)]
pub(super) struct Typed<'a> {
    pub(super) node: &'a Spanned<Node>,
    text: &'a str,
    strict_booleans: bool,
}

impl<'a> Typed<'a> {
    /// Where it is used; an alias is not where it was defined.
    pub(super) fn place(self) -> Place {
        self.node.referenced.into()
    }

    /// Makes what `seed` asks for; a mistake without a place is here.
    pub(super) fn read<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self).map_err(|error| error.or_at(self.place()))
    }

    /// Another node of the same text.
    pub(super) const fn at(self, node: &'a Spanned<Node>) -> Self {
        Self { node, ..self }
    }

    /// A scalar as it was written; nothing for null, lists and maps.
    fn scalar(self) -> Option<&'a str> {
        match &self.node.value {
            Node::Text(text) => Some(text),
            Node::Plain(value) if !value.is_null() => {
                let Place { offset, length, .. } = Place::from(self.node.defined);
                self.text.get(offset..offset + length)
            }
            _ => None,
        }
    }

    fn unexpected(self, expected: &dyn Expected) -> Error {
        let unexpected = match &self.node.value {
            Node::Plain(Value::Bool(value)) => Unexpected::Bool(*value),
            Node::Plain(Value::Number(number)) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => Unexpected::Unsigned(number),
                (None, Some(number)) => Unexpected::Signed(number),
                (None, None) => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Node::Plain(_) => Unexpected::Other("null"),
            Node::Text(text) => Unexpected::Str(text),
            Node::List(_) => Unexpected::Seq,
            Node::Map(_) => Unexpected::Map,
        };
        serde::de::Error::invalid_type(unexpected, expected)
    }

    fn number<N: TryFrom<i128>>(self, kind: &'static str) -> Result<N, Error> {
        let number = match &self.node.value {
            Node::Plain(Value::Number(number)) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => Some(i128::from(number)),
                (None, number) => number.map(i128::from),
            },
            Node::Text(text) => text.parse().ok(),
            _ => None,
        };
        let number = number.and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| Error::new(Mistake::Scalar(kind)))
    }

    fn boolean(self) -> Option<bool> {
        let is = |word: &&str| self.scalar().is_some_and(|text| text.eq_ignore_ascii_case(word));
        match &self.node.value {
            Node::Plain(Value::Bool(value)) => Some(*value),
            _ if self.strict_booleans => None,
            _ if ["true", "yes", "y", "on"].iter().any(&is) => Some(true),
            _ if ["false", "no", "n", "off"].iter().any(is) => Some(false),
            _ => None,
        }
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $name:literal,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.number($name)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Typed<'_> {
    type Error = Error;

    numbers! {
        deserialize_i8 visit_i8 "whole number in range",
        deserialize_i16 visit_i16 "whole number in range",
        deserialize_i32 visit_i32 "whole number in range",
        deserialize_i64 visit_i64 "whole number",
        deserialize_u8 visit_u8 "whole number in range",
        deserialize_u16 visit_u16 "whole number in range",
        deserialize_u32 visit_u32 "whole number in range",
        deserialize_u64 visit_u64 "whole number in range",
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Node::Plain(Value::Bool(value)) => visitor.visit_bool(*value),
            Node::Plain(Value::Number(number)) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Node::Plain(_) => visitor.visit_unit(),
            Node::Text(text) => visitor.visit_str(text),
            Node::List(_) => self.deserialize_seq(visitor),
            Node::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.boolean() {
            Some(value) => visitor.visit_bool(value),
            None => Err(Error::new(Mistake::Scalar("true or false"))),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let number = match &self.node.value {
            Node::Plain(value) => value.as_f64(),
            Node::Text(text) => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => visitor.visit_f64(number),
            None => Err(Error::new(Mistake::Scalar("number"))),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar() {
            Some(text) => visitor.visit_str(text),
            None => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Node::Plain(Value::Null) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Node::Plain(Value::Null) => visitor.visit_unit(),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == PLACED {
            PLACE.set(Some(self.place()));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Node::List(items) => visitor.visit_seq(Items::new(self, items)),
            _ => Err(Error::new(Mistake::NoList)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Node::Map(entries) => visitor.visit_map(Entries::new(self, entries)),
            _ => Err(Error::new(Mistake::NoMapping)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.node.value {
            Node::Map(entries) => match entries.as_slice() {
                [(key, value)] => {
                    let (name, of): (_, Typed<'_>) = (text(key), self);
                    visitor.visit_enum(Variant::new(of.at(&name), Some(of.at(value))))
                }
                _ => Err(self.unexpected(&"a mapping with one field")),
            },
            _ if self.scalar().is_some() => visitor.visit_enum(Variant::new(self, None)),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}
