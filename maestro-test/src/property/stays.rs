//! `stays`: once converged, nothing becomes unsettled again without a cause from outside.

use super::{Finding, Property, Scene};
use crate::event::{Event, Happening, Phase};
use crate::scenario::{Scenario, Setting};

/// See the module.
#[derive(Debug, Default)]
pub struct Stays;

impl Stays {
    /// For one run.
    pub fn new(_: &Scenario, _: &Setting, _: u64) -> Self {
        Self
    }
}

impl Property for Stays {
    fn observe(&mut self, event: &Event, scene: &Scene<'_>) -> Option<Finding> {
        let Happening::Write(write) = &event.what else { return None };
        if scene.phase != Phase::Stay {
            return None;
        }
        let unsettled = scene.settled.cause()?;
        let detail = format!(
            "had converged and now waits for {}, after {} wrote",
            unsettled.waits_for, write.actor
        );
        Some(Finding(unsettled.object.clone(), detail))
    }
}

#[cfg(test)]
mod tests {
    use maestro_sim::json::json;

    use crate::event::Phase;
    use crate::property::testing::{Run, named, set_status};

    #[test]
    fn a_relapse_is_found_and_a_harmless_write_is_not() {
        let mut run = Run::new("stays");
        let up = set_status(named("apps/v1", "StatefulSet", "zk"), 3, 3);
        assert!(run.write("operator/0", None, Some(&up)).is_none());
        run.phase(Phase::Stay);
        let mut same = up.clone();
        same["metadata"]["annotations"] = json!({"a": "b"});
        assert!(run.write("operator/0", Some(&up), Some(&same)).is_none());
        let down = set_status(same.clone(), 3, 2);
        let found = run.write("operator/0", Some(&same), Some(&down)).unwrap_or_default();
        assert!(found.contains("stays: StatefulSet default/zk: had converged"), "{found}");
    }
}
