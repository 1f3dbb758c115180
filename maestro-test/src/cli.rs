//! The command line: what can be asked, and the code the process ends with.

use std::io::IsTerminal as _;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

#[cfg(feature = "clusters")]
use crate::command::control_plane;
use crate::command::{list, replay, run, schema};
use crate::exit::{self, Exit};

/// Proves that an operator converges, whatever goes wrong on the way.
#[derive(Debug, Parser)]
#[command(name = "maestro-test", version, after_help = exit::HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Colours: when standard output is a terminal and NO_COLOR is not set, always or never.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Only failures and the last line.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Also what faults struck and which steps were met.
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// When to write colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` says no (<https://no-color.org>).
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Cli {
    /// Whether to write colours to standard output.
    pub fn paints(&self) -> bool {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        self.color.paints(std::io::stdout().is_terminal(), refused)
    }
}

impl Color {
    fn paints(self, terminal: bool, refused: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && !refused,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs scenarios with many seeds.
    Run(run::Run),
    /// Replays one run, bit for bit.
    Replay(replay::Replay),
    /// Lists the scenarios that would run.
    List(list::List),
    /// Starts a real control plane and ends it with itself.
    #[cfg(feature = "clusters")]
    ControlPlane(control_plane::Plane),
    /// Prints the JSON schema of scenario files, for editors.
    Schema,
}

/// Which scenarios are meant.
#[derive(Clone, Debug, Default, Args)]
pub struct Selection {
    /// Scenario files, or directories that hold them (`*.yaml`, at any depth).
    #[arg(default_value = "scenarios")]
    pub paths: Vec<std::path::PathBuf>,
    /// Only scenarios whose name contains one of these.
    #[arg(long = "filter", short = 'f', value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Not the scenarios whose name contains one of these.
    #[arg(long, value_name = "FILTER")]
    pub skip: Vec<String>,
    /// Filters are whole names.
    #[arg(long)]
    pub exact: bool,
    /// Only one part of the scenarios, by a stable hash of their names; parts count from 1.
    #[arg(long, value_name = "hash:M/N")]
    pub partition: Option<crate::select::Partition>,
}

/// Reads the command line, does what it says and returns how to exit.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let is_help = !error.use_stderr();
            // A closed pipe is the reader's choice.
            let _ = error.print();
            return if is_help { Exit::Passed } else { Exit::Usage };
        }
    };
    match &cli.command {
        Command::Run(run) => run::run(&cli, run),
        Command::Replay(replay) => replay::run(&cli, replay),
        Command::List(list) => list::run(&cli, list),
        #[cfg(feature = "clusters")]
        Command::ControlPlane(plane) => control_plane::run(plane),
        Command::Schema => schema::run(),
    }
}

#[cfg(test)]
mod tests {
    use super::Color;

    #[test]
    fn colours_are_for_terminals_whose_user_does_not_refuse_them() {
        for (color, terminal, refused, expected) in [
            (Color::Auto, true, false, true),
            (Color::Auto, true, true, false),
            (Color::Auto, false, false, false),
            (Color::Always, false, true, true),
            (Color::Never, true, false, false),
        ] {
            assert_eq!(color.paints(terminal, refused), expected, "{color:?} {terminal} {refused}");
        }
    }
}
