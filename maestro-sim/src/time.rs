//! Virtual time as Kubernetes writes it.

use std::time::Duration;

use crate::entropy::EPOCH_SECS;

/// RFC 3339 with seconds (`metav1.Time`) of a virtual instant.
pub fn rfc3339(now: Duration) -> String {
    format(now, "%Y-%m-%dT%H:%M:%SZ")
}

/// RFC 3339 with microseconds (`metav1.MicroTime`) of a virtual instant.
pub fn rfc3339_micros(now: Duration) -> String {
    format(now, "%Y-%m-%dT%H:%M:%S.%6fZ")
}

/// Unix seconds of an RFC 3339 time; `None` if malformed.
pub fn unix_seconds(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

fn format(now: Duration, pattern: &str) -> String {
    let seconds = EPOCH_SECS.saturating_add_unsigned(now.as_secs());
    let nanos = i32::try_from(now.subsec_nanos()).unwrap_or(0);
    jiff::Timestamp::new(seconds, nanos)
        .map(|t| t.strftime(pattern).to_string())
        .unwrap_or_default()
}
