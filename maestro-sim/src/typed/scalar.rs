//! Text, numbers, amounts and times: what Go reads and how it writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json_type;
use crate::go_base64;
use crate::json::Value;
use crate::quantity::Quantity;
use crate::schema::{Kind, Schema};

/// Why a scalar cannot be read.
pub(super) enum Wrong {
    /// A value of another type: what it is, and the Go type that is wanted.
    Type(String, String),
    /// A value that the type's own decoder refuses, in its words.
    Own(String),
}

pub(super) fn is_quantity(schema: &Schema) -> bool {
    format(schema) == "quantity"
}

fn format(schema: &Schema) -> &str {
    schema.format().unwrap_or("")
}

/// What a null item of a list or value of a map becomes.
pub(super) fn zero(schema: &Schema) -> Option<Value> {
    Some(match schema.kind {
        _ if is_quantity(schema) => "0".into(),
        Kind::String => "".into(),
        Kind::Integer | Kind::Number | Kind::IntOrString => 0.into(),
        Kind::Boolean => false.into(),
        Kind::Object if !schema.properties.is_empty() => super::zero(schema),
        _ => return None,
    })
}

/// Reads a scalar in place; answers whether it is an amount that Go holds unevenly, see
/// [`super::Noticed::uneven`].
pub(super) fn decode(schema: &Schema, go_type: &str, value: &mut Value) -> Result<bool, Wrong> {
    // Documented as text or number, and so of no one type.
    if is_quantity(schema) {
        return quantity(value);
    }
    plain(schema, go_type, value).map(|()| false)
}

fn plain(schema: &Schema, go_type: &str, value: &mut Value) -> Result<(), Wrong> {
    match schema.kind {
        Kind::String => text(schema, go_type, value),
        Kind::Integer => integer(value, integer_type(schema), go_type),
        Kind::Number if value.is_number() => Ok(()),
        Kind::Number => Err(mismatch(value, go_type, "float64")),
        Kind::Boolean if value.is_boolean() => Ok(()),
        Kind::Boolean => Err(mismatch(value, go_type, "bool")),
        Kind::IntOrString if value.is_string() => Ok(()),
        Kind::IntOrString => integer(value, "int32", ""),
        Kind::Object | Kind::Array | Kind::Any => Ok(()),
    }
}

fn mismatch(value: &Value, go_type: &str, plain: &str) -> Wrong {
    let of = if go_type.is_empty() { plain } else { go_type };
    Wrong::Type(json_type(value).to_owned(), of.to_owned())
}

fn integer_type(schema: &Schema) -> &'static str {
    if format(schema) == "int32" { "int32" } else { "int64" }
}

fn integer(value: &Value, plain: &str, go_type: &str) -> Result<(), Wrong> {
    let Value::Number(number) = value else { return Err(mismatch(value, go_type, plain)) };
    let fits = match plain {
        "int32" => number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        _ => number.is_i64(),
    };
    if fits {
        return Ok(());
    }
    let of = if go_type.is_empty() { plain } else { go_type };
    Err(Wrong::Type(format!("number {number}"), of.to_owned()))
}

fn text(schema: &Schema, go_type: &str, value: &mut Value) -> Result<(), Wrong> {
    match format(schema) {
        "byte" => return bytes(value),
        "date-time" => return time(value, "2006-01-02T15:04:05Z07:00", "%Y-%m-%dT%H:%M:%SZ"),
        "micro-time" => {
            let layout = "2006-01-02T15:04:05.000000Z07:00";
            return time(value, layout, "%Y-%m-%dT%H:%M:%S%.6fZ");
        }
        _ => {}
    }
    if value.is_string() { Ok(()) } else { Err(mismatch(value, go_type, "string")) }
}

/// An amount, given as text or number, in its canonical form.
fn quantity(value: &mut Value) -> Result<bool, Wrong> {
    let text = match &*value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let parsed: Quantity = text.parse().map_err(|e| Wrong::Own(format!("{e}")))?;
    let canonical = parsed.to_string();
    if value.as_str() == Some(&canonical) {
        return Ok(false);
    }
    let uneven = crate::quantity::held(&text) != crate::quantity::held(&canonical);
    *value = canonical.into();
    Ok(uneven)
}

/// Standard base64, or the bytes one by one, kept as Go writes again what it read.
fn bytes(value: &mut Value) -> Result<(), Wrong> {
    let decoded = match &*value {
        Value::String(text) => go_base64::decode(text)
            .map_err(|at| Wrong::Own(format!("illegal base64 data at input byte {at}")))?,
        Value::Array(items) => items.iter().map(byte).collect::<Result<_, _>>()?,
        other => return Err(mismatch(other, "[]uint8", "")),
    };
    let written = STANDARD.encode(decoded);
    if value.as_str() != Some(&written) {
        *value = written.into();
    }
    Ok(())
}

fn byte(value: &Value) -> Result<u8, Wrong> {
    match value {
        Value::Null => Ok(0),
        Value::Number(number) => number
            .as_u64()
            .and_then(|number| number.try_into().ok())
            .ok_or_else(|| Wrong::Type(format!("number {number}"), "uint8".to_owned())),
        other => Err(mismatch(other, "uint8", "")),
    }
}

/// Whether what follows the seconds begins with exactly six decimals, as Go's layout demands.
fn has_microseconds(rest: &str) -> bool {
    let decimals = rest.strip_prefix('.').unwrap_or("");
    decimals.bytes().take_while(u8::is_ascii_digit).count() == 6
}

/// A time in RFC 3339, written in UTC.
fn time(value: &mut Value, layout: &str, format: &str) -> Result<(), Wrong> {
    let Value::String(text) = &*value else {
        let what = json_type(value);
        if layout.contains(".000000") {
            return Err(Wrong::Type(what.to_owned(), "string".to_owned()));
        }
        let message = format!("json: cannot unmarshal {what} into Go value of type string");
        return Err(Wrong::Own(message));
    };
    if layout.contains(".000000")
        && let Some(rest) = text.get(19..).filter(|rest| !has_microseconds(rest))
        && text.parse::<jiff::Timestamp>().is_ok()
    {
        let message = format!(
            "parsing time \"{text}\" as \"{layout}\": cannot parse \"{rest}\" as \".000000\""
        );
        return Err(Wrong::Own(message));
    }
    let parsed = text.parse::<jiff::Timestamp>().map_err(|_| {
        Wrong::Own(format!(
            "parsing time \"{text}\" as \"{layout}\": cannot parse \"{text}\" as \
                            \"2006\""
        ))
    })?;
    let canonical = parsed.strftime(format).to_string();
    if *text != canonical {
        *value = canonical.into();
    }
    Ok(())
}
