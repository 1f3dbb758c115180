//! Things compiled from text, kept for the whole process.
//!
//! Simulations run on many short-lived threads, so a per-thread cache would compile everything
//! again for each; one map behind a lock that is held for a look-up is shared by all.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use regex::Regex;

/// A map from text to what was compiled from it.
pub(crate) struct Cache<T> {
    entries: Mutex<BTreeMap<String, Arc<T>>>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self { entries: Mutex::new(BTreeMap::new()) }
    }
}

/// Entries above which the cache starts afresh: texts come from users, memory does not grow with
/// them for ever.
const MOST: usize = 8192;

impl<T> Cache<T> {
    /// The entry for `text`, made now if it is not there.
    pub(crate) fn get(&self, text: &str, make: impl FnOnce(&str) -> T) -> Arc<T> {
        {
            let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = entries.get(text) {
                return Arc::clone(found);
            }
        }
        // Compiling takes long; another thread may do the same meanwhile, with an equal result.
        let made = Arc::new(make(text));
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.clear();
        }
        entries.insert(text.to_owned(), Arc::clone(&made));
        made
    }
}

/// A pattern compiled, or why it is none.
pub(super) fn compiled(pattern: &str) -> Arc<Result<Regex, String>> {
    static PATTERNS: LazyLock<Cache<Result<Regex, String>>> = LazyLock::new(Cache::default);
    PATTERNS.get(pattern, |text| Regex::new(text).map_err(|why| why.to_string()))
}

/// Whether `text` matches `pattern` somewhere; a pattern that does not compile matches nothing.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    compiled(pattern).as_ref().as_ref().is_ok_and(|regex| regex.is_match(text))
}
