//! What a scalar is to `go.yaml.in/yaml/v2`: YAML 1.1, where `y`, `on` and `0b1` are no texts.

use crate::go_base64;
use crate::json::Value;
use crate::patch::go_syntax;

/// A scalar as it stands in a document.
pub(super) struct Scalar<'a> {
    pub(super) text: &'a str,
    /// Without quotes and not as a block.
    pub(super) plain: bool,
    /// Its tag, of those of YAML in its short form, `!!str`.
    pub(super) tag: Option<String>,
}

impl Scalar<'_> {
    /// Whether, as a key, it means what its value holds.
    pub(super) fn merges(&self) -> bool {
        self.text == "<<" && (self.plain && self.tag.is_none() || self.is("!!merge"))
    }

    fn is(&self, tag: &str) -> bool {
        self.tag.as_deref() == Some(tag)
    }

    /// As the name of a field, and as Go writes it in messages; nothing for null.
    ///
    /// # Errors
    /// When it is not what its tag says.
    pub(super) fn key(&self) -> Result<Option<(String, String)>, String> {
        let plain = self.plain && self.tag.is_none();
        if plain && let Some(number) = beyond_json(self.text) {
            let name = match number {
                "+Inf" => ".inf",
                "-Inf" => "-.inf",
                _ => ".nan",
            };
            return Ok(Some((name.to_owned(), number.to_owned())));
        }
        let whole = self.text.replace('_', "");
        if plain
            && resolve(self.text).0 == "!!float"
            && let Some(number) = decimal(&whole)
        {
            return Ok(Some((short(number, true), short(number, false))));
        }
        key(&self.value()?)
    }

    /// # Errors
    /// When it is not what its tag says, in the words of Go.
    pub(super) fn value(&self) -> Result<Value, String> {
        let text = self.text;
        if self.is("!!binary") {
            let bytes = go_base64::decode(text);
            let bytes = bytes.map_err(|_| "yaml: !!binary value contains invalid base64 data")?;
            return Ok(String::from_utf8_lossy(&bytes).as_ref().into());
        }
        let tags = ["!!bool", "!!int", "!!float", "!!null", "!!timestamp"];
        let tag = match self.tag.as_deref() {
            None if self.plain => None,
            Some(tag) if tags.contains(&tag) => Some(tag),
            _ => return Ok(text.into()),
        };
        if let Some(number) = beyond_json(text).filter(|_| tag.is_none_or(|tag| tag == "!!float")) {
            return Err(format!("json: unsupported value: {number}"));
        }
        let (is, value) = resolve(text);
        match tag {
            Some("!!timestamp") if is == "!!str" => Ok(text.into()),
            Some("!!float") if is == "!!int" => Ok(value),
            Some(tag) if tag != is => Err(format!("yaml: cannot decode {is} `{text}` as a {tag}")),
            _ => Ok(value),
        }
    }
}

/// The tag of a plain scalar, and its value.
fn resolve(text: &str) -> (&'static str, Value) {
    let number = match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return ("!!bool", true.into());
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return ("!!bool", false.into());
        }
        "" | "~" | "null" | "Null" | "NULL" => return ("!!null", Value::Null),
        _ => match text.as_bytes()[0] {
            b'.' => decimal(text).map(float),
            b'+' | b'-' | b'0'..=b'9' => {
                let plain = text.replace('_', "");
                let whole = integer(&plain).map(|value| ("!!int", value));
                whole.or_else(|| is_decimal(&plain).then(|| decimal(&plain).map(float))?)
            }
            _ => None,
        },
    };
    number.unwrap_or_else(|| ("!!str", text.into()))
}

/// An integer of 64 bits, with or without a sign, in the base that its prefix names.
fn integer(text: &str) -> Option<Value> {
    let (sign, digits) = match text.as_bytes() {
        [b'-', ..] => ("-", &text[1..]),
        [b'+', ..] => ("", &text[1..]),
        _ => ("", text),
    };
    let (base, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|first: char| first.is_digit(base)) {
        return None;
    }
    let signed = i64::from_str_radix(&format!("{sign}{digits}"), base);
    match signed {
        Ok(value) => Some(value.into()),
        Err(_) if text.starts_with(['+', '-']) => None,
        Err(_) => u64::from_str_radix(digits, base).ok().map(Value::from),
    }
}

/// Whether it is written as a decimal number:
/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`.
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = digits(unsigned);
    let rest = &unsigned[whole..];
    let rest = match rest.strip_prefix('.') {
        Some(decimals) if whole > 0 || digits(decimals) > 0 => &decimals[digits(decimals)..],
        None if whole > 0 => rest,
        _ => return false,
    };
    let Some(exponent) = rest.strip_prefix(['e', 'E']) else { return rest.is_empty() };
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

fn decimal(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A number as Go writes it in JSON and reads it again: `1.0` as `1`.
fn float(number: f64) -> (&'static str, Value) {
    let size = number.abs();
    let text = if size == 0.0 {
        "0".to_owned()
    } else if (1e-6..1e21).contains(&size) {
        number.to_string()
    } else {
        format!("{number:e}")
    };
    ("!!float", serde_json::from_str(&text).unwrap_or_default())
}

/// The numbers that JSON has no text for, in the words of Go.
fn beyond_json(text: &str) -> Option<&'static str> {
    Some(match text {
        ".nan" | ".NaN" | ".NAN" => "NaN",
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => "+Inf",
        "-.inf" | "-.Inf" | "-.INF" => "-Inf",
        _ => return None,
    })
}

/// A value as the name of a field, and as Go writes it in messages; nothing for null.
///
/// # Errors
/// For lists and maps.
pub(super) fn key(value: &Value) -> Result<Option<(String, String)>, String> {
    match value {
        Value::String(text) => Ok(Some((text.to_string(), value.to_string()))),
        Value::Bool(_) | Value::Number(_) => Ok(Some((value.to_string(), value.to_string()))),
        Value::Null => Ok(None),
        Value::Array(_) | Value::Object(_) => Err(format!("yaml: invalid map key: {}", go(value))),
    }
}

/// A value in the syntax of Go, as YAML's decoder has it.
pub(super) fn go(value: &Value) -> String {
    go_syntax(value, "interface {}")
}

/// A decimal number in Go's format `g`, of 32 bits when it is `narrow`.
fn short(number: f64, narrow: bool) -> String {
    let scientific = if narrow { format!("{:e}", number as f32) } else { format!("{number:e}") };
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    match exponent {
        -4..6 if narrow => (number as f32).to_string(),
        -4..6 => number.to_string(),
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn plain_scalars_are_what_yaml_1_1_makes_of_them() {
        let check = |text: &str, wanted: Value| {
            let scalar = Scalar { text, plain: true, tag: None };
            assert_eq!(scalar.value(), Ok(wanted), "{text}");
            let quoted = Scalar { text, plain: false, tag: None };
            assert_eq!(quoted.value(), Ok(text.into()), "{text}");
        };
        check("y", json!(true));
        check("On", json!(true));
        check("NO", json!(false));
        check("yES", json!("yES"));
        check("~", json!(null));
        check("", json!(null));
        check("017", json!(15));
        check("0o17", json!(15));
        check("08", json!(8));
        check("0x1F", json!(31));
        check("-0b11", json!(-3));
        check("1_000", json!(1000));
        check("1.0", json!(1));
        check("1e3", json!(1000));
        check(".5", json!(0.5));
        check("5.", json!(5));
        check("1e-7", json!(1e-7));
        check("18446744073709551615", json!(18_446_744_073_709_551_615u64));
        check("1e999", json!("1e999"));
        check("0x", json!("0x"));
        check("+-1", json!("+-1"));
        check("1.2.3", json!("1.2.3"));
        check("2001-01-01", json!("2001-01-01"));
        check("1:30", json!("1:30"));
        check("=", json!("="));
    }

    #[test]
    fn tags_decide() {
        let check = |tag: &str, text: &str, wanted: Result<Value, &str>| {
            let scalar = Scalar { text, plain: true, tag: Some(tag.to_owned()) };
            assert_eq!(scalar.value(), wanted.map_err(str::to_owned), "{tag} {text}");
        };
        check("!!str", "1", Ok(json!("1")));
        check("!!int", "x", Err("yaml: cannot decode !!str `x` as a !!int"));
        check("!!float", "1", Ok(json!(1)));
        check("!!binary", "YWJj", Ok(json!("abc")));
        check("!mine", "1", Ok(json!("1")));
        check("!!float", ".inf", Err("json: unsupported value: +Inf"));
    }

    #[test]
    fn keys_are_texts() {
        let check = |text: &str, name: &str, told: &str| {
            let scalar = Scalar { text, plain: true, tag: None };
            assert_eq!(scalar.key(), Ok(Some((name.to_owned(), told.to_owned()))), "{text}");
        };
        check("a", "a", "\"a\"");
        check("0x10", "16", "16");
        check("y", "true", "true");
        check("1.50", "1.5", "1.5");
        check("1e6", "1e+06", "1e+06");
        check("1e3", "1000", "1000");
        check("0.00001", "1e-05", "1e-05");
        check(".inf", ".inf", "+Inf");
        assert_eq!(key(&Value::Null), Ok(None));
        let told = "yaml: invalid map key: []interface {}{1, interface {}(nil)}";
        assert_eq!(key(&json!([1, null])), Err(told.to_owned()));
    }
}
