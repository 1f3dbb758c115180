//! The way in for `#[test]`s: a scenario, read or built in Rust, proved over some seeds.
//!
//! ```no_run
//! use maestro_test::{Scenario, prove};
//! let scenario = Scenario::load("scenarios/zookeeper-deploy.yaml".as_ref()).unwrap();
//! prove(&scenario, 0..20).unwrap();
//! ```

use std::fmt;
use std::ops::Range;

use maestro_sim::trace::TraceLevel;

use crate::cluster::target::Place;
use crate::exit::Exit;
use crate::outcome::Summary;
use crate::report::human::{self, Paint};
use crate::runner::run_scenario;
use crate::scenario::Scenario;

/// A scenario that did not hold, as a person reads it.
#[derive(Debug)]
pub struct NotProved {
    /// Everything that was found.
    pub summary: Box<Summary>,
}

impl fmt::Display for NotProved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&human::scenario(&self.summary, Paint { on: false }, false))
    }
}

impl std::error::Error for NotProved {}

/// Runs a scenario with each seed, up to the first that fails.
///
/// # Errors
/// With the failing run, its reason and how to replay it.
pub fn prove(scenario: &Scenario, seeds: Range<u64>) -> Result<Summary, NotProved> {
    let place = Place::default();
    let mut summary =
        Summary { place, scenario: scenario.clone(), outcomes: Vec::new(), skipped: 0 };
    for seed in seeds {
        summary.outcomes.push(run_scenario(scenario, seed, TraceLevel::Digest));
        if summary.first_failure().is_some() {
            break;
        }
    }
    if summary.exit() == Exit::Passed {
        Ok(summary)
    } else {
        Err(NotProved { summary: Box::new(summary) })
    }
}
