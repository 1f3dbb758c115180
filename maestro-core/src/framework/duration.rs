//! Durations as Kubernetes and Go write them: `90s`, `1h30m`, `1.5h`, `250ms`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A non-negative duration written as Go writes it (`time.ParseDuration`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(pub Duration);

/// Why a duration cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing was written.
    #[error("a duration is empty; write for example 90s, 15m or 1h30m")]
    Empty,
    /// A number lacks a unit or the unit is not one of Go's.
    #[error("duration {0:?} has {1}; units are ns, us, ms, s, m and h, as in 90s or 1h30m")]
    Unit(String, String),
    /// It does not begin with a number.
    #[error("duration {0:?} needs a number before each unit, as in 90s or 1h30m")]
    Number(String),
    /// Timeouts and waits cannot be negative.
    #[error("duration {0:?} is negative")]
    Negative(String),
    /// More than about 292 years, which is where Go's own durations end.
    #[error("duration {0:?} is too long")]
    TooLong(String),
}

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        if text.is_empty() {
            return Err(DurationError::Empty);
        }
        if text.starts_with('-') {
            return Err(DurationError::Negative(text.to_owned()));
        }
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (nanos, tail) = element(text, rest)?;
            total = total
                .checked_add(nanos)
                .filter(|sum| *sum <= i64::MAX.unsigned_abs())
                .ok_or_else(|| DurationError::TooLong(text.to_owned()))?;
            rest = tail;
        }
        if total == 0 && !text.contains(|c: char| c.is_ascii_digit()) {
            return Err(DurationError::Number(text.to_owned()));
        }
        Ok(Self(Duration::from_nanos(total)))
    }
}

/// One number with its unit at the head of `rest`, in nanoseconds, and what follows it.
fn element<'a>(text: &str, rest: &'a str) -> Result<(u64, &'a str), DurationError> {
    let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, tail) = rest.split_at(number_end);
    let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
    let (unit, tail) = tail.split_at(unit_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DurationError::Number(text.to_owned()));
    }
    let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let problem = if unit.is_empty() {
            "no unit".to_owned()
        } else {
            format!("the unknown unit {unit:?}")
        };
        return Err(DurationError::Unit(text.to_owned(), problem));
    };
    let too_long = || DurationError::TooLong(text.to_owned());
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_long())? };
    let mut nanos = whole.checked_mul(*scale).ok_or_else(too_long)?;
    let mut digit_scale = *scale;
    for digit in fraction.bytes() {
        digit_scale /= 10;
        nanos = nanos.checked_add(digit_scale * u64::from(digit - b'0')).ok_or_else(too_long)?;
    }
    Ok((nanos, tail))
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        for (unit, scale) in [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000)]
        {
            if nanos >= scale {
                write!(f, "{}{unit}", nanos / scale)?;
                nanos %= scale;
            }
        }
        for (unit, scale) in [("ms", 1_000_000), ("us", 1_000), ("ns", 1)] {
            if nanos >= scale {
                write!(f, "{}{unit}", nanos / scale)?;
                nanos %= scale;
            }
        }
        Ok(())
    }
}

impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for GoDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A duration as Go writes it: 90s, 15m, 1h30m.",
            "pattern": "^([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_what_go_does() {
        let check = |text: &str, expected: Result<(u64, &str), &str>| {
            let read = text.parse::<GoDuration>();
            let got = match &read {
                Ok(duration) => Ok((
                    u64::try_from(duration.0.as_millis()).expect("a short duration"),
                    duration.to_string(),
                )),
                Err(error) => Err(error.to_string()),
            };
            match expected {
                Ok((millis, text)) => assert_eq!(got, Ok((millis, text.to_owned()))),
                Err(part) => {
                    let message = got.expect_err(text);
                    assert!(message.contains(part), "{text}: {message}");
                }
            }
        };
        check("90s", Ok((90_000, "1m30s")));
        check("1h30m", Ok((5_400_000, "1h30m")));
        check("1.5h", Ok((5_400_000, "1h30m")));
        check("250ms", Ok((250, "250ms")));
        check("0", Ok((0, "0s")));
        check("", Err("empty"));
        check("15", Err("no unit"));
        check("15 m", Err("unknown unit \" m\""));
        check("1d", Err("unknown unit \"d\""));
        check("-1s", Err("negative"));
        check("s", Err("needs a number"));
        check("99999999999h", Err("too long"));
    }
}
