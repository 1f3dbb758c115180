//! Between JSON, which Kubernetes speaks, and CEL's own values.

use super::cel::{Fact, Facts};
use super::wanted::Wanted;
use crate::framework::GoDuration;
use kube_cel::cel::Value;
use kube_cel::cel::objects::{Key, Map, OptionalValue};
use serde_json::{Number, Value as Json};
use std::sync::Arc;

/// Nodes that one result may have; a Kubernetes object is at most 1.5 MiB.
const NODES: usize = 200_000;

/// Of several values, as one list, what is wanted.
pub(super) fn list_part(values: &[&Json], wanted: &Wanted) -> Value {
    let everything = Wanted::everything();
    let each = if wanted.is_all() { &everything } else { wanted.items().unwrap_or(&everything) };
    Value::List(Arc::new(values.iter().map(|value| part(value, each)).collect()))
}

/// The same, with what is known of each besides.
pub(super) fn known_part(values: &[&Json], facts: &Facts<'_>, wanted: &Wanted) -> Value {
    let everything = Wanted::everything();
    let each = if wanted.is_all() { &everything } else { wanted.items().unwrap_or(&everything) };
    let names = facts.names.iter().filter(|name| each.is_all() || each.field(name).is_some());
    let known =
        values.iter().map(|value| match part(value, each) {
            Value::Map(Map { map }) => {
                let mut fields = Arc::unwrap_or_clone(map);
                fields.extend(names.clone().filter_map(|name| {
                    Some((Key::from(*name), from_fact(&(facts.of)(value, name)?)))
                }));
                Value::Map(Map { map: Arc::new(fields) })
            }
            other => other,
        });
    Value::List(Arc::new(known.collect()))
}

fn from_fact(fact: &Fact) -> Value {
    match fact {
        Fact::Text(text) => Value::String(Arc::new(text.clone())),
        Fact::Truth(truth) => Value::Bool(*truth),
        Fact::Number(number) => Value::Int(*number),
        Fact::Duration(duration) => {
            let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
            Value::Duration(chrono::Duration::nanoseconds(nanos))
        }
    }
}

/// Of a value, what is wanted. What is asked for in a way that does not fit the value's type is
/// converted whole, so that the mistake is found where it is made.
pub(super) fn part(json: &Json, wanted: &Wanted) -> Value {
    match json {
        _ if wanted.is_all() => to_cel(json),
        Json::Array(_) if wanted.is_presence() => Value::List(Arc::default()),
        Json::Object(fields) if wanted.items().is_none() => map(fields
            .iter()
            .filter_map(|(name, value)| Some((name, part(value, wanted.field(name)?))))),
        Json::Array(items) if !wanted.has_fields() => match wanted.items() {
            Some(each) => Value::List(Arc::new(items.iter().map(|i| part(i, each)).collect())),
            None => to_cel(json),
        },
        _ => to_cel(json),
    }
}

/// JSON as CEL sees it: whole numbers are `int` (or `uint` past 2⁶³), others `double`.
pub(super) fn to_cel(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::UInt(number),
            _ => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Json::Object(fields) => map(fields.iter().map(|(name, value)| (name, to_cel(value)))),
    }
}

fn map<'a>(entries: impl Iterator<Item = (&'a String, Value)>) -> Value {
    let entries = entries.map(|(name, value)| (Key::from(name.as_str()), value));
    Value::Map(Map { map: Arc::new(entries.collect()) })
}

/// A result as JSON; `None` for `null` and for an empty optional.
///
/// # Errors
/// A value that JSON has no word for, or one that is too large, as a message.
pub(super) fn to_json(value: &Value) -> Result<Option<Json>, String> {
    let mut left = NODES;
    convert(value, &mut left)
}

fn convert(value: &Value, left: &mut usize) -> Result<Option<Json>, String> {
    *left = left.checked_sub(1).ok_or_else(|| format!("a result has more than {NODES} parts"))?;
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) => Json::from(*number),
        Value::UInt(number) => Json::from(*number),
        Value::Float(number) => Number::from_f64(*number)
            .map(Json::Number)
            .ok_or_else(|| format!("{number} cannot be written in JSON"))?,
        Value::String(text) => Json::String(text.as_str().to_owned()),
        Value::List(list) => {
            let mut items = Vec::with_capacity(list.len());
            for item in list.iter() {
                items.push(convert(item, left)?.unwrap_or(Json::Null));
            }
            Json::Array(items)
        }
        Value::Map(map) => {
            let mut fields = serde_json::Map::new();
            for (key, value) in map.map.iter() {
                if let Some(value) = convert(value, left)? {
                    fields.insert(key.to_string(), value);
                }
            }
            Json::Object(fields)
        }
        Value::Duration(duration) => {
            let nanos = duration.num_nanoseconds().and_then(|nanos| u64::try_from(nanos).ok());
            let nanos = nanos.ok_or("a negative or endless duration cannot be written")?;
            Json::String(GoDuration(std::time::Duration::from_nanos(nanos)).to_string())
        }
        Value::Timestamp(time) => Json::String(time.to_rfc3339()),
        Value::Opaque(_) => {
            let optional: Result<&OptionalValue, _> = value.try_into();
            return match optional.map(OptionalValue::value) {
                Ok(Some(value)) => convert(value, left),
                Ok(None) => Ok(None),
                Err(_) => Err(format!("a {} has no JSON form; use string()", value.type_of())),
            };
        }
        Value::Bytes(_) | Value::Function(..) => {
            return Err(format!("a {} has no JSON form; use string()", value.type_of()));
        }
    }))
}

/// How a value reads inside a longer string: strings bare, everything else as JSON.
pub(super) fn to_text(value: &Value) -> Result<String, String> {
    Ok(match to_json(value)? {
        None => String::new(),
        Some(Json::String(text)) => text,
        Some(other) => other.to_string(),
    })
}
