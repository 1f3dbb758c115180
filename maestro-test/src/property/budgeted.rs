//! `budgeted`: nobody but faults and people takes a healthy pod away beyond what its
//! PodDisruptionBudget and the workload's quorum allow.

use std::collections::BTreeMap;
use std::sync::Arc;

use maestro_sim::json::Value;
use maestro_sim::object::{GroupResource, Object};

use super::live::{healthy, selects};
use super::{Class, Finding, Live, Property, Scene};
use crate::event::{Event, Happening, Write, describe};
use crate::scenario::{Scenario, Setting};

const PODS: GroupResource = GroupResource::new("", "pods");
const BUDGETS: GroupResource = GroupResource::new("policy", "poddisruptionbudgets");

/// Members that need a majority of each other.
#[derive(Debug)]
struct Quorum {
    selector: BTreeMap<String, String>,
    /// How many there are; `None` for what the StatefulSet wants.
    of: Option<i64>,
}

/// What a pod's StatefulSet wants, and who is to blame when the set itself was taken away.
struct Wish {
    replicas: i64,
    deleted: Option<String>,
}

/// A StatefulSet that was deleted while what owns it lives on: its pods follow it.
#[derive(Debug)]
struct Felled {
    replicas: i64,
    by: String,
}

/// See the module.
#[derive(Debug)]
pub struct Budgeted {
    quorums: Vec<Quorum>,
    max_unavailable: Option<i64>,
    felled: BTreeMap<String, Felled>,
}

impl Budgeted {
    /// For one run.
    pub fn new(scenario: &Scenario, setting: &Setting, _: u64) -> Self {
        let quorums = scenario.spec.workloads.iter().filter_map(|workload| {
            let of = workload.quorum.as_ref()?.of.parse().ok();
            Some(Quorum { selector: workload.selector.clone(), of })
        });
        let max_unavailable = setting.max_unavailable.map(i64::from);
        Self { quorums: quorums.collect(), max_unavailable, felled: BTreeMap::new() }
    }

    /// Notes who began to take a StatefulSet away. Whoever deletes a set that its own owner still
    /// wants takes away every pod of it, whichever controller carries that out.
    fn note_set(&mut self, write: &Write, live: &Live) {
        let Some(old) = &write.old else { return };
        let goes = write.new.as_ref().is_none_or(|new| new.is_deleting());
        let begun = old.is_deleting() || self.felled.contains_key(old.uid());
        if !goes || begun || write.from_outside() || !is_wanted(old, live) {
            return;
        }
        let by = format!("{}, which deleted StatefulSet {}", write.actor, old.key());
        let felled = Felled { replicas: replicas(old), by };
        self.felled.insert(old.uid().to_owned(), felled);
    }

    /// What the pod's set wants of it; `None` when its going is no disruption.
    fn wish(&self, pod: &Object, live: &Live) -> Option<Wish> {
        let uid = pod.controller()?.get("uid")?.as_str()?;
        if let Some(felled) = self.felled.get(uid) {
            return Some(Wish { replicas: felled.replicas, deleted: Some(felled.by.clone()) });
        }
        let set = live.by_uid(uid).filter(|set| set.text(&["kind"]) == "StatefulSet")?;
        // What its owner no longer wants is no disruption.
        let wanted = replicas(set);
        let ordinal = pod.name().rsplit_once('-').and_then(|(_, n)| n.parse::<i64>().ok());
        let unwanted = set.is_deleting() || ordinal.is_some_and(|o| o >= wanted);
        (!unwanted).then_some(Wish { replicas: wanted, deleted: None })
    }

    fn lost_quorum(&self, pod: &Object, wanted: i64, live: &Live) -> Option<String> {
        let quorum = self.quorums.iter().find(|quorum| {
            quorum.selector.iter().all(|(name, value)| pod.label(name) == Some(value))
        })?;
        let of = quorum.of.unwrap_or(wanted);
        let left = live
            .of(&PODS, pod.namespace())
            .filter(|p| healthy(p))
            .filter(|p| quorum.selector.iter().all(|(n, v)| p.label(n) == Some(v)))
            .count();
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        (left * 2 <= of).then(|| format!("{left} of {of} members are left, no quorum"))
    }
}

impl Property for Budgeted {
    fn observe(&mut self, event: &Event, scene: &Scene<'_>) -> Option<Finding> {
        let Happening::Write(write) = &event.what else { return None };
        if scene.class == Class::StatefulSet {
            self.note_set(write, scene.live);
        }
        if scene.class != Class::Pod || write.from_outside() {
            return None;
        }
        let pod = taken_away(write)?;
        let Wish { replicas, deleted } = self.wish(pod, scene.live)?;
        let broken = self
            .lost_quorum(pod, replicas, scene.live)
            .or_else(|| too_many(pod, replicas, self.max_unavailable?, scene.live))
            .or_else(|| over_budget(pod, replicas, scene.live))?;
        let by = deleted.as_deref().unwrap_or(&write.actor);
        let detail = format!("taken away by {by}: {broken}");
        Some(Finding(describe(&write.resource, pod), detail))
    }
}

/// The healthy pod that this write begins to take away.
fn taken_away(write: &Write) -> Option<&Arc<Object>> {
    let old = write.old.as_ref()?;
    let goes = write.new.as_ref().is_none_or(|new| new.is_deleting());
    // The kubelet only finishes what others began.
    let finishes = write.actor.starts_with("kubelet");
    (goes && !finishes && healthy(old)).then_some(old)
}

fn replicas(set: &Object) -> i64 {
    set.int(&["spec", "replicas"]).unwrap_or(1)
}

/// Whether what owns a set lives and is not on its way out.
fn is_wanted(set: &Object, live: &Live) -> bool {
    let owner = set.controller().and_then(|owner| owner.get("uid")?.as_str());
    owner.and_then(|uid| live.by_uid(uid)).is_some_and(|owner| !owner.is_deleting())
}

/// More are out than the scenario allows.
fn too_many(pod: &Object, wanted: i64, allowed: i64, live: &Live) -> Option<String> {
    let uid = pod.controller()?.get("uid")?;
    let left = count(pod, live, |p| p.controller().and_then(|c| c.get("uid")) == Some(uid));
    let out = wanted - left;
    (out > allowed).then(|| format!("{out} are unavailable, {allowed} may be"))
}

fn over_budget(pod: &Object, wanted: i64, live: &Live) -> Option<String> {
    live.of(&BUDGETS, pod.namespace()).find_map(|budget| {
        let selector = budget.at(&["spec", "selector"]);
        if !selects(selector, pod.labels()) {
            return None;
        }
        let left = count(pod, live, |p| selects(selector, p.labels()));
        let least = match budget.at(&["spec", "minAvailable"]) {
            Some(least) => amount(least, wanted)?,
            None => wanted - amount(budget.at(&["spec", "maxUnavailable"])?, wanted)?,
        };
        let name = budget.key();
        (left < least)
            .then(|| format!("{left} healthy are left, PodDisruptionBudget {name} wants {least}"))
    })
}

fn count(pod: &Object, live: &Live, belongs: impl Fn(&Object) -> bool) -> i64 {
    let left = live.of(&PODS, pod.namespace()).filter(|p| healthy(p) && belongs(p)).count();
    i64::try_from(left).unwrap_or(i64::MAX)
}

/// An IntOrString of so many pods; percentages round up, as the disruption controller does.
fn amount(value: &Value, of: i64) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let percent: i64 = value.as_str()?.strip_suffix('%')?.parse().ok()?;
    Some((of * percent + 99) / 100)
}

#[cfg(test)]
mod tests {
    use maestro_sim::json::{Value, json};

    use crate::property::testing::{Run, named, uid};

    fn pod(name: &str) -> Value {
        let mut pod = named("v1", "Pod", name);
        pod["metadata"]["labels"] = json!({"app": "zk"});
        pod["metadata"]["ownerReferences"] =
            json!([{"kind": "StatefulSet", "name": "zk", "uid": uid("zk"), "controller": true}]);
        pod["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        pod
    }

    fn cluster() -> Run {
        let mut run = Run::new("budgeted");
        let mut set = named("apps/v1", "StatefulSet", "zk");
        set["spec"] = json!({"replicas": 3});
        let mut budget = named("policy/v1", "PodDisruptionBudget", "zk-budget");
        budget["spec"] = json!({"maxUnavailable": 1, "selector": {"matchLabels": {"app": "zk"}}});
        run.write("user", None, Some(&set));
        run.write("user", None, Some(&budget));
        for name in ["zk-0", "zk-1", "zk-2"] {
            run.write("statefulset-controller", None, Some(&pod(name)));
        }
        run
    }

    #[test]
    fn the_second_pod_taken_is_one_too_many() {
        let mut run = cluster();
        assert_eq!(run.write("statefulset-controller", Some(&pod("zk-2")), None), None);
        let found = run.write("operator/0", Some(&pod("zk-1")), None).unwrap_or_default();
        assert!(
            found.contains("1 healthy are left, PodDisruptionBudget default/zk-budget wants 2")
        );
    }

    #[test]
    fn who_deletes_a_set_that_is_still_wanted_takes_its_pods_away() {
        for (owner_goes, found) in [(false, true), (true, false)] {
            let mut run = Run::new("budgeted");
            let mut owner = named("packages.maestro.dev/v1", "Zk", "main");
            let mut set = named("apps/v1", "StatefulSet", "zk");
            set["spec"] = json!({"replicas": 3});
            set["metadata"]["ownerReferences"] =
                json!([{"kind": "Zk", "name": "main", "uid": uid("main"), "controller": true}]);
            let mut budget = named("policy/v1", "PodDisruptionBudget", "zk-budget");
            budget["spec"] =
                json!({"maxUnavailable": 1, "selector": {"matchLabels": {"app": "zk"}}});
            if owner_goes {
                owner["metadata"]["deletionTimestamp"] = json!("2024-01-01T00:00:00Z");
            }
            for object in [&owner, &set, &budget, &pod("zk-0"), &pod("zk-1"), &pod("zk-2")] {
                run.write("operator/0", None, Some(object));
            }
            run.write("operator/0", Some(&set), None);
            let collector = "garbage-collector";
            assert_eq!(run.write(collector, Some(&pod("zk-2")), None), None);
            let second = run.write(collector, Some(&pod("zk-1")), None).unwrap_or_default();
            let said = "taken away by operator/0, which deleted StatefulSet default/zk: 1 healthy";
            assert_eq!(second.contains(said), found, "{second}");
        }
    }

    #[test]
    fn faults_and_people_are_not_bound() {
        let mut run = cluster();
        for name in ["zk-0", "zk-1", "zk-2"] {
            assert_eq!(run.write("fault", Some(&pod(name)), None), None);
        }
    }
}
