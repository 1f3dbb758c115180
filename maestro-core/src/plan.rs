//! A plan as the machine runs it: phases, steps and tasks with everything rendered.
//!
//! A Framework's plan becomes one of these by [`compile`](compile::compile), with the parameters
//! of one run. The machine needs neither templates nor the Framework.

use std::time::Duration;

pub use crate::framework::{OnFailure, Strategy};
use crate::task::Task;

pub mod compile;

/// A plan, rendered for one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The plan's name in the Framework.
    pub name: String,
    /// How its phases follow one another.
    pub strategy: Strategy,
    /// Its phases.
    pub phases: Vec<Phase>,
}

/// A group of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Its name, unique in the plan.
    pub name: String,
    /// How its steps follow one another.
    pub strategy: Strategy,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// What is begun together, retried together and waited for together.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name, unique in the phase.
    pub name: String,
    /// Its tasks. Their effects are sent in this order; all of them must come to an end.
    pub tasks: Vec<Task>,
    /// CEL: passed over when false at the time the step would begin.
    pub when: Option<String>,
    /// CEL: must hold, besides the tasks' own health, for the step to be complete.
    pub ready: Option<String>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How failed attempts are repeated.
    pub retry: Retry,
    /// Whether the step waits for approval before it begins.
    pub pause: bool,
    /// What becomes of the run when an attempt fails and no retry is left.
    pub on_failure: OnFailure,
}

/// How failed attempts are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many attempts may follow the first before `onFailure` is asked.
    pub limit: u32,
    /// The wait before the second attempt; it doubles from attempt to attempt.
    pub backoff: Duration,
}

/// The longest wait between two attempts.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

impl Default for Retry {
    fn default() -> Self {
        Self { limit: 0, backoff: Duration::from_secs(10) }
    }
}

impl Retry {
    /// The wait after the attempt of this number, counted from 1.
    #[must_use]
    pub fn wait_after(&self, attempt: u32) -> Duration {
        let factor = 2u32.saturating_pow(attempt.saturating_sub(1));
        self.backoff.saturating_mul(factor).min(LONGEST_BACKOFF.max(self.backoff))
    }
}
