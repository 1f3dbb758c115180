//! Operators over values, and parts of values.
//!
//! Numbers are compared across their types. Source: `common/types` of `github.com/google/cel-go`.

use std::cmp::Ordering;
use std::sync::Arc;

use kube_cel::cel::Value;
use kube_cel::cel::objects::{Key, Map};

use super::Answer;
use crate::structural::cel::lists::Lists;
use crate::structural::cel::values::{as_key, key_value, text, type_name};

/// What is said of operands that an operator or a function is not for.
pub(super) const UNFIT: &str = "no such overload";
const OVERFLOW: &str = "integer overflow";
const UNSIGNED: &str = "unsigned integer overflow";

pub(super) fn unfit() -> Answer {
    Err(UNFIT.to_owned())
}

#[allow(clippy::cast_precision_loss)]
fn int_and_double(whole: i64, double: f64) -> Option<Ordering> {
    match double {
        d if d >= 9_223_372_036_854_775_808.0 => Some(Ordering::Less),
        d if d < -9_223_372_036_854_775_808.0 => Some(Ordering::Greater),
        d => (whole as f64).partial_cmp(&d),
    }
}

#[allow(clippy::cast_precision_loss)]
fn uint_and_double(whole: u64, double: f64) -> Option<Ordering> {
    match double {
        d if d >= 18_446_744_073_709_551_616.0 => Some(Ordering::Less),
        d if d < 0.0 => Some(Ordering::Greater),
        d => (whole as f64).partial_cmp(&d),
    }
}

/// The order of two numbers: nothing if one is none, and no order if one is not a number.
fn numbers(left: &Value, right: &Value) -> Option<Option<Ordering>> {
    use Value::{Float, Int, UInt};
    Some(match (left, right) {
        (Int(a), Int(b)) => Some(a.cmp(b)),
        (UInt(a), UInt(b)) => Some(a.cmp(b)),
        (Float(a), Float(b)) => a.partial_cmp(b),
        (Int(a), UInt(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (UInt(a), Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Int(a), Float(b)) => int_and_double(*a, *b),
        (Float(a), Int(b)) => int_and_double(*b, *a).map(Ordering::reverse),
        (UInt(a), Float(b)) => uint_and_double(*a, *b),
        (Float(a), UInt(b)) => uint_and_double(*b, *a).map(Ordering::reverse),
        _ => return None,
    })
}

pub(super) fn equal(left: &Value, right: &Value, lists: &Lists) -> bool {
    if let Some(order) = numbers(left, right) {
        return order == Some(Ordering::Equal);
    }
    match (left, right) {
        (Value::List(a), Value::List(b)) => {
            let same = |left: &Value, right: &Value| equal(left, right, lists);
            lists.equal(a, b, &same).unwrap_or_else(|| {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b))
            })
        }
        (Value::Map(a), Value::Map(b)) => {
            let same = |(key, value): (&Key, &Value)| {
                entry(b, &key_value(key)).is_some_and(|other| equal(value, other, lists))
            };
            a.map.len() == b.map.len() && a.map.iter().all(same)
        }
        _ => left == right,
    }
}

/// The order of two values, or of none that there is between numbers.
///
/// # Errors
/// When they have no order.
pub(super) fn compare(left: &Value, right: &Value) -> Result<Option<Ordering>, String> {
    if let Some(order) = numbers(left, right) {
        return Ok(order);
    }
    Ok(Some(match (left, right) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        _ => return Err(UNFIT.to_owned()),
    }))
}

/// A number as a whole one, if it is that.
#[allow(clippy::cast_possible_truncation)]
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::UInt(number) => i64::try_from(*number).ok(),
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 9.0e18 => {
            Some(*number as i64)
        }
        _ => None,
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::UInt(_) | Value::Float(_))
}

fn entry<'m>(map: &'m Map, key: &Value) -> Option<&'m Value> {
    let own = as_key(key).and_then(|key| map.map.get(&key));
    if own.is_some() || !is_number(key) {
        return own;
    }
    let number = whole(key)?;
    let unsigned = || map.map.get(&Key::Uint(u64::try_from(number).ok()?));
    map.map.get(&Key::Int(number)).or_else(unsigned)
}

/// The field of a value, if it has it.
pub(super) fn field(whole: &Value, name: &str) -> Option<Value> {
    match whole {
        Value::Map(map) => map.map.get(&Key::String(Arc::new(name.to_owned()))).cloned(),
        _ => None,
    }
}

/// The item at an index or under a key.
///
/// # Errors
/// When there is none.
pub(super) fn item(of: &Value, index: &Value) -> Answer {
    match of {
        Value::List(items) => {
            let Some(at) = whole(index) else {
                return Err(match is_number(index) {
                    true => format!("unsupported index value {} in list", super::shown(index)),
                    false => format!("unsupported index type '{}' in list", type_name(index)),
                });
            };
            let found = usize::try_from(at).ok().and_then(|at| items.get(at)).cloned();
            found.ok_or_else(|| format!("index out of bounds: {at}"))
        }
        Value::Map(map) => {
            let shown = || super::shown(index);
            entry(map, index).cloned().ok_or_else(|| format!("no such key: {}", shown()))
        }
        _ => unfit(),
    }
}

pub(super) fn contains(all: &Value, one: &Value, lists: &Lists) -> Answer {
    match all {
        Value::List(items) => Ok(Value::Bool(items.iter().any(|item| equal(item, one, lists)))),
        Value::Map(map) => Ok(Value::Bool(entry(map, one).is_some())),
        _ => unfit(),
    }
}

pub(super) fn size(of: &Value) -> Answer {
    let size = match of {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.map.len(),
        _ => return Err(format!("{UNFIT}: size")),
    };
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn int(value: Option<i64>) -> Answer {
    value.map(Value::Int).ok_or_else(|| OVERFLOW.to_owned())
}

fn uint(value: Option<u64>) -> Answer {
    value.map(Value::UInt).ok_or_else(|| UNSIGNED.to_owned())
}

fn duration(value: Option<chrono::Duration>) -> Answer {
    value.map(Value::Duration).ok_or_else(|| "duration overflow".to_owned())
}

/// A time between the years 1 and 9999, beyond which there is none.
pub(super) fn timestamp(value: Option<chrono::DateTime<chrono::FixedOffset>>) -> Answer {
    const FIRST: i64 = -62_135_596_800;
    const LAST: i64 = 253_402_300_799;
    let value = value.filter(|at| (FIRST..=LAST).contains(&at.timestamp()));
    value.map(Value::Timestamp).ok_or_else(|| "timestamp overflow".to_owned())
}

pub(super) fn add(left: &Value, right: &Value, lists: &Lists) -> Answer {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_add(*b)),
        (Value::UInt(a), Value::UInt(b)) => uint(a.checked_add(*b)),
        (Value::Float(a), Value::Float(b)) => Ok(Value::Float(a + b)),
        (Value::String(a), Value::String(b)) => Ok(text(format!("{a}{b}"))),
        (Value::Bytes(a), Value::Bytes(b)) => {
            Ok(Value::Bytes(Arc::new([a.as_slice(), b.as_slice()].concat())))
        }
        (Value::List(a), Value::List(b)) => Ok(lists
            .sum(a, b)
            .unwrap_or_else(|| Value::List(Arc::new(a.iter().chain(b.iter()).cloned().collect())))),
        (Value::Duration(a), Value::Duration(b)) => duration(a.checked_add(b)),
        (Value::Timestamp(at), Value::Duration(by))
        | (Value::Duration(by), Value::Timestamp(at)) => timestamp(at.checked_add_signed(*by)),
        _ => unfit(),
    }
}

pub(super) fn subtract(left: &Value, right: &Value) -> Answer {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_sub(*b)),
        (Value::UInt(a), Value::UInt(b)) => uint(a.checked_sub(*b)),
        (Value::Float(a), Value::Float(b)) => Ok(Value::Float(a - b)),
        (Value::Duration(a), Value::Duration(b)) => duration(a.checked_sub(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Ok(Value::Duration(*a - *b)),
        (Value::Timestamp(at), Value::Duration(by)) => timestamp(at.checked_sub_signed(*by)),
        _ => unfit(),
    }
}

pub(super) fn multiply(left: &Value, right: &Value) -> Answer {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_mul(*b)),
        (Value::UInt(a), Value::UInt(b)) => uint(a.checked_mul(*b)),
        (Value::Float(a), Value::Float(b)) => Ok(Value::Float(a * b)),
        _ => unfit(),
    }
}

pub(super) fn divide(left: &Value, right: &Value) -> Answer {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::UInt(_), Value::UInt(0)) => {
            Err("division by zero".to_owned())
        }
        (Value::Int(a), Value::Int(b)) => int(a.checked_div(*b)),
        (Value::UInt(a), Value::UInt(b)) => uint(a.checked_div(*b)),
        (Value::Float(a), Value::Float(b)) => Ok(Value::Float(a / b)),
        _ => unfit(),
    }
}

pub(super) fn remainder(left: &Value, right: &Value) -> Answer {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::UInt(_), Value::UInt(0)) => {
            Err("modulus by zero".to_owned())
        }
        (Value::Int(a), Value::Int(b)) => int(a.checked_rem(*b)),
        (Value::UInt(a), Value::UInt(b)) => uint(a.checked_rem(*b)),
        _ => unfit(),
    }
}

pub(super) fn negate(value: &Value) -> Answer {
    match value {
        Value::Int(number) => int(number.checked_neg()),
        Value::Float(number) => Ok(Value::Float(-number)),
        Value::Duration(by) => Ok(Value::Duration(-*by)),
        _ => unfit(),
    }
}

/// Adds an entry to a map that has none of its key yet.
pub(super) fn insert(map: &mut Map, key: &Value, value: Value) -> Result<(), String> {
    if entry(map, key).is_some() {
        return Err(format!("insert failed: key {} already exists", super::shown(key)));
    }
    let key = as_key(key).ok_or_else(|| UNFIT.to_owned())?;
    Arc::make_mut(&mut map.map).insert(key, value);
    Ok(())
}
