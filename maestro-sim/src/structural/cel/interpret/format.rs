//! Values as texts: what `string` and `format` make of them.
//!
//! Source: `common/types` and `ext/formatting.go` of `github.com/google/cel-go`.

use std::fmt::Write as _;

use kube_cel::cel::Value;

use crate::structural::cel::values::{entries, key_value, named_type, type_name};

/// How many digits a number has where nothing is said.
const PRECISION: usize = 6;
/// The most digits that may be asked for.
const MOST: usize = 1_000;

/// A number as Go prints it with `%g`: the fewest digits that tell it apart.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A duration in seconds, as Go prints it.
#[allow(clippy::cast_precision_loss)]
pub(super) fn duration(value: chrono::Duration) -> String {
    let nanos = value
        .num_nanoseconds()
        .map_or_else(|| value.num_milliseconds() as f64 / 1e3, |nanos| nanos as f64 / 1e9);
    format!("{nanos}s")
}

pub(super) fn timestamp(value: &chrono::DateTime<chrono::FixedOffset>) -> String {
    let text = value.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    // Go leaves out what is nought at the end.
    match text.split_once('.') {
        Some((whole, rest)) => match rest.trim_end_matches('Z').trim_end_matches('0') {
            "" => format!("{whole}Z"),
            nanos => format!("{whole}.{nanos}Z"),
        },
        None => text,
    }
}

/// A value as a text, if it has one.
pub(super) fn plain(value: &Value) -> Option<String> {
    Some(match value {
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => self::number(*number),
        Value::Bool(flag) => flag.to_string(),
        Value::String(text) => text.to_string(),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.to_owned(),
        Value::Duration(by) => duration(*by),
        Value::Timestamp(at) => timestamp(at),
        other => named_type(other)?.to_owned(),
    })
}

/// A value as errors show it.
pub(in crate::structural::cel) fn shown(value: &Value) -> String {
    plain(value).unwrap_or_else(|| type_name(value).to_owned())
}

/// What `%s` makes of a value.
fn any(value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok("null".to_owned()),
        Value::List(items) => {
            let items: Result<Vec<String>, String> = items.iter().map(quoted).collect();
            Ok(format!("[{}]", items?.join(", ")))
        }
        Value::Map(map) => {
            let pair =
                |(key, value)| Ok(format!("{}:{}", quoted(&key_value(key))?, quoted(value)?));
            let mut pairs: Vec<String> =
                entries(map).into_iter().map(pair).collect::<Result<_, String>>()?;
            pairs.sort();
            Ok(format!("{{{}}}", pairs.join(", ")))
        }
        other => plain(other).ok_or_else(|| {
            format!(
                "string clause can only be used on strings, bools, bytes, ints, doubles, maps, \
                 lists, types, durations, and timestamps, was given {}",
                type_name(other)
            )
        }),
    }
}

/// A value within another, as a literal.
fn quoted(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::String(text) => quote(text),
        Value::Bytes(_) => format!("b{}", quote(&any(value)?)),
        Value::Float(number) if number.is_finite() => format!("{number:.PRECISION$}"),
        Value::Timestamp(_) => format!("timestamp({})", quote(&any(value)?)),
        Value::Duration(_) => format!("duration({})", quote(&any(value)?)),
        other => any(other)?,
    })
}

fn quote(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// The digits of a whole number in groups of three.
fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut out = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The number of a clause for numbers, which takes some words for numbers.
fn double(value: &Value, clause: &str) -> Result<f64, String> {
    match value {
        Value::Float(number) => Ok(*number),
        Value::String(text) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => {
            text.parse().map_err(|_| String::new())
        }
        other => Err(format!(
            "{clause} clause can only be used on doubles, was given {}",
            type_name(other)
        )),
    }
}

fn special(number: f64) -> Option<String> {
    match number {
        n if n.is_nan() => Some("NaN".to_owned()),
        n if n.is_infinite() => Some(if n > 0.0 { "∞" } else { "-∞" }.to_owned()),
        _ => None,
    }
}

fn fixed(value: &Value, precision: usize) -> Result<String, String> {
    let number = double(value, "fixed-point")?;
    if let Some(special) = special(number) {
        return Ok(special);
    }
    let text = format!("{number:.precision$}");
    Ok(match text.split_once('.') {
        Some((whole, rest)) => format!("{}.{rest}", grouped(whole)),
        None => grouped(&text),
    })
}

fn scientific(value: &Value, precision: usize) -> Result<String, String> {
    let number = double(value, "scientific")?;
    if let Some(special) = special(number) {
        return Ok(special);
    }
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(("", exponent), |rest| ("⁻", rest));
    let raised: String = format!("{digits:0>2}")
        .chars()
        .filter_map(|digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit.to_digit(10)? as usize))
        .collect();
    Ok(format!("{mantissa}×10{sign}{raised}"))
}

fn signed(number: i64, digits: impl Fn(u64) -> String) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", digits(number.unsigned_abs()))
}

/// What a clause of a format wants: its letter and its number of digits.
type Clause = (char, Option<usize>);

/// The clauses of a format in their order, and the text before each and after the last.
///
/// # Errors
/// When a clause is none.
fn clauses(format: &str) -> Result<(Vec<(String, Clause)>, String), String> {
    let (mut all, mut before, mut rest) = (Vec::new(), String::new(), format);
    while let Some((own, after)) = rest.split_once('%') {
        before.push_str(own);
        if let Some(after) = after.strip_prefix('%') {
            before.push('%');
            rest = after;
            continue;
        }
        let unreadable = |why: &str| format!("could not parse formatting clause: {why}");
        let (precision, after) = match after.strip_prefix('.') {
            None => (None, after),
            Some(digits) => {
                let end = digits.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| {
                    unreadable(
                        "error while parsing precision: could not find end of precision specifier",
                    )
                })?;
                let precision = digits[..end].parse::<usize>().ok().filter(|most| *most <= MOST);
                let precision = precision.ok_or_else(|| {
                    unreadable(
                        "error while parsing precision: error while converting precision to \
                         integer",
                    )
                })?;
                (Some(precision), &digits[end..])
            }
        };
        let letter = after.chars().next().ok_or("unexpected end of string")?;
        if !"sdfebxXo".contains(letter) {
            return Err(unreadable(&format!("unrecognized formatting clause \"{letter}\"")));
        }
        all.push((std::mem::take(&mut before), (letter, precision)));
        rest = &after[letter.len_utf8()..];
    }
    Ok((all, before + rest))
}

/// The letters of a format's clauses.
///
/// # Errors
/// When a clause is none.
pub(in crate::structural::cel) fn letters(format: &str) -> Result<Vec<char>, String> {
    Ok(clauses(format)?.0.into_iter().map(|(_, (letter, _))| letter).collect())
}

/// Why a clause cannot have a value of a type; nothing where it can.
pub(in crate::structural::cel) fn misfit(letter: char, kind: &str) -> Option<String> {
    let (clause, kinds): (&str, &[&str]) = match letter {
        'd' => ("decimal clause can only be used on integers", &["int", "uint"]),
        'f' => ("fixed-point clause can only be used on doubles", &["double"]),
        'e' => ("scientific clause can only be used on doubles", &["double"]),
        'b' => ("binary clause can only be used on integers and bools", &["int", "uint", "bool"]),
        'o' => ("octal clause can only be used on integers", &["int", "uint"]),
        'x' | 'X' => (
            "hex clause can only be used on integers, byte buffers, and strings",
            &["int", "uint", "string", "bytes"],
        ),
        _ => return None,
    };
    (!kinds.contains(&kind)).then(|| format!("{clause}, was given {kind}"))
}

/// One clause of a format over a value.
fn clause(letter: char, precision: Option<usize>, value: &Value) -> Result<String, String> {
    let unfit = || Err(misfit(letter, type_name(value)).unwrap_or_default());
    let precision = precision.unwrap_or(PRECISION);
    match (letter, value) {
        ('s', _) => any(value),
        ('d', Value::Int(number)) => Ok(number.to_string()),
        ('d', Value::UInt(number)) => Ok(number.to_string()),
        ('d', _) => unfit(),
        ('f', _) => fixed(value, precision),
        ('e', _) => scientific(value, precision),
        ('b', Value::Int(number)) => Ok(signed(*number, |digits| format!("{digits:b}"))),
        ('b', Value::UInt(number)) => Ok(format!("{number:b}")),
        ('b', Value::Bool(flag)) => Ok(u8::from(*flag).to_string()),
        ('b', _) => unfit(),
        ('o', Value::Int(number)) => Ok(signed(*number, |digits| format!("{digits:o}"))),
        ('o', Value::UInt(number)) => Ok(format!("{number:o}")),
        ('o', _) => unfit(),
        ('x' | 'X', _) => {
            let hex = |bytes: &[u8]| {
                bytes.iter().fold(String::new(), |mut out, byte| {
                    let _ = write!(out, "{byte:02x}");
                    out
                })
            };
            let digits = match value {
                Value::Int(number) => signed(*number, |digits| format!("{digits:x}")),
                Value::UInt(number) => format!("{number:x}"),
                Value::String(text) => hex(text.as_bytes()),
                Value::Bytes(bytes) => hex(bytes),
                _ => return unfit(),
            };
            Ok(if letter == 'X' { digits.to_uppercase() } else { digits })
        }
        _ => Err(String::new()),
    }
}

/// A text with values in the places of its clauses.
///
/// # Errors
/// When a clause is none, has no value, or has one of another type.
pub(super) fn filled(format: &str, values: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let (clauses, after) = clauses(format)?;
    for (index, (before, (letter, precision))) in clauses.into_iter().enumerate() {
        out.push_str(&before);
        let value = values.get(index).ok_or_else(|| format!("index {index} out of range"))?;
        let text = clause(letter, precision, value)
            .map_err(|why| format!("error during formatting: {why}"))?;
        out.push_str(&text);
    }
    Ok(out + &after)
}
