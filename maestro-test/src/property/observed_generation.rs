//! `observed-generation`: a status never speaks of a generation that does not exist, never goes
//! back, and is never Ready for an older generation than it claims to describe.

use maestro_sim::json::Value;
use maestro_sim::object::Object;

use super::{Class, Finding, Property, Scene};
use crate::event::{Event, Happening, describe};
use crate::scenario::{Scenario, Setting};

/// See the module.
#[derive(Debug, Default)]
pub struct ObservedGeneration;

impl ObservedGeneration {
    /// For one run.
    pub fn new(_: &Scenario, _: &Setting, _: u64) -> Self {
        Self
    }
}

impl Property for ObservedGeneration {
    fn observe(&mut self, event: &Event, scene: &Scene<'_>) -> Option<Finding> {
        let Happening::Write(write) = &event.what else { return None };
        if !matches!(scene.class, Class::Instance | Class::Execution) {
            return None;
        }
        let new = write.new.as_ref()?;
        let detail = wrong(write.old.as_deref(), new)?;
        Some(Finding(describe(&write.resource, new), detail))
    }
}

fn wrong(old: Option<&Object>, new: &Object) -> Option<String> {
    let seen = observed(new)?;
    let generation = new.generation();
    if seen > generation {
        return Some(format!("observedGeneration {seen} is ahead of generation {generation}"));
    }
    let before = old.filter(|old| old.uid() == new.uid()).and_then(observed).unwrap_or(0);
    if seen < before {
        return Some(format!("observedGeneration went from {before} back to {seen}"));
    }
    new.items(&["status", "conditions"]).iter().find_map(|condition| {
        let text = |field| condition.get(field).and_then(Value::as_str).unwrap_or("");
        let of = condition.get("observedGeneration")?.as_i64()?;
        let (kind, status) = (text("type"), text("status"));
        if of > generation {
            return Some(format!("condition {kind} is ahead of generation {generation}: {of}"));
        }
        (kind == "Ready" && status == "True" && of < seen)
            .then(|| format!("Ready is True of generation {of}, the status is of {seen}"))
    })
}

fn observed(object: &Object) -> Option<i64> {
    object.int(&["status", "observedGeneration"])
}

#[cfg(test)]
mod tests {
    use maestro_sim::json::{Value, json};

    use crate::property::testing::{Run, named};

    fn zk(generation: i64, seen: i64, ready_of: i64) -> Value {
        let mut zk = named("packages.maestro.dev/v1alpha1", "ZooKeeper", "main");
        zk["metadata"]["generation"] = generation.into();
        zk["status"] = json!({"observedGeneration": seen, "conditions": [
            {"type": "Ready", "status": "True", "observedGeneration": ready_of}]});
        zk
    }

    #[test]
    fn honest_statuses_pass_and_each_lie_is_found() {
        let check = |old: Option<&Value>, new: &Value| {
            Run::new("observed-generation").write("operator/0", old, Some(new)).unwrap_or_default()
        };
        assert_eq!(check(None, &zk(1, 1, 1)), "");
        assert_eq!(check(Some(&zk(1, 1, 1)), &zk(2, 1, 1)), "", "an edit not yet seen");
        assert!(check(None, &zk(1, 2, 1)).contains("is ahead of generation 1"));
        assert!(check(Some(&zk(3, 3, 3)), &zk(3, 2, 2)).contains("from 3 back to 2"));
        assert!(check(None, &zk(2, 2, 1)).contains("Ready is True of generation 1"));
    }
}
