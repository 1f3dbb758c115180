//! Virtual time as Kubernetes writes it.

use std::time::Duration;

use crate::entropy::EPOCH_SECS;

/// RFC 3339 with seconds (`metav1.Time`) of a virtual instant.
pub fn rfc3339(now: Duration) -> String {
    jiff::Timestamp::new(unix(now), 0).map(|t| t.to_string()).unwrap_or_default()
}

/// Unix seconds of a virtual instant.
pub fn unix(now: Duration) -> i64 {
    EPOCH_SECS.saturating_add_unsigned(now.as_secs())
}

/// Unix seconds of an RFC 3339 time; `None` if malformed.
pub fn unix_seconds(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// The virtual instant of an RFC 3339 time: the beginning if it is malformed, or before that.
pub fn since_start(text: &str) -> Duration {
    let seconds = unix_seconds(text).and_then(|at| at.checked_sub(EPOCH_SECS));
    Duration::from_secs(seconds.and_then(|at| u64::try_from(at).ok()).unwrap_or(0))
}
