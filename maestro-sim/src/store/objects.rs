//! The live objects of a collection: in key order, and each found at once.
//!
//! Walking goes by the order. Looking one up there would compare keys on the way down, each of
//! them somewhere else in memory; so a hash table stands beside it, which nobody ever walks. Both
//! say in which slot an object is: whoever changes one touches neither.

use std::collections::{BTreeMap, btree_map};
use std::ops::RangeBounds;
use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashTable;

use crate::object::{Key, Object};
use crate::rng::hasher;

/// Objects by key.
#[derive(Clone, Debug)]
pub struct Objects {
    ordered: BTreeMap<Key, usize>,
    places: HashTable<usize>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    hasher: RandomState,
}

/// Where an object is, and the hash of its key: what is looked up is compared with that first, so
/// that no object is touched but the one that is meant.
#[derive(Clone, Debug)]
struct Slot {
    hash: u64,
    object: Arc<Object>,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            ordered: BTreeMap::new(),
            places: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hasher: hasher(),
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
        self.named(&key.namespace, &key.name)
    }

    /// The object of a name in a namespace (empty for cluster scope).
    #[inline]
    pub fn named(&self, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        let hash = self.hash(namespace, name);
        self.at(*self.places.find(hash, self.is(hash, namespace, name))?)
    }

    /// Whether there is an object with this key.
    pub fn contains_key(&self, key: &Key) -> bool {
        self.get(key).is_some()
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
        Some(&self.slots.get(slot)?.as_ref()?.object)
    }

    #[inline]
    fn hash(&self, namespace: &str, name: &str) -> u64 {
        self.hasher.hash_one((namespace, name))
    }

    /// Whether a slot holds the object of a name.
    #[inline]
    fn is(&self, hash: u64, namespace: &str, name: &str) -> impl Fn(&usize) -> bool {
        move |slot| {
            let slot = self.slots.get(*slot).and_then(Option::as_ref);
            slot.is_some_and(|slot| {
                slot.hash == hash
                    && slot.object.name() == name
                    && slot.object.namespace() == namespace
            })
        }
    }

    /// Puts an object in under its own key; the one that was there.
    pub(super) fn insert(&mut self, object: Arc<Object>) -> Option<Arc<Object>> {
        let (namespace, name) = (object.namespace(), object.name());
        let hash = self.hash(namespace, name);
        let known = self.places.find(hash, self.is(hash, namespace, name)).copied();
        if let Some(slot) = known {
            let slot = self.slots.get_mut(slot)?.as_mut()?;
            return Some(std::mem::replace(&mut slot.object, object));
        }
        let key = object.key().clone();
        let held = Some(Slot { hash, object });
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = held;
                slot
            }
            None => {
                self.slots.push(held);
                self.slots.len() - 1
            }
        };
        let slots = &self.slots;
        let rehash = |slot: &usize| slots[*slot].as_ref().map_or(0, |slot| slot.hash);
        self.places.insert_unique(hash, slot, rehash);
        self.ordered.insert(key, slot);
        None
    }

    /// Takes an object out.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Object>> {
        let slot = self.ordered.remove(key)?;
        let hash = self.hash(&key.namespace, &key.name);
        if let Ok(found) = self.places.find_entry(hash, |at| *at == slot) {
            found.remove();
        }
        self.free.push(slot);
        Some(self.slots.get_mut(slot)?.take()?.object)
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
