//! From a message to the JSON that a Go server makes of it.
//!
//! Unknown fields are passed over, a known field of another wire type is refused. What a message
//! leaves out appears as Go shows it: left out, empty or null.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::special;
use super::table::{Field, Message, MessageId, Shape, Type, Unset, table};
use super::wire::{Found, Reader};
use crate::json::{Map, Value};

/// Levels of JSON in a body; more than that the parser of JSON bodies refuses, too.
pub(super) const DEPTH: usize = 127;
/// Values in a body. A body of 3 MiB, the most that an API server reads, holds fewer when it
/// means something.
const VALUES: usize = 500_000;

/// Reads a message of a kind.
pub(super) fn message(
    id: MessageId,
    raw: &[u8],
    api_version: &str,
    kind: &str,
) -> Result<Value, String> {
    let mut map = Map::new();
    map.insert("apiVersion", api_version.into());
    map.insert("kind", kind.into());
    Decoder { room: VALUES }.fields(table().message(id), raw, &mut map, 1)?;
    Ok(Value::Object(map))
}

pub(super) struct Decoder {
    /// How many values there may still be.
    room: usize,
}

impl Decoder {
    fn spend(&mut self) -> Result<(), String> {
        self.room = self.room.checked_sub(1).ok_or("proto: the message holds too many values")?;
        Ok(())
    }

    fn fields(
        &mut self,
        message: &Message,
        raw: &[u8],
        map: &mut Map,
        depth: usize,
    ) -> Result<(), String> {
        if depth > DEPTH {
            return Err("proto: the message is nested too deeply".into());
        }
        let mut reader = Reader::new(raw, message.name);
        while let Some((number, found)) = reader.next()? {
            if let Some(field) = message.field(number) {
                self.field(field, found, map, depth)?;
            }
        }
        self.fill(message, map)
    }

    /// A nested message as an object, added to what an earlier part of it held.
    pub(super) fn nested(
        &mut self,
        id: MessageId,
        raw: &[u8],
        before: Option<Value>,
        depth: usize,
    ) -> Result<Value, String> {
        let mut map = match before {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        self.fields(table().message(id), raw, &mut map, depth + 1)?;
        Ok(Value::Object(map))
    }

    fn field(
        &mut self,
        field: &Field,
        found: Found<'_>,
        map: &mut Map,
        depth: usize,
    ) -> Result<(), String> {
        self.spend()?;
        match (field.shape, field.of) {
            (Shape::One, Type::Message(id)) => {
                let raw = bytes(&field.go_name, found)?;
                if field.name.is_empty() {
                    return self.fields(table().message(id), raw, map, depth);
                }
                let value = self.nested(id, raw, map.remove(field.name), depth)?;
                map.insert(field.name, value);
            }
            (Shape::One, of) => {
                let value = self.value(&field.go_name, of, found, depth)?;
                if is_left_out(field, &value) {
                    map.remove(field.name);
                } else {
                    map.insert(field.name, value);
                }
            }
            (Shape::List, of) => self.list(field, of, found, map, depth)?,
            (Shape::Map, of) => {
                let (key, value) =
                    self.entry(&field.go_name, of, bytes(&field.go_name, found)?, depth)?;
                let here = map.entry(field.name).or_insert(Value::Null);
                if !here.is_object() {
                    *here = Value::Object(Map::new());
                }
                if let Value::Object(entries) = here {
                    entries.insert(key, value);
                }
            }
        }
        Ok(())
    }

    fn list(
        &mut self,
        field: &Field,
        of: Type,
        found: Found<'_>,
        map: &mut Map,
        depth: usize,
    ) -> Result<(), String> {
        let (name, mut items) = (&*field.go_name, Vec::new());
        match (of, found) {
            (Type::Int32 | Type::Int64 | Type::Bool, Found::Bytes(packed)) => {
                let mut reader = Reader::new(packed, "");
                while let Some(number) = reader.packed()? {
                    self.spend()?;
                    items.push(self.value(name, of, Found::Varint(number), depth)?);
                }
            }
            (of, found) => items.push(self.value(name, of, found, depth + 1)?),
        }
        match map.get_mut(field.name) {
            Some(Value::Array(list)) => list.extend(items),
            _ => drop(map.insert(field.name, items.into())),
        }
        Ok(())
    }

    fn entry(
        &mut self,
        name: &str,
        of: Type,
        raw: &[u8],
        depth: usize,
    ) -> Result<(String, Value), String> {
        let (mut key, mut value) = (Cow::Borrowed(""), None);
        let mut reader = Reader::new(raw, "entry");
        while let Some((number, found)) = reader.next()? {
            match number {
                1 => key = String::from_utf8_lossy(bytes(name, found)?),
                2 => value = Some(self.value(name, of, found, depth + 1)?),
                _ => {}
            }
        }
        let value = match (value, of) {
            (Some(value), _) => value,
            (None, Type::Message(id)) => self.zero(id)?,
            (None, of) => zero_of(of),
        };
        Ok((key.into_owned(), value))
    }

    fn value(
        &mut self,
        name: &str,
        of: Type,
        found: Found<'_>,
        depth: usize,
    ) -> Result<Value, String> {
        Ok(match (of, found) {
            (Type::Bool, Found::Varint(number)) => Value::Bool(number != 0),
            (Type::Int32, Found::Varint(number)) => int32(number).into(),
            (Type::Int64, Found::Varint(number)) => number.cast_signed().into(),
            (Type::Double, Found::Fixed64(bits)) => special::double(name, f64::from_bits(bits))?,
            (Type::Bool | Type::Int32 | Type::Int64 | Type::Double, other) => {
                return Err(other.wrong(name));
            }
            (Type::Text, found) => String::from_utf8_lossy(bytes(name, found)?).into(),
            (Type::Bytes, found) => STANDARD.encode(bytes(name, found)?).into(),
            (Type::Message(id), found) => self.nested(id, bytes(name, found)?, None, depth)?,
            (of, found) => special::read(self, name, of, bytes(name, found)?, depth + 1)?,
        })
    }

    /// Puts in what Go shows of fields that a message left out.
    fn fill(&mut self, message: &Message, map: &mut Map) -> Result<(), String> {
        for field in &message.fields {
            let value = match (field.unset, field.of) {
                (Unset::Struct, Type::Message(id)) if field.name.is_empty() => {
                    self.fill(table().message(id), map)?;
                    continue;
                }
                (Unset::Omitted | Unset::Pointer | Unset::OmitZero, _) => continue,
                _ if map.contains_key(field.name) => continue,
                (Unset::Null, _) => Value::Null,
                (Unset::Struct, Type::Message(id)) => self.zero(id)?,
                (Unset::Always | Unset::Struct, of) => zero_of(of),
            };
            self.spend()?;
            map.insert(field.name, value);
        }
        Ok(())
    }

    fn zero(&mut self, id: MessageId) -> Result<Value, String> {
        let mut map = Map::new();
        self.fill(table().message(id), &mut map)?;
        Ok(Value::Object(map))
    }
}

/// A value of a plain type that nobody set.
fn zero_of(of: Type) -> Value {
    match of {
        Type::Text => "".into(),
        Type::Bool => false.into(),
        Type::Int32 | Type::Int64 | Type::Double | Type::IntOrString => 0.into(),
        Type::Quantity => "0".into(),
        _ => Value::Null,
    }
}

/// Whether JSON leaves a value out because it is empty.
fn is_left_out(field: &Field, value: &Value) -> bool {
    match field.unset {
        Unset::Omitted => match value {
            Value::Null => true,
            Value::Bool(on) => !on,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(_) => false,
        },
        Unset::OmitZero => value.is_null(),
        _ => false,
    }
}

/// The lower half of a number, as Go takes it.
fn int32(number: u64) -> i32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

pub(super) fn bytes<'a>(name: &str, found: Found<'a>) -> Result<&'a [u8], String> {
    match found {
        Found::Bytes(bytes) => Ok(bytes),
        other => Err(other.wrong(name)),
    }
}
