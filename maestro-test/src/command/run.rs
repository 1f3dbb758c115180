//! `run`: scenarios × seeds on a pool of threads, each simulation deterministic on its own.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Args;
use indicatif::ProgressBar;
use maestro_sim::trace::TraceLevel;

use crate::cli::{Cli, Selection};
use crate::exit::Exit;
use crate::outcome::{Outcome, Summary, Verdict};
use crate::report::{self, human};
use crate::runner::run_scenario;
use crate::select;

/// Seeds: `N` for 0 to N-1, `A..B` for A to B-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// One past the last.
    pub end: u64,
}

impl FromStr for Seeds {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.parse::<u64>().map_err(|_| "write N or A..B".to_owned());
        let (first, end) = match text.split_once("..") {
            Some((first, end)) => (number(first)?, number(end)?),
            None => (0, number(text)?),
        };
        if first >= end {
            return Err("there is no seed in this range".to_owned());
        }
        Ok(Self { first, end })
    }
}

/// Runs scenarios.
#[derive(Debug, Args)]
pub struct Run {
    /// Which.
    #[command(flatten)]
    pub selection: Selection,
    /// Seeds: N for 0 to N-1, or A..B.
    #[arg(long, default_value = "10")]
    pub seeds: Seeds,
    /// Threads; as many as there are processors when absent.
    #[arg(long, short)]
    pub jobs: Option<usize>,
    /// Report files: junit=FILE, json=FILE.
    #[arg(long, value_delimiter = ',')]
    pub report: Vec<report::Wanted>,
    /// Stop at the first failure.
    #[arg(long)]
    pub fail_fast: bool,
    /// Stop after so many failing runs.
    #[arg(long)]
    pub max_fail: Option<usize>,
}

/// Runs them, prints and writes reports.
pub fn run(cli: &Cli, run: &Run) -> Exit {
    let selected = match select::scenarios(&run.selection) {
        Ok(selected) => selected,
        Err(error) => return error.print(cli.paints()),
    };
    let seeds = run.seeds.end - run.seeds.first;
    let outcomes = pool(run, &selected.chosen, !cli.quiet);
    let mut summaries: Vec<Summary> = Vec::new();
    for (scenario, outcomes) in selected.chosen.into_iter().zip(outcomes) {
        let skipped = seeds - outcomes.len() as u64;
        summaries.push(Summary { scenario, outcomes: outcomes.into_values().collect(), skipped });
    }
    let not_run = summaries.iter().filter(|s| s.outcomes.is_empty()).count();
    summaries.retain(|summary| !summary.outcomes.is_empty());
    let mut out = std::io::stdout();
    let paint = human::Paint { on: cli.paints() };
    for summary in &summaries {
        if !cli.quiet || summary.exit() != Exit::Passed {
            let _ = write!(out, "{}", human::scenario(summary, paint, cli.verbose > 0));
        }
    }
    for wanted in &run.report {
        if let Err(error) = report::write(wanted, &summaries) {
            eprintln!("maestro-test: {}: {error}", wanted.path.display());
            return Exit::Harness;
        }
    }
    let _ = writeln!(out, "{}", human::last_line(&summaries, selected.skipped + not_run));
    summaries.iter().map(Summary::exit).max().unwrap_or(Exit::NothingFound)
}

/// Runs every scenario with every seed; the outcomes by scenario and seed, whatever thread
/// finished first.
fn pool(run: &Run, scenarios: &[crate::Scenario], progress: bool) -> Vec<BTreeMap<u64, Outcome>> {
    let seeds = usize::try_from(run.seeds.end - run.seeds.first).unwrap_or(usize::MAX);
    let total = scenarios.len().saturating_mul(seeds);
    let limit = if run.fail_fast { 1 } else { run.max_fail.unwrap_or(usize::MAX).max(1) };
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = Mutex::new(vec![BTreeMap::new(); scenarios.len()]);
    let shows = progress && std::io::stderr().is_terminal();
    let bar = if shows { ProgressBar::new(total as u64) } else { ProgressBar::hidden() };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        while failed.load(Ordering::Relaxed) < limit {
            let job = next.fetch_add(1, Ordering::Relaxed);
            let Some(scenario) = scenarios.get(job / seeds).filter(|_| job < total) else { return };
            let seed = run.seeds.first + (job % seeds) as u64;
            let outcome = run_scenario(scenario, seed, TraceLevel::Digest);
            if outcome.verdict(scenario) != Verdict::Passed {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            let mut all = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(of_scenario) = all.get_mut(job / seeds) {
                of_scenario.insert(seed, outcome);
            }
            bar.inc(1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..run.jobs.unwrap_or(processors).clamp(1, total.max(1)) {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}
