//! `converges`: after the last fault and the last edit, desired equals actual in time
//! (eventually stable reconciliation, Anvil, OSDI '24).

use super::{Ending, Finding, Live, Property, Scene};
use crate::event::{Event, Happening};
use crate::scenario::{Scenario, Setting};

/// See the module.
#[derive(Debug, Default)]
pub struct Converges {
    missed: Option<String>,
}

impl Converges {
    /// For one run.
    pub fn new(_: &Scenario, _: &Setting, _: u64) -> Self {
        Self::default()
    }
}

impl Property for Converges {
    fn observe(&mut self, event: &Event, _: &Scene<'_>) -> Option<Finding> {
        if let Happening::StepMissed { why, .. } = &event.what {
            self.missed.get_or_insert_with(|| why.clone());
        }
        None
    }

    fn finish(&mut self, ending: &Ending, _: &Live) -> Option<Finding> {
        if ending.converged_at.is_some() && self.missed.is_none() {
            return None;
        }
        let Some(reason) = &ending.reason else {
            let why = self.missed.clone().unwrap_or_else(|| "it did not converge".to_owned());
            return Some(Finding(String::new(), why));
        };
        let mut detail = format!("waits for {}", reason.waits_for);
        if let Some(request) = &reason.failing_request {
            detail = format!("{detail}; {request}");
        }
        Some(Finding(reason.object.clone(), detail))
    }
}

#[cfg(test)]
mod tests {
    use crate::property::testing::Run;
    use crate::property::{Ending, Reason};

    #[test]
    fn the_reason_names_object_condition_and_request() {
        let mut run = Run::new("converges");
        run.step_missed("step `up` was not met within 15m");
        let reason = Reason {
            object: "ZooKeeper default/main".into(),
            waits_for: "condition Ready=False (Pods)".into(),
            failing_request: Some("PATCH pods answers 422".into()),
        };
        let found = run.end(&Ending { reason: Some(reason), ..Ending::default() });
        assert_eq!(
            found,
            ["converges: ZooKeeper default/main: waits for condition Ready=False (Pods); \
              PATCH pods answers 422"]
        );
    }

    #[test]
    fn a_converged_run_passes() {
        let ending = Ending { converged_at: Some(std::time::Duration::ZERO), ..Ending::default() };
        assert!(Run::new("converges").end(&ending).is_empty());
    }
}
