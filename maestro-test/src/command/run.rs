//! `run`: scenarios × seeds, a progress bar, and the reports.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use maestro_core::framework::GoDuration;

use crate::cli::{Cli, Selection};
use crate::cluster::target::{Place, Target, time_scale};
use crate::cluster::{NO_OTHER, NO_PROGRAM};
use crate::exit::Exit;
use crate::outcome::{Outcome, Summary, Verdict};
use crate::pages;
use crate::pool::{self, Plan};
use crate::report::{self, human};
use crate::scenario::Scenario;
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
    /// Seeds: N for 0 to N-1, or A..B. Default: 10 in the simulation, 1 elsewhere.
    #[arg(long)]
    pub seeds: Option<Seeds>,
    /// Where: sim, served, control-plane, container, kind, kubeconfig or kubeconfig=FILE.
    #[arg(long, value_name = "NAME", default_value_t)]
    pub cluster: Target,
    /// On a real cluster, the share of their declared time that workloads, faults and sleeps take.
    #[arg(long, value_name = "SHARE", default_value = "1", value_parser = time_scale)]
    pub time_scale: f64,
    /// Let the operator act with no more rights than its manifests give it.
    #[arg(long)]
    pub as_installed: bool,
    /// Leave in the cluster of a kubeconfig what a run made there, to look at it.
    #[arg(long)]
    pub keep: bool,
    /// Runs at once. Default: as many as there are processors in the simulation, 1 elsewhere.
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
    /// Give a run up that takes longer than this on the wall's clock. Default: 5m in the
    /// simulation, 3h elsewhere.
    #[arg(long, value_name = "TIME")]
    pub patience: Option<GoDuration>,
}

impl Run {
    fn simulates(&self) -> bool {
        self.cluster == Target::Sim
    }

    /// Why a scenario cannot run there, if it cannot; `lacking` is why nothing can.
    fn skips<'a>(&self, scenario: &Scenario, lacking: Option<&'a str>) -> Option<&'a str> {
        let other = match self.cluster {
            Target::Sim => Some(NO_PROGRAM),
            Target::Kind => Some(NO_OTHER),
            _ => None,
        };
        lacking.or(other.filter(|_| scenario.program().is_some()))
    }

    fn place(&self) -> Place {
        Place {
            target: self.cluster.clone(),
            time_scale: self.time_scale,
            as_installed: self.as_installed,
            keep: self.keep,
        }
    }

    /// Why it cannot be done this way, if it cannot.
    fn wrong(&self) -> Option<String> {
        let outlives = self.cluster.outlives();
        if self.keep && !outlives {
            let target = &self.cluster;
            return Some(format!("--keep: {target} ends with its run, only kubeconfig does not"));
        }
        let jobs = self.jobs.filter(|jobs| outlives && *jobs > 1)?;
        let why = "runs in one cluster would meet each other's objects; leave it out";
        Some(format!("--jobs {jobs}: {why}"))
    }

    fn seeds(&self) -> Seeds {
        self.seeds.unwrap_or(Seeds { first: 0, end: if self.simulates() { 10 } else { 1 } })
    }

    fn patience(&self) -> Duration {
        let minutes = if self.simulates() { 5 } else { 180 };
        self.patience.map_or(Duration::from_secs(minutes * 60), |patience| patience.0)
    }
}

/// Runs them, prints and writes reports.
pub fn run(cli: &Cli, run: &Run) -> Exit {
    if let Some(why) = run.wrong() {
        eprintln!("maestro-test: {why}");
        return Exit::Usage;
    }
    let selected = match select::scenarios(&run.selection) {
        Ok(selected) => selected,
        Err(error) => return error.print(cli.paints()),
    };
    let Seeds { first, end } = run.seeds();
    let seeds = end - first;
    let mut chosen = selected.chosen;
    let all = chosen.len();
    let lacking = if chosen.is_empty() { None } else { run.cluster.lacking() };
    chosen.retain(|scenario| match run.skips(scenario, lacking.as_deref()) {
        Some(why) => {
            println!("SKIP {}  {why}", scenario.name);
            false
        }
        None => true,
    });
    let left_out = all - chosen.len();
    if run.simulates() {
        pages::small();
    }
    let outcomes = pool(run, &chosen, !cli.quiet);
    let mut summaries: Vec<Summary> = Vec::new();
    for (scenario, outcomes) in chosen.into_iter().zip(outcomes) {
        let skipped = seeds - outcomes.len() as u64;
        let place = run.place();
        summaries.push(Summary {
            place,
            scenario,
            outcomes: outcomes.into_values().collect(),
            skipped,
        });
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
    let _ =
        writeln!(out, "{}", human::last_line(&summaries, selected.skipped + not_run + left_out));
    summaries.iter().map(Summary::exit).max().unwrap_or(Exit::NothingFound)
}

fn pool(run: &Run, scenarios: &[Scenario], progress: bool) -> Vec<BTreeMap<u64, Outcome>> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let Seeds { first, end } = run.seeds();
    let plan = Plan {
        scenarios: scenarios.to_vec(),
        place: run.place(),
        first,
        seeds: usize::try_from(end - first).unwrap_or(usize::MAX),
        jobs: run.jobs.unwrap_or(if run.simulates() { processors } else { 1 }),
        max_fail: if run.fail_fast { 1 } else { run.max_fail.unwrap_or(usize::MAX).max(1) },
        patience: run.patience(),
    };
    let shows = progress && std::io::stderr().is_terminal();
    let bar = if shows { bar(plan.total() as u64) } else { ProgressBar::hidden() };
    let mut failed = 0_u32;
    let outcomes = pool::run(plan, |scenario, outcome| {
        let passed = outcome.verdict(scenario) == Verdict::Passed;
        if !run.simulates() {
            // Such a run takes minutes: whoever waits sees what has ended so far.
            let (word, wall) = (if passed { "passed" } else { "failed" }, outcome.wall.as_secs());
            let line =
                format!("{word} {} with seed {} after {wall} s", scenario.name, outcome.seed);
            bar.suspend(|| eprintln!("{line}"));
        }
        if !passed {
            failed += 1;
            bar.set_message(format!(", {failed} failed"));
        }
        if bar.position() == 0 {
            bar.set_style(style("{wide_bar} {pos}/{len} runs{msg}, {eta} to go"));
        }
        bar.inc(1);
    });
    bar.finish_and_clear();
    outcomes
}

/// How often the bar is drawn while no run ends.
const TICK: Duration = Duration::from_millis(500);

/// A bar as wide as the terminal, there from the start. What is still to be waited for cannot be
/// said before the first run has ended.
fn bar(runs: u64) -> ProgressBar {
    let bar = ProgressBar::new(runs).with_style(style("{wide_bar} {pos}/{len} runs"));
    bar.enable_steady_tick(TICK);
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::{Cli, Command};

    #[test]
    fn what_cannot_be_on_a_cluster_is_refused() {
        let check = |arguments: &str, why: &str| {
            let cli = Cli::try_parse_from(format!("maestro-test run {arguments}").split(' '));
            let Ok(Cli { command: Command::Run(run), .. }) = cli else { panic!("{arguments}") };
            let found = run.wrong().unwrap_or_default();
            assert!(found.starts_with(why) && found.is_empty() == why.is_empty(), "{found}");
        };
        check("a.yaml -j 8", "");
        check("a.yaml --keep", "--keep: sim ends with its run");
        if cfg!(feature = "clusters") {
            check("a.yaml --cluster kubeconfig --keep -j 1", "");
            check("a.yaml --cluster kubeconfig -j 2", "--jobs 2: runs in one cluster");
            check("a.yaml --cluster served --keep", "--keep: served ends with its run");
            check("a.yaml --cluster served -j 2", "");
        }
    }
}
