//! `no-orphans`: after a deletion nothing is left behind, cluster-scoped objects included.

use std::collections::{BTreeMap, BTreeSet};

use maestro_sim::json::Value;
use maestro_sim::object::Object;

use super::{Class, Ending, Finding, Live, Property, Scene};
use crate::event::{Event, Happening, describe};
use crate::scenario::{Scenario, Setting};

/// See the module.
#[derive(Debug, Default)]
pub struct NoOrphans {
    gone: BTreeSet<String>,
    /// Name of gone instances by namespace and name, for what no reference can own.
    instances: BTreeMap<(String, String), String>,
}

impl NoOrphans {
    /// For one run.
    pub fn new(_: &Scenario, _: &Setting, _: u64) -> Self {
        Self::default()
    }

    fn lost_owner<'a>(&self, object: &'a Object) -> Option<&'a str> {
        let owners = object.owners();
        let uid = |owner: &'a Value| owner.get("uid").and_then(Value::as_str);
        let all_gone = !owners.is_empty()
            && owners.iter().all(|o| uid(o).is_some_and(|uid| self.gone.contains(uid)));
        all_gone.then(|| owners.first()?.get("name")?.as_str()).flatten()
    }

    /// What Maestro labelled as an instance's, and whose instance is gone.
    fn lost_instance(&self, object: &Object, live: &Live) -> Option<&str> {
        if object.label("app.kubernetes.io/managed-by") != Some("maestro") {
            return None;
        }
        let name = object.label("app.kubernetes.io/instance")?;
        let mut candidates = self.instances.iter().filter(|((namespace, n), _)| {
            n == name && (object.namespace().is_empty() || namespace == object.namespace())
        });
        let (_, uid) = candidates.next()?;
        let alive = live.all().any(|(resource, other)| {
            Class::of(resource) == Class::Instance
                && other.name() == name
                && (object.namespace().is_empty() || other.namespace() == object.namespace())
        });
        (!alive).then_some(uid)
    }
}

impl Property for NoOrphans {
    fn observe(&mut self, event: &Event, scene: &Scene<'_>) -> Option<Finding> {
        let Happening::Write(write) = &event.what else { return None };
        if scene.class == Class::Background || write.new.is_some() {
            return None;
        }
        let old = write.old.as_ref()?;
        if scene.class == Class::Instance {
            let key = (old.namespace().to_owned(), old.name().to_owned());
            self.instances.insert(key, old.uid().to_owned());
        }
        self.gone.insert(old.uid().to_owned());
        None
    }

    fn finish(&mut self, ending: &Ending, live: &Live) -> Option<Finding> {
        // Without convergence the deletion is not over, which `converges` says already.
        ending.converged_at?;
        live.all().find_map(|(resource, object)| {
            if let Some(owner) = self.lost_owner(object) {
                let detail = format!("is left behind by {owner}, which is gone");
                return Some(Finding(describe(resource, object), detail));
            }
            // Claims are data: they stay until someone says otherwise.
            if Class::of(resource) == Class::Claim {
                return None;
            }
            let uid = self.lost_instance(object, live)?;
            let detail = format!("is left behind by its instance ({uid}), which is gone");
            Some(Finding(describe(resource, object), detail))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use maestro_sim::json::json;

    use crate::property::Ending;
    use crate::property::testing::{Run, named, uid};

    #[test]
    fn what_is_left_is_named_and_what_is_owned_by_the_living_is_not() {
        let ending = Ending { converged_at: Some(Duration::ZERO), ..Ending::default() };
        let mut run = Run::new("no-orphans");
        let zk = named("packages.maestro.dev/v1alpha1", "ZooKeeper", "main");
        let mut owned = named("v1", "ConfigMap", "config");
        owned["metadata"]["ownerReferences"] = json!([{"name": "main", "uid": uid("main")}]);
        let mut role = named("rbac.authorization.k8s.io/v1", "ClusterRole", "zk-main");
        role["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "maestro",
                                            "app.kubernetes.io/instance": "main"});
        for object in [&zk, &owned, &role] {
            run.write("operator/0", None, Some(object));
        }
        assert!(run.end(&ending).is_empty());
        run.write("operator/0", Some(&zk), None);
        assert_eq!(run.end(&ending).len(), 1);
        run.write("garbage-collector", Some(&owned), None);
        assert!(run.end(&ending).concat().contains("ClusterRole default/zk-main: is left behind"));
        run.write("operator/0", Some(&role), None);
        assert!(run.end(&ending).is_empty());
    }
}
