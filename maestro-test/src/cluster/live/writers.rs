//! Who wrote what: answers to writes name the version that the watch will tell of.
//!
//! A real API server says who wrote only in `managedFields`. Those whose requests pass through
//! here are known better: by the version in the answer, and for what is gone by its UID.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use maestro_sim::json::Value;
use maestro_sim::object::Object;

/// The code of an answer that tells of a new object, whether it was posted or applied.
const CREATED: u16 = 201;

#[derive(Debug, Default)]
struct Known {
    versions: BTreeMap<u64, Arc<str>>,
    deleted: BTreeMap<String, Arc<str>>,
    created: Vec<String>,
}

/// The writers of one run; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Writers(Arc<Mutex<Known>>);

impl Writers {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write was answered with this code and body: the object, or a Status that names what was
    /// deleted.
    pub fn wrote(&self, client: &Arc<str>, code: u16, body: &Value) {
        let mut known = self.lock();
        if let Some(uid) = body.pointer("/details/uid").and_then(Value::as_str) {
            known.deleted.insert(uid.to_owned(), Arc::clone(client));
            return;
        }
        let text = |path: &str| body.pointer(path).and_then(Value::as_str);
        if let Some(uid) = text("/metadata/uid").filter(|_| code == CREATED) {
            known.created.push(uid.to_owned());
        }
        if let Some(version) = text("/metadata/resourceVersion").and_then(|v| v.parse().ok()) {
            // What changed nothing is answered with the version of an earlier write.
            known.versions.entry(version).or_insert_with(|| Arc::clone(client));
        }
        if let (Some(_), Some(uid)) = (text("/metadata/deletionTimestamp"), text("/metadata/uid")) {
            known.deleted.insert(uid.to_owned(), Arc::clone(client));
        }
    }

    /// UIDs of what was created through here, in that order.
    pub fn created(&self) -> Vec<String> {
        self.lock().created.clone()
    }

    /// Who wrote an object, or removed it.
    pub fn of(&self, object: &Object, gone: bool) -> Arc<str> {
        let known = self.lock();
        let named = known.versions.get(&object.resource_version());
        let named = named.or_else(|| known.deleted.get(object.uid()).filter(|_| gone));
        named.cloned().unwrap_or_else(|| newest_manager(object).into())
    }
}

/// The manager that wrote last, as `managedFields` tell.
fn newest_manager(object: &Object) -> &str {
    let text = |entry: &'_ Value, field: &str| -> String {
        entry.get(field).and_then(Value::as_str).unwrap_or("").to_owned()
    };
    let entries = object.items(&["metadata", "managedFields"]);
    let newest = entries.iter().max_by_key(|entry| text(entry, "time"));
    newest.and_then(|entry| entry.get("manager")?.as_str()).unwrap_or("kube-apiserver")
}

#[cfg(test)]
mod tests {
    use super::*;
    use maestro_sim::json::json;

    fn object(version: u64) -> Value {
        json!({"metadata": {"uid": "u", "resourceVersion": version.to_string(), "managedFields": [
            {"manager": "kubectl", "time": "2026-01-01T00:00:00Z"},
            {"manager": "kube-controller-manager", "time": "2026-01-02T00:00:00Z"}]}})
    }

    #[test]
    fn whoever_passed_through_is_known_and_the_rest_by_their_fields() {
        let writers = Writers::default();
        writers.wrote(&"operator/0".into(), 201, &object(5));
        writers.wrote(&"operator/1".into(), 200, &object(5));
        writers.wrote(&"user".into(), 200, &json!({"kind": "Status", "details": {"uid": "u"}}));
        assert_eq!(writers.created(), ["u"]);
        for (version, gone, expected) in
            [(5, false, "operator/0"), (6, false, "kube-controller-manager"), (7, true, "user")]
        {
            assert_eq!(&*writers.of(&Object::new(object(version)), gone), expected, "{version}");
        }
    }
}
