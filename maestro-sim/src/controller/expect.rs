//! Expectations: what a controller did and has not yet seen its watch tell.
//!
//! Acting again on a view that does not hold one's own writes would create or delete twice.
//! Source: client-go's `ControllerExpectations` and `UIDTrackingControllerExpectations`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::object::Key;

/// After this time unseen writes are taken for lost.
const TIMEOUT: Duration = Duration::from_secs(5 * 60);

#[derive(Debug)]
struct Expected {
    creates: usize,
    deletes: BTreeSet<Key>,
    at: Duration,
}

/// Expectations of one controller, by the key of the object it reconciles.
#[derive(Default, Debug)]
pub struct Expectations {
    by_key: BTreeMap<Key, Expected>,
}

impl Expectations {
    /// Whether the view may be trusted to hold the controller's own writes.
    pub fn satisfied(&self, key: &Key, now: Duration) -> bool {
        self.by_key.get(key).is_none_or(|e| {
            (e.creates == 0 && e.deletes.is_empty()) || now.saturating_sub(e.at) > TIMEOUT
        })
    }

    /// Starts waiting for `count` creations.
    pub fn creates(&mut self, key: &Key, count: usize, now: Duration) {
        self.by_key
            .insert(key.clone(), Expected { creates: count, deletes: BTreeSet::new(), at: now });
    }

    /// Starts waiting for the deletion of these objects.
    pub fn deletes(&mut self, key: &Key, gone: impl Iterator<Item = Key>, now: Duration) {
        self.by_key.insert(key.clone(), Expected { creates: 0, deletes: gone.collect(), at: now });
    }

    /// Also waits for the deletion of these objects, on top of what is awaited already.
    pub fn also_deletes(&mut self, key: &Key, gone: impl Iterator<Item = Key>) {
        if let Some(expected) = self.by_key.get_mut(key) {
            expected.deletes.extend(gone);
        }
    }

    /// A creation was seen, or turned out not to happen.
    pub fn created(&mut self, key: &Key) {
        if let Some(expected) = self.by_key.get_mut(key) {
            expected.creates = expected.creates.saturating_sub(1);
        }
    }

    /// A deletion was seen, or turned out not to happen.
    pub fn deleted(&mut self, key: &Key, gone: &Key) {
        if let Some(expected) = self.by_key.get_mut(key) {
            expected.deletes.remove(gone);
        }
    }

    /// The reconciled object is gone.
    pub fn forget(&mut self, key: &Key) {
        self.by_key.remove(key);
    }
}
