//! A plan in a cluster from its beginning to its end, and what must hold at each step.

use maestro_core::execution::{PlanExecutionStatus, State, StepState};
use maestro_core::machine::{Action, Effect, Execution, Observed, Outcome, step};
use maestro_core::plan::{Plan, Strategy};
use maestro_core::task::ObjectKey;
use proptest::prelude::{prop_assert, prop_assert_eq};
use proptest::test_runner::TestCaseError;
use serde_json::json;

use crate::cluster::Cluster;
use crate::plans::{Happening, places};

/// Nothing was begun before what must be done first.
pub fn in_order(plan: &Plan, status: &PlanExecutionStatus) -> bool {
    let begun = |state: StepState| state != StepState::Pending;
    let mut blocked = false;
    for (phase, journal) in plan.phases.iter().zip(&status.phases) {
        let mut held = false;
        for step in &journal.steps {
            if (blocked || held) && begun(step.state) {
                return false;
            }
            held |= phase.strategy == Strategy::Serial && !step.state.is_done();
        }
        let done = journal.steps.iter().all(|step| step.state.is_done());
        blocked |= plan.strategy == Strategy::Serial && !done;
    }
    true
}

/// What is done stays done.
pub fn keeps_done(old: &PlanExecutionStatus, new: &PlanExecutionStatus) -> bool {
    let steps = |status: &PlanExecutionStatus| -> Vec<StepState> {
        let phases = status.phases.iter();
        phases.flat_map(|phase| phase.steps.iter().map(|step| step.state)).collect()
    };
    steps(old).iter().zip(steps(new)).all(|(old, new)| !old.is_done() || *old == new)
}

/// What must follow from what a person or the instance asks of a run, whatever else is the case.
pub fn obeys(old: &Execution, observed: &Observed, new: &Execution) -> Result<(), TestCaseError> {
    let (before, after) = (old.status.state, new.status.state);
    let again = old.spec.retry.is_some() && old.spec.retry != old.status.retried;
    let revived = before == State::Failed && again && !old.spec.cancel;
    if before.is_terminal() && !(revived && observed.superseded.is_none()) {
        prop_assert_eq!(&old.status, &new.status, "what is over stays so");
        return Ok(());
    }
    if old.spec.cancel {
        prop_assert_eq!(after, State::Cancelled);
    } else if observed.superseded.is_some() {
        prop_assert_eq!(after, State::Superseded);
    } else if old.spec.suspend {
        prop_assert_eq!(after, State::Suspended);
    } else if revived {
        prop_assert_eq!(&new.status.retried, &old.spec.retry, "a retry is honoured once");
    }
    if after.is_terminal() {
        prop_assert!(!new.status.reason.is_empty(), "an end without a reason");
        prop_assert!(new.status.finished_at.is_some());
        prop_assert!(after == State::Complete || !new.status.message.is_empty());
        let open = places(&new.status, |state| {
            matches!(state, StepState::Running | StepState::Retrying | StepState::Paused)
        });
        prop_assert!(open.is_empty(), "left open at the end: {:?}", open);
    }
    Ok(())
}

/// The number of a step's attempt never falls, and rises by one at a time.
pub fn counts_on(old: &PlanExecutionStatus, new: &PlanExecutionStatus) -> bool {
    let attempts = |status: &PlanExecutionStatus| -> Vec<u32> {
        let phases = status.phases.iter();
        phases.flat_map(|phase| phase.steps.iter().map(|step| step.attempt)).collect()
    };
    attempts(old).iter().zip(attempts(new)).all(|(old, new)| new == *old || new == *old + 1)
}

/// Sends what a step of the machine wants sent, as far as the process gets.
pub fn send(cluster: &mut Cluster, effects: &[Effect]) -> Result<(), TestCaseError> {
    let stop = cluster.stop.take();
    for effect in effects.iter().take(stop.map_or(usize::MAX, usize::from)) {
        let name = format!("{:?}", effect.id);
        let outcome = cluster.perform(&effect.action);
        if matches!(outcome, Outcome::Done(_)) {
            let key = match &effect.action {
                Action::Apply { object } | Action::Create { object } => ObjectKey::of(object),
                _ => None,
            };
            // Another task may have deleted it, and then it is applied anew.
            let count = cluster.done.entry(name.clone()).or_insert(0);
            *count += 1;
            let job = key.is_some_and(|key| key.kind == "Job");
            prop_assert!(!job || *count == 1, "{name} was done {count} times");
        }
        cluster.observed.outcomes.insert(effect.id.clone(), outcome);
    }
    if stop.is_some() {
        cluster.crash();
    }
    Ok(())
}

/// Plays a story, and then lets everything become well; the state that the run came to.
pub fn play(plan: &Plan, story: Vec<Happening>) -> Result<State, TestCaseError> {
    let mut cluster = Cluster::new();
    let mut execution = Execution { uid: "e".to_owned(), ..Execution::default() };
    let calm = (0..400).map(|at| match at % 4 {
        0 => Happening::Suspend(false),
        1 => Happening::Approve,
        2 => Happening::Wait(400),
        _ => Happening::Well,
    });
    let mut last_wake = None;
    for happening in story.into_iter().chain(calm) {
        if matches!(happening, Happening::Suspend(false)) {
            cluster.observed.values.insert("flag".to_owned(), Ok(json!(true)));
        }
        cluster.happen(&happening, &mut execution);
        let next = step(plan, &execution, &cluster.observed, cluster.now);
        let again = step(plan, &execution, &cluster.observed, cluster.now);
        prop_assert_eq!(&next, &again, "equal inputs, equal outputs");
        let status = &next.execution.status;
        prop_assert!(in_order(plan, status), "out of order: {:#?}", status);
        prop_assert!(keeps_done(&execution.status, status), "undone: {:#?}", status);
        prop_assert!(counts_on(&execution.status, status), "miscounted: {:#?}", status);
        obeys(&execution, &cluster.observed, &next.execution)?;
        let held = matches!(status.state, State::Suspended | State::Cancelled | State::Superseded);
        if held || (status.state.is_terminal() && status.state != State::Complete) {
            prop_assert!(next.effects.is_empty(), "it acts while it is held or over");
        }
        if std::mem::take(&mut cluster.lose) {
            // The journal was not written, so nothing was sent either.
            cluster.crash();
            continue;
        }
        send(&mut cluster, &next.effects)?;
        last_wake = next.wake;
        execution = next.execution;
    }
    let status = &execution.status;
    if !status.state.is_terminal() {
        prop_assert!(!status.message.is_empty(), "no end and no reason: {:#?}", status);
        prop_assert_eq!(status.state, State::Running);
    }
    if status.state == State::Complete {
        prop_assert!(status.phases.iter().all(|phase| phase.state.is_done()));
        prop_assert_eq!(last_wake, None);
    }
    Ok(status.state)
}
