//! `maestro lint`: what cannot work, and what will be regretted.

use super::Exit;
use crate::{lint, load};
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Lint {
    /// Directories with a framework.yaml, or such files.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Fail on advice too.
    #[arg(long)]
    strict: bool,
}

impl Lint {
    pub(super) fn run(&self, out: &mut dyn Write) -> super::Result {
        let mut exit = Exit::Ok;
        for path in &self.paths {
            let package = match load::load(path) {
                Ok(package) => package,
                Err(error) => {
                    eprintln!("{:?}", miette::Report::new(error));
                    exit = Exit::Problems;
                    continue;
                }
            };
            let errors = lint::validate(&package.spec);
            for problem in &errors {
                eprintln!("{:?}", miette::Report::new(package.locate(problem)));
            }
            let advice = if errors.is_empty() { lint::advise(&package.spec) } else { Vec::new() };
            for problem in &advice {
                let _ = writeln!(out, "advice: {}", package.locate(problem));
            }
            if !errors.is_empty() || (self.strict && !advice.is_empty()) {
                exit = Exit::Problems;
            }
            let (found, advised) = (errors.len(), advice.len());
            let _ = writeln!(out, "{}: {found} errors, {advised} pieces of advice", path.display());
        }
        Ok(exit)
    }
}
