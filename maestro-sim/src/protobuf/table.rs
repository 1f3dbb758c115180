//! Which messages the built-in kinds of Kubernetes 1.37 are, with the JSON names of their fields.
//!
//! `1.37.txt` is made by the command `protobuf` in `ci/control-plane/kubernetes`, from the Go
//! modules `k8s.io/{api,apimachinery,apiextensions-apiserver,kube-aggregator}`: it holds names,
//! numbers and types alone. It is read when a process first meets a client that speaks protobuf, or
//! a person, to whom the order of the fields matters.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const TABLE: &str = include_str!("1.37.txt");

/// One message of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageId(usize);

/// How JSON shows a field that is not set; the letters of the Go command `encoding`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unset {
    /// Left out when empty.
    Omitted,
    /// A plain value that always appears.
    Always,
    /// Appears as null.
    Null,
    /// A pointer, left out when unset: an empty value stays.
    Pointer,
    /// A struct that always appears.
    Struct,
    /// A time that is left out when it is zero.
    OmitZero,
}

/// How often a field's value stands in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    One,
    List,
    Map,
}

/// The type of a field's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    Text,
    Bool,
    Int32,
    Int64,
    Double,
    Bytes,
    Message(MessageId),
    /// `meta.v1.Time`, in seconds.
    Time,
    /// `meta.v1.MicroTime`, in microseconds.
    MicroTime,
    Quantity,
    IntOrString,
    /// Bytes that are JSON: `RawExtension`, `FieldsV1` and `apiextensions.v1.JSON`.
    Raw,
    /// A message around a list of texts, where JSON has the list alone.
    Items,
    SchemaOrArray,
    SchemaOrBool,
    SchemaOrStrings,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    /// As Go calls it; only messages show it.
    pub(super) go_name: Cow<'static, str>,
    /// Empty for a struct whose fields JSON shows as the outer one's.
    pub(super) name: &'static str,
    pub(super) unset: Unset,
    /// Whether Go knows that it is not set.
    pub(super) pointer: bool,
    pub(super) shape: Shape,
    pub(super) of: Type,
}

/// The fields of a message, by number.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// Without its package.
    pub(super) name: &'static str,
    pub(super) fields: Vec<Field>,
    /// The places of its fields in the order of the Go struct.
    declared: Vec<usize>,
}

impl Message {
    /// The fields in the order of the Go struct, in which Go writes JSON.
    pub(super) fn declared(&self) -> impl Iterator<Item = &Field> {
        self.declared.iter().filter_map(|at| self.fields.get(*at))
    }

    pub(super) fn field(&self, number: u64) -> Option<&Field> {
        let at = self.fields.binary_search_by_key(&number, |field| u64::from(field.number));
        at.ok().and_then(|at| self.fields.get(at))
    }
}

/// The whole table.
pub(super) struct Table {
    messages: Vec<Message>,
    names: BTreeMap<&'static str, MessageId>,
    kinds: BTreeMap<(&'static str, &'static str), MessageId>,
    /// The schema inside a CRD, of which some types of JSON's own are made.
    pub(super) schema: MessageId,
}

impl Table {
    pub(super) fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.0]
    }

    pub(super) fn of_kind(&self, api_version: &str, kind: &str) -> Option<MessageId> {
        self.kinds.get(&(api_version, kind)).copied()
    }

    pub(super) fn named(&self, name: &str) -> Option<MessageId> {
        self.names.get(name).copied()
    }

    /// Every kind: its `apiVersion`, its name and its message.
    #[cfg(test)]
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&'static str, &'static str, MessageId)> {
        self.kinds.iter().map(|((api_version, kind), id)| (*api_version, *kind, *id))
    }
}

/// The process's table.
pub(super) fn table() -> &'static Table {
    static READ: OnceLock<Table> = OnceLock::new();
    READ.get_or_init(read)
}

fn read() -> Table {
    let of_sort = |sort: &'static str| {
        TABLE.lines().filter_map(move |line| line.strip_prefix(sort)?.strip_prefix(' '))
    };
    let lines: Vec<(&str, &str)> =
        of_sort("M").map(|line| line.split_once(' ').unwrap_or((line, ""))).collect();
    let names: BTreeMap<&str, MessageId> =
        lines.iter().enumerate().map(|(at, (name, _))| (*name, MessageId(at))).collect();
    let read = |name: &'static str, fields: &'static str| {
        let declared = fields.split_whitespace().filter_map(|text| field(text, &names));
        let mut fields: Vec<(usize, Field)> = declared.enumerate().collect();
        fields.sort_by_key(|(_, field)| field.number);
        let mut declared = vec![0; fields.len()];
        for (at, (place, _)) in fields.iter().enumerate() {
            declared[*place] = at;
        }
        let fields = fields.into_iter().map(|(_, field)| field).collect();
        Message { name: name.rsplit('.').next().unwrap_or(name), fields, declared }
    };
    let messages = lines.iter().map(|(name, fields)| read(name, fields)).collect();
    let kinds = of_sort("K").filter_map(|line| {
        let mut words = line.split(' ');
        let kind = (words.next()?, words.next()?);
        Some((kind, *names.get(words.next()?)?))
    });
    let schema = names.get("apiextensions.v1.JSONSchemaProps").copied();
    Table { messages, kinds: kinds.collect(), schema: schema.unwrap_or(MessageId(0)), names }
}

/// Reads `number:name:letter:type:Name`, where the Go name may be left out. The
/// test of the table sees that every entry can be read.
fn field(text: &'static str, names: &BTreeMap<&str, MessageId>) -> Option<Field> {
    let mut words = text.splitn(5, ':');
    let (number, name, letter) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    let of = words.next()?;
    let go_name = words.next().map_or_else(|| Cow::Owned(capitalised(name)), Cow::Borrowed);
    let (pointer, of) = of.strip_prefix('*').map_or((false, of), |of| (true, of));
    let (shape, of) = match (of.strip_prefix("[]"), of.strip_prefix("{}")) {
        (Some(of), _) => (Shape::List, of),
        (_, Some(of)) => (Shape::Map, of),
        _ => (Shape::One, of),
    };
    let unset = match letter {
        "o" => Unset::Omitted,
        "a" => Unset::Always,
        "n" => Unset::Null,
        "p" => Unset::Pointer,
        "s" => Unset::Struct,
        "z" => Unset::OmitZero,
        _ => return None,
    };
    let of = match of {
        "string" => Type::Text,
        "bool" => Type::Bool,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "float64" => Type::Double,
        "bytes" => Type::Bytes,
        "!time" => Type::Time,
        "!micro-time" => Type::MicroTime,
        "!quantity" => Type::Quantity,
        "!int-or-string" => Type::IntOrString,
        "!raw" => Type::Raw,
        "!items" => Type::Items,
        "!schema-or-array" => Type::SchemaOrArray,
        "!schema-or-bool" => Type::SchemaOrBool,
        "!schema-or-strings" => Type::SchemaOrStrings,
        message => Type::Message(*names.get(message)?),
    };
    Some(Field { number, go_name, name, unset, pointer, shape, of })
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string())
        + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::facts;

    #[test]
    fn every_entry_is_read() {
        for line in TABLE.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["K", api_version, kind, _] => {
                    assert!(table().of_kind(api_version, kind).is_some(), "{line}");
                }
                ["M", name, fields @ ..] => {
                    let id = table().named(name).expect(name);
                    assert_eq!(table().message(id).fields.len(), fields.len(), "{line}");
                }
                _ => panic!("{line}"),
            }
        }
    }

    #[test]
    fn every_built_in_kind_has_a_message() {
        for resource in &facts().resources {
            let text = |field: &str| resource[field].as_str().unwrap_or("");
            let api_version = match text("group") {
                "" => text("version").to_owned(),
                group => format!("{group}/{}", text("version")),
            };
            let kind = text("kind");
            assert!(table().of_kind(&api_version, kind).is_some(), "{api_version} {kind}");
            if resource["verbs"].as_array().is_some_and(|verbs| verbs.contains(&"list".into())) {
                let list = format!("{kind}List");
                assert!(table().of_kind(&api_version, &list).is_some(), "{api_version} {list}");
            }
        }
    }
}
