//! How far back a cluster can still be listed.
//!
//! An API server has etcd forget former states every five minutes, up to the version that was
//! newest five minutes before. Lists by a continue token or an exact version end there; watches do
//! not, which are served from a cache.
//!
//! Source: `--etcd-compaction-interval` of kube-apiserver,
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#410-gone-responses>.

use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The oldest state that is still known.
#[derive(Debug)]
pub(super) struct Past {
    next: Duration,
    marked: u64,
    oldest: u64,
}

impl Default for Past {
    fn default() -> Self {
        Self { next: INTERVAL, marked: 0, oldest: 0 }
    }
}

impl Past {
    /// Time went on, and `version` is the newest.
    pub(super) fn age(&mut self, now: Duration, version: u64) {
        while now >= self.next {
            self.oldest = self.marked;
            self.marked = version;
            self.next += INTERVAL;
        }
    }

    /// The version of the oldest state that can be listed.
    pub(super) const fn oldest(&self) -> u64 {
        self.oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_to_ten_minutes_are_known() {
        let mut past = Past::default();
        let mut check = |minutes: u64, version: u64, oldest: u64| {
            past.age(Duration::from_secs(60 * minutes), version);
            assert_eq!(past.oldest(), oldest, "after {minutes} minutes");
        };
        check(0, 7, 0);
        check(4, 20, 0);
        check(5, 30, 0);
        check(9, 40, 0);
        check(10, 50, 30);
        check(14, 60, 30);
        check(15, 70, 50);
        check(100, 80, 80);
    }
}
