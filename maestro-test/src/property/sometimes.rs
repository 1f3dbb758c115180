//! `sometimes`: over all seeds every fault strikes and every step is met at least once.
//!
//! One run can say nothing about it, so within a run this only observes; [`Coverage`] adds the
//! runs up and says what never happened.

use std::collections::BTreeMap;

use super::{Finding, Property, Scene};
use crate::event::Event;
use crate::scenario::{Scenario, Setting};

/// The in-run part, which never finds anything.
#[derive(Debug, Default)]
pub struct Sometimes;

impl Sometimes {
    /// For one run.
    pub fn new(_: &Scenario, _: &Setting, _: u64) -> Self {
        Self
    }
}

impl Property for Sometimes {
    fn observe(&mut self, _: &Event, _: &Scene<'_>) -> Option<Finding> {
        None
    }
}

/// What happened in how many runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// How often each kind of fault struck, over all runs.
    pub faults: BTreeMap<&'static str, u64>,
    /// In how many runs each step was met, by the step's name.
    pub steps: BTreeMap<String, u64>,
    /// The kinds of faults that the cluster cannot inject, and why not.
    pub skipped: BTreeMap<&'static str, &'static str>,
}

impl Coverage {
    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.skipped.extend(&other.skipped);
        for (step, count) in &other.steps {
            *self.steps.entry(step.clone()).or_default() += count;
        }
    }

    /// What the scenario has and no run met. Empty when the property is off.
    pub fn never(&self, scenario: &Scenario) -> Vec<String> {
        if super::setting(scenario, "sometimes").off {
            return Vec::new();
        }
        let faults =
            scenario.spec.faults.iter().filter_map(|fault| fault.kind()).filter_map(|given| {
                let struck = self.faults.get(given.word).is_some_and(|count| *count > 0);
                let skipped = self.skipped.contains_key(given.word);
                (!struck && !skipped).then(|| format!("fault {} never struck", given.word))
            });
        let steps = scenario.spec.steps.iter().filter_map(|step| {
            let met = self.steps.get(&step.name.value).is_some_and(|count| *count > 0);
            (!met).then(|| format!("step {} was never met", step.name.value))
        });
        faults.chain(steps).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Coverage;
    use crate::property::testing::scenario;

    #[test]
    fn what_never_happened_is_named() {
        let scenario = scenario("faults: [{watch-drop: {}, every: 1m}]");
        let mut coverage = Coverage::default();
        assert_eq!(
            coverage.never(&scenario),
            ["fault watch-drop never struck", "step wait was never met"]
        );
        let mut run = Coverage::default();
        run.faults.insert("watch-drop", 2);
        run.steps.insert("wait".into(), 1);
        coverage.add(&run);
        assert!(coverage.never(&scenario).is_empty());
    }
}
