//! Functions that are evaluated here: those of the language itself, and those of libraries where
//! the engine's differ from a real server's. All others are the engine's.
//!
//! Source: `common/stdlib`, `cel/library.go` and `ext` of `github.com/google/cel-go`.

use std::cmp::Ordering;
use std::sync::Arc;

use chrono::{DateTime, Datelike as _, FixedOffset, Timelike as _};
use kube_cel::cel::Value;

use super::operators::{self, UNFIT, unfit};
use super::{Answer, format};
use crate::structural::cache;
use crate::structural::cel::lists::Lists;
use crate::structural::cel::values::{
    is_optional, none, present, some, text, type_name, type_value,
};

/// The value of a function over some values; nothing where it is the engine's.
pub(super) fn apply(function: &str, values: &[&Value], lists: &Lists) -> Option<Answer> {
    let own = operator(function, values, lists)
        .or_else(|| conversion(function, values))
        .or_else(|| optional(function, values))
        .or_else(|| of_texts(function, values))
        .or_else(|| of_times(function, values));
    if own.is_some() {
        return own;
    }
    match (function, values) {
        ("@sortByAssociatedKeys", [Value::List(items), Value::List(keys)]) => {
            Some(sorted(items, keys))
        }
        ("dyn", [one]) => Some(Ok((*one).clone())),
        ("type", [one]) => Some(Ok(type_value(type_name(one)))),
        _ => None,
    }
}

fn operator(function: &str, values: &[&Value], lists: &Lists) -> Option<Answer> {
    let is = |test: fn(Ordering) -> bool, left: &Value, right: &Value| {
        operators::compare(left, right).map(|order| Value::Bool(order.is_some_and(test)))
    };
    Some(match (function, values) {
        ("size", [of]) => operators::size(of),
        ("_==_", [left, right]) => Ok(Value::Bool(operators::equal(left, right, lists))),
        ("_!=_", [left, right]) => Ok(Value::Bool(!operators::equal(left, right, lists))),
        ("_<_", [left, right]) => is(Ordering::is_lt, left, right),
        ("_<=_", [left, right]) => is(Ordering::is_le, left, right),
        ("_>_", [left, right]) => is(Ordering::is_gt, left, right),
        ("_>=_", [left, right]) => is(Ordering::is_ge, left, right),
        ("@in", [one, all]) => operators::contains(all, one, lists),
        ("_+_", [left, right]) => operators::add(left, right, lists),
        ("_-_", [left, right]) => operators::subtract(left, right),
        ("_*_", [left, right]) => operators::multiply(left, right),
        ("_/_", [left, right]) => operators::divide(left, right),
        ("_%_", [left, right]) => operators::remainder(left, right),
        ("-_", [one]) => operators::negate(one),
        ("!_", [Value::Bool(flag)]) => Ok(Value::Bool(!flag)),
        ("!_", [_]) => unfit(),
        _ => return None,
    })
}

fn unconvertible(from: &Value, to: &str) -> Answer {
    Err(format!("type conversion error from '{}' to '{to}'", type_name(from)))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
fn conversion(function: &str, values: &[&Value]) -> Option<Answer> {
    let [one] = values else { return None };
    let overflow = |why: &str| Err(why.to_owned());
    Some(match (function, one) {
        ("int", Value::Int(_))
        | ("uint", Value::UInt(_))
        | ("double", Value::Float(_))
        | ("bool", Value::Bool(_))
        | ("bytes", Value::Bytes(_))
        | ("timestamp", Value::Timestamp(_))
        | ("duration", Value::Duration(_)) => Ok((*one).clone()),
        ("int", Value::UInt(number)) => {
            i64::try_from(*number).map(Value::Int).or_else(|_| overflow("integer overflow"))
        }
        ("int", Value::Float(number)) => {
            let whole = number.trunc();
            if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole) {
                Ok(Value::Int(whole as i64))
            } else {
                overflow("integer overflow")
            }
        }
        ("int", Value::String(digits)) => {
            digits.parse().map(Value::Int).or_else(|_| unconvertible(one, "int"))
        }
        ("int", Value::Timestamp(at)) => Ok(Value::Int(at.timestamp())),
        ("int", Value::Duration(by)) => match by.num_nanoseconds() {
            Some(nanos) => Ok(Value::Int(nanos)),
            None => overflow("duration overflow"),
        },
        ("uint", Value::Int(number)) => u64::try_from(*number)
            .map(Value::UInt)
            .or_else(|_| overflow("unsigned integer overflow")),
        ("uint", Value::Float(number)) => {
            let whole = number.trunc();
            if (0.0..18_446_744_073_709_551_616.0).contains(&whole) {
                Ok(Value::UInt(whole as u64))
            } else {
                overflow("unsigned integer overflow")
            }
        }
        ("uint", Value::String(digits)) => {
            digits.parse().map(Value::UInt).or_else(|_| unconvertible(one, "uint"))
        }
        ("double", Value::Int(number)) => Ok(Value::Float(*number as f64)),
        ("double", Value::UInt(number)) => Ok(Value::Float(*number as f64)),
        ("double", Value::String(digits)) => {
            digits.parse().map(Value::Float).or_else(|_| unconvertible(one, "double"))
        }
        ("bool", Value::String(word)) => match word.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => unconvertible(one, "bool"),
        },
        ("bytes", Value::String(text)) => Ok(Value::Bytes(Arc::new(text.as_bytes().to_vec()))),
        ("string", Value::Bytes(bytes)) if std::str::from_utf8(bytes).is_err() => {
            Err("invalid UTF-8 in bytes, cannot convert to string".to_owned())
        }
        // Addresses and their like are the engine's.
        ("string", one) => Ok(text(format::plain(one)?)),
        ("timestamp", Value::Int(seconds)) => {
            operators::timestamp(DateTime::from_timestamp(*seconds, 0).map(|at| at.fixed_offset()))
        }
        ("timestamp", Value::String(written)) => match written.parse() {
            Ok(at) => operators::timestamp(Some(at)),
            Err(_) => unconvertible(one, "google.protobuf.Timestamp"),
        },
        ("duration", Value::Int(nanos)) => {
            Ok(Value::Duration(chrono::Duration::nanoseconds(*nanos)))
        }
        ("int" | "uint" | "double" | "bool" | "bytes", _) => unfit(),
        _ => return None,
    })
}

/// Whether a value is the one that its type has where nothing is set.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Int(number) => *number == 0,
        Value::UInt(number) => *number == 0,
        Value::Float(number) => *number == 0.0,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.map.is_empty(),
        Value::Duration(by) => by.is_zero(),
        _ => false,
    }
}

fn optional(function: &str, values: &[&Value]) -> Option<Answer> {
    Some(match (function, values) {
        ("optional.none", []) => Ok(none()),
        ("optional.of", [one]) => Ok(some((*one).clone())),
        ("optional.ofNonZeroValue", [one]) => {
            Ok(if is_zero(one) { none() } else { some((*one).clone()) })
        }
        ("optional.unwrap" | "unwrapOpt", [Value::List(items)]) => {
            let mut there = Vec::new();
            for item in items.iter() {
                let Some(inner) = present(item) else {
                    return Some(Err(format!("value {} is not optional", format::shown(item))));
                };
                there.extend(inner);
            }
            Ok(Value::List(Arc::new(there)))
        }
        ("hasValue", [one]) if is_optional(one) => {
            Ok(Value::Bool(present(one).flatten().is_some()))
        }
        ("value", [one]) if is_optional(one) => {
            present(one).flatten().ok_or_else(|| "optional.none() dereference".to_owned())
        }
        ("hasValue" | "value", [_]) => unfit(),
        _ => return None,
    })
}

fn of_texts(function: &str, values: &[&Value]) -> Option<Answer> {
    Some(match (function, values) {
        ("startsWith", [Value::String(of), Value::String(part)]) => {
            Ok(Value::Bool(of.starts_with(part.as_str())))
        }
        ("endsWith", [Value::String(of), Value::String(part)]) => {
            Ok(Value::Bool(of.ends_with(part.as_str())))
        }
        ("contains", [Value::String(of), Value::String(part)]) => {
            Ok(Value::Bool(of.contains(part.as_str())))
        }
        ("startsWith" | "endsWith" | "contains", _) => unfit(),
        ("split", [Value::String(of), Value::String(by)]) => Ok(split(of, by, -1)),
        ("split", [Value::String(of), Value::String(by), Value::Int(most)]) => {
            Ok(split(of, by, *most))
        }
        ("format", [Value::String(of), Value::List(values)]) => {
            format::filled(of, values).map(text)
        }
        _ => return None,
    })
}

/// The parts of a text: all if `most` is negative, none if it is nought.
fn split(of: &str, by: &str, most: i64) -> Value {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let parts: Vec<Value> = match (most, by) {
        (0, _) => Vec::new(),
        (_, "") => {
            let mut letters = of.char_indices();
            let mut parts: Vec<Value> =
                letters.by_ref().take(most - 1).map(|(_, letter)| text(letter)).collect();
            if let Some((at, _)) = letters.next() {
                parts.push(text(&of[at..]));
            }
            parts
        }
        _ => of.splitn(most, by).map(text).collect(),
    };
    Value::List(Arc::new(parts))
}

/// The offset of a zone from that of the world.
///
/// # Errors
/// When it is none of `UTC` and `+hh:mm`: names of places need a table that is not at hand.
fn zone(name: &str) -> Result<FixedOffset, String> {
    let wrong = || format!("unknown time zone {name}");
    if matches!(name, "" | "UTC" | "Z") {
        return FixedOffset::east_opt(0).ok_or_else(wrong);
    }
    let (sign, rest) = match name.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, name.strip_prefix('+').unwrap_or(name)),
    };
    let (hours, minutes) = rest.split_once(':').ok_or_else(wrong)?;
    let number = |digits: &str| digits.parse::<i32>().map_err(|_| wrong());
    let seconds = sign * (number(hours)? * 3600 + number(minutes)? * 60);
    FixedOffset::east_opt(seconds).ok_or_else(wrong)
}

fn of_times(function: &str, values: &[&Value]) -> Option<Answer> {
    let (at, zoned) = match values {
        [Value::Timestamp(at)] => (at, zone("")),
        [Value::Timestamp(at), Value::String(name)] => (at, zone(name)),
        _ => return None,
    };
    let at = match zoned {
        Ok(zone) => at.with_timezone(&zone),
        Err(why) => return Some(Err(why)),
    };
    let number = match function {
        "getFullYear" => i64::from(at.year()),
        "getMonth" => i64::from(at.month0()),
        "getDate" => i64::from(at.day()),
        "getDayOfMonth" => i64::from(at.day0()),
        "getDayOfYear" => i64::from(at.ordinal0()),
        "getDayOfWeek" => i64::from(at.weekday().num_days_from_sunday()),
        "getHours" => i64::from(at.hour()),
        "getMinutes" => i64::from(at.minute()),
        "getSeconds" => i64::from(at.second()),
        "getMilliseconds" => i64::from(at.timestamp_subsec_millis()),
        _ => return None,
    };
    Some(Ok(Value::Int(number)))
}

/// Items in the order of keys that belong to them.
fn sorted(items: &[Value], keys: &[Value]) -> Answer {
    let Some(first) = keys.first() else { return Ok(Value::List(Arc::new(items.to_vec()))) };
    if operators::compare(first, first).is_err() {
        return Err("list elements must be comparable".to_owned());
    }
    if keys.iter().any(|key| type_name(key) != type_name(first)) {
        return Err("list elements must have the same type".to_owned());
    }
    let mut both: Vec<(&Value, &Value)> = keys.iter().zip(items).collect();
    both.sort_by(|(left, _), (right, _)| {
        operators::compare(left, right).ok().flatten().unwrap_or(Ordering::Equal)
    });
    Ok(Value::List(Arc::new(both.into_iter().map(|(_, item)| item.clone()).collect())))
}

/// What the engine made of a call, as a real server has it.
pub(super) fn corrected(function: &str, value: Value) -> Value {
    match (function, value) {
        // It has a format, or nothing.
        ("format.named", Value::Null) => none(),
        ("format.named", value) if !is_optional(&value) => some(value),
        (_, value) => value,
    }
}

/// Whether a value decides a condition.
pub(super) fn truth(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        _ => Err(UNFIT.to_owned()),
    }
}

/// Whether a text is a pattern.
///
/// # Errors
/// When it is none, why.
pub(crate) fn pattern(text: &str) -> Result<(), String> {
    let compiled = cache::compiled(text);
    let Err(why) = compiled.as_ref() else { return Ok(()) };
    let why = match why.contains("unclosed group") {
        true => format!("missing closing ): `{text}`"),
        false => why.clone(),
    };
    Err(format!("error parsing regexp: {why}"))
}

/// What the engine says of a call that has no value, as a real server says it.
pub(super) fn reworded(function: &str, values: &[&Value], why: String) -> String {
    let shown =
        |index: usize| values.get(index).map_or(String::new(), |value| format::shown(value));
    let length = || match values.first() {
        Some(Value::List(items)) => items.len(),
        _ => 0,
    };
    match (function, values) {
        ("duration", [Value::String(_)]) => {
            "type conversion error from 'string' to 'google.protobuf.Duration'".to_owned()
        }
        ("substring", [_, Value::Int(from), Value::Int(to)]) if from > to => {
            format!("invalid substring range. start: {from}, end: {to}")
        }
        ("substring", [Value::String(of), Value::Int(from), Value::Int(_)])
            if usize::try_from(*from).is_ok_and(|from| from <= of.chars().count()) =>
        {
            format!("index out of range: {}", shown(2))
        }
        ("substring" | "charAt", [_, _, ..]) => format!("index out of range: {}", shown(1)),
        ("quantity", _) => "quantities must match the regular expression \
                            '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            .to_owned(),
        ("asInteger", _) => "cannot convert value to integer".to_owned(),
        ("ip", [Value::String(written)]) => format!(
            "IP Address {written:?} parse error during conversion from string: \
             ParseAddr({written:?}): unable to parse IP"
        ),
        ("cidr", [Value::String(written)]) if !written.contains('/') => {
            let twice = "network address parse error during conversion from string: ".repeat(2);
            format!("{twice}netip.ParsePrefix({written:?}): no '/'")
        }
        ("url", [Value::String(written)]) => format!(
            "URL parse error during conversion from string: parse {written:?}: invalid URI for \
             request"
        ),
        ("semver", [Value::String(written)]) if !written.contains('.') => {
            "No Major.Minor.Patch elements found".to_owned()
        }
        ("slice", [_, from, to]) => format!(
            "cannot slice({}, {}), list is length {}",
            format::shown(from),
            format::shown(to),
            length()
        ),
        ("min" | "max", _) if length() == 0 => format!("{function} called on empty list"),
        ("matches" | "find" | "findAll", [_, Value::String(written), ..]) => {
            let before = if function == "matches" { "" } else { "Illegal regex: " };
            format!("{before}{}", pattern(written).err().unwrap_or(why))
        }
        _ => match why.strip_prefix(&format!("Error executing function '{function}': ")) {
            Some(rest) => rest.to_owned(),
            None => why,
        },
    }
}
