//! What became of runs: one outcome per seed, one summary per scenario.

use std::time::Duration;

use crate::cluster::target::Place;
use crate::exit::Exit;
use crate::property::{Coverage, Violation};
use crate::scenario::Scenario;

/// One line of what happened last before a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWrite {
    /// Virtual time.
    pub at: Duration,
    /// Who.
    pub actor: String,
    /// What, for example `update StatefulSet default/zk` or `fault pod-kill zk-1`.
    pub what: String,
    /// How often, this time being the last.
    pub times: u32,
}

/// One run of one scenario with one seed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Every property found broken; empty when the run passed.
    pub violations: Vec<Violation>,
    /// What goes on for ever while virtual time hardly moves, with its actor and key.
    pub spin: Option<String>,
    /// The last writes before the first violation, oldest first.
    pub last_writes: Vec<LastWrite>,
    /// Digest of the trace; equal for equal runs.
    pub digest: u64,
    /// The digest of the second run of a failing seed, when it differs.
    pub other_digest: Option<u64>,
    /// Wall time, spent by the machine.
    pub wall: Duration,
    /// Virtual time that passed.
    pub virtual_time: Duration,
    /// Requests that the API server answered to the operator.
    pub requests: u64,
    /// Writes that changed the store, whoever made them.
    pub writes: u64,
    /// Faults that struck and steps that were met.
    pub coverage: Coverage,
    /// The trace, one JSON object a line, when it was asked for.
    pub trace: Vec<String>,
    /// The kit's own failure, which is nobody else's fault.
    pub harness: Option<String>,
    /// What a cluster that outlives the run still has of it, against its will.
    pub left: Option<String>,
}

impl Outcome {
    /// How a run stands to what its scenario expects.
    pub fn verdict(&self, scenario: &Scenario) -> Verdict {
        match self.found(scenario) {
            Verdict::Passed if self.left.is_some() => Verdict::Harness,
            found => found,
        }
    }

    /// What the run itself came to.
    fn found(&self, scenario: &Scenario) -> Verdict {
        if self.harness.is_some() {
            return Verdict::Harness;
        }
        if self.other_digest.is_some() {
            return Verdict::Nondeterminism;
        }
        if self.spin.is_some() {
            return Verdict::Spins;
        }
        if let Some(expected) = &scenario.spec.expect.fails {
            let first = self.violations.first();
            let found = first.is_some_and(|first| expected.differs(first).is_none());
            return if found { Verdict::Passed } else { Verdict::NotFound };
        }
        match self.violations.first() {
            None => Verdict::Passed,
            Some(_) if self.violations.iter().all(|v| v.property == "converges") => {
                Verdict::NotConverged
            }
            Some(_) => Verdict::Property,
        }
    }
}

/// How a run stands to what its scenario expects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// As expected.
    Passed,
    /// A property is broken.
    Property,
    /// What a broken fixture must fail was not found, or something else was found first.
    NotFound,
    /// It did not converge.
    NotConverged,
    /// Something goes on for ever while virtual time hardly moves.
    Spins,
    /// Two runs of this seed differ.
    Nondeterminism,
    /// The kit failed.
    Harness,
}

impl Verdict {
    /// The exit code it calls for.
    pub fn exit(self) -> Exit {
        match self {
            Self::Passed => Exit::Passed,
            Self::Property | Self::NotFound => Exit::Property,
            Self::NotConverged => Exit::NotConverged,
            Self::Spins => Exit::Spins,
            Self::Nondeterminism => Exit::Nondeterminism,
            Self::Harness => Exit::Harness,
        }
    }
}

/// All runs of one scenario.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Where it ran.
    pub place: Place,
    /// The scenario.
    pub scenario: Scenario,
    /// Its runs, by seed.
    pub outcomes: Vec<Outcome>,
    /// Seeds not run, because the run was ended early.
    pub skipped: u64,
}

impl Summary {
    /// The first failing run.
    pub fn first_failure(&self) -> Option<(&Outcome, Verdict)> {
        let mut judged = self.outcomes.iter().map(|o| (o, o.verdict(&self.scenario)));
        judged.find(|(_, verdict)| *verdict != Verdict::Passed)
    }

    /// A digest of every run's trace, in the order of seeds: equal for equal runs, whatever the
    /// process, the threads or the build.
    pub fn digest(&self) -> u64 {
        self.outcomes.iter().fold(0, |digest, outcome| {
            (digest ^ outcome.digest).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    /// How many runs passed.
    pub fn passed(&self) -> usize {
        let passes = |o: &&Outcome| o.verdict(&self.scenario) == Verdict::Passed;
        self.outcomes.iter().filter(passes).count()
    }

    /// What happened over all runs.
    pub fn coverage(&self) -> Coverage {
        let mut all = Coverage::default();
        self.outcomes.iter().for_each(|outcome| all.add(&outcome.coverage));
        all
    }

    /// What never happened. Said only of enough runs to expect it, and only if all passed.
    pub fn never(&self) -> Vec<String> {
        let enough = self.outcomes.len() >= SOMETIMES_SEEDS;
        if !enough || self.skipped > 0 || self.scenario.spec.expect.fails.is_some() {
            return Vec::new();
        }
        if self.first_failure().is_some() {
            return Vec::new();
        }
        self.coverage().never(&self.scenario)
    }

    /// The exit code these runs call for.
    pub fn exit(&self) -> Exit {
        let worst = self.outcomes.iter().map(|o| o.verdict(&self.scenario)).max();
        match worst.unwrap_or(Verdict::Passed).exit() {
            Exit::Passed if !self.never().is_empty() => Exit::Property,
            exit => exit,
        }
    }

    /// The virtual time of a run, on average.
    pub fn virtual_per_run(&self) -> Duration {
        let all: Duration = self.outcomes.iter().map(|o| o.virtual_time).sum();
        let runs = u32::try_from(self.outcomes.len()).unwrap_or(u32::MAX);
        all.checked_div(runs).unwrap_or_default()
    }

    /// The wall time below which this share of the runs lies (nearest rank).
    pub fn wall_quantile(&self, share: f64) -> Duration {
        let mut all: Vec<Duration> = self.outcomes.iter().map(|o| o.wall).collect();
        all.sort_unstable();
        let rank = (share * all.len() as f64).ceil().max(1.0) as usize;
        all.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// From so many runs on, a fault that never struck is a failure of the scenario.
pub const SOMETIMES_SEEDS: usize = 10;
