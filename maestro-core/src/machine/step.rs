//! One step's turn: from pending over its attempts to complete, skipped or failed.

use crate::execution::{Moment, StepState, StepStatus};
use crate::machine::{Effect, Observed};
use crate::plan::{OnFailure, Step};
use crate::task::{Context, Progress, TaskState};

use super::drive::earlier;

/// Why a run ends as failed.
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) rollback: bool,
}

/// One step's turn in one pass.
pub(super) struct Turn<'a> {
    execution: &'a str,
    place: &'a str,
    step: &'a Step,
    observed: &'a Observed,
    now: Moment,
    pub(super) approved: bool,
    pub(super) skip: bool,
    pub(super) effects: Vec<Effect>,
    pub(super) wake: Option<Moment>,
    pub(super) failure: Option<Failure>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        execution: &'a str,
        place: &'a str,
        step: &'a Step,
        observed: &'a Observed,
        now: Moment,
    ) -> Self {
        Self {
            execution,
            place,
            step,
            observed,
            now,
            approved: false,
            skip: false,
            effects: Vec::new(),
            wake: None,
            failure: None,
        }
    }

    /// Takes the step as far as it goes now.
    pub(super) fn take(&mut self, status: &mut StepStatus) {
        if status.state.is_done() || status.state == StepState::Failed {
            return;
        }
        if self.skip {
            return self.end(status, StepState::Skipped, "skipped by spec.skip");
        }
        match status.state {
            StepState::Pending => self.open(status),
            StepState::Paused if self.approved => self.attempt(status),
            StepState::Retrying => match status.retry_at {
                Some(at) if self.now < at => self.wake = Some(at),
                _ => self.attempt(status),
            },
            StepState::Running => self.run(status),
            _ => {}
        }
    }

    /// A step's turn has come: its condition is asked once, and its approval.
    fn open(&mut self, status: &mut StepStatus) {
        match self.step.when.as_deref().map(|when| self.observed.truth(when)) {
            Some(Ok(false)) => return self.end(status, StepState::Skipped, "when is false"),
            Some(Err(why)) => {
                status.attempt += 1;
                return self.fail(status, &format!("when: {why}"));
            }
            Some(Ok(true)) | None => {}
        }
        if self.step.pause && !self.approved {
            status.state = StepState::Paused;
            status.message = format!("add {:?} to spec.approve to go on", self.place);
            return;
        }
        self.attempt(status);
    }

    fn attempt(&mut self, status: &mut StepStatus) {
        if status.state == StepState::Retrying && status.started_at.is_none() {
            // It failed before it began, at its condition: that is asked again.
            status.state = StepState::Pending;
            return self.open(status);
        }
        status.state = StepState::Running;
        status.attempt += 1;
        status.started_at = Some(self.now);
        status.retry_at = None;
        for task in &mut status.tasks {
            task.state = StepState::Pending;
            task.message.clear();
        }
        self.run(status);
    }

    fn run(&mut self, status: &mut StepStatus) {
        let started_at = *status.started_at.get_or_insert(self.now);
        let mut waiting: Option<String> = None;
        let mut failed: Option<String> = None;
        for (index, task) in self.step.tasks.iter().enumerate() {
            let Some(journal) = status.tasks.get_mut(index) else { continue };
            let context = Context {
                execution: self.execution,
                step: self.place,
                task: index,
                attempt: status.attempt,
                started_at,
                observed: self.observed,
                now: self.now,
            };
            let was_complete = journal.state == StepState::Complete;
            let Progress { state, mut effects, wake } =
                if was_complete { task.settle(&context) } else { task.progress(&context) };
            self.effects.append(&mut effects);
            self.wake = earlier(self.wake, wake);
            match state {
                TaskState::Done if was_complete => {}
                TaskState::Done => {
                    journal.state = StepState::Complete;
                    journal.message.clear();
                    if task.settles() {
                        waiting.get_or_insert_with(|| format!("{}: is tidied up", task.name));
                        self.wake = Some(self.now);
                    }
                }
                TaskState::Waiting(why) => {
                    if !was_complete {
                        journal.state = StepState::Running;
                        journal.message.clone_from(&why);
                    }
                    waiting.get_or_insert(why);
                }
                TaskState::Failed(why) => {
                    journal.state = StepState::Failed;
                    journal.message.clone_from(&why);
                    failed.get_or_insert(format!("{}: {why}", task.name));
                }
            }
        }
        self.conclude(status, started_at, waiting, failed);
    }

    fn conclude(
        &mut self,
        status: &mut StepStatus,
        started_at: Moment,
        mut waiting: Option<String>,
        failed: Option<String>,
    ) {
        if let Some(why) = failed {
            return self.fail(status, &why);
        }
        if waiting.is_none()
            && let Some(ready) = &self.step.ready
        {
            waiting = match self.observed.truth(ready) {
                Ok(true) => None,
                Ok(false) => Some(format!("ready is false: {ready}")),
                Err(why) => Some(format!("ready: {why}")),
            };
        }
        let Some(why) = waiting else {
            return self.end(status, StepState::Complete, "");
        };
        if let Some(timeout) = self.step.timeout {
            let deadline = started_at.after(timeout);
            if self.now >= deadline {
                let secs = timeout.as_secs();
                return self.fail(status, &format!("not done within {secs}s: {why}"));
            }
            self.wake = earlier(self.wake, Some(deadline));
        }
        status.message = why;
    }

    fn end(&mut self, status: &mut StepStatus, state: StepState, message: &str) {
        status.state = state;
        message.clone_into(&mut status.message);
        status.retry_at = None;
        status.finished_at = Some(self.now);
    }

    /// An attempt failed: there is another one, or the run fails.
    fn fail(&mut self, status: &mut StepStatus, why: &str) {
        // What this turn wanted to send belongs to an attempt that is over.
        self.effects.clear();
        status.failures += 1;
        why.clone_into(&mut status.message);
        let left = status.failures <= self.step.retry.limit;
        if left || self.step.on_failure == OnFailure::Retry {
            let at = self.now.after(self.step.retry.wait_after(status.failures));
            status.state = StepState::Retrying;
            status.retry_at = Some(at);
            self.wake = Some(at);
            return;
        }
        status.state = StepState::Failed;
        status.finished_at = Some(self.now);
        self.failure = Some(Failure {
            message: format!("{}: {why}", self.place),
            rollback: self.step.on_failure == OnFailure::Rollback,
        });
    }
}
