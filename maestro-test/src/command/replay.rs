//! `replay`: one scenario with one seed, again, with its trace.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use maestro_sim::trace::TraceLevel;

use crate::Scenario;
use crate::cli::Cli;
use crate::cluster::NO_PROGRAM;
use crate::cluster::target::Place;
use crate::exit::Exit;
use crate::outcome::Summary;
use crate::pages;
use crate::report::human;
use crate::runner::run_scenario;

/// Replays a run, bit for bit.
#[derive(Debug, Args)]
pub struct Replay {
    /// The scenario file.
    pub file: PathBuf,
    /// The seed.
    #[arg(long)]
    pub seed: u64,
    /// Where to write the trace, one JSON object a line.
    #[arg(long)]
    pub trace: Option<PathBuf>,
}

/// Runs it, prints what became of it and writes the trace.
pub fn run(cli: &Cli, replay: &Replay) -> Exit {
    let scenario = match Scenario::load(&replay.file) {
        Ok(scenario) => scenario,
        Err(error) => {
            eprint!("{}", error.render(cli.paints()));
            return Exit::Usage;
        }
    };
    if scenario.program().is_some() {
        eprintln!("maestro-test: {}: {NO_PROGRAM}", scenario.name);
        return Exit::Usage;
    }
    pages::small();
    let level = if replay.trace.is_some() { TraceLevel::Full } else { TraceLevel::Digest };
    let outcome = run_scenario(&scenario, replay.seed, level);
    if let Some(path) = &replay.trace {
        let mut text = outcome.trace.join("\n");
        text.push('\n');
        if let Err(error) = std::fs::write(path, text) {
            eprintln!("maestro-test: {}: {error}", path.display());
            return Exit::Harness;
        }
    }
    let digest = outcome.digest;
    let summary =
        Summary { place: Place::default(), scenario, outcomes: vec![outcome], skipped: 0 };
    let text = human::scenario(&summary, human::Paint { on: cli.paints() }, true);
    let _ = writeln!(std::io::stdout(), "{text}     trace {digest:016x}");
    summary.exit()
}
