//! What differed, and whether that is known.
//!
//! `known.txt` lists the requests whose answers differ today: the simulator is to be mended there,
//! and the list only shrinks. `deliberate.yaml` lists what is meant to differ, with the reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use regex::Regex;
use serde::Deserialize;
use similar::TextDiff;

use crate::conformance::case::Sequence;
use crate::conformance::normal::{Seen, normalise};
use crate::conformance::side::Answers;

/// A difference that is meant to be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deliberate {
    /// Which requests, as a regular expression over `SEQUENCE METHOD PATH`.
    pub request: String,
    /// Which changed lines of the diff, as a regular expression; every one has to match.
    pub lines: String,
    /// Why the simulation answers otherwise.
    pub reason: String,
    /// Whether it is so of versions but the newest alone.
    #[serde(default)]
    pub older: bool,
}

/// One request whose answers differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// `SEQUENCE#INDEX`.
    pub id: String,
    /// Method and path.
    pub ask: String,
    /// From the real server's answer to the simulated one's.
    pub diff: String,
}

/// The comparison of all answers.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many requests were compared.
    pub requests: usize,
    /// Those that differ, without the deliberate ones.
    pub differences: Vec<Difference>,
    /// Those that differ as they should, counted by reason.
    pub deliberate: BTreeMap<String, usize>,
}

/// Compares the answers of both sides.
///
/// # Errors
/// When a deliberate difference is not a regular expression.
pub fn compare(
    sequences: &[Sequence],
    real: &[Answers],
    simulated: &[Answers],
    deliberate: &[Deliberate],
) -> Result<Report, String> {
    let compile = |text: &str| Regex::new(text).map_err(|e| format!("deliberate: {e}"));
    let rules = deliberate
        .iter()
        .map(|rule| Ok((compile(&rule.request)?, compile(&rule.lines)?, rule)))
        .collect::<Result<Vec<_>, String>>()?;
    let mut report = Report::default();
    for (sequence, (real, simulated)) in sequences.iter().zip(real.iter().zip(simulated)) {
        let both = normalise(real).into_iter().zip(normalise(simulated));
        for ((index, step), (real, simulated)) in sequence.requests.iter().enumerate().zip(both) {
            report.requests += 1;
            if real == simulated {
                continue;
            }
            let diff = diff(&real, &simulated);
            let request = format!("{} {}", sequence.name, step.ask);
            let meant = rules.iter().find(|(asked, lines, _)| {
                asked.is_match(&request) && changed(&diff).all(|line| lines.is_match(line))
            });
            match meant {
                Some((_, _, rule)) => {
                    *report.deliberate.entry(rule.reason.clone()).or_default() += 1;
                }
                None => report.differences.push(Difference {
                    id: format!("{}#{index}", sequence.name),
                    ask: step.ask.clone(),
                    diff,
                }),
            }
        }
    }
    Ok(report)
}

fn diff(real: &Seen, simulated: &Seen) -> String {
    let (real, simulated) = (real.text(), simulated.text());
    TextDiff::from_lines(&real, &simulated)
        .unified_diff()
        .context_radius(2)
        .header("real", "simulated")
        .to_string()
}

/// The lines that came or went.
fn changed(diff: &str) -> impl Iterator<Item = &str> {
    let lines = diff.lines().filter(|l| !l.starts_with("+++") && !l.starts_with("---"));
    lines.filter(|l| l.starts_with(['+', '-']))
}

impl Report {
    /// How many answers are identical, deliberate differences not counted among them.
    pub fn identical(&self) -> usize {
        let meant: usize = self.deliberate.values().sum();
        self.requests - self.differences.len() - meant
    }

    /// `N requests, M identical (P %)`.
    pub fn headline(&self) -> String {
        let (all, same) = (self.requests, self.identical());
        // Cut, not rounded: 100 % is said only when it is so.
        let permille = same * 10_000 / all.max(1);
        let (whole, part) = (permille / 100, permille % 100);
        format!("conformance: {all} requests, {same} identical ({whole}.{part:02} %)")
    }

    /// Every difference with its request, the most frequent changes first.
    pub fn details(&self) -> String {
        let mut out = String::new();
        for difference in &self.differences {
            let Difference { id, ask, diff } = difference;
            let _ = writeln!(out, "{id} {ask}\n{diff}");
        }
        out
    }

    /// How often each changed line occurs, most frequent first, to see what to mend next.
    pub fn frequent(&self) -> String {
        let mut counts: BTreeMap<String, (usize, &str)> = BTreeMap::new();
        for difference in &self.differences {
            let lines: BTreeSet<&str> = changed(&difference.diff).collect();
            for line in lines {
                let squeezed = line.split_whitespace().collect::<Vec<_>>().join(" ");
                counts.entry(squeezed).or_insert((0, &difference.id)).0 += 1;
            }
        }
        let mut sorted: Vec<_> = counts.into_iter().collect();
        sorted.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let lines = sorted.iter().map(|(line, (count, id))| format!("{count:6} {id:40} {line}\n"));
        lines.collect()
    }

    /// The sequences in which something differs from the list of known differences.
    pub fn surprises(&self, known: &str) -> BTreeSet<String> {
        let known: BTreeSet<&str> = entries(known).collect();
        let found: BTreeSet<&str> = self.differences.iter().map(|d| d.id.as_str()).collect();
        let sequence = |id: &&str| id.split('#').next().unwrap_or(id).to_owned();
        known.symmetric_difference(&found).map(sequence).collect()
    }

    /// What speaks against the list of known differences: new ones, and listed ones that are none.
    pub fn against(&self, known: &str) -> Result<(), String> {
        let known: BTreeSet<&str> = entries(known).collect();
        let found: BTreeSet<&str> = self.differences.iter().map(|d| d.id.as_str()).collect();
        let mut out = String::new();
        for difference in self.differences.iter().filter(|d| !known.contains(d.id.as_str())) {
            let Difference { id, ask, diff } = difference;
            let _ = writeln!(out, "new difference: {id} {ask}\n{diff}");
        }
        for id in known.difference(&found) {
            let _ = writeln!(out, "{id} is listed as known to differ and is alike: strike it out");
        }
        if out.is_empty() { Ok(()) } else { Err(out) }
    }
}

/// The requests that a list of known differences names, one a line, `#` for remarks at the start.
fn entries(known: &str) -> impl Iterator<Item = &str> {
    let lines = known.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().next())
}
