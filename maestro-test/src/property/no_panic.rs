//! `no-panic`: no task of the operator panics.

use super::{Finding, Property, Scene};
use crate::event::{Event, Happening};
use crate::scenario::{Scenario, Setting};

/// See the module.
#[derive(Debug, Default)]
pub struct NoPanic;

impl NoPanic {
    /// For one run.
    pub fn new(_: &Scenario, _: &Setting, _: u64) -> Self {
        Self
    }
}

impl Property for NoPanic {
    fn observe(&mut self, event: &Event, _: &Scene<'_>) -> Option<Finding> {
        let Happening::Panicked { actor, message } = &event.what else { return None };
        Some(Finding(actor.to_string(), format!("panicked: {message}")))
    }
}

#[cfg(test)]
mod tests {
    use crate::property::testing::Run;

    #[test]
    fn a_panic_is_found_and_an_error_answer_is_not() {
        let mut run = Run::new("no-panic");
        run.request("operator/0", 500);
        let found = run.panic("operator/1", "index out of bounds").unwrap_or_default();
        assert_eq!(found, "no-panic: operator/1: panicked: index out of bounds");
    }
}
