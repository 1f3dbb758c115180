//! Values as a person writes them: durations, `a..b` ranges, and any value with its place.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use maestro_core::framework::GoDuration;
pub use maestro_core::yaml::Place;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A value and where it stands, so that a wrong reference can be pointed at.
#[derive(Clone, Debug, Default)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

impl<T> From<T> for At<T> {
    fn from(value: T) -> Self {
        Self { value, place: Place::default() }
    }
}

impl<T> std::ops::Deref for At<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for At<T> {}

impl<T: Ord> PartialOrd for At<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Ord for At<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.value.cmp(&other.value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, place) = maestro_core::yaml::placed(deserializer)?;
        Ok(Self { value, place })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
    fn inline_schema() -> bool {
        T::inline_schema()
    }
}

/// A time that the seed draws: `30s` always, or `5s..40s` evenly between the two, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurationRange {
    /// The shortest.
    pub low: Duration,
    /// The longest.
    pub high: Duration,
}

impl DurationRange {
    /// From the shortest to the longest.
    pub const fn new(low: Duration, high: Duration) -> Self {
        Self { low, high }
    }

    /// Both ends.
    pub const fn bounds(self) -> RangeInclusive<Duration> {
        self.low..=self.high
    }
}

impl std::str::FromStr for DurationRange {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let one = |part: &str| {
            part.trim().parse::<GoDuration>().map(|d| d.0).map_err(|error| error.to_string())
        };
        let Some((low, high)) = text.split_once("..") else {
            let both = one(text)?;
            return Ok(Self::new(both, both));
        };
        if high.starts_with('.') {
            return Err(format!("range {text:?} has three dots; write two, as in 5s..40s"));
        }
        let (low, high) = (one(low)?, one(high)?);
        if low > high {
            return Err(format!("range {text:?} ends before it begins; write the shorter first"));
        }
        Ok(Self::new(low, high))
    }
}

impl fmt::Display for DurationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", GoDuration(self.low))?;
        if self.low != self.high {
            write!(f, "..{}", GoDuration(self.high))?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for DurationRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for DurationRange {
    fn schema_name() -> Cow<'static, str> {
        "DurationRange".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A Go duration (30s, 1h30m), or a range of them that the seed draws \
                            from (5s..40s).",
            "pattern": r"^[0-9][0-9a-zµ.]*?(\.\.[0-9][0-9a-zµ.]*)?$",
            "examples": ["30s", "5s..40s"],
        })
    }
}

/// A whole number that the seed draws: `10` always, or `1..20` evenly, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberRange {
    /// The smallest.
    pub low: u32,
    /// The largest.
    pub high: u32,
}

impl std::str::FromStr for NumberRange {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let one = |part: &str| {
            part.trim()
                .parse::<u32>()
                .map_err(|_| format!("{part:?} is no whole number; write 10 or 1..20"))
        };
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let (low, high) = (one(low)?, one(high)?);
        if low > high {
            return Err(format!("range {text:?} ends before it begins; write the smaller first"));
        }
        Ok(Self { low, high })
    }
}

impl<'de> Deserialize<'de> for NumberRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for NumberRange {
    fn schema_name() -> Cow<'static, str> {
        "NumberRange".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "description": "A whole number, or a range that the seed draws from (1..20).",
            "pattern": r"^[0-9]+(\.\.[0-9]+)?$",
            "minimum": 0,
        })
    }
}
