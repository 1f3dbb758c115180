//! `children-bounded`: an owner with `spec.replicas` never has more live pods than it wants.

use std::collections::BTreeMap;
use std::time::Duration;

use maestro_sim::object::{GroupResource, Object};

use super::{Class, Finding, Property, Scene};
use crate::event::{Event, Happening, Write, describe};
use crate::scenario::{Scenario, Setting};

const PODS: GroupResource = GroupResource::new("", "pods");

/// For so long after a scale-down its controller may still act on what it saw before it: longer
/// than any healthy watch lags.
const GRACE: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub struct ChildrenBounded {
    /// Owners that were scaled down: the replicas before, and when.
    shrunk: BTreeMap<String, (i64, Duration)>,
}

impl ChildrenBounded {
    /// For one run.
    pub fn new(_: &Scenario, _: &Setting, _: u64) -> Self {
        Self::default()
    }

    fn note_scale(&mut self, write: &Write, at: Duration) {
        let (Some(old), Some(new)) = (&write.old, &write.new) else { return };
        let replicas = |object: &Object| object.int(&["spec", "replicas"]);
        if let (Some(before), Some(after)) = (replicas(old), replicas(new))
            && after < before
        {
            self.shrunk.insert(new.uid().to_owned(), (before, at));
        }
    }
}

impl Property for ChildrenBounded {
    fn observe(&mut self, event: &Event, scene: &Scene<'_>) -> Option<Finding> {
        let Happening::Write(write) = &event.what else { return None };
        if scene.class != Class::Pod {
            if !matches!(scene.class, Class::Background | Class::Claim) {
                self.note_scale(write, event.at);
            }
            return None;
        }
        if write.old.is_some() {
            return None;
        }
        let pod = write.new.as_ref()?;
        let uid = pod.controller()?.get("uid")?.as_str()?;
        let owner = scene.live.by_uid(uid)?;
        let wanted = owner.int(&["spec", "replicas"])?;
        let recent = self.shrunk.get(uid).filter(|(_, at)| event.at <= *at + GRACE);
        let bound = recent.map_or(wanted, |(before, _)| wanted.max(*before));
        let children = scene.live.of(&PODS, pod.namespace()).filter(|p| active_child(p, uid));
        let count = i64::try_from(children.count()).unwrap_or(i64::MAX);
        (count > bound).then(|| {
            let detail = format!("has {count} pods and wants {bound}, {} is new", pod.name());
            let resource = GroupResource::new("", "owners");
            Finding(describe(&resource, owner), detail)
        })
    }
}

fn active_child(pod: &Object, uid: &str) -> bool {
    let ended = matches!(pod.text(&["status", "phase"]), "Succeeded" | "Failed");
    let controller = pod.controller().and_then(|c| c.get("uid")).and_then(|u| u.as_str());
    !ended && !pod.is_deleting() && controller == Some(uid)
}

#[cfg(test)]
mod tests {
    use maestro_sim::json::{Value, json};

    use crate::property::testing::{Run, named, uid};

    fn pod(name: &str) -> Value {
        let mut pod = named("v1", "Pod", name);
        pod["metadata"]["ownerReferences"] =
            json!([{"kind": "ReplicaSet", "name": "web", "uid": uid("web"), "controller": true}]);
        pod
    }

    #[test]
    fn one_more_than_wanted_is_found_and_a_replacement_is_not() {
        let mut run = Run::new("children-bounded");
        let mut set = named("apps/v1", "ReplicaSet", "web");
        set["spec"] = json!({"replicas": 2});
        run.write("user", None, Some(&set));
        assert_eq!(run.write("replicaset-controller", None, Some(&pod("web-a"))), None);
        assert_eq!(run.write("replicaset-controller", None, Some(&pod("web-b"))), None);
        let mut leaving = pod("web-b");
        leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        run.write("user", Some(&pod("web-b")), Some(&leaving));
        assert_eq!(run.write("replicaset-controller", None, Some(&pod("web-c"))), None);
        let found = run.write("operator/0", None, Some(&pod("web-d"))).unwrap_or_default();
        assert!(found.contains("ReplicaSet default/web: has 3 pods and wants 2"), "{found}");
    }
}
