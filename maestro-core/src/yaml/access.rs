//! How serde walks through lists, mappings and variants of a tree.

use std::marker::PhantomData;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};
use serde_saphyr::Spanned;

use super::error::Error;
use super::node::Node;
use super::typed::Typed;

/// A key as a node.
pub(super) fn text(key: &Spanned<String>) -> Spanned<Node> {
    Spanned::new(Node::Text(key.value.clone()), key.referenced, key.defined)
}

/// The items of a list.
pub(super) struct Items<'a> {
    of: Typed<'a>,
    items: std::slice::Iter<'a, Spanned<Node>>,
}

impl<'a> Items<'a> {
    pub(super) fn new(of: Typed<'a>, items: &'a [Spanned<Node>]) -> Self {
        Self { of, items: items.iter() }
    }
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.items.next() else { return Ok(None) };
        self.of.at(item).read(seed).map(Some)
    }
}

/// The fields of a mapping.
pub(super) struct Entries<'a> {
    of: Typed<'a>,
    entries: std::slice::Iter<'a, (Spanned<String>, Spanned<Node>)>,
    value: Option<&'a Spanned<Node>>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(of: Typed<'a>, entries: &'a [(Spanned<String>, Spanned<Node>)]) -> Self {
        Self { of, entries: entries.iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some(value);
        let (key, of): (_, Typed<'_>) = (text(key), self.of);
        of.at(&key).read(seed).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.of.at(self.value.take().unwrap_or(self.of.node)).read(seed)
    }
}

/// The name of an enum's variant and what it holds.
pub(super) struct Variant<'a> {
    name: Typed<'a>,
    held: Held<'a>,
}

/// What a variant holds.
pub(super) struct Held<'a>(Option<Typed<'a>>);

impl<'a> Variant<'a> {
    pub(super) const fn new(name: Typed<'a>, value: Option<Typed<'a>>) -> Self {
        Self { name, held: Held(value) }
    }
}

impl<'a> Held<'a> {
    fn value(self, expected: &'static str) -> Result<Typed<'a>, Error> {
        let missing = || serde::de::Error::invalid_type(Unexpected::UnitVariant, &expected);
        self.0.ok_or_else(missing)
    }
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Error;
    type Variant = Held<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Held<'a>), Error> {
        Ok((self.name.read(seed)?, self.held))
    }
}

impl<'de> VariantAccess<'de> for Held<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.0 {
            Some(value) => value.read(PhantomData),
            None => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        self.value("a variant with a value")?.read(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        let value = self.value("a variant with a list")?;
        value.deserialize_seq(visitor).map_err(|error| error.or_at(value.place()))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let value = self.value("a variant with fields")?;
        value.deserialize_map(visitor).map_err(|error| error.or_at(value.place()))
    }
}
