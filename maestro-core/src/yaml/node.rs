//! YAML as a tree whose nodes know their place in the file.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// A YAML node as it was written.
#[derive(Debug)]
pub(crate) enum Node {
    /// Null, a boolean or a number.
    Plain(Value),
    Text(String),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

impl Node {
    /// As plain JSON; of keys that are given twice the last holds.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Plain(value) => value,
            Self::Text(text) => Value::String(text),
            Self::List(items) => {
                Value::Array(items.into_iter().map(|item| item.value.into_value()).collect())
            }
            Self::Map(entries) => {
                let entries = entries.into_iter();
                Value::Object(entries.map(|(k, v)| (k.value, v.value.into_value())).collect())
            }
        }
    }
}

/// The child of a map or a list by key or index, and where it is: a map's key, a list's item.
pub(crate) fn child(node: Node, segment: &str) -> Option<(Location, Spanned<Node>)> {
    match node {
        Node::Map(entries) => {
            let entry = entries.into_iter().find(|(key, _)| key.value == segment);
            entry.map(|(key, value)| (key.referenced, value))
        }
        Node::List(items) => {
            let item = items.into_iter().nth(segment.parse().ok()?)?;
            Some((item.referenced, item))
        }
        Node::Plain(_) | Node::Text(_) => None,
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Plain(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Plain(Value::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Plain(Value::from(value)))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value)
            .ok_or_else(|| E::custom("Kubernetes has no such number; quote it to make it text"))?;
        Ok(Node::Plain(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}
