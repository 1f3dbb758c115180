//! Sizes and costs from the least to the most, which never grow past the largest number.
//!
//! Source: `checker/cost.go` of `github.com/google/cel-go`.

/// The least and the most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Range {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

pub(crate) const UNKNOWN: Range = Range { min: 0, max: u64::MAX };

/// What a unit of text, of a pattern, and the making of a list or a map cost.
pub(crate) const TEXT: f64 = 0.1;
pub(crate) const PATTERN: f64 = 0.25;
pub(crate) const LIST: u64 = 10;
pub(crate) const MAP: u64 = 30;
pub(crate) const STRUCT: u64 = 40;

impl Range {
    pub(crate) const fn of(min: u64, max: u64) -> Self {
        Self { min, max }
    }

    pub(crate) const fn just(number: u64) -> Self {
        Self::of(number, number)
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self::of(self.min.saturating_add(other.min), self.max.saturating_add(other.max))
    }

    pub(crate) const fn times(self, other: Self) -> Self {
        Self::of(self.min.saturating_mul(other.min), self.max.saturating_mul(other.max))
    }

    /// Times a factor, rounded up.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self::of(scaled(self.min, factor), scaled(self.max, factor))
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self::of(self.min.min(other.min), self.max.max(other.max))
    }
}

/// A number times a factor, rounded up; both as the server's floating point has them.
#[allow(clippy::cast_precision_loss, clippy::cast_sign_loss, clippy::cast_possible_truncation)]
pub(crate) fn scaled(number: u64, factor: f64) -> u64 {
    const ALL: f64 = 18_446_744_073_709_551_616.0;
    let whole = (number as f64 * factor).ceil();
    if whole >= ALL { u64::MAX } else { whole as u64 }
}

/// A number divided by another, rounded up; past the largest number as the server's machine has it.
#[allow(clippy::cast_precision_loss, clippy::cast_sign_loss, clippy::cast_possible_truncation)]
pub(crate) fn quotient(number: u64, by: u64) -> u64 {
    let whole = (number as f64 / by as f64).ceil();
    if whole >= 18_446_744_073_709_551_616.0 { 1 << 63 } else { whole as u64 }
}
