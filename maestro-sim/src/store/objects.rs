//! The live objects of a collection: in key order, and each found at once.
//!
//! Walking goes by the order. Looking one up there would compare keys on the way down, each of
//! them somewhere else in memory; so a hash table stands beside it, which nobody ever walks. Both
//! say in which slot an object is: whoever changes one touches neither.

use std::borrow::Borrow;
use std::collections::{BTreeMap, btree_map};
use std::hash::{Hash, Hasher};
use std::ops::RangeBounds;
use std::sync::Arc;

use ahash::RandomState;

use crate::object::{Key, Object};

#[expect(clippy::disallowed_types, reason = "it is asked for keys, and never walked")]
type Places = std::collections::HashMap<Key, usize, RandomState>;

/// Namespace and name, wherever these are: who looks up need make no [`Key`].
trait Place {
    fn place(&self) -> (&str, &str);
}

impl Place for Key {
    fn place(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}

impl Place for (&str, &str) {
    fn place(&self) -> (&str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Place + 'a> for Key {
    fn borrow(&self) -> &(dyn Place + 'a) {
        self
    }
}

/// As the one of [`Key`] does it, which the table is filled by.
impl Hash for dyn Place + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (namespace, name) = self.place();
        namespace.hash(state);
        name.hash(state);
    }
}

impl PartialEq for dyn Place + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for dyn Place + '_ {}

/// Objects by key.
#[derive(Clone, Debug)]
pub struct Objects {
    ordered: BTreeMap<Key, usize>,
    places: Places,
    slots: Vec<Option<Arc<Object>>>,
    free: Vec<usize>,
}

impl Default for Objects {
    fn default() -> Self {
        let hasher = RandomState::with_seeds(1, 2, 3, 4);
        Self {
            ordered: BTreeMap::new(),
            places: Places::with_hasher(hasher),
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl Objects {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ordered.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ordered.is_empty()
    }

    /// The object with this key.
    #[inline]
    pub fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.at(*self.places.get(key)?)
    }

    /// The object of a name in a namespace (empty for cluster scope).
    #[inline]
    pub fn named(&self, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        let place: &dyn Place = &(namespace, name);
        self.at(*self.places.get(place)?)
    }

    /// Whether there is an object with this key.
    pub fn contains_key(&self, key: &Key) -> bool {
        self.places.contains_key(key)
    }

    /// Keys and objects in key order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Key, &Arc<Object>)> {
        self.ordered.iter().filter_map(|(key, slot)| Some((key, self.at(*slot)?)))
    }

    /// Those whose keys are in a range, in key order.
    pub fn range(
        &self,
        keys: impl RangeBounds<Key>,
    ) -> impl DoubleEndedIterator<Item = (&Key, &Arc<Object>)> {
        self.ordered.range(keys).filter_map(|(key, slot)| Some((key, self.at(*slot)?)))
    }

    /// Objects in key order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Arc<Object>> {
        self.iter().map(|(_, object)| object)
    }

    /// Keys in order.
    pub fn keys(&self) -> btree_map::Keys<'_, Key, usize> {
        self.ordered.keys()
    }

    #[inline]
    fn at(&self, slot: usize) -> Option<&Arc<Object>> {
        self.slots.get(slot)?.as_ref()
    }

    /// Puts an object in under its own key; the one that was there.
    pub(super) fn insert(&mut self, object: Arc<Object>) -> Option<Arc<Object>> {
        if let Some(slot) = self.places.get(object.key()) {
            return self.slots.get_mut(*slot)?.replace(object);
        }
        let key = object.key().clone();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(object);
                slot
            }
            None => {
                self.slots.push(Some(object));
                self.slots.len() - 1
            }
        };
        self.places.insert(key.clone(), slot);
        self.ordered.insert(key, slot);
        None
    }

    /// Takes an object out.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Object>> {
        let slot = self.places.remove(key)?;
        self.ordered.remove(key);
        self.free.push(slot);
        self.slots.get_mut(slot)?.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn order_and_places_agree() {
        let mut objects = Objects::default();
        let mut expected = BTreeMap::new();
        let object = |name: &str, version: usize| {
            let version = version.to_string();
            Arc::new(Object::new(json!({"metadata": {"name": name, "resourceVersion": version}})))
        };
        for step in 0..500_usize {
            let name = format!("name-{}", step * 7919 % 61);
            let key = Key::new("", &name);
            if step % 3 == 2 {
                assert_eq!(objects.remove(&key).is_some(), expected.remove(&key).is_some());
            } else {
                let old = objects.insert(object(&name, step)).map(|old| old.resource_version());
                assert_eq!(old, expected.insert(key.clone(), step as u64));
            }
            let found = objects.get(&key).map(|object| object.resource_version());
            assert_eq!(found, expected.get(&key).copied());
            let named = objects.named("", &name).map(|object| object.resource_version());
            assert_eq!(named, found, "by its name as by its key");
            assert!(objects.named("other", &name).is_none());
        }
        let all: Vec<(Key, u64)> =
            objects.iter().map(|(key, object)| (key.clone(), object.resource_version())).collect();
        let from = Key::new("", "name-3");
        assert_eq!(objects.range(from.clone()..).count(), expected.range(from..).count());
        assert_eq!(all, expected.into_iter().collect::<Vec<_>>());
        assert_eq!((objects.len(), objects.keys().len()), (all.len(), all.len()));
        assert!(objects.slots.len() <= 61, "slots are used again");
    }
}
