//! The machine: one pure function from a plan, its journal, what is observed and the time, to the
//! next journal and what is to be sent.
//!
//! It does no IO, reads no clock and draws no randomness. Its caller writes the journal it
//! returns first and sends the effects after that, so that a crash between any two requests
//! leaves either nothing begun, or something begun that the journal knows of.

use crate::execution::{Moment, PlanExecutionSpec, PlanExecutionStatus, State, StepState};
use crate::plan::Plan;

mod drive;
mod observed;
mod step;

pub use observed::{Action, Effect, EffectId, Observed, Outcome, Seen};

/// One run, as the machine sees it: whose it is, what is asked of it, and its journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Execution {
    /// UID of the PlanExecution object.
    pub uid: String,
    /// What is asked of the run.
    pub spec: PlanExecutionSpec,
    /// The journal.
    pub status: PlanExecutionStatus,
}

/// What follows from one step of the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Advance {
    /// The run with its new journal, to be written before the effects are sent.
    pub execution: Execution,
    /// What is to be sent, in this order.
    pub effects: Vec<Effect>,
    /// When to ask again, if nothing is observed before: the next deadline.
    pub wake: Option<Moment>,
}

/// Advances a run as far as what is observed allows.
#[must_use]
pub fn step(plan: &Plan, execution: &Execution, observed: &Observed, now: Moment) -> Advance {
    let mut next = execution.clone();
    match begin(&mut next, observed, now) {
        Begin::Stay => return Advance { execution: next, effects: Vec::new(), wake: None },
        Begin::Go => {}
    }
    drive::align(&mut next.status, plan);
    let mut driver = drive::Driver::new(&execution.uid, &next.spec, observed, now);
    driver.drive(plan, &mut next.status.phases);
    let (effects, wake, failure) = driver.into_parts();
    match failure {
        Some(failure) => {
            let reason = if failure.rollback { "RollbackRequested" } else { "StepFailed" };
            next.status.rollback = failure.rollback;
            finish(&mut next.status, State::Failed, reason, &failure.message, now);
            return Advance { execution: next, effects: Vec::new(), wake: None };
        }
        None if next.status.phases.iter().all(|phase| phase.state.is_done()) => {
            finish(&mut next.status, State::Complete, "Complete", "", now);
            return Advance { execution: next, effects, wake: None };
        }
        None => describe(&mut next.status),
    }
    Advance { execution: next, effects, wake }
}

/// Fails a run that cannot be begun or continued at all, with a reason.
#[must_use]
pub fn fail(execution: &Execution, reason: &str, message: &str, now: Moment) -> Execution {
    let mut next = execution.clone();
    if !next.status.state.is_terminal() {
        finish(&mut next.status, State::Failed, reason, message, now);
    }
    next
}

enum Begin {
    Stay,
    Go,
}

/// Heeds what users and the instance ask of the run before any step is looked at.
fn begin(next: &mut Execution, observed: &Observed, now: Moment) -> Begin {
    let spec = next.spec.clone();
    let status = &mut next.status;
    if status.state.is_terminal() {
        let again = spec.retry.is_some() && spec.retry != status.retried && !spec.cancel;
        if status.state != State::Failed || !again || observed.superseded.is_some() {
            return Begin::Stay;
        }
        revive(status);
        status.retried = spec.retry.clone();
    }
    if spec.cancel {
        finish(status, State::Cancelled, "Cancelled", "cancelled by spec.cancel", now);
        return Begin::Stay;
    }
    if let Some(why) = &observed.superseded {
        finish(status, State::Superseded, "Superseded", why, now);
        return Begin::Stay;
    }
    // A token that was there from the beginning asks for nothing.
    status.retried = spec.retry;
    if spec.suspend || observed.suspended {
        if status.state != State::Suspended {
            let who = if spec.suspend { "the execution" } else { "the instance" };
            status.state = State::Suspended;
            status.suspended_at = Some(now);
            status.reason = "Suspended".to_owned();
            status.message = format!("spec.suspend of {who} is true");
        }
        return Begin::Stay;
    }
    if status.state == State::Suspended {
        resume(status, now);
    }
    status.state = State::Running;
    status.started_at.get_or_insert(now);
    Begin::Go
}

/// Gives the failed steps of a failed run another go, with all their attempts.
fn revive(status: &mut PlanExecutionStatus) {
    status.state = State::Running;
    status.finished_at = None;
    status.rollback = false;
    for phase in &mut status.phases {
        for step in &mut phase.steps {
            if matches!(step.state, StepState::Failed | StepState::Cancelled) {
                // The number of the attempt goes on: its effects must not be taken for the
                // effects of an earlier one.
                step.state = StepState::Retrying;
                step.retry_at = None;
                step.finished_at = None;
                step.failures = 0;
            }
        }
    }
}

/// Moves deadlines by the time the run was held.
fn resume(status: &mut PlanExecutionStatus, now: Moment) {
    let Some(since) = status.suspended_at.take() else { return };
    let held = now.since(since);
    for phase in &mut status.phases {
        for step in &mut phase.steps {
            if step.state == StepState::Running {
                step.started_at = step.started_at.map(|at| at.after(held));
            }
            step.retry_at = step.retry_at.map(|at| at.after(held));
        }
    }
}

fn finish(
    status: &mut PlanExecutionStatus,
    state: State,
    reason: &str,
    message: &str,
    now: Moment,
) {
    status.state = state;
    status.reason = reason.to_owned();
    status.message = message.to_owned();
    status.started_at.get_or_insert(now);
    status.finished_at = Some(now);
    status.suspended_at = None;
    if state == State::Complete {
        return;
    }
    for phase in &mut status.phases {
        for step in &mut phase.steps {
            if matches!(step.state, StepState::Running | StepState::Retrying | StepState::Paused) {
                step.state = StepState::Cancelled;
                step.retry_at = None;
            }
        }
        phase.state = drive::fold(&phase.steps);
    }
}

/// Says in one line what the run waits for.
fn describe(status: &mut PlanExecutionStatus) {
    let waiting = status.phases.iter().find_map(|phase| {
        let step = phase.steps.iter().find(|step| {
            matches!(step.state, StepState::Running | StepState::Paused | StepState::Retrying)
        })?;
        Some((step.state, format!("{}/{}: {}", phase.name, step.name, step.message)))
    });
    let (reason, message) = match waiting {
        Some((StepState::Paused, text)) => ("AwaitingApproval", text),
        Some((StepState::Retrying, text)) => ("Retrying", text),
        Some((_, text)) => ("Running", text),
        None => ("Running", String::new()),
    };
    status.reason = reason.to_owned();
    status.message = message;
}
