//! `storage-safe`: no claim is deleted while its owner lives and still wants it.

use maestro_sim::json::Value;
use maestro_sim::object::{GroupResource, Object};

use super::{Class, Finding, Live, Property, Scene};
use crate::event::{Event, Happening, describe};
use crate::scenario::{Scenario, Setting};

const STATEFUL_SETS: GroupResource = GroupResource::new("apps", "statefulsets");

/// See the module.
#[derive(Debug, Default)]
pub struct StorageSafe;

impl StorageSafe {
    /// For one run.
    pub fn new(_: &Scenario, _: &Setting, _: u64) -> Self {
        Self
    }
}

impl Property for StorageSafe {
    fn observe(&mut self, event: &Event, scene: &Scene<'_>) -> Option<Finding> {
        let Happening::Write(write) = &event.what else { return None };
        if scene.class != Class::Claim || write.from_outside() {
            return None;
        }
        let old = write.old.as_ref()?;
        let goes = write.new.as_ref().is_none_or(|new| new.is_deleting());
        if !goes || old.is_deleting() {
            return None;
        }
        let owner = owner(old, scene.live)?;
        let detail = format!("deleted by {} while {owner} lives", write.actor);
        Some(Finding(describe(&write.resource, old), detail))
    }
}

/// The live owner of a claim: one its references name, or the StatefulSet that made it.
fn owner(claim: &Object, live: &Live) -> Option<String> {
    let referenced = claim.owners().iter().find_map(|reference| {
        let owner = live.by_uid(reference.get("uid")?.as_str()?)?;
        let replicas = owner.int(&["spec", "replicas"]);
        let scaled_away = replicas.is_some_and(|n| ordinal(claim.name()).is_some_and(|o| o >= n));
        (!owner.is_deleting() && !scaled_away)
            .then(|| format!("{} {} ({})", owner.text(&["kind"]), owner.key(), owner.uid()))
    });
    referenced.or_else(|| {
        live.of(&STATEFUL_SETS, claim.namespace())
            .find(|set| claims(set, claim.name()))
            .map(|set| format!("StatefulSet {} ({})", set.key(), set.uid()))
    })
}

/// Whether a StatefulSet still wants the claim with this name: `<template>-<set>-<ordinal>`.
fn claims(set: &Object, name: &str) -> bool {
    let Some(ordinal) = ordinal(name) else { return false };
    let policy = |field| set.text(&["spec", "persistentVolumeClaimRetentionPolicy", field]);
    let gone = set.is_deleting() && policy("whenDeleted") == "Delete";
    let start = set.int(&["spec", "ordinals", "start"]).unwrap_or(0);
    let wanted = set.int(&["spec", "replicas"]).unwrap_or(1);
    let scaled_away = ordinal >= start + wanted && policy("whenScaled") == "Delete";
    !set.is_deleting()
        && !gone
        && !scaled_away
        && set.items(&["spec", "volumeClaimTemplates"]).iter().any(|template| {
            let template = template.get("metadata").and_then(|m| m.get("name"));
            let template = template.and_then(Value::as_str).unwrap_or("");
            let rest = name.strip_prefix(template).and_then(|r| r.strip_prefix('-'));
            rest.and_then(|r| r.rsplit_once('-'))
                .is_some_and(|(set_name, _)| set_name == set.name())
        })
}

fn ordinal(name: &str) -> Option<i64> {
    name.rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use maestro_sim::json::json;

    use crate::property::testing::{Run, named};

    #[test]
    fn a_claim_outlives_every_delete_but_its_owners() {
        let mut run = Run::new("storage-safe");
        let claim = named("v1", "PersistentVolumeClaim", "data-zk-1");
        let mut set = named("apps/v1", "StatefulSet", "zk");
        set["spec"] =
            json!({"replicas": 3, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]});
        run.write("operator/0", None, Some(&set));
        run.write("statefulset-controller", None, Some(&claim));
        let found = run.write("operator/0", Some(&claim), None).unwrap_or_default();
        assert!(found.contains("default/data-zk-1: deleted by operator/0 while"), "{found}");
        assert_eq!(run.write("user", Some(&claim), None), None, "a person may");
        run.write("operator/0", Some(&set), None);
        assert_eq!(run.write("operator/0", Some(&claim), None), None, "nobody wants it");
    }

    #[test]
    fn a_set_may_say_that_claims_go_with_its_replicas() {
        let mut run = Run::new("storage-safe");
        let claim = named("v1", "PersistentVolumeClaim", "data-zk-3");
        let mut set = named("apps/v1", "StatefulSet", "zk");
        set["spec"] = json!({"replicas": 3,
            "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}]});
        run.write("operator/0", None, Some(&set));
        assert_eq!(run.write("statefulset-controller", Some(&claim), None), None);
    }
}
