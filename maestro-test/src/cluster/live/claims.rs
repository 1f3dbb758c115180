//! Which claims on storage came of a run: a StatefulSet's outlive it, and name no owner.
//!
//! Source: <https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-storage>.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use maestro_sim::object::{GroupResource, Key, Object};

const CLAIMS: GroupResource = GroupResource::new("", "persistentvolumeclaims");
const PODS: GroupResource = GroupResource::new("", "pods");

#[derive(Debug, Default)]
struct Seen {
    /// Claims that appeared, with their UIDs.
    appeared: BTreeMap<String, Key>,
    /// The owners of the pods that mounted each.
    mounted: BTreeMap<Key, BTreeSet<String>>,
}

/// What watches told of claims and of pods that mount them; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Claims(Arc<Mutex<Seen>>);

impl Claims {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an object, and whether it came into being after the run began.
    pub fn saw(&self, resource: &GroupResource, object: &Object, appeared: bool) {
        if appeared && *resource == CLAIMS {
            self.lock().appeared.insert(object.uid().to_owned(), object.key().clone());
        }
        if *resource != PODS {
            return;
        }
        let uid = |owner: &maestro_sim::json::Value| Some(owner.get("uid")?.as_str()?.to_owned());
        for volume in object.items(&["spec", "volumes"]) {
            let claim = maestro_sim::object::text(volume, &["persistentVolumeClaim", "claimName"]);
            if !claim.is_empty() {
                let claim = Key::new(object.namespace(), claim);
                let owners = object.owners().iter().filter_map(uid);
                self.lock().mounted.entry(claim).or_default().extend(owners);
            }
        }
    }

    /// UIDs of the claims that appeared for pods of these owners.
    pub fn of(&self, owners: &BTreeSet<String>) -> Vec<String> {
        let seen = self.lock();
        let is_for = |key: &Key| seen.mounted.get(key).is_some_and(|all| !all.is_disjoint(owners));
        let found = seen.appeared.iter().filter(|(_, key)| is_for(key));
        found.map(|(uid, _)| uid.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use maestro_sim::json::json;

    use super::*;

    #[test]
    fn claims_are_of_whoever_owns_the_pods_that_mount_them() {
        let claims = Claims::default();
        let claim = |uid: &str, name: &str| {
            Object::new(json!({"metadata": {"uid": uid, "name": name, "namespace": "a"}}))
        };
        let pod = |owner: &str, claim: &str| {
            Object::new(json!({
                "metadata": {"name": "p", "namespace": "a", "ownerReferences": [{"uid": owner}]},
                "spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {
                    "claimName": claim}}, {"name": "other", "emptyDir": {}}]}}))
        };
        claims.saw(&CLAIMS, &claim("1", "before"), false);
        claims.saw(&CLAIMS, &claim("2", "after"), true);
        claims.saw(&CLAIMS, &claim("3", "other"), true);
        claims.saw(&CLAIMS, &claim("4", "unused"), true);
        for name in ["before", "after"] {
            claims.saw(&PODS, &pod("set", name), true);
        }
        claims.saw(&PODS, &pod("another", "other"), true);
        assert_eq!(claims.of(&["set".to_owned()].into()), ["2"]);
        assert_eq!(claims.of(&BTreeSet::new()), [""; 0]);
    }
}
