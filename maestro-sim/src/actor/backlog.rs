//! When keys are to be looked at again: as a pass wished, or after a failure with back-off.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::Status;
use crate::controller::Next;
use crate::object::Key;

/// The first wait after a failed pass; it doubles (client-go's `DefaultControllerRateLimiter`).
const FIRST: Duration = Duration::from_millis(5);
/// The longest.
const LONGEST: Duration = Duration::from_secs(1000);
/// The shortest wait that can be wished for: nothing is due at the instant it is asked, so that
/// time moves.
const SHORTEST: Duration = Duration::from_millis(1);

/// The keys of one actor that wait for a time.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    due: BTreeMap<Key, Duration>,
    failures: BTreeMap<Key, u32>,
}

impl Backlog {
    /// Takes out the keys that are due by now.
    pub(super) fn ready(&mut self, now: Duration) -> Vec<Key> {
        let due = self.due.iter().filter(|(_, at)| **at <= now);
        let ready: Vec<Key> = due.map(|(key, _)| key.clone()).collect();
        for key in &ready {
            self.due.remove(key);
        }
        ready
    }

    /// When the next key is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.values().min().copied()
    }

    /// Takes note of how a pass over a key ended.
    pub(super) fn passed(&mut self, key: &Key, outcome: &Result<Next, Box<Status>>, now: Duration) {
        match outcome {
            Ok(next) => {
                self.failures.remove(key);
                self.due.remove(key);
                if let Next::After(delay) = next {
                    self.due.insert(key.clone(), now + (*delay).max(SHORTEST));
                }
            }
            Err(_) => {
                let count = self.failures.entry(key.clone()).or_default();
                let delay = FIRST.saturating_mul(1 << (*count).min(18)).min(LONGEST);
                *count += 1;
                self.due.insert(key.clone(), now + delay);
            }
        }
    }
}
