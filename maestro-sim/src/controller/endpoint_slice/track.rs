//! What the EndpointSlice controller remembers between two passes: the slices that it wrote and
//! has not seen yet, and the changes that it has told of.
//!
//! Source: `k8s.io/endpointslice/util/endpointslice_tracker.go` and `trigger_time_tracker.go`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::controller::pods;
use crate::object::{Key, Object};

/// For how long a slice that was written is waited for: what a watch has skipped is never seen.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a slice is expected to be.
#[derive(Debug)]
struct Expected {
    /// Its generation at least; `None` when it is to be gone.
    generation: Option<i64>,
    since: Duration,
}

/// What is remembered of each Service.
#[derive(Debug, Default)]
pub struct Tracker {
    expected: BTreeMap<Key, BTreeMap<String, Expected>>,
    told: BTreeMap<Key, BTreeMap<String, String>>,
}

impl Tracker {
    /// A slice was written.
    pub fn wrote(&mut self, service: &Key, slice: &Object, now: Duration) {
        let expected = Expected { generation: Some(slice.generation()), since: now };
        self.of(service).insert(slice.uid().to_owned(), expected);
    }

    /// A slice was deleted.
    pub fn deleted(&mut self, service: &Key, slice: &Object, now: Duration) {
        let expected = Expected { generation: None, since: now };
        self.of(service).insert(slice.uid().to_owned(), expected);
    }

    /// A slice is gone from the view.
    pub fn gone(&mut self, service: &Key, slice: &Object) {
        self.of(service).remove(slice.uid());
    }

    /// A Service is gone.
    pub fn forget(&mut self, service: &Key) {
        self.expected.remove(service);
        self.told.remove(service);
    }

    fn of(&mut self, service: &Key) -> &mut BTreeMap<String, Expected> {
        self.expected.entry(service.clone()).or_default()
    }

    /// Whether the slices of a Service are older in the view than what was written.
    pub fn is_stale(&mut self, service: &Key, slices: &[Arc<Object>], now: Duration) -> bool {
        let expected = self.of(service);
        expected.retain(|_, expected| now < expected.since + PATIENCE);
        expected.iter().any(|(uid, expected)| {
            let seen = slices.iter().find(|slice| slice.uid() == uid).map(|s| s.generation());
            match expected.generation {
                Some(generation) => seen.is_none_or(|seen| seen < generation),
                None => seen.is_some(),
            }
        })
    }

    /// The earliest of the changes of a Service and its pods that were not told of yet: when the
    /// one was made and when the others became ready or not.
    pub fn trigger(&mut self, service: &Object, chosen: &[Arc<Object>]) -> Option<String> {
        let mut times = BTreeMap::new();
        let created = service.text(&["metadata", "creationTimestamp"]).to_owned();
        times.insert(String::new(), created);
        for pod in chosen {
            let ready = pods::condition(pod, "Ready");
            let since = ready.and_then(|ready| ready.get("lastTransitionTime")?.as_str());
            if let Some(since) = since.filter(|since| !since.is_empty()) {
                times.insert(pod.name().to_owned(), since.to_owned());
            }
        }
        let told = self.told.insert(service.key().clone(), times.clone()).unwrap_or_default();
        let new = times.into_iter().filter(|(name, at)| told.get(name).is_none_or(|old| at > old));
        new.map(|(_, at)| at).min()
    }
}
