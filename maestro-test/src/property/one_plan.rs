//! `one-plan`: an instance has at most one running execution, and steps only go forward.

use std::collections::{BTreeMap, BTreeSet};

use maestro_sim::json::Value;
use maestro_sim::object::Object;

use super::{Class, Finding, Property, Scene};
use crate::event::{Event, Happening, describe};
use crate::scenario::{Scenario, Setting};

/// See the module.
#[derive(Debug, Default)]
pub struct OnePlan {
    running: BTreeMap<String, BTreeSet<String>>,
}

impl OnePlan {
    /// For one run.
    pub fn new(_: &Scenario, _: &Setting, _: u64) -> Self {
        Self::default()
    }
}

impl Property for OnePlan {
    fn observe(&mut self, event: &Event, scene: &Scene<'_>) -> Option<Finding> {
        let Happening::Write(write) = &event.what else { return None };
        if scene.class != Class::Execution {
            return None;
        }
        let object = write.object()?;
        let instance = format!(
            "{} {}/{}",
            object.text(&["spec", "instance", "kind"]),
            object.namespace(),
            object.text(&["spec", "instance", "name"])
        );
        let running = self.running.entry(instance.clone()).or_default();
        match &write.new {
            Some(new) if new.text(&["status", "state"]) == "Running" => {
                running.insert(new.name().to_owned());
            }
            _ => drop(running.remove(object.name())),
        }
        if running.len() > 1 {
            let names = running.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
            return Some(Finding(instance, format!("runs {names} at the same time")));
        }
        let (old, new) = (write.old.as_ref()?, write.new.as_ref()?);
        let detail = went_back(old, new)?;
        Some(Finding(describe(&write.resource, new), detail))
    }
}

/// The first step that stands further back than it stood, in the same attempt.
fn went_back(old: &Object, new: &Object) -> Option<String> {
    if old.at(&["status", "retried"]) != new.at(&["status", "retried"]) {
        return None;
    }
    let phases = |object: &Object| object.items(&["status", "phases"]).to_vec();
    let (before, after) = (old.items(&["status", "phases"]), phases(new));
    before.iter().find_map(|phase| {
        let phase_after = named(&after, text(phase, "name"))?;
        let steps = list(phase, "steps");
        steps.iter().find_map(|step| {
            let then = named(list(phase_after, "steps"), text(step, "name"))?;
            let attempt = |step: &Value| step.get("attempt").and_then(Value::as_i64).unwrap_or(0);
            let (from, to) = (text(step, "state"), text(then, "state"));
            let place = format!("{}/{}", text(phase, "name"), text(step, "name"));
            if attempt(then) < attempt(step) {
                return Some(format!(
                    "step {place} went from attempt {} back to {}",
                    attempt(step),
                    attempt(then)
                ));
            }
            let same_attempt = attempt(then) == attempt(step);
            (same_attempt && rank(to) < rank(from))
                .then(|| format!("step {place} went from {from} back to {to}"))
        })
    })
}

fn rank(state: &str) -> u8 {
    match state {
        "Pending" | "" => 0,
        "Paused" => 1,
        "Running" => 2,
        "Retrying" => 3,
        _ => 4,
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], |list| list.as_slice())
}

fn named<'a>(all: &'a [Value], name: &str) -> Option<&'a Value> {
    all.iter().find(|item| text(item, "name") == name)
}

#[cfg(test)]
mod tests {
    use maestro_sim::json::{Value, json};

    use crate::property::testing::{Run, named};

    fn execution(name: &str, state: &str, step: &str, attempt: u32) -> Value {
        let mut object = named("maestro.dev/v1alpha1", "PlanExecution", name);
        object["spec"] = json!({"instance": {"kind": "ZooKeeper", "name": "main"}});
        object["status"] = json!({"state": state, "phases": [{"name": "p",
            "steps": [{"name": "s", "state": step, "attempt": attempt}]}]});
        object
    }

    #[test]
    fn one_after_the_other_passes() {
        let mut run = Run::new("one-plan");
        let states = [
            ("Running", "Running", 1),
            ("Running", "Retrying", 1),
            ("Running", "Running", 2),
            ("Complete", "Complete", 2),
        ];
        let mut old = None;
        for (state, step, attempt) in states {
            let new = execution("a", state, step, attempt);
            assert_eq!(run.write("operator/0", old.as_ref(), Some(&new)), None);
            old = Some(new);
        }
        let next = execution("b", "Running", "Pending", 0);
        assert_eq!(run.write("operator/0", None, Some(&next)), None);
    }

    #[test]
    fn two_at_once_and_a_step_back_are_found() {
        let mut run = Run::new("one-plan");
        let a = execution("a", "Running", "Complete", 1);
        assert_eq!(run.write("operator/0", None, Some(&a)), None);
        let back = execution("a", "Running", "Running", 1);
        let found = run.write("operator/0", Some(&a), Some(&back)).unwrap_or_default();
        assert!(found.contains("step p/s went from Complete back to Running"), "{found}");
        let b = execution("b", "Running", "Pending", 0);
        let found = run.write("operator/1", None, Some(&b)).unwrap_or_default();
        assert!(found.contains("runs a and b at the same time"), "{found}");
    }
}
