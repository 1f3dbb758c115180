//! The pace of an actor: whether it looks at one thing again and again while time hardly moves.
//!
//! A controller that asks to be called again at once, or two that answer each other's writes for
//! ever, would keep a simulation busy for hours of the wall's clock. Neither happens in a healthy
//! cluster: a client-go workqueue backs off, and a level-triggered controller comes to rest.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::object::Key;

/// The stretch of virtual time over which passes are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// So many passes over one key in a window are too many: 500 a second, for a minute. What runs
/// once a millisecond is found; a controller that has one key for all it does, and much to do,
/// is not.
const MOST: u32 = 30_000;
/// Keys are told apart only after so many passes of the actor, so that a calm one pays nothing.
const CALM: u32 = 5_000;

/// An actor that does not come to rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spin {
    /// What it looks at again and again.
    pub key: Key,
    /// How often, at least.
    pub passes: u32,
    /// Since when.
    pub since: Duration,
}

/// Counts an actor's passes.
#[derive(Debug, Default)]
pub struct Pace {
    since: Duration,
    passes: u32,
    keys: BTreeMap<Key, u32>,
}

impl Pace {
    /// Notes a pass over a key; the answer when it is one too many.
    pub fn pass(&mut self, key: &Key, now: Duration) -> Option<Spin> {
        if now >= self.since + WINDOW {
            (self.since, self.passes) = (now, 0);
            self.keys.clear();
        }
        self.passes = self.passes.saturating_add(1);
        if self.passes <= CALM {
            return None;
        }
        let count = match self.keys.get_mut(key) {
            Some(count) => count,
            None => self.keys.entry(key.clone()).or_default(),
        };
        *count += 1;
        (*count > MOST).then(|| Spin { key: key.clone(), passes: *count, since: self.since })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use std::sync::{Arc, Mutex};

    use crate::json::Value;

    use super::{CALM, MOST, Pace};
    use crate::api::Status;
    use crate::controller::{Change, Context, Controller, Next, Queue, View};
    use crate::object::{GroupResource, Key};
    use crate::observe::{Observer, Writer};
    use crate::store::{Event, Table};
    use crate::trace::TraceLevel;
    use crate::world::World;

    /// Whether passes over so many keys in turn, this far apart, are found to be a spin.
    fn spins(keys: u32, apart: Duration) -> bool {
        let mut pace = Pace::default();
        (0..2 * (CALM + MOST)).any(|pass| {
            let key = Key::new("default", &format!("pod-{}", pass % keys));
            pace.pass(&key, apart * pass).is_some()
        })
    }

    #[test]
    fn one_key_over_and_over_is_a_spin_and_many_keys_are_work() {
        let ms = Duration::from_millis;
        for (keys, apart, expected) in [
            (1, Duration::ZERO, true),
            (2, Duration::ZERO, true),
            (1, ms(1), true),
            (1, ms(5), false),
            (20_000, Duration::ZERO, false),
            (50, ms(1), false),
        ] {
            assert_eq!(spins(keys, apart), expected, "{keys} keys, {apart:?} apart");
        }
    }

    /// A controller that asks to be called again at once, for ever.
    struct Restless;

    impl Controller for Restless {
        fn name(&self) -> &'static str {
            "restless-controller"
        }
        fn watches(&self) -> Vec<GroupResource> {
            Vec::new()
        }
        fn observe(&mut self, _: &Change, _: &View, _: &mut Queue) {}
        fn reconcile(&mut self, _: &Key, _: &mut dyn Context) -> Result<Next, Box<Status>> {
            Ok(Next::After(Duration::ZERO))
        }
    }

    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<String>>>);

    impl Observer for Notes {
        fn stored(&mut self, _: &Table, _: &Event, _: Writer<'_>) {}
        fn noted(&mut self, _: Duration, what: &str, details: &Value) {
            let mut notes = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            notes.push(format!("{what} {} {}", details["actor"], details["key"]));
        }
    }

    #[test]
    fn an_actor_that_never_rests_is_stopped_and_named() {
        let mut world = World::new(1, TraceLevel::Digest);
        let notes = Notes::default();
        world.observe(Box::new(notes.clone()));
        let link = world.links.add("restless");
        let actor = world.add_actor(Box::new(Restless), link);
        world.enqueue(actor, Key::new("default", "a"));
        let mut steps = 0_u32;
        while let Some(next) = world.next() {
            world.advance(next);
            steps += 1;
            assert!(steps < 100_000, "it goes on for ever");
        }
        let notes = notes.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        assert_eq!(*notes, [r#"spin "restless-controller" "default/a""#]);
    }
}
