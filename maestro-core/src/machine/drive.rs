//! The order of things: which phases and steps may be looked at, given what is done.

use crate::execution::{
    Moment, PhaseStatus, PlanExecutionSpec, PlanExecutionStatus, StepState, StepStatus, TaskStatus,
};
use crate::machine::{Effect, Observed};
use crate::plan::{Phase, Plan, Strategy};

use super::step::{Failure, Turn};

/// Makes the journal list the plan's phases, steps and tasks, keeping what it knows of them.
pub(super) fn align(status: &mut PlanExecutionStatus, plan: &Plan) {
    let mut old = std::mem::take(&mut status.phases);
    status.phases = plan
        .phases
        .iter()
        .map(|phase| {
            let known = take(&mut old, |status| status.name == phase.name);
            let mut known = known.unwrap_or_default();
            known.name.clone_from(&phase.name);
            align_steps(&mut known, phase);
            known
        })
        .collect();
}

fn align_steps(status: &mut PhaseStatus, phase: &Phase) {
    let mut old = std::mem::take(&mut status.steps);
    status.steps = phase
        .steps
        .iter()
        .map(|step| {
            let known = take(&mut old, |status: &StepStatus| status.name == step.name);
            let mut known = known.unwrap_or_default();
            known.name.clone_from(&step.name);
            let same = known.tasks.len() == step.tasks.len()
                && known.tasks.iter().zip(&step.tasks).all(|(a, b)| a.name == b.name);
            if !same {
                let fresh = |name: &String| TaskStatus { name: name.clone(), ..Default::default() };
                known.tasks = step.tasks.iter().map(|task| fresh(&task.name)).collect();
            }
            known
        })
        .collect();
}

fn take<T>(list: &mut Vec<T>, is: impl Fn(&T) -> bool) -> Option<T> {
    let at = list.iter().position(is)?;
    Some(list.remove(at))
}

/// The state of a phase, from its steps'.
pub(super) fn fold(steps: &[StepStatus]) -> StepState {
    let any = |state| steps.iter().any(|step| step.state == state);
    if steps.iter().all(|step| step.state == StepState::Skipped) && !steps.is_empty() {
        return StepState::Skipped;
    }
    if steps.iter().all(|step| step.state.is_done()) {
        return StepState::Complete;
    }
    for state in [
        StepState::Failed,
        StepState::Cancelled,
        StepState::Running,
        StepState::Retrying,
        StepState::Paused,
    ] {
        if any(state) {
            return state;
        }
    }
    if steps.iter().any(|step| step.state.is_done()) {
        StepState::Running
    } else {
        StepState::Pending
    }
}

/// One pass over a plan.
pub(super) struct Driver<'a> {
    execution: &'a str,
    spec: &'a PlanExecutionSpec,
    observed: &'a Observed,
    now: Moment,
    effects: Vec<Effect>,
    wake: Option<Moment>,
    failure: Option<Failure>,
}

impl<'a> Driver<'a> {
    pub(super) fn new(
        execution: &'a str,
        spec: &'a PlanExecutionSpec,
        observed: &'a Observed,
        now: Moment,
    ) -> Self {
        Self { execution, spec, observed, now, effects: Vec::new(), wake: None, failure: None }
    }

    pub(super) fn into_parts(self) -> (Vec<Effect>, Option<Moment>, Option<Failure>) {
        (self.effects, self.wake, self.failure)
    }

    pub(super) fn drive(&mut self, plan: &Plan, statuses: &mut [PhaseStatus]) {
        for (phase, status) in plan.phases.iter().zip(statuses) {
            self.drive_phase(phase, status);
            status.state = fold(&status.steps);
            let blocked = plan.strategy == Strategy::Serial && !status.state.is_done();
            if blocked || self.failure.is_some() {
                return;
            }
        }
    }

    fn drive_phase(&mut self, phase: &Phase, status: &mut PhaseStatus) {
        for (step, status) in phase.steps.iter().zip(&mut status.steps) {
            let place = format!("{}/{}", phase.name, step.name);
            let mut turn = Turn::new(self.execution, &place, step, self.observed, self.now);
            turn.approved = self.spec.approve.contains(&place);
            turn.skip = self.spec.skip.contains(&place);
            turn.take(status);
            self.effects.append(&mut turn.effects);
            self.wake = earlier(self.wake, turn.wake);
            self.failure = turn.failure.take();
            let blocked = phase.strategy == Strategy::Serial && !status.state.is_done();
            if blocked || self.failure.is_some() {
                return;
            }
        }
    }
}

/// The earlier of two moments, if there is any.
pub(super) fn earlier(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
