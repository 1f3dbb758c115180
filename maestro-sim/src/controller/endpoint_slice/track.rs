//! What the EndpointSlice controller remembers between two passes: the slices that it wrote and
//! has not seen yet, and the changes that it has told of.
//!
//! Source: `k8s.io/endpointslice/util/endpointslice_tracker.go` and `trigger_time_tracker.go`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::controller::endpoint_slice::{MANAGER, SERVICE_NAME};
use crate::controller::{Change, Next, Queue, pods};
use crate::object::{Key, Object};

/// The first wait of a pass that found the view behind; it doubles.
const FIRST: Duration = Duration::from_secs(1);
/// So often such a pass is tried again, before its Service is left alone until something changes.
const MOST_TRIES: u32 = 15;

/// What a slice is expected to be: of this generation at least, or gone (`None`).
type Expected = Option<i64>;

/// What is remembered of each Service.
#[derive(Debug, Default)]
pub struct Tracker {
    expected: BTreeMap<Key, BTreeMap<String, Expected>>,
    tries: BTreeMap<Key, u32>,
    told: BTreeMap<Key, BTreeMap<String, String>>,
}

/// The Service that a slice belongs to, by its label.
fn service(slice: &Object) -> Key {
    Key::new(slice.namespace(), slice.label(SERVICE_NAME).unwrap_or(""))
}

impl Tracker {
    /// A slice was written.
    pub fn wrote(&mut self, service: &Key, slice: &Object) {
        self.of(service).insert(slice.uid().to_owned(), Some(slice.generation()));
    }

    /// A slice was deleted.
    pub fn deleted(&mut self, service: &Key, slice: &Object) {
        self.of(service).insert(slice.uid().to_owned(), None);
    }

    /// A slice changed in the view: the Services that want a pass are queued. What this
    /// controller wrote itself wants none, and neither do slices that `manager` does not manage.
    pub fn observe(&mut self, change: &Change, manager: &str, queue: &mut Queue) {
        let managed = |slice: &Object| slice.label(MANAGER) == Some(manager);
        match (&change.old, &change.new) {
            (Some(old), Some(new)) if old.label(SERVICE_NAME) != new.label(SERVICE_NAME) => {
                queue.extend([service(old), service(new)]);
            }
            (old, Some(new)) => {
                let taken = old.as_ref().is_some_and(|old| managed(old) != managed(new));
                if taken || (managed(new) && self.is_news(new)) {
                    queue.add(service(new));
                }
            }
            (Some(old), None) if managed(old) => {
                let service = service(old);
                let expected = self.expected.get_mut(&service).and_then(|of| of.remove(old.uid()));
                if matches!(expected, Some(Some(_))) {
                    queue.add(service);
                }
            }
            (_, None) => {}
        }
    }

    /// Whether a slice is another one than was written.
    fn is_news(&self, slice: &Object) -> bool {
        let expected = self.expected.get(&service(slice)).and_then(|of| of.get(slice.uid()));
        expected.is_none_or(|expected| expected.is_none_or(|written| slice.generation() > written))
    }

    /// A Service is gone, or has no slices any more.
    pub fn forget(&mut self, service: &Key) {
        self.expected.remove(service);
        self.tries.remove(service);
        self.told.remove(service);
    }

    fn of(&mut self, service: &Key) -> &mut BTreeMap<String, Expected> {
        self.expected.entry(service.clone()).or_default()
    }

    /// When to look again, if the slices of a Service are older in the view than what was written:
    /// after a wait that doubles up to `longest`.
    ///
    /// A slice that was written and is none of these any more, because others took it, is missed
    /// for good, as by the real controllers.
    pub fn wait(
        &mut self,
        service: &Key,
        slices: &[Arc<Object>],
        longest: Duration,
    ) -> Option<Next> {
        if !self.is_stale(service, slices) {
            self.tries.remove(service);
            return None;
        }
        let tries = self.tries.entry(service.clone()).or_default();
        if *tries == MOST_TRIES {
            self.tries.remove(service);
            return Some(Next::Done);
        }
        let wait = FIRST.saturating_mul(1 << *tries).min(longest);
        *tries += 1;
        Some(Next::After(wait))
    }

    fn is_stale(&self, service: &Key, slices: &[Arc<Object>]) -> bool {
        let expected = self.expected.get(service).into_iter().flatten();
        expected.into_iter().any(|(uid, expected)| {
            let seen = slices.iter().find(|slice| slice.uid() == uid).map(|s| s.generation());
            match expected {
                Some(generation) => seen.is_none_or(|seen| seen < *generation),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::kinds::ENDPOINT_SLICES;
    use crate::json::json;

    fn slice(uid: &str, generation: i64, manager: &str) -> Arc<Object> {
        Arc::new(Object::new(json!({"metadata": {
            "name": uid, "namespace": "n", "uid": uid, "generation": generation,
            "labels": {SERVICE_NAME: "s", MANAGER: manager},
        }})))
    }

    fn service() -> Key {
        Key::new("n", "s")
    }

    #[test]
    fn what_was_written_is_no_news_and_what_others_do_is() {
        let mut tracker = Tracker::default();
        tracker.wrote(&service(), &slice("a", 2, "us"));
        tracker.wrote(&service(), &slice("b", 1, "us"));
        tracker.deleted(&service(), &slice("b", 1, "us"));
        let mut check = |old: Option<Arc<Object>>, new: Option<Arc<Object>>, queued: bool| {
            let told = format!("{old:?} {new:?}");
            let mut queue = Queue::default();
            let change = Change { resource: ENDPOINT_SLICES.clone(), old, new };
            tracker.observe(&change, "us", &mut queue);
            assert_eq!(queue.pop(), queued.then(service), "{told}");
        };
        let of = |generation, manager| Some(slice("a", generation, manager));
        check(None, of(2, "us"), false);
        check(of(2, "us"), of(3, "us"), true);
        check(None, Some(slice("other", 1, "us")), true);
        check(None, Some(slice("other", 1, "them")), false);
        check(of(2, "us"), of(2, "them"), true);
        check(of(2, "them"), None, false);
        check(Some(slice("b", 1, "us")), None, false);
        check(of(2, "us"), None, true);
        check(of(2, "us"), None, false);
    }

    #[test]
    fn a_view_that_is_behind_is_waited_for_ever_longer_and_not_for_ever() {
        let mut tracker = Tracker::default();
        tracker.wrote(&service(), &slice("a", 2, "us"));
        let mut wait =
            |slices: &[Arc<Object>]| tracker.wait(&service(), slices, Duration::from_secs(100));
        let after = |seconds| Some(Next::After(Duration::from_secs(seconds)));
        assert_eq!(wait(&[slice("a", 1, "us")]), after(1));
        assert_eq!(wait(&[slice("a", 2, "us")]), None);
        let waits: Vec<_> = (0..16).map(|_| wait(&[])).collect();
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 64, 100].map(after));
        assert!(waits[8..15].iter().all(|wait| *wait == after(100)), "{waits:?}");
        assert_eq!(waits[15], Some(Next::Done));
    }
}
