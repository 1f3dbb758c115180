//! Which plan runs, as stories of an instance: what it asks for, and how each run ended.

use serde_json::json;

use super::*;
use crate::execution::{PlanExecutionSpec, PlanExecutionStatus};

fn framework(plans: &[&str]) -> FrameworkSpec {
    let plans: BTreeMap<&str, Value> =
        plans.iter().map(|name| (*name, json!({"phases": []}))).collect();
    serde_json::from_value(json!({
        "names": {"kind": "Z", "plural": "zs"}, "version": "2.0.0", "plans": plans,
        "parameters": [{"name": "nodes", "type": "integer", "onChange": "resize"},
                       {"name": "memory", "type": "string"}],
        "triggers": [{"plan": "recover", "when": "true"}],
    }))
    .expect("a framework")
}

/// An instance's life: decisions are carried out as they come.
struct Story {
    spec: FrameworkSpec,
    desired: Desired,
    history: Vec<PlanExecution>,
}

impl Story {
    fn new(plans: &[&str]) -> Self {
        let parameters = [("nodes", json!(3)), ("memory", json!("1Gi"))];
        Self {
            spec: framework(plans),
            desired: Desired {
                generation: 1,
                version: "1.0.0".to_owned(),
                parameters: parameters.map(|(name, value)| (name.to_owned(), value)).into(),
                ..Desired::default()
            },
            history: Vec::new(),
        }
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.desired.generation += 1;
        self.desired.parameters.insert(name.to_owned(), value.into());
    }

    /// Decides, begins what is to be begun, and says what was decided.
    fn next(&mut self) -> String {
        match decide(&self.spec, &self.desired, &self.history) {
            Decision::Start(start) => {
                let word = format!("start {} {}", start.plan, start.version);
                let spec = PlanExecutionSpec {
                    plan: start.plan,
                    cause: Some(start.cause),
                    framework_version: Some(start.version),
                    generation: start.generation,
                    sequence: start.sequence,
                    parameters: start.parameters,
                    ..PlanExecutionSpec::default()
                };
                let mut run = PlanExecution::new("x", spec);
                run.status = Some(PlanExecutionStatus {
                    state: State::Running,
                    ..PlanExecutionStatus::default()
                });
                self.history.push(run);
                word
            }
            Decision::Supersede(at, why) => {
                self.end(at, State::Superseded);
                format!("supersede: {why}")
            }
            Decision::Continue(at) => format!("continue {}", self.history[at].spec.plan),
            other => format!("{other:?}"),
        }
    }

    fn end(&mut self, at: usize, state: State) {
        self.history[at].status.as_mut().expect("it began").state = state;
    }

    fn last_ends(&mut self, state: State) {
        self.end(self.history.len() - 1, state);
    }

    fn rolls_back(&mut self) {
        self.last_ends(State::Failed);
        self.history.last_mut().unwrap().status.as_mut().unwrap().rollback = true;
    }
}

#[test]
fn a_life() {
    let mut story = Story::new(&["deploy", "update", "resize", "upgrade", "cleanup"]);
    assert_eq!(story.next(), "start deploy 1.0.0");
    assert_eq!(story.next(), "continue deploy");
    story.last_ends(State::Complete);
    assert_eq!(story.next(), "Rest");
    story.set("nodes", 5);
    assert_eq!(story.next(), "start resize 1.0.0");
    story.last_ends(State::Complete);
    story.set("memory", "2Gi");
    assert_eq!(story.next(), "start update 1.0.0");
    story.last_ends(State::Complete);
    story.desired.version = "2.0.0".to_owned();
    story.desired.generation += 1;
    assert_eq!(story.next(), "start upgrade 2.0.0");
    story.last_ends(State::Complete);
    // A generation that changes nothing starts nothing.
    story.desired.generation += 1;
    assert_eq!(story.next(), "Rest");
    story.desired.deleting = true;
    assert_eq!(story.next(), "start cleanup 2.0.0");
    story.last_ends(State::Complete);
    assert_eq!(story.next(), "Release");
}

#[test]
fn a_new_wish_supersedes_and_a_wish_taken_back_is_undone() {
    let mut story = Story::new(&["deploy", "update", "resize"]);
    story.next();
    story.last_ends(State::Complete);
    story.set("nodes", 5);
    assert_eq!(story.next(), "start resize 1.0.0");
    story.set("nodes", 3);
    assert_eq!(story.next(), "supersede: the instance asks for other parameters: nodes");
    assert_eq!(story.next(), "start resize 1.0.0");
    assert_eq!(story.history[2].spec.parameters["nodes"], 3);
    story.last_ends(State::Complete);
    assert_eq!(story.next(), "Rest");
}

#[test]
fn two_plans_at_once_run_in_the_order_of_the_spec() {
    let mut story = Story::new(&["deploy", "update", "resize"]);
    story.next();
    story.last_ends(State::Complete);
    story.set("memory", "2Gi");
    story.set("nodes", 5);
    assert_eq!(story.next(), "start resize 1.0.0");
    assert_eq!(story.history[1].spec.parameters["memory"], "1Gi");
    assert_eq!(story.next(), "continue resize");
    story.last_ends(State::Complete);
    assert_eq!(story.next(), "start update 1.0.0");
    story.last_ends(State::Complete);
    assert_eq!(story.next(), "Rest");
}

#[test]
fn a_failure_waits_for_the_user_and_a_new_wish_is_one() {
    let mut story = Story::new(&["deploy", "update"]);
    story.next();
    story.last_ends(State::Failed);
    assert_eq!(story.next(), "Rest");
    story.history[0].spec.retry = Some("1".to_owned());
    assert_eq!(story.next(), "continue deploy");
    story.history[0].spec.retry = None;
    story.set("memory", "2Gi");
    assert_eq!(story.next(), "start deploy 1.0.0");
}

#[test]
fn a_rollback_goes_to_the_last_good_state_once() {
    let mut story = Story::new(&["deploy", "update"]);
    story.next();
    story.last_ends(State::Complete);
    story.set("memory", "bad");
    assert_eq!(story.next(), "start update 1.0.0");
    story.rolls_back();
    assert_eq!(story.next(), "start update 1.0.0");
    assert_eq!(story.history[2].spec.cause, Some(Cause::RolledBack));
    assert_eq!(story.history[2].spec.parameters["memory"], "1Gi");
    story.last_ends(State::Complete);
    assert_eq!(story.next(), "Rest");
    story.set("memory", "2Gi");
    assert_eq!(story.next(), "start update 1.0.0");
}

#[test]
fn triggers_need_something_deployed_and_deletion_comes_first() {
    let mut story = Story::new(&["deploy", "recover"]);
    story.desired.fired = vec![Fired { trigger: 0, instant: None }];
    assert_eq!(story.next(), "start deploy 1.0.0");
    story.last_ends(State::Complete);
    assert_eq!(story.next(), "start recover 1.0.0");
    story.desired.deleting = true;
    assert_eq!(story.next(), "supersede: the instance is being deleted");
    assert_eq!(story.next(), "Release");
}

#[test]
fn a_suspended_instance_starts_nothing() {
    let mut story = Story::new(&["deploy"]);
    story.desired.suspended = true;
    assert_eq!(story.next(), "Rest");
}
