//! One run: a scenario, a seed, a simulated cluster and the operator, joined.
//!
//! Steps are driven under faults; then the faults stop, and everything must settle in time and
//! stay so. What happens goes to the properties as one stream; the answer is an [`Outcome`].

mod act;
pub mod faults;
#[cfg(feature = "clusters")]
mod live;
mod operator;
mod recorder;
mod setup;

use std::sync::Arc;
use std::time::Duration;

use maestro_sim::sim::{self, Options};
use maestro_sim::trace::TraceLevel;
use maestro_sim::workload::WorkloadControl;

use crate::cluster::account::Forbidden;
use crate::cluster::sim::Sim;
use crate::cluster::target::{Place, Target};
use crate::cluster::{NO_PROGRAM, Need, Shared};
use crate::event::{Happening, Phase};
use crate::outcome::{Outcome, Verdict};
use crate::property::{Ending, Reason};
use crate::scenario::{Action, Scenario};

pub use recorder::Recorder;

/// How long a cluster may take to converge when the scenario does not say.
const CONVERGES_WITHIN: Duration = Duration::from_secs(30 * 60);
/// How long everything must have been settled to count as converged.
const CALM: Duration = Duration::from_secs(60);
/// How soon after news the driver looks again; what counts is recorded by events, not by looks.
const LOOK: Duration = Duration::from_millis(500);

/// Runs a scenario with a seed; a failing seed runs twice, and a difference is reported.
pub fn run_scenario(scenario: &Scenario, seed: u64, trace: TraceLevel) -> Outcome {
    simulate(scenario, seed, trace, false)
}

fn simulate(scenario: &Scenario, seed: u64, trace: TraceLevel, as_installed: bool) -> Outcome {
    let mut outcome = run_once(scenario, seed, trace, as_installed);
    if outcome.verdict(scenario) != Verdict::Passed && outcome.harness.is_none() {
        let again = run_once(scenario, seed, trace, as_installed);
        outcome.other_digest = (again.digest != outcome.digest).then_some(again.digest);
    }
    outcome
}

/// Runs a scenario with a seed at a place. A run in the wall's time is not repeated: it would
/// differ.
pub fn run_at(place: &Place, scenario: &Scenario, seed: u64) -> Outcome {
    match place.target {
        Target::Sim if scenario.program().is_some() => {
            Outcome { seed, harness: Some(NO_PROGRAM.to_owned()), ..Outcome::default() }
        }
        Target::Sim => simulate(scenario, seed, TraceLevel::Digest, place.as_installed),
        #[cfg(feature = "clusters")]
        _ => live::run(place, scenario, seed),
        #[cfg(not(feature = "clusters"))]
        _ => {
            let why = format!("{} is not built in (feature clusters)", place.target);
            Outcome { seed, harness: Some(why), ..Outcome::default() }
        }
    }
}

fn run_once(scenario: &Scenario, seed: u64, trace: TraceLevel, as_installed: bool) -> Outcome {
    let began = std::time::Instant::now();
    let options = Options { seed, trace };
    let result = sim::run(&options, |cluster| async move {
        let recorder = Recorder::new(scenario, seed);
        let control = setup::simulation(&cluster, scenario, &recorder);
        let shared: Shared = Arc::new(Sim(cluster.clone()));
        let run = Run::new(scenario, shared, control, recorder, as_installed);
        let outcome = run.through(seed).await;
        let (digest, trace) =
            cluster.with(|world| (world.trace.digest(), world.trace.take_lines()));
        Outcome { digest, trace, ..outcome }
    });
    let mut outcome =
        result.unwrap_or_else(|error| Outcome { seed, harness: Some(error), ..Outcome::default() });
    outcome.wall = began.elapsed();
    outcome
}

struct Run<'a> {
    scenario: &'a Scenario,
    cluster: Shared,
    control: WorkloadControl,
    recorder: Recorder,
    /// What the operator was forbidden, where it has no more rights than it is installed with.
    forbidden: Option<Forbidden>,
}

impl<'a> Run<'a> {
    fn new(
        scenario: &'a Scenario,
        cluster: Shared,
        control: WorkloadControl,
        recorder: Recorder,
        as_installed: bool,
    ) -> Self {
        let forbidden = as_installed.then(Forbidden::default);
        Self { scenario, cluster, control, recorder, forbidden }
    }

    /// Drives the run to its end and says what became of it.
    async fn through(mut self, seed: u64) -> Outcome {
        let mut operators = None;
        let driven = self.drive(seed, &mut operators).await;
        let harness = driven.and_then(|()| self.rights()).err();
        let reason = self.recorder.reason();
        let outcome = self.recorder.finish(self.cluster.now(), reason);
        // What becomes of the cluster after the run proves nothing any more.
        let stop = || operators.into_iter().for_each(operator::Operators::stop);
        let left = self.cluster.leave(Box::new(stop)).err();
        Outcome { seed, harness, left, ..outcome }
    }

    /// Whether the operator was let do all that it tried, as far as rights go.
    fn rights(&self) -> Result<(), String> {
        let forbidden = self.forbidden.as_ref().map(Forbidden::all).unwrap_or_default();
        if forbidden.is_empty() {
            return Ok(());
        }
        let forbidden = forbidden.join("\n");
        Err(format!("the operator was installed with too few rights:\n{forbidden}"))
    }

    /// Starts the operators, and drives the run from its first step to the end of its watch.
    async fn drive(
        &mut self,
        seed: u64,
        running: &mut Option<operator::Operators>,
    ) -> Result<(), String> {
        let hosted = self.cluster.lacks(Need::Links).is_some();
        if self.scenario.program().is_none() && !hosted {
            match self.forbidden {
                Some(_) => setup::account(&*self.cluster).await?,
                None => setup::kinds(&*self.cluster)?,
            }
        }
        let operators = if hosted {
            operator::Operators::elsewhere()
        } else {
            operator::start(&self.cluster, self.scenario, &self.recorder, self.forbidden.clone())
        };
        let operators = running.insert(operators);
        let faults = faults::Faults::start(
            &self.cluster,
            self.scenario,
            &self.control,
            operators,
            &self.recorder,
            seed,
        );
        self.tell(Happening::Phase(Phase::Steps));
        let met = self.steps().await?;
        faults.heal();
        self.recorder.disturbed(self.cluster.now());
        self.tell(Happening::Phase(Phase::Liveness));
        if met && self.settle().await {
            self.tell(Happening::Phase(Phase::Stay));
            let window = crate::property::stay_window(self.scenario);
            let end = self.cluster.now() + self.cluster.paced(window);
            while self.cluster.now() < end && !self.recorder.broken() {
                self.news(end).await;
            }
        }
        Ok(())
    }

    fn tell(&self, what: Happening) {
        self.recorder.tell(self.cluster.now(), what);
    }

    /// Drives the steps; false when one was not met.
    async fn steps(&mut self) -> Result<bool, String> {
        for (index, step) in self.scenario.spec.steps.iter().enumerate() {
            if self.recorder.broken() {
                return Ok(false);
            }
            let Some(action) = step.action() else { continue };
            self.tell(Happening::StepBegan { index });
            let waits = matches!(action, Action::Await(_));
            let usual = Duration::from_secs(if waits { 1800 } else { 120 });
            let within = step.within.as_ref().map_or(usual, |w| w.value.0);
            let end = self.cluster.now() + within;
            let mut unmet = None;
            loop {
                match self.attempt(index, action, &mut unmet).await? {
                    None => break,
                    Some(why) if self.cluster.now() >= end || self.recorder.broken() => {
                        let why = format!("step `{}` was not met: {why}", step.name.value);
                        self.tell(Happening::StepMissed { index, why });
                        return Ok(false);
                    }
                    // A person who is refused tries again; who waits, waits for news.
                    Some(_) if waits => self.news(end).await,
                    Some(_) => tokio::time::sleep(LOOK).await,
                }
            }
            self.recorder.disturbed(self.cluster.now());
            self.tell(Happening::StepMet { index });
        }
        Ok(true)
    }

    /// Tries the action of a step once: `None` when it is done, else why not yet.
    async fn attempt(
        &self,
        index: usize,
        action: Action<'_>,
        unmet: &mut act::Unmet,
    ) -> Result<Option<String>, String> {
        let condition = self.scenario.conditions.get(index).and_then(Option::as_ref);
        let name = self.scenario.spec.steps.get(index).map_or("", |step| step.name.as_str());
        let (scenario, recorder) = (self.scenario, &self.recorder);
        act::attempt(&*self.cluster, scenario, name, action, (condition, unmet), recorder).await
    }

    /// Waits until everything has been settled for a while; false when it does not come to that.
    async fn settle(&mut self) -> bool {
        let expect = &self.scenario.spec.expect;
        let within = expect.converges.as_ref().map_or(CONVERGES_WITHIN, |c| c.within.value.0);
        let began = self.cluster.now();
        let calm = self.cluster.paced(CALM);
        let end = began + within + calm;
        while !self.recorder.broken() {
            let now = self.cluster.now();
            let since = self.recorder.settled_since().map(|since| since.max(began));
            if let Some(since) = since.filter(|since| now >= *since + calm) {
                self.recorder.converged(since);
                return true;
            }
            if now >= end {
                return false;
            }
            self.news(since.map_or(end, |since| end.min(since + calm))).await;
        }
        false
    }

    /// Waits for something to have changed, and for its consequences of the same moment, but at
    /// most until then.
    async fn news(&self, until: Duration) {
        let left = until.saturating_sub(self.cluster.now());
        let changed = async {
            self.recorder.changed().await;
            tokio::time::sleep(LOOK).await;
        };
        // Either way the driver looks again.
        let _ = tokio::time::timeout(left, changed).await;
    }
}

/// What a run ended with, as properties want it.
fn ending(
    at: Duration,
    converged_at: Option<Duration>,
    disturbed_at: Duration,
    reason: Option<Reason>,
) -> Ending {
    Ending { at, converged_at, disturbed_at, reason }
}
