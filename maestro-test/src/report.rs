//! Reports: they read summaries and write text.

pub mod human;
pub mod json;
pub mod junit;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::outcome::Summary;

/// A report file asked for on the command line: `junit=FILE` or `json=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The format.
    pub format: Format,
    /// The file.
    pub path: PathBuf,
}

/// A report's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JUnit XML, one test case per scenario.
    Junit,
    /// JSON, one object per scenario.
    Json,
}

impl FromStr for Wanted {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let right = "write junit=FILE or json=FILE";
        let (format, path) = text.split_once('=').ok_or(right)?;
        let format = match format {
            "junit" => Format::Junit,
            "json" => Format::Json,
            other => return Err(format!("unknown report `{other}`; {right}")),
        };
        if path.is_empty() {
            return Err(right.to_owned());
        }
        Ok(Self { format, path: path.into() })
    }
}

/// Writes a report file, its directory included.
pub fn write(wanted: &Wanted, summaries: &[Summary]) -> std::io::Result<()> {
    if let Some(directory) = wanted.path.parent().filter(|d| *d != Path::new("")) {
        std::fs::create_dir_all(directory)?;
    }
    let text = match wanted.format {
        Format::Junit => junit::render(summaries)?,
        Format::Json => json::render(summaries),
    };
    std::fs::write(&wanted.path, text)
}

#[cfg(test)]
mod tests;
