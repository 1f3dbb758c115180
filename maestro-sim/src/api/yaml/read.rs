//! A document as a tree, as `go.yaml.in/yaml/v2` makes it.

use std::collections::{BTreeMap, BTreeSet};

use granit_parser::{Event, Options, Parser, ScalarStyle, Tag, options};

use super::scalar::{self, Scalar};
use crate::json::{Array, Map, Value};

/// The decoder goes on, but tells of no more keys that stand twice.
const MOST: usize = 100;

/// Why there is no tree.
pub(super) enum Failed {
    /// What Go says.
    Told(String),
    /// The parser, which is not the one of Go, does not understand the document.
    Unread,
}

/// A node that was read.
#[derive(Clone, Default)]
struct Node {
    value: Value,
    /// How many nodes it is made of.
    nodes: usize,
    /// Where its fields are, when it is a map.
    fields: Vec<Field>,
    /// Its items, when it is a list of nothing but maps.
    maps: Vec<Node>,
    /// What is told of keys in it that stand twice.
    twice: Vec<String>,
}

/// A key as Go writes it in messages, the field that it names, and the line of its value.
#[derive(Clone)]
struct Field {
    told: String,
    name: String,
    line: usize,
}

/// A list or a map of which the end was not read yet.
struct Open {
    anchor: usize,
    line: usize,
    /// The nodes, and the messages, that were there before it.
    before: (usize, usize),
    holds: Holds,
}

enum Holds {
    /// A list, and its items again as long as all are maps.
    Items(Array, Option<Vec<Node>>),
    Map(Fields),
}

#[derive(Default)]
struct Fields {
    map: Map,
    seen: BTreeSet<String>,
    lines: Vec<Field>,
    key: Option<Key>,
}

/// A key whose value is still to come.
enum Key {
    Field {
        told: String,
        name: String,
    },
    /// The value is a map, or maps, whose fields are meant.
    Merge,
    /// Null, which names no field.
    Null,
}

/// What reads a document.
#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchored: BTreeMap<usize, Node>,
    names: BTreeMap<usize, String>,
    nodes: usize,
    nodes_by_alias: usize,
    twice: Vec<String>,
}

/// The first document of a text, null when there is none, and what is told of keys that stand
/// twice.
pub(super) fn first(text: &str) -> Result<(Value, Vec<String>), Failed> {
    let options: Options = options! {
        emit_anchor_events: true,
        bom_inside_document_as_content: true,
        block_scalar_eof_without_line_feed: true,
    };
    let mut reader = Reader::default();
    let mut before = 1;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|_| Failed::Unread)?;
        let is_block =
            matches!(event, Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..));
        // A block begins where its sign stands, beside its key.
        let line = if is_block { before } else { span.start.line() };
        before = span.end.line();
        if let Some(value) = reader.take(event, line)? {
            return Ok((value, reader.twice));
        }
    }
    Ok((Value::Null, Vec::new()))
}

impl Reader {
    /// Takes the next event; answers the document when it is whole.
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<Option<Value>, Failed> {
        match event {
            Event::DocumentStart(_, Some(version)) if (version.major, version.minor) != (1, 1) => {
                Err(told("found incompatible YAML document"))
            }
            Event::Anchor(id, name) => {
                self.names.insert(id, name.into_owned());
                Ok(None)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, 0)?;
                let plain = style == ScalarStyle::Plain;
                let scalar = Scalar { text: &text, plain, tag: tag.as_deref().map(short) };
                let is_key = match self.awaits_key() {
                    Some(fields) => {
                        fields.key = Some(Key::of(&scalar)?);
                        true
                    }
                    None => false,
                };
                if is_key && anchor == 0 {
                    return Ok(None);
                }
                let value = scalar.value().map_err(Failed::Told)?;
                let node = Node { value, nodes: 1, ..Node::default() };
                self.keep(anchor, &node);
                if is_key { Ok(None) } else { self.place(node, line) }
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(anchor, line, Holds::Items(Array::new(), Some(Vec::new())))
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(anchor, line, Holds::Map(Fields::default()))
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(None) };
                let (value, fields, maps) = match open.holds {
                    Holds::Items(items, maps) => {
                        (Value::Array(items), Vec::new(), maps.unwrap_or_default())
                    }
                    Holds::Map(fields) => (Value::Object(fields.map), fields.lines, Vec::new()),
                };
                let nodes = self.nodes - open.before.0;
                let twice = self.twice[open.before.1..].to_vec();
                let node = Node { value, nodes, fields, maps, twice };
                self.keep(open.anchor, &node);
                self.place(node, open.line)
            }
            Event::Alias(id) => {
                let Some(node) = self.anchored.get(&id).cloned() else {
                    let name = self.names.get(&id).map_or("", String::as_str);
                    return Err(told(&format!("anchor '{name}' value contains itself")));
                };
                self.count(node.nodes, node.nodes)?;
                let more = MOST.saturating_sub(self.twice.len()).min(node.twice.len());
                self.twice.extend_from_slice(&node.twice[..more]);
                self.place(node, line)
            }
            _ => Ok(None),
        }
    }

    fn begin(&mut self, anchor: usize, line: usize, holds: Holds) -> Result<Option<Value>, Failed> {
        let before = (self.nodes, self.twice.len());
        self.count(1, 0)?;
        self.open.push(Open { anchor, line, before, holds });
        Ok(None)
    }

    /// Counts nodes as Go does, which refuses documents that are mostly aliases.
    fn count(&mut self, nodes: usize, by_alias: usize) -> Result<(), Failed> {
        /// Up to so many nodes nearly all may come by aliases, from so many on a tenth.
        const FEW: f64 = 400_000.0;
        const MANY: f64 = 4_000_000.0;
        self.nodes += nodes;
        self.nodes_by_alias += by_alias;
        let (all, aliased) = (self.nodes as f64, self.nodes_by_alias as f64);
        let allowed = 0.99 - 0.89 * ((all - FEW) / (MANY - FEW)).clamp(0.0, 1.0);
        if self.nodes_by_alias > 100 && self.nodes > 1000 && aliased / all > allowed {
            return Err(told("document contains excessive aliasing"));
        }
        Ok(())
    }

    fn keep(&mut self, anchor: usize, node: &Node) {
        if anchor > 0 {
            self.anchored.insert(anchor, node.clone());
        }
    }

    /// The map that is being read, when a key comes next.
    fn awaits_key(&mut self) -> Option<&mut Fields> {
        match self.open.last_mut() {
            Some(Open { holds: Holds::Map(fields), .. }) if fields.key.is_none() => Some(fields),
            _ => None,
        }
    }

    /// Puts a node where it belongs; answers it when it belongs nowhere.
    fn place(&mut self, node: Node, line: usize) -> Result<Option<Value>, Failed> {
        let Some(open) = self.open.last_mut() else { return Ok(Some(node.value)) };
        match &mut open.holds {
            Holds::Items(items, maps) => {
                items.push(node.value.clone());
                if !node.value.is_object() {
                    *maps = None;
                } else if let Some(maps) = maps {
                    maps.push(node);
                }
            }
            Holds::Map(fields) => match fields.key.take() {
                None => {
                    let key = scalar::key(&node.value).map_err(Failed::Told)?;
                    fields.key = Some(Key::named(key));
                }
                Some(Key::Field { told, name }) => {
                    fields.put(Field { told, name, line }, node.value, &mut self.twice);
                }
                Some(Key::Null) => {
                    let value = match &node.value {
                        Value::Null => "<nil>".to_owned(),
                        value => scalar::go(value),
                    };
                    let none = "unsupported map key of type: %!s(<nil>), key: <nil>";
                    return Err(Failed::Told(format!("{none}, value: {value}")));
                }
                Some(Key::Merge) => fields.merge(node, &mut self.twice)?,
            },
        }
        Ok(None)
    }
}

impl Key {
    fn named(key: Option<(String, String)>) -> Self {
        key.map_or(Self::Null, |(name, told)| Self::Field { told, name })
    }

    fn of(scalar: &Scalar<'_>) -> Result<Self, Failed> {
        if scalar.merges() {
            return Ok(Self::Merge);
        }
        Ok(Self::named(scalar.key().map_err(Failed::Told)?))
    }
}

impl Fields {
    fn put(&mut self, field: Field, value: Value, twice: &mut Vec<String>) {
        if !self.seen.insert(field.told.clone()) && twice.len() < MOST {
            twice.push(format!("line {}: key {} already set in map", field.line, field.told));
        }
        self.map.insert(field.name.as_str(), value);
        self.lines.push(field);
    }

    /// Takes over the fields of a map, or of maps of which the first counts most.
    fn merge(&mut self, node: Node, twice: &mut Vec<String>) -> Result<(), Failed> {
        let is_list_of_maps =
            node.value.as_array().is_some_and(|items| items.len() == node.maps.len());
        let maps = match node.value.is_object() {
            true => vec![node],
            false if is_list_of_maps => node.maps,
            false => return Err(told("map merge requires map or sequence of maps as the value")),
        };
        for map in maps.into_iter().rev() {
            for field in map.fields {
                let value = map.value.get(&field.name).cloned().unwrap_or_default();
                self.put(field, value, twice);
            }
        }
        Ok(())
    }
}

fn told(why: &str) -> Failed {
    Failed::Told(format!("yaml: {why}"))
}

/// A tag as Go compares it: those of YAML short.
fn short(tag: &Tag) -> String {
    let whole = format!("{}{}", tag.handle(), tag.suffix());
    match whole.strip_prefix("tag:yaml.org,2002:") {
        Some(name) => format!("!!{name}"),
        None => whole,
    }
}
