//! What a schema says about merging: which maps and lists are granular, which are one value.

use std::sync::{Arc, OnceLock};

use super::path;
use crate::json::{Map, Text, Value, json};
use crate::schema::{Encoding, Kind, ListType, Schema, parse};

/// The type of one node of a tree, as far as merging is concerned.
#[derive(Clone, Copy)]
pub(crate) struct Ty<'s> {
    schema: Option<&'s Schema>,
    /// Below `x-kubernetes-preserve-unknown-fields`: maps nobody describes are granular there.
    open: bool,
    /// Whether this is a whole object, whose metadata every kind shares.
    whole: bool,
}

/// A value seen through its type.
#[derive(Clone, Copy)]
pub(crate) enum Form<'s, 'v> {
    /// Absent or null: takes whatever form the other side has.
    Wild,
    /// A scalar, or a map or list that only changes as a whole.
    Leaf,
    /// A map whose fields have their own owners.
    Map(&'v Map),
    /// A list whose items have their own owners.
    List(Items<'s>, &'v [Value]),
}

/// How the items of a granular list are told apart.
#[derive(Clone, Copy)]
pub(crate) enum Items<'s> {
    /// By their value.
    Set,
    /// By these fields.
    Keyed(&'s [Arc<str>]),
}

impl<'s> Ty<'s> {
    /// The type of a whole object.
    pub(crate) fn root(schema: &'s Schema) -> Self {
        Self { schema: Some(schema), open: schema.preserve_unknown, whole: true }
    }

    fn below(self, schema: Option<&'s Schema>) -> Self {
        Self {
            schema,
            open: self.open || schema.is_some_and(|s| s.preserve_unknown || s.undeclared),
            whole: schema.is_some_and(|s| s.embedded_resource),
        }
    }

    /// The schema, when somebody described this node.
    pub(crate) fn schema(self) -> Option<&'s Schema> {
        self.schema
    }

    /// Whether fields that nobody declared are an error here.
    pub(crate) fn is_closed(self) -> bool {
        !self.open && self.schema.is_some_and(|s| s.kind == Kind::Object)
    }

    /// Whether anybody says what is in it.
    pub(crate) fn has_fields(self) -> bool {
        self.schema.is_some_and(|s| !s.properties.is_empty() || s.additional.is_some())
    }

    /// Whether `name` is a field of a struct, rather than a key somebody chose.
    pub(crate) fn names(self, name: &str) -> bool {
        (self.whole && matches!(name, "apiVersion" | "kind" | "metadata"))
            || self.schema.is_some_and(|s| s.properties.contains_key(name))
    }

    /// The type under a field or key; one without a schema is unknown.
    pub(crate) fn child(self, name: &str) -> Self {
        let known = self.schema.and_then(|s| s.field(name)).map(|s| &**s);
        if !self.whole {
            return self.below(known);
        }
        self.below(match name {
            "metadata" if known.is_none_or(|s| s.properties.is_empty()) => Some(object_meta()),
            "apiVersion" | "kind" if known.is_none() => Some(text()),
            _ => known,
        })
    }

    /// Whether the name is a key of a map, and not a field that is declared.
    pub(crate) fn is_key(self, name: &str) -> bool {
        self.schema.is_some_and(|s| !s.properties.contains_key(name) && s.field(name).is_some())
    }

    /// The type of a list's items.
    pub(crate) fn item(self) -> Self {
        self.below(self.schema.and_then(|s| s.items.as_deref()))
    }

    /// How `value` merges.
    pub(crate) fn form<'v>(self, value: Option<&'v Value>) -> Form<'s, 'v> {
        match value {
            None | Some(Value::Null) => Form::Wild,
            Some(Value::Object(map)) if self.is_granular_map() => Form::Map(map),
            Some(Value::Array(list)) => match self.items() {
                Some(items) => Form::List(items, list),
                None => Form::Leaf,
            },
            Some(_) => Form::Leaf,
        }
    }

    fn is_granular_map(self) -> bool {
        match self.schema {
            // Where nobody says what a value is, it is one value, unless unknown fields are kept.
            Some(schema) if schema.kind == Kind::Any => self.open && schema.is_granular_map(),
            Some(schema) => schema.is_granular_map(),
            None => self.open,
        }
    }

    /// How a list of this type tells its items apart; none if it is atomic.
    pub(crate) fn items(self) -> Option<Items<'s>> {
        match &self.schema?.list_type {
            ListType::Atomic => None,
            ListType::Set => Some(Items::Set),
            ListType::Map(keys) => Some(Items::Keyed(keys)),
        }
    }

    /// The value of a key field of a list item, or its default; `self` is the item's type.
    pub(crate) fn key_value<'v>(self, item: &'v Value, key: &str) -> Option<&'v Value>
    where
        's: 'v,
    {
        static EMPTY: Value = Value::String(Text::new());
        let default = || {
            let field = self.schema?.properties.get(key)?;
            // A text that Go always writes is empty where nobody says it.
            let written = field.encoding == Encoding::Always && field.kind == Kind::String;
            field.default.as_ref().or(written.then_some(&EMPTY))
        };
        item.get(key).or_else(default)
    }

    /// The `fieldsV1` element of a list item; `self` is the item's type. None if it has no
    /// identity: a key is missing, or a set holds a map.
    pub(crate) fn element(self, items: Items<'s>, item: &Value) -> Option<String> {
        match items {
            Items::Set if item.is_object() || item.is_array() => None,
            Items::Set => Some(path::value(item)),
            Items::Keyed(keys) => {
                let pair = |key: &'s Arc<str>| Some((&**key, self.key_value(item, key)?));
                let pairs = keys.iter().map(pair).collect::<Option<Vec<_>>>()?;
                Some(path::keys(&pairs))
            }
        }
    }

    /// Whether two items of a keyed list have the same keys; `self` is the item's type.
    pub(crate) fn same_item(self, keys: &[Arc<str>], a: &Value, b: &Value) -> bool {
        keys.iter().all(|key| match (self.key_value(a, key), self.key_value(b, key)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        })
    }
}

/// `metadata`, which custom kinds have without saying so
/// (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/>).
pub(crate) fn object_meta() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let text = json!({"type": "string"});
        let number = json!({"type": "integer"});
        let texts = json!({"type": "object", "additionalProperties": text});
        let any = json!({"type": "object"});
        parse::parse(&json!({"type": "object", "properties": {
            "annotations": texts,
            "creationTimestamp": text,
            "deletionGracePeriodSeconds": number,
            "deletionTimestamp": text,
            "finalizers": {
                "type": "array", "items": text, "x-kubernetes-list-type": "set",
                "x-kubernetes-patch-strategy": "merge"
            },
            "generateName": text,
            "generation": number,
            "labels": texts,
            "managedFields": {"type": "array", "items": any, "x-kubernetes-list-type": "atomic"},
            "name": text,
            "namespace": text,
            "ownerReferences": {
                "type": "array",
                "items": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {
                    "apiVersion": text, "blockOwnerDeletion": {"type": "boolean"},
                    "controller": {"type": "boolean"}, "kind": text, "name": text, "uid": text
                }},
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
                "x-kubernetes-patch-merge-key": "uid", "x-kubernetes-patch-strategy": "merge"
            },
            "resourceVersion": text,
            "selfLink": text,
            "uid": text
        }}))
    })
}

fn text() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| Schema { kind: Kind::String, ..Schema::default() })
}

/// Equality of values; numbers are equal when they mean the same, so 1 is 1.0.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
