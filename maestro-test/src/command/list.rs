//! `list`: the scenarios that would run.

use std::io::Write as _;

use clap::Args;

use crate::cli::{Cli, Selection};
use crate::exit::Exit;
use crate::select;

/// Lists the scenarios that would run.
#[derive(Debug, Args)]
pub struct List {
    /// Which.
    #[command(flatten)]
    pub selection: Selection,
}

/// Prints one line a scenario: its name, file and description.
pub fn run(cli: &Cli, list: &List) -> Exit {
    let selected = match select::scenarios(&list.selection) {
        Ok(selected) => selected,
        Err(error) => return error.print(cli.paints()),
    };
    let mut out = std::io::stdout();
    for scenario in &selected.chosen {
        let path = scenario.path.display();
        if writeln!(out, "{}  {path}  {}", scenario.name, scenario.description).is_err() {
            return Exit::Harness;
        }
    }
    Exit::Passed
}
