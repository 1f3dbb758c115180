//! Scenarios × seeds on a pool of threads, each simulation deterministic on its own.
//!
//! A thread cannot be stopped from outside. A run that is not over after a time of the wall's
//! clock that no run needs is given up with its seed named, its thread is left to itself, and
//! another takes its place; the process ends all the same.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cluster::target::Place;
use crate::outcome::{Outcome, Verdict};
use crate::runner::run_at;
use crate::scenario::Scenario;

/// How often the pool looks for runs that are overdue.
const LOOK: Duration = Duration::from_millis(500);

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where they run.
    pub place: Place,
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// The first seed.
    pub first: u64,
    /// How many seeds.
    pub seeds: usize,
    /// Threads.
    pub jobs: usize,
    /// Begin no further run after so many failing ones.
    pub max_fail: usize,
    /// The wall time that one run may take.
    pub patience: Duration,
}

impl Plan {
    /// How many runs there are.
    pub fn total(&self) -> usize {
        self.scenarios.len().saturating_mul(self.seeds)
    }
}

/// How one run is made; tests put something else in its place.
type Runner = fn(&Place, &Scenario, u64) -> Outcome;

struct Shared {
    plan: Plan,
    runner: Runner,
    next: AtomicUsize,
    failed: AtomicUsize,
    /// The runs under way: the job, and when it began.
    under_way: Mutex<BTreeMap<usize, Instant>>,
}

impl Shared {
    fn under_way(&self) -> MutexGuard<'_, BTreeMap<usize, Instant>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next run to make: its number, its scenario and its seed.
    fn take(&self) -> Option<(usize, &Scenario, u64)> {
        // Taken and noted under one lock, so that a run is always either waiting or under way.
        let mut under_way = self.under_way();
        if self.failed.load(Ordering::Relaxed) >= self.plan.max_fail {
            return None;
        }
        let job = self.next.load(Ordering::Relaxed);
        let scenario = self.plan.scenarios.get(job.checked_div(self.plan.seeds)?)?;
        self.next.store(job + 1, Ordering::Relaxed);
        under_way.insert(job, Instant::now());
        Some((job, scenario, self.seed(job)))
    }

    fn seed(&self, job: usize) -> u64 {
        self.plan.first + job.checked_rem(self.plan.seeds).unwrap_or(0) as u64
    }

    fn work(&self, results: &Sender<(usize, Outcome)>) {
        while let Some((job, scenario, seed)) = self.take() {
            let outcome = (self.runner)(&self.plan.place, scenario, seed);
            if outcome.verdict(scenario) != Verdict::Passed {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            if results.send((job, outcome)).is_err() || self.under_way().remove(&job).is_none() {
                // Nobody listens any more, or this thread was given up and replaced.
                return;
            }
        }
    }

    /// Whether no run is under way and none is to be begun, when so many have been kept.
    fn is_over(&self, kept: usize) -> bool {
        let _begins_none = self.under_way();
        let begun = self.next.load(Ordering::Relaxed);
        let enough = self.failed.load(Ordering::Relaxed) >= self.plan.max_fail;
        kept == begun && (enough || begun >= self.plan.total())
    }

    /// Takes the runs off the list that have taken too long.
    fn overdue(&self) -> Vec<usize> {
        let mut under_way = self.under_way();
        let late = under_way.iter().filter(|(_, began)| began.elapsed() > self.plan.patience);
        let late: Vec<usize> = late.map(|(job, _)| *job).collect();
        under_way.retain(|job, _| !late.contains(job));
        late
    }
}

/// Runs every scenario with every seed and tells of each run that is over; the outcomes by
/// scenario and seed, whatever thread finished first.
pub fn run(plan: Plan, ended: impl FnMut(&Scenario, &Outcome)) -> Vec<BTreeMap<u64, Outcome>> {
    run_with(plan, run_at, ended)
}

fn run_with(
    plan: Plan,
    runner: Runner,
    mut ended: impl FnMut(&Scenario, &Outcome),
) -> Vec<BTreeMap<u64, Outcome>> {
    let mut all = vec![BTreeMap::new(); plan.scenarios.len()];
    let threads = plan.jobs.clamp(1, plan.total().max(1));
    let seeds = plan.seeds.max(1);
    let shared = Arc::new(Shared {
        plan,
        runner,
        next: AtomicUsize::new(0),
        failed: AtomicUsize::new(0),
        under_way: Mutex::default(),
    });
    let (sender, results) = mpsc::channel();
    let start = || {
        let (shared, sender) = (Arc::clone(&shared), sender.clone());
        std::thread::spawn(move || shared.work(&sender));
    };
    (0..threads).for_each(|_| start());
    let mut kept = 0;
    while !shared.is_over(kept) {
        let mut arrived = Vec::new();
        match results.recv_timeout(LOOK) {
            Ok(result) => arrived.push(result),
            Err(_) => {
                for job in shared.overdue() {
                    shared.failed.fetch_add(1, Ordering::Relaxed);
                    arrived.push((job, given_up(shared.seed(job), shared.plan.patience)));
                    start();
                }
            }
        }
        for (job, outcome) in arrived {
            let place = (shared.plan.scenarios.get(job / seeds), all.get_mut(job / seeds));
            let (Some(scenario), Some(runs)) = place else { continue };
            // What a thread that was given up says after all is too late.
            if let Entry::Vacant(free) = runs.entry(outcome.seed) {
                ended(scenario, &outcome);
                free.insert(outcome);
                kept += 1;
            }
        }
    }
    all
}

fn given_up(seed: u64, patience: Duration) -> Outcome {
    let what = format!(
        "seed {seed} was not over after {} s of wall time: a task of the operator or of the \
         cluster goes on without waiting; look where with a debugger while it is replayed, or \
         allow more with --patience",
        patience.as_secs()
    );
    Outcome { seed, wall: patience, harness: Some(what), ..Outcome::default() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Plan, run_with};
    use crate::cluster::target::Place;
    use crate::outcome::Outcome;
    use crate::property::testing::scenario;

    fn plan(seeds: usize, jobs: usize, max_fail: usize) -> Plan {
        let scenarios = vec![scenario(""), scenario("")];
        let patience = Duration::from_millis(300);
        let place = Place::default();
        Plan { place, scenarios, first: 7, seeds, jobs, max_fail, patience }
    }

    #[test]
    fn every_scenario_runs_with_every_seed() {
        let mut told = 0;
        let fine = |_: &_, _: &_, seed| Outcome { seed, ..Outcome::default() };
        let all = run_with(plan(5, 3, usize::MAX), fine, |_, _| told += 1);
        assert_eq!(told, 10);
        for runs in all {
            assert_eq!(runs.keys().copied().collect::<Vec<_>>(), [7, 8, 9, 10, 11]);
        }
    }

    #[test]
    fn a_run_that_never_ends_is_given_up_by_name_and_the_others_go_on() {
        let stuck = |_: &_, _: &_, seed| {
            if seed == 8 {
                loop {
                    std::thread::park();
                }
            }
            Outcome { seed, ..Outcome::default() }
        };
        let mut plan = plan(3, 1, usize::MAX);
        plan.scenarios.truncate(1);
        let all = run_with(plan, stuck, |_, _| {});
        let said = |seed: u64| all.first()?.get(&seed)?.harness.clone();
        assert_eq!((said(7), said(9)), (None, None));
        assert!(said(8).unwrap_or_default().contains("seed 8 was not over after"));
        assert_eq!(all.first().map(std::collections::BTreeMap::len), Some(3));
    }

    #[test]
    fn enough_failures_are_enough() {
        let failing =
            |_: &_, _: &_, seed| Outcome { seed, harness: Some("no".into()), ..Outcome::default() };
        let all = run_with(plan(50, 1, 2), failing, |_, _| {});
        assert_eq!(all.iter().map(std::collections::BTreeMap::len).sum::<usize>(), 2);
    }
}
