//! Which scenarios are meant: paths, filters and partitions.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use maestro_sim::rng::fnv;

use crate::cli::Selection;
use crate::exit::Exit;
use crate::scenario::{Scenario, ScenarioError};

/// One part of all scenarios: `hash:M/N`, M from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Which part.
    pub part: u64,
    /// Of how many.
    pub of: u64,
}

impl FromStr for Partition {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let right = "write hash:M/N, as in hash:1/4";
        let (part, of) =
            text.strip_prefix("hash:").and_then(|rest| rest.split_once('/')).ok_or(right)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| right.to_owned());
        let (part, of) = (number(part)?, number(of)?);
        if part == 0 || part > of {
            return Err(format!("there is no part {part} of {of}; parts count from 1 to {of}"));
        }
        Ok(Self { part, of })
    }
}

impl Partition {
    fn holds(self, name: &str) -> bool {
        fnv(name.as_bytes()) % self.of == self.part - 1
    }
}

/// The scenarios to run, and how many were left out.
#[derive(Debug)]
pub struct Selected {
    /// In order of name.
    pub chosen: Vec<Scenario>,
    /// How many files hold scenarios that are not meant.
    pub skipped: usize,
}

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// Files that cannot be used.
    #[error("{} scenario files are wrong", .0.len())]
    Wrong(Vec<ScenarioError>),
    /// A path that is not there.
    #[error("{0}: {1}")]
    Path(PathBuf, std::io::Error),
    /// Two scenarios with one name, which reports could not tell apart.
    #[error("two scenarios are called `{0}`: {1} and {2}; rename one")]
    Twice(String, PathBuf, PathBuf),
    /// Nothing is left.
    #[error("no scenario matches; {0} are there (see `maestro-test list`)")]
    Nothing(usize),
}

impl SelectError {
    /// Says on standard error what is wrong, and how to exit.
    pub fn print(&self, color: bool) -> Exit {
        match self {
            Self::Wrong(errors) => errors.iter().for_each(|e| eprint!("{}", e.render(color))),
            other => eprintln!("maestro-test: {other}"),
        }
        if matches!(self, Self::Nothing(_)) { Exit::NothingFound } else { Exit::Usage }
    }
}

/// Finds, reads and filters the scenarios.
pub fn scenarios(selection: &Selection) -> Result<Selected, SelectError> {
    let mut files = Vec::new();
    for path in &selection.paths {
        collect(path, &mut files).map_err(|error| SelectError::Path(path.clone(), error))?;
    }
    files.sort();
    files.dedup();
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for file in &files {
        match Scenario::load(file) {
            Ok(scenario) => all.push(scenario),
            Err(error) => wrong.push(error),
        }
    }
    if !wrong.is_empty() {
        return Err(SelectError::Wrong(wrong));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let twice = all.windows(2).find_map(|pair| match pair {
        [a, b] if a.name == b.name => Some((a, b)),
        _ => None,
    });
    if let Some((a, b)) = twice {
        return Err(SelectError::Twice(a.name.clone(), a.path.clone(), b.path.clone()));
    }
    let found = all.len();
    all.retain(|scenario| is_meant(selection, &scenario.name));
    if all.is_empty() {
        return Err(SelectError::Nothing(found));
    }
    Ok(Selected { skipped: found - all.len(), chosen: all })
}

fn is_meant(selection: &Selection, name: &str) -> bool {
    let hits = |filter: &String| match selection.exact {
        true => name == filter,
        false => name.contains(filter.as_str()),
    };
    (selection.filters.is_empty() || selection.filters.iter().any(hits))
        && !selection.skip.iter().any(hits)
        && selection.partition.is_none_or(|partition| partition.holds(name))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.metadata()?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|e| e == "yaml");
        if path.is_dir() || is_yaml {
            collect(&path, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Partition, is_meant};
    use crate::cli::Selection;

    #[test]
    fn partitions_hold_each_name_once() {
        assert!("hash:5/4".parse::<Partition>().is_err(), "past the count runs nothing");
        assert!("hash:0/4".parse::<Partition>().is_err());
        let parts: Vec<Partition> =
            (1..=4).filter_map(|m| format!("hash:{m}/4").parse().ok()).collect();
        for name in ["a", "zookeeper-deploy", "etcd-lifecycle"] {
            assert_eq!(parts.iter().filter(|p| p.holds(name)).count(), 1);
        }
    }

    #[test]
    fn filters_and_skips() {
        let selection = |filters: &[&str], skip: &[&str], exact| Selection {
            filters: filters.iter().map(ToString::to_string).collect(),
            skip: skip.iter().map(ToString::to_string).collect(),
            exact,
            ..Selection::default()
        };
        assert!(is_meant(&selection(&["keeper"], &[], false), "zookeeper"));
        assert!(!is_meant(&selection(&["keeper"], &[], true), "zookeeper"));
        assert!(!is_meant(&selection(&[], &["zoo"], false), "zookeeper"));
    }
}
