//! `maestro package`: artifacts made from a Framework.

use crate::{load, package};
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Package {
    /// Print the CRD of the package's kind.
    Crd {
        /// Directory with a framework.yaml, or such a file.
        path: PathBuf,
    },
}

impl Package {
    pub(super) fn run(&self, out: &mut dyn Write) -> super::Result {
        match self {
            Self::Crd { path } => {
                let loaded = load::load(path)?;
                super::print_yaml(out, &[package::crd::crd_value(&loaded.spec)])
            }
        }
    }
}
