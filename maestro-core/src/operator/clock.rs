//! The operator's one clock.

use crate::execution::Moment;

/// The present moment. Nothing else in the operator asks for the time of day.
pub(super) fn now() -> Moment {
    Moment::new(jiff::Timestamp::now())
}
