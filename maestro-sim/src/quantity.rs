//! `resource.Quantity`: exact amounts such as `100m`, `1.5Gi` or `2e3`.
//!
//! Held in billionths as `i128`, so that sums and comparisons are exact. Source:
//! `k8s.io/apimachinery/pkg/api/resource`, which also rounds finer amounts up to 1 nano.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};
use std::str::FromStr;

const NANO: i128 = 1_000_000_000;

/// Why a text is not a quantity.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QuantityError {
    /// The text does not have the form number plus suffix.
    #[error(
        "quantities must match the regular expression \
         '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The suffix is none of the known ones.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// The amount does not fit.
    #[error("unable to parse numeric part of quantity")]
    Range,
}

/// The family of suffixes in which a quantity was written and is printed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Format {
    /// `n u m k M G T P E`.
    #[default]
    DecimalSi,
    /// `Ki Mi Gi Ti Pi Ei`.
    BinarySi,
    /// `e3`.
    DecimalExponent,
}

/// An exact amount. Compares by amount alone.
#[derive(Clone, Copy, Default, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

impl Quantity {
    /// Whole units.
    pub const fn units(units: i64) -> Self {
        Self { nanos: units as i128 * NANO, format: Format::DecimalSi }
    }

    /// Thousandths.
    pub const fn milli(milli: i64) -> Self {
        Self { nanos: milli as i128 * 1_000_000, format: Format::DecimalSi }
    }

    /// Billionths, the unit in which sums are exact.
    pub const fn nanos(self) -> i128 {
        self.nanos
    }

    /// Whole units, rounded up, as `Quantity.Value()`; saturates.
    pub fn value(self) -> i64 {
        ceil_to_i64(self.nanos, NANO)
    }

    /// Thousandths, rounded up, as `Quantity.MilliValue()`; saturates.
    pub fn milli_value(self) -> i64 {
        ceil_to_i64(self.nanos, 1_000_000)
    }

    /// Whether the amount is zero.
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }
}

fn ceil_to_i64(nanos: i128, unit: i128) -> i64 {
    let up = nanos.div_euclid(unit) + i128::from(nanos.rem_euclid(unit) != 0);
    i64::try_from(up).unwrap_or(if up < 0 { i64::MIN } else { i64::MAX })
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Add for Quantity {
    type Output = Self;

    /// Saturates; a zero takes the other side's format, as upstream does.
    fn add(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_add(other.nanos), format }
    }
}

impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_sub(other.nanos), format }
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::default(), Add::add)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let end = text
            .char_indices()
            .find(|(i, c)| !(c.is_ascii_digit() || *c == '.' || (*i == 0 && "+-".contains(*c))))
            .map_or(text.len(), |(i, _)| i);
        let (number, suffix) = text.split_at(end);
        let (mantissa, digits_after_point) = mantissa(number)?;
        let (format, numerator, exponent) = scale(suffix)?;
        let power = 9 + exponent - digits_after_point;
        let scaled = mantissa.checked_mul(numerator).ok_or(QuantityError::Range)?;
        Ok(Self { nanos: times_power_of_ten(scaled, power)?, format })
    }
}

/// How Go holds an amount: number, power of ten, and the text where it is known to be canonical.
/// Equal amounts may be held differently, and whole structs are then not equal.
///
/// Source: the fast path of `ParseQuantity` in `k8s.io/apimachinery/pkg/api/resource`.
pub(crate) fn held(text: &str) -> Option<(i128, i32, Option<&str>)> {
    if text == "0" {
        return Some((0, 0, Some(text)));
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (digits, after) = mantissa(number).ok()?;
    let (format, factor, exponent) = scale(suffix).ok()?;
    let power = exponent - after;
    let canonical = match format {
        Format::BinarySi => after == 0 && digits.unsigned_abs() & 7 != 0,
        _ => {
            let shown = digits.unsigned_abs();
            power % 3 == 0
                && shown % 1000 != 0
                && !number.trim_start_matches(['+', '-', '.']).starts_with('0')
        }
    };
    Some((digits * factor, power, canonical.then_some(text)))
}

/// The digits as one integer, and how many of them stood after the point.
fn mantissa(number: &str) -> Result<(i128, i32), QuantityError> {
    let (negative, digits) = match number.as_bytes().first() {
        Some(b'-') => (true, &number[1..]),
        Some(b'+') => (false, &number[1..]),
        _ => (false, number),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return Err(QuantityError::Format);
    }
    // Digits beyond the thirtieth cannot change an amount rounded to nanos by a visible suffix.
    let fraction = fraction.get(..30.min(fraction.len())).unwrap_or(fraction);
    let all = format!("{whole}{fraction}");
    let all = all.trim_start_matches('0');
    let value: i128 =
        if all.is_empty() { 0 } else { all.parse().map_err(|_| QuantityError::Range)? };
    let after = i32::try_from(fraction.len()).map_err(|_| QuantityError::Range)?;
    Ok((if negative { -value } else { value }, after))
}

/// What a suffix multiplies by: an integer and a power of ten.
fn scale(suffix: &str) -> Result<(Format, i128, i32), QuantityError> {
    let decimal = |exponent| Ok((Format::DecimalSi, 1, exponent));
    let binary = |shift: u32| Ok((Format::BinarySi, 1_i128 << shift, 0));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let power = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
            let power: i32 = power.parse().map_err(|_| QuantityError::Suffix)?;
            Ok((Format::DecimalExponent, 1, power))
        }
    }
}

/// Rounds away from zero, as upstream rounds amounts finer than a nano up.
fn times_power_of_ten(value: i128, power: i32) -> Result<i128, QuantityError> {
    if value == 0 {
        return Ok(0);
    }
    let steps = power.unsigned_abs();
    if power >= 0 {
        let factor = 10_i128.checked_pow(steps).ok_or(QuantityError::Range)?;
        return value.checked_mul(factor).ok_or(QuantityError::Range);
    }
    let Some(divisor) = 10_i128.checked_pow(steps) else { return Ok(value.signum()) };
    let rest = i128::from(value % divisor != 0);
    Ok(value / divisor + value.signum() * rest)
}

impl fmt::Display for Quantity {
    /// The canonical form: the largest suffix that needs no fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
        let whole = self.nanos % NANO == 0;
        let small = self.nanos.abs() < 1024 * NANO;
        if self.format == Format::BinarySi && whole && !small {
            let (number, step) = reduce(self.nanos / NANO, 1024, BINARY.len() - 1);
            return write!(f, "{number}{}", BINARY.get(step).unwrap_or(&""));
        }
        let (number, step) = reduce(self.nanos, 1000, DECIMAL.len() - 1);
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.format == Format::DecimalExponent {
            let exponent = i32::try_from(step).unwrap_or(0) * 3 - 9;
            return if exponent == 0 {
                write!(f, "{number}")
            } else {
                write!(f, "{number}e{exponent}")
            };
        }
        write!(f, "{number}{}", DECIMAL.get(step).unwrap_or(&""))
    }
}

fn reduce(mut number: i128, base: i128, most: usize) -> (i128, usize) {
    let mut step = 0;
    while step < most && number != 0 && number % base == 0 {
        number /= base;
        step += 1;
    }
    (number, step)
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn canonical_form() {
        let cases = [
            ("0", "0"),
            ("100m", "100m"),
            ("0.1", "100m"),
            ("1000m", "1"),
            ("1.5Gi", "1536Mi"),
            ("1024Ki", "1Mi"),
            ("1000Ki", "1000Ki"),
            ("1000", "1k"),
            ("2e3", "2e3"),
            ("2E", "2E"),
            ("-500m", "-500m"),
            ("0.1n", "1n"),
            ("12345", "12345"),
            ("0.5Ki", "512"),
        ];
        for (given, expected) in cases {
            let parsed: Result<Quantity, _> = given.parse();
            assert_eq!(parsed.map(|q| q.to_string()), Ok(expected.to_owned()), "{given}");
        }
    }

    #[test]
    fn refuses_what_upstream_refuses() {
        for given in ["", "m", "1x", "1.2.3", "1 Gi", "--1", "1e", "é"] {
            assert!(given.parse::<Quantity>().is_err(), "{given}");
        }
    }

    #[test]
    fn sums_and_compares_exactly() {
        let sum: Quantity =
            ["100m", "0.2", "1"].iter().filter_map(|t| t.parse::<Quantity>().ok()).sum();
        assert_eq!(sum, Quantity::milli(1300));
        assert!(Quantity::units(1) > Quantity::milli(999));
        assert_eq!("1Mi".parse::<Quantity>().map(Quantity::value), Ok(1_048_576));
        assert_eq!("1u".parse::<Quantity>().map(Quantity::milli_value), Ok(1));
    }
}
