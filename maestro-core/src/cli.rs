//! The command line: parse, resolve, run. Each command is one file.

mod crds;
mod lint;
mod manifests;
mod operator;
mod package;
mod render;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// What a run of the program ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// The input has problems, which were printed.
    Problems = 1,
    /// The command line makes no sense; clap's own code.
    Usage = 2,
    /// A file or an output failed.
    Failed = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs Day-2 operators from a declarative spec.
#[derive(Debug, Parser)]
#[command(name = "maestro", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator against a cluster, until SIGTERM or SIGINT.
    Operator(Box<operator::Operator>),
    /// Print the CRDs of Maestro's own kinds.
    Crds,
    /// Print what installs the operator.
    Manifests(manifests::Manifests),
    /// Print what a plan would apply.
    Render(render::Render),
    /// Say what is wrong with a Framework.
    Lint(lint::Lint),
    /// Make artifacts from a Framework.
    #[command(subcommand)]
    Package(package::Package),
}

/// Runs the program with these arguments (the first is its name).
pub fn main<I, T>(args: I) -> Exit
where
    I: IntoIterator<Item = T>,
    T: Into<std::ffi::OsString> + Clone,
{
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let usage = error.use_stderr();
            // Nothing is left to tell anybody when even this cannot be printed.
            let _ = error.print();
            return if usage { Exit::Usage } else { Exit::Ok };
        }
    };
    let mut out = std::io::stdout().lock();
    let result = match cli.command {
        Command::Operator(command) => command.run(),
        Command::Crds => crds::run(&mut out),
        Command::Manifests(command) => command.run(&mut out),
        Command::Render(command) => command.run(&mut out),
        Command::Lint(command) => command.run(&mut out),
        Command::Package(command) => command.run(&mut out),
    };
    result.unwrap_or_else(|report| {
        eprintln!("{report:?}");
        Exit::Failed
    })
}

type Result = std::result::Result<Exit, miette::Report>;

/// Writes values as YAML documents. A reader that has gone away, as in `| head`, is no failure.
fn print_yaml<T: serde::Serialize>(out: &mut dyn Write, values: &[T]) -> Result {
    for (at, value) in values.iter().enumerate() {
        let text = serde_yaml::to_string(value).map_err(|error| miette::miette!("{error}"))?;
        let mark = if at == 0 { "" } else { "---\n" };
        match write!(out, "{mark}{text}") {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                return Err(miette::miette!("cannot write: {error}"));
            }
            _ => {}
        }
    }
    Ok(Exit::Ok)
}
