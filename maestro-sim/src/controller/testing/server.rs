//! The store of the tests' world: the rules of the API server that controllers depend on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::api::{Answer, Status};
use crate::controller::kinds::PODS;
use crate::controller::shape;
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, map_at};

/// The test clock starts on 2030-01-01 at midnight, UTC.
const EPOCH: i64 = 1_893_456_000;

/// Virtual time in the API's format.
pub fn rfc3339(now: Duration) -> String {
    let seconds = EPOCH + i64::try_from(now.as_secs()).expect("a test does not last that long");
    jiff::Timestamp::from_second(seconds).expect("a valid time").to_string()
}

/// One entry of the event log: the object now, or none when it went.
pub type Logged = (GroupResource, Key, Option<Arc<Object>>);

/// The store.
#[derive(Default)]
pub struct Server {
    objects: BTreeMap<(GroupResource, Key), Arc<Object>>,
    /// All changes in order.
    pub log: Vec<Logged>,
    /// Virtual time.
    pub now: Duration,
    /// Events recorded, as `type reason name: message`.
    pub events: Vec<String>,
    /// Errors that passes ended with.
    pub errors: Vec<String>,
    /// Source of uids, versions and name suffixes.
    pub serial: u64,
}

impl Server {
    pub fn list<'a>(&'a self, of: &'a GroupResource) -> impl Iterator<Item = &'a Arc<Object>> {
        self.objects.iter().filter(move |((r, _), _)| r == of).map(|(_, o)| o)
    }

    pub fn get(&self, resource: &GroupResource, key: &Key) -> Answer {
        let found = self.objects.get(&(resource.clone(), key.clone()));
        found.cloned().ok_or_else(|| Box::new(Status::not_found(resource, &key.name)))
    }

    pub fn create(&mut self, resource: &GroupResource, mut body: Value) -> Answer {
        self.serial += 1;
        let serial = self.serial;
        let now = rfc3339(self.now);
        let meta = map_at(&mut body, &["metadata"]);
        let named = meta.contains_key("name");
        if let Some(base) = meta.get("generateName").and_then(Value::as_str).filter(|_| !named) {
            let name = format!("{base}{serial:05}");
            meta.insert("name", name.into());
        }
        meta.insert("uid", format!("uid-{serial}").into());
        meta.insert("creationTimestamp", now.into());
        meta.insert("generation", 1.into());
        let object = Object::new(body.clone());
        if self.get(resource, object.key()).is_ok() {
            return Err(Box::new(Status::already_exists(resource, object.name())));
        }
        Ok(self.store(resource, body))
    }

    fn store(&mut self, resource: &GroupResource, mut body: Value) -> Arc<Object> {
        self.serial += 1;
        let version = self.serial.to_string();
        map_at(&mut body, &["metadata"]).insert("resourceVersion", version.into());
        let object = Arc::new(Object::new(body));
        let at = (resource.clone(), object.key().clone());
        if object.is_deleting() && object.finalizers().next().is_none() && *resource != PODS {
            self.objects.remove(&at);
            self.log.push((at.0, at.1, None));
        } else {
            self.objects.insert(at.clone(), Arc::clone(&object));
            self.log.push((at.0, at.1, Some(Arc::clone(&object))));
        }
        object
    }

    pub fn update(&mut self, resource: &GroupResource, body: Value, status: bool) -> Answer {
        let wanted = Object::new(body);
        let old = self.get(resource, wanted.key())?;
        let stale =
            wanted.resource_version() != 0 && wanted.resource_version() != old.resource_version();
        if stale || (!wanted.uid().is_empty() && wanted.uid() != old.uid()) {
            return Err(Box::new(Status::modified(resource, old.name())));
        }
        let mut next = if status { old.value().clone() } else { wanted.value().clone() };
        let from = if status { &wanted } else { &old };
        let map = map_at(&mut next, &[]);
        shape::put(map, "status", from.value().get("status").cloned().unwrap_or_default());
        let meta = map_at(&mut next, &["metadata"]);
        if status && let Some(notes) = wanted.at(&["metadata", "annotations"]) {
            meta.insert("annotations", notes.clone());
        }
        meta.insert("resourceVersion", old.resource_version().to_string().into());
        // EndpointSlices have no spec: what they hold counts.
        let counts = ["spec", "endpoints", "ports"];
        let changed = counts.iter().any(|field| next.get(*field) != old.value().get(*field));
        let generation = old.generation() + i64::from(changed && !status);
        map_at(&mut next, &["metadata"]).insert("generation", generation.into());
        if next == *old.value() {
            return Ok(old);
        }
        Ok(self.store(resource, next))
    }

    pub fn patch(
        &mut self,
        resource: &GroupResource,
        key: &Key,
        patch: &Value,
        status: bool,
    ) -> Answer {
        let old = self.get(resource, key)?;
        let mut body = old.value().clone();
        crate::json::merge(&mut body, patch);
        self.update(resource, body, status)
    }

    pub fn delete(&mut self, resource: &GroupResource, key: &Key, options: &Value) -> Answer {
        let old = self.get(resource, key)?;
        let uid = shape::text(options, &["preconditions", "uid"]);
        if !uid.is_empty() && uid != old.uid() {
            return Err(Box::new(Status::conflict(resource, old.name(), "other uid")));
        }
        let mut body = old.value().clone();
        let finalizer = match shape::text(options, &["propagationPolicy"]) {
            "Foreground" => Some("foregroundDeletion"),
            "Orphan" => Some("orphan"),
            _ => None,
        };
        let mut finalizers: Vec<&str> = old.finalizers().collect();
        finalizers.extend(finalizer.filter(|f| old.finalizers().all(|has| has != *f)));
        let now = options["gracePeriodSeconds"] == 0;
        let waits = *resource == PODS && !now;
        if finalizers.is_empty() && !waits {
            self.serial += 1;
            self.objects.remove(&(resource.clone(), key.clone()));
            self.log.push((resource.clone(), key.clone(), None));
            return Ok(old);
        }
        let time = rfc3339(self.now);
        let meta = map_at(&mut body, &["metadata"]);
        meta.entry("deletionTimestamp").or_insert(time.into());
        if !finalizers.is_empty() {
            meta.insert("finalizers", json!(finalizers));
        }
        if body == *old.value() { Ok(old) } else { Ok(self.store(resource, body)) }
    }

    pub fn finalize(&mut self, resource: &GroupResource, _sub: &str, body: Value) -> Answer {
        let wanted = Object::new(body);
        let old = self.get(resource, wanted.key())?;
        let done = wanted.items(&["spec", "finalizers"]).is_empty();
        if done && old.is_deleting() {
            self.objects.remove(&(resource.clone(), old.key().clone()));
            self.log.push((resource.clone(), old.key().clone(), None));
        }
        Ok(old)
    }
}
