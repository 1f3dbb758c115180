//! From JSON to a message, byte for byte as a Go server writes it: fields by number, map entries
//! by key, and values that are no pointers even when they are empty.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::special;
use super::table::{Field, Message, MessageId, Shape, Type, table};
use super::wire::Writer;
use crate::json::{Map, Name, Value};

/// Writes an object as a message.
pub(super) fn message(id: MessageId, value: &Value) -> Result<Vec<u8>, String> {
    let mut writer = Writer::default();
    fields(&mut writer, table().message(id), value.as_object())?;
    Ok(writer.finish())
}

/// Writes a list's message: its metadata and its items.
pub(super) fn list<'a>(
    id: MessageId,
    metadata: &Value,
    items: impl DoubleEndedIterator<Item = &'a Value> + Clone,
) -> Result<Vec<u8>, String> {
    let mut writer = Writer::default();
    for field in table().message(id).fields.iter().rev() {
        match (field.name, field.of) {
            ("items", Type::Message(of)) => {
                for item in items.clone().rev() {
                    nested(&mut writer, field.number, of, Some(item))?;
                }
            }
            ("metadata", of) => one(&mut writer, field.number, of, Some(metadata))?,
            _ => {}
        }
    }
    Ok(writer.finish())
}

fn fields(writer: &mut Writer, message: &Message, map: Option<&Map>) -> Result<(), String> {
    for of in message.fields.iter().rev() {
        match of.of {
            Type::Message(id) if of.name.is_empty() => {
                let mark = writer.mark();
                fields(writer, table().message(id), map)?;
                writer.nest(of.number, mark);
            }
            _ => {
                let value = map.and_then(|map| map.get(of.name)).filter(|value| !value.is_null());
                field(writer, of, value).map_err(|why| format!("{}: {why}", of.name))?;
            }
        }
    }
    Ok(())
}

fn field(writer: &mut Writer, field: &Field, value: Option<&Value>) -> Result<(), String> {
    let (number, of) = (field.number, field.of);
    match (field.shape, value) {
        (Shape::One, None) if field.pointer || matches!(of, Type::Bytes | Type::Items) => Ok(()),
        (Shape::One, value) => one(writer, number, of, value),
        (_, None) => Ok(()),
        (Shape::List, Some(Value::Array(list))) => list
            .iter()
            .rev()
            .try_for_each(|item| one(writer, number, of, Some(item).filter(|v| !v.is_null()))),
        (Shape::Map, Some(Value::Object(map))) => {
            let mut entries: Vec<(&Name, &Value)> = map.iter().collect();
            entries.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
            for (key, value) in entries {
                let mark = writer.mark();
                if of != Type::Bytes || !value.is_null() {
                    one(writer, 2, of, Some(value).filter(|value| !value.is_null()))?;
                }
                writer.bytes(1, key.as_bytes());
                writer.nest(number, mark);
            }
            Ok(())
        }
        (_, Some(other)) => Err(mismatch(other)),
    }
}

/// One value: of a field, an item or an entry.
fn one(writer: &mut Writer, number: u32, of: Type, value: Option<&Value>) -> Result<(), String> {
    match (of, value) {
        (Type::Text, None) => writer.bytes(number, b""),
        (Type::Text, Some(Value::String(text))) => writer.bytes(number, text.as_bytes()),
        (Type::Bytes, None) => writer.bytes(number, b""),
        (Type::Bytes, Some(Value::String(text))) => {
            let bytes = STANDARD.decode(text).map_err(|e| e.to_string())?;
            writer.bytes(number, &bytes);
        }
        (Type::Bool | Type::Int32 | Type::Int64, None) => writer.varint(number, 0),
        (Type::Bool, Some(Value::Bool(on))) => writer.varint(number, u64::from(*on)),
        (Type::Int32 | Type::Int64, Some(value)) => {
            let whole = value.as_i64().ok_or_else(|| mismatch(value))?;
            writer.varint(number, whole.cast_unsigned());
        }
        (Type::Double, value) => {
            let double = value.map_or(Some(0.0), Value::as_f64).ok_or("no number")?;
            writer.fixed64(number, double.to_bits());
        }
        (Type::Message(id), value) => nested(writer, number, id, value)?,
        (Type::Text | Type::Bytes | Type::Bool, Some(other)) => return Err(mismatch(other)),
        (of, value) => {
            let mark = writer.mark();
            special::write(writer, of, value)?;
            writer.nest(number, mark);
        }
    }
    Ok(())
}

/// A message as the value of a field.
pub(super) fn nested(
    writer: &mut Writer,
    number: u32,
    id: MessageId,
    value: Option<&Value>,
) -> Result<(), String> {
    let map = match value {
        None => None,
        Some(Value::Object(map)) => Some(map),
        Some(other) => return Err(mismatch(other)),
    };
    let mark = writer.mark();
    fields(writer, table().message(id), map)?;
    writer.nest(number, mark);
    Ok(())
}

/// A list of texts as the values of a field.
pub(super) fn texts(writer: &mut Writer, number: u32, list: &[Value]) -> Result<(), String> {
    for item in list.iter().rev() {
        let text = item.as_str().ok_or_else(|| mismatch(item))?;
        writer.bytes(number, text.as_bytes());
    }
    Ok(())
}

pub(super) fn mismatch(value: &Value) -> String {
    let of = crate::typed::json_type(value);
    format!("a {of} is no value of its type in protobuf")
}
