//! Types that JSON writes in a way of its own: times, amounts, JSON inside bytes, schemas.
//!
//! Source: the `MarshalJSON`, `ProtoTime` and `Marshal` of `k8s.io/apimachinery` and of
//! `k8s.io/apiextensions-apiserver`.

use jiff::Timestamp;

use super::decode::{DEPTH, Decoder, bytes};
use super::encode;
use super::table::{Type, table};
use super::wire::{Found, Reader, Writer};
use crate::json::{Array, Value};

/// Reads a message of such a type.
pub(super) fn read(
    decoder: &mut Decoder,
    name: &str,
    of: Type,
    raw: &[u8],
    depth: usize,
) -> Result<Value, String> {
    match of {
        Type::Time | Type::MicroTime => time(name, of, raw),
        Type::Quantity => quantity(name, raw),
        Type::IntOrString => int_or_string(name, raw),
        Type::Raw => json(name, raw, depth),
        Type::Items => items(name, raw),
        Type::SchemaOrArray | Type::SchemaOrBool | Type::SchemaOrStrings => {
            schema_or(decoder, name, of, raw, depth)
        }
        _ => Err(format!("proto: {name} is no message")),
    }
}

/// A number as Go writes it; JSON has none but finite ones.
pub(super) fn double(name: &str, number: f64) -> Result<Value, String> {
    // Beyond 2^53 not every whole number is one of them.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < WHOLE {
        // Its text is that of an integer, and so is what is read from it.
        return format!("{number:.0}").parse::<i64>().map(Value::from).map_err(|e| e.to_string());
    }
    crate::json::Number::from_f64(number)
        .map(Value::Number)
        .ok_or_else(|| format!("json: unsupported value: {number} for field {name}"))
}

fn time(name: &str, of: Type, raw: &[u8]) -> Result<Value, String> {
    if raw.is_empty() {
        return Ok(Value::Null);
    }
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = Reader::new(raw, "Timestamp");
    while let Some((number, found)) = reader.next()? {
        match (number, found) {
            (1, Found::Varint(number)) => seconds = number.cast_signed(),
            (2, Found::Varint(number)) => nanos = number.cast_signed(),
            (1 | 2, other) => return Err(other.wrong(name)),
            _ => {}
        }
    }
    let wrong = || format!("Time.MarshalJSON: year outside of range [0,9999] for field {name}");
    let nanos = i32::try_from(nanos).map_err(|_| wrong())?;
    let micro = of == Type::MicroTime;
    let nanos = if micro { nanos / 1000 * 1000 } else { 0 };
    let at = Timestamp::new(seconds, nanos).map_err(|_| wrong())?;
    let form = if micro { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    let text = at.strftime(form).to_string();
    if text.starts_with('-') { Err(wrong()) } else { Ok(text.into()) }
}

fn quantity(name: &str, raw: &[u8]) -> Result<Value, String> {
    let mut amount = Value::from("0");
    let mut reader = Reader::new(raw, "Quantity");
    while let Some((number, found)) = reader.next()? {
        if number == 1 {
            amount = String::from_utf8_lossy(bytes(name, found)?).into();
        }
    }
    Ok(amount)
}

fn int_or_string(name: &str, raw: &[u8]) -> Result<Value, String> {
    let (mut sort, mut int, mut text) = (0, 0, Value::from(""));
    let mut reader = Reader::new(raw, "IntOrString");
    while let Some((number, found)) = reader.next()? {
        match (number, found) {
            (1, Found::Varint(number)) => sort = number,
            (2, Found::Varint(number)) => int = number.cast_signed(),
            (3, Found::Bytes(found)) => text = String::from_utf8_lossy(found).into(),
            (1..=3, other) => return Err(other.wrong(name)),
            _ => {}
        }
    }
    match sort {
        0 => i32::try_from(int)
            .map(Value::from)
            .map_err(|_| format!("proto: {name} is out of the range of an int32")),
        1 => Ok(text),
        _ => Err(format!("impossible IntOrString.Type for field {name}")),
    }
}

fn json(name: &str, raw: &[u8], depth: usize) -> Result<Value, String> {
    let mut text: &[u8] = b"";
    let mut reader = Reader::new(raw, "RawExtension");
    while let Some((number, found)) = reader.next()? {
        if number == 1 {
            text = bytes(name, found)?;
        }
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let value = serde_json::from_slice(text)
        .map_err(|e| format!("json: field {name} holds no JSON: {e}"))?;
    if depth + levels(&value) > DEPTH {
        return Err(format!("json: field {name} is nested too deeply"));
    }
    Ok(value)
}

fn levels(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(levels).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

fn items(name: &str, raw: &[u8]) -> Result<Value, String> {
    let mut list = Array::new();
    let mut reader = Reader::new(raw, "Items");
    while let Some((number, found)) = reader.next()? {
        if number == 1 {
            list.push(String::from_utf8_lossy(bytes(name, found)?).into());
        }
    }
    Ok(Value::from(list))
}

fn schema_or(
    decoder: &mut Decoder,
    name: &str,
    of: Type,
    raw: &[u8],
    depth: usize,
) -> Result<Value, String> {
    let (mut schema, mut list, mut allows) = (None, Array::new(), false);
    let id = table().schema;
    let mut reader = Reader::new(raw, "JSONSchemaProps");
    while let Some((number, found)) = reader.next()? {
        match (of, number) {
            (Type::SchemaOrBool, 1) => match found {
                Found::Varint(number) => allows = number != 0,
                other => return Err(other.wrong(name)),
            },
            (Type::SchemaOrBool, 2) | (Type::SchemaOrArray | Type::SchemaOrStrings, 1) => {
                schema = Some(decoder.nested(id, bytes(name, found)?, schema, depth)?);
            }
            (Type::SchemaOrArray, 2) => {
                list.push(decoder.nested(id, bytes(name, found)?, None, depth + 1)?);
            }
            (Type::SchemaOrStrings, 2) => {
                list.push(String::from_utf8_lossy(bytes(name, found)?).into());
            }
            _ => {}
        }
    }
    Ok(match (list.is_empty(), schema) {
        (false, _) => Value::from(list),
        (true, Some(schema)) => schema,
        (true, None) if of == Type::SchemaOrBool => allows.into(),
        (true, None) => Value::Null,
    })
}

/// Writes the inside of a message of such a type; `None` for a value that is not set.
pub(super) fn write(writer: &mut Writer, of: Type, value: Option<&Value>) -> Result<(), String> {
    let Some(value) = value else {
        match of {
            Type::Quantity => writer.bytes(1, b"0"),
            Type::IntOrString => number_or_text(writer, 0, 0, ""),
            Type::SchemaOrBool => writer.varint(1, 0),
            _ => {}
        }
        return Ok(());
    };
    match (of, value) {
        (Type::Time | Type::MicroTime, Value::String(text)) => {
            let at: Timestamp = text.parse().map_err(|_| format!("{text:?} is no time"))?;
            let nanos = at.subsec_nanosecond();
            let (seconds, nanos) = match nanos {
                // Before 1970 jiff counts both backwards, Go only the seconds.
                ..0 => (at.as_second() - 1, nanos + 1_000_000_000),
                _ => (at.as_second(), nanos),
            };
            let nanos = if of == Type::MicroTime { nanos / 1000 * 1000 } else { 0 };
            writer.varint(2, u64::from(nanos.unsigned_abs()));
            writer.varint(1, seconds.cast_unsigned());
        }
        (Type::Quantity, Value::String(text)) => writer.bytes(1, text.as_bytes()),
        (Type::IntOrString, Value::String(text)) => number_or_text(writer, 1, 0, text),
        (Type::IntOrString, Value::Number(number)) => {
            number_or_text(writer, 0, number.as_i64().unwrap_or(0), "");
        }
        (Type::Raw, value) => writer.bytes(1, value.to_string().as_bytes()),
        (Type::Items, Value::Array(list)) => encode::texts(writer, 1, list)?,
        (Type::SchemaOrArray, Value::Array(list)) => {
            for schema in list.iter().rev() {
                encode::nested(writer, 2, table().schema, Some(schema))?;
            }
        }
        (Type::SchemaOrStrings, Value::Array(list)) => encode::texts(writer, 2, list)?,
        (Type::SchemaOrBool, Value::Bool(allows)) => writer.varint(1, u64::from(*allows)),
        (Type::SchemaOrBool, schema) => {
            encode::nested(writer, 2, table().schema, Some(schema))?;
            writer.varint(1, 1);
        }
        (Type::SchemaOrArray | Type::SchemaOrStrings, schema) => {
            encode::nested(writer, 1, table().schema, Some(schema))?;
        }
        (_, other) => return Err(encode::mismatch(other)),
    }
    Ok(())
}

fn number_or_text(writer: &mut Writer, sort: u64, number: i64, text: &str) {
    writer.bytes(3, text.as_bytes());
    writer.varint(2, number.cast_unsigned());
    writer.varint(1, sort);
}
