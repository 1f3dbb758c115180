//! The live objects of a run, kept from the stream of writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use maestro_sim::json::{Map, Value};
use maestro_sim::object::{GroupResource, Key, Object};

use super::Class;
use crate::event::Write;

/// The live objects but those of the background.
#[derive(Debug, Default)]
pub struct Live {
    collections: BTreeMap<GroupResource, BTreeMap<Key, Arc<Object>>>,
    uids: BTreeMap<Arc<str>, Arc<Object>>,
}

impl Live {
    /// Takes a write in.
    pub fn apply(&mut self, class: Class, write: &Write) {
        if class == Class::Background {
            return;
        }
        match (&write.old, &write.new) {
            (_, Some(new)) => {
                if !self.collections.contains_key(&write.resource) {
                    self.collections.insert(write.resource.clone(), BTreeMap::new());
                }
                if let Some(objects) = self.collections.get_mut(&write.resource) {
                    objects.insert(new.key().clone(), Arc::clone(new));
                }
                match self.uids.get_mut(new.uid()) {
                    Some(object) => *object = Arc::clone(new),
                    None => drop(self.uids.insert(new.uid().into(), Arc::clone(new))),
                }
            }
            (Some(old), None) => {
                if let Some(objects) = self.collections.get_mut(&write.resource) {
                    objects.remove(old.key());
                }
                self.uids.remove(old.uid());
            }
            (None, None) => {}
        }
    }

    /// One object.
    pub fn get(&self, resource: &GroupResource, key: &Key) -> Option<&Arc<Object>> {
        self.collections.get(resource)?.get(key)
    }

    /// The live object with a UID.
    pub fn by_uid(&self, uid: &str) -> Option<&Arc<Object>> {
        self.uids.get(uid)
    }

    /// A namespace's objects of a collection, in key order.
    pub fn of<'a>(
        &'a self,
        resource: &GroupResource,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        let objects = self.collections.get(resource);
        objects
            .into_iter()
            .flat_map(move |all| all.range(Key::new(namespace, "")..))
            .map(|(_, object)| object)
            .take_while(move |object| object.namespace() == namespace)
    }

    /// Every live object with its collection.
    pub fn all(&self) -> impl Iterator<Item = (&GroupResource, &Arc<Object>)> {
        self.collections.iter().flat_map(|(r, all)| all.values().map(move |o| (r, o)))
    }
}

/// Whether labels satisfy a `metav1.LabelSelector`. An empty selector selects everything, an
/// absent one nothing.
pub fn selects(selector: Option<&Value>, labels: Option<&Map>) -> bool {
    let Some(selector) = selector else { return false };
    let label = |name: &str| labels.and_then(|l| l.get(name)).and_then(Value::as_str);
    let equal = selector.get("matchLabels").and_then(Value::as_object);
    let equal_holds = equal
        .into_iter()
        .flatten()
        .all(|(name, value)| value.as_str().is_some_and(|v| label(name) == Some(v)));
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    equal_holds
        && expressions.into_iter().flatten().all(|expression| {
            let text = |f: &str| expression.get(f).and_then(Value::as_str).unwrap_or("");
            let mut values = expression.get("values").and_then(Value::as_array).into_iter();
            let here = label(text("key"));
            let mut listed =
                || values.by_ref().flatten().any(|v| v.as_str().is_some_and(|v| here == Some(v)));
            match text("operator") {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => here.is_some(),
                "DoesNotExist" => here.is_none(),
                _ => false,
            }
        })
}

/// Whether a pod is Ready and not on its way out.
pub fn healthy(pod: &Object) -> bool {
    !pod.is_deleting()
        && pod.items(&["status", "conditions"]).iter().any(|c| {
            c.get("type").and_then(Value::as_str) == Some("Ready")
                && c.get("status").and_then(Value::as_str) == Some("True")
        })
}
