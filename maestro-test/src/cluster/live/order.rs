//! Puts what many watches tell into the one order in which the API server wrote it.
//!
//! A resource version counts the writes of the whole store (etcd's revision), but each watch has
//! a connection of its own. What is told waits a moment for what was written before it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long what was told waits for what came before it.
const WAIT: Duration = Duration::from_millis(150);

/// Things told of, by version.
#[derive(Debug)]
pub struct Order<T> {
    waiting: BTreeMap<(u64, u64), (Instant, T)>,
    count: u64,
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), count: 0 }
    }
}

impl<T> Order<T> {
    /// Puts in what was told now.
    pub fn put(&mut self, version: u64, told: T, now: Instant) {
        self.count += 1;
        self.waiting.insert((version, self.count), (now, told));
    }

    /// Takes what has waited long enough, in order.
    pub fn take(&mut self, now: Instant) -> Vec<T> {
        let mut ready = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            if now.saturating_duration_since(first.get().0) < WAIT {
                break;
            }
            ready.push(first.remove().1);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_first_is_told_first() {
        let began = Instant::now();
        let after = |ms| began + Duration::from_millis(ms);
        let mut order = Order::default();
        order.put(9, "late", after(0));
        order.put(7, "early", after(100));
        order.put(8, "between", after(120));
        assert_eq!(order.take(after(200)), Vec::<&str>::new());
        assert_eq!(order.take(after(260)), ["early"]);
        assert_eq!(order.take(after(280)), ["between", "late"]);
    }
}
