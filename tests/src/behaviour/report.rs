//! What differed, and whether that is known or meant.
//!
//! `known.txt` lists the objects that differ today: the simulator is to be mended there, and the
//! list only shrinks. `deliberate.yaml` lists what is meant to differ, with the reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use regex::Regex;
use serde::Deserialize;
use similar::TextDiff;

use crate::behaviour::case::Case;
use crate::behaviour::normal::{Picture, picture};
use crate::behaviour::side::All;

/// What may differ.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// How far the numbers of writes may lie apart.
    pub writes: Tolerance,
    /// What is meant to differ.
    pub differences: Vec<Deliberate>,
}

/// How far two numbers may lie apart: so many, or so much of the real one, what is more.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Writes.
    pub most: usize,
    /// Percent of the real number.
    pub percent: usize,
}

/// A difference that is meant to be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deliberate {
    /// Which objects, as a regular expression over `CASE KIND NAME`.
    pub object: String,
    /// Which changed lines of the diff, as a regular expression; every one has to match.
    pub lines: String,
    /// Why the simulation does otherwise.
    pub reason: String,
}

/// The comparison of all cases.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many cases were compared.
    pub cases: usize,
    /// How many objects there were, answers to steps among them.
    pub objects: usize,
    /// How many of them are the same on the simulated ones.
    pub identical: usize,
    /// What differs, by `CASE KIND NAME`, without what is meant to.
    pub differences: BTreeMap<String, String>,
    /// How often a meant difference was found, by its reason.
    pub deliberate: BTreeMap<String, usize>,
}

/// Compares what became of all cases.
///
/// # Errors
/// When a deliberate difference is no regular expression.
pub fn compare(
    cases: &[Case],
    real: &All,
    simulated: &All,
    allowed: &Allowed,
) -> Result<Report, String> {
    let compile = |text: &str| Regex::new(text).map_err(|e| format!("deliberate: {e}"));
    let rules = allowed.differences.iter();
    let rules = rules.map(|rule| Ok((compile(&rule.object)?, compile(&rule.lines)?, rule)));
    let rules = rules.collect::<Result<Vec<_>, String>>()?;
    let mut report = Report { cases: cases.len(), ..Report::default() };
    let nothing = Default::default();
    for case in cases {
        let of = |all: &All| picture(case, all.get(&case.name).unwrap_or(&nothing));
        let (real, simulated) = (of(real), of(simulated));
        for (id, diff) in report.objects_of(&real, &simulated, allowed.writes) {
            let id = format!("{} {id}", case.name);
            let meant = rules.iter().find(|(object, lines, _)| {
                object.is_match(&id) && changed(&diff).all(|line| lines.is_match(line))
            });
            match meant {
                Some((_, _, rule)) => {
                    *report.deliberate.entry(rule.reason.clone()).or_default() += 1;
                }
                None => drop(report.differences.insert(id, diff)),
            }
        }
    }
    Ok(report)
}

/// The lines that came or went.
fn changed(diff: &str) -> impl Iterator<Item = &str> {
    let lines = diff.lines().filter(|l| !l.starts_with("+++") && !l.starts_with("---"));
    lines.filter(|l| l.starts_with(['+', '-']))
}

impl Report {
    /// Counts the objects of a case and says which differ.
    fn objects_of(
        &mut self,
        real: &Picture,
        simulated: &Picture,
        tolerance: Tolerance,
    ) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let none = Vec::new();
        let ids: BTreeSet<&String> = real.told.keys().chain(simulated.told.keys()).collect();
        for id in ids {
            let (left, right) =
                (real.told.get(id).unwrap_or(&none), simulated.told.get(id).unwrap_or(&none));
            self.objects += left.len().max(right.len());
            let mut rest = right.clone();
            let mut differing = left.clone();
            differing.retain(|text| match rest.iter().position(|other| other == text) {
                Some(place) => {
                    rest.swap_remove(place);
                    false
                }
                None => true,
            });
            self.identical += left.len() - differing.len();
            rest.sort();
            if !differing.is_empty() || !rest.is_empty() {
                found.push((id.clone(), diff(&differing.join("\n"), &rest.join("\n"))));
            }
        }
        let kinds: BTreeSet<&String> = real.writes.keys().chain(simulated.writes.keys()).collect();
        for kind in kinds {
            let of = |picture: &Picture| picture.writes.get(kind).copied().unwrap_or(0);
            let (left, right) = (of(real), of(simulated));
            if left.abs_diff(right) > tolerance.most.max(left * tolerance.percent / 100) {
                let text = format!("-{left} writes\n+{right} writes\n");
                found.push((format!("Writes {kind}"), text));
            }
        }
        found
    }

    /// `behaviour: N cases, N objects, N identical`.
    pub fn headline(&self) -> String {
        let Self { cases, objects, identical, .. } = self;
        format!("behaviour: {cases} cases, {objects} objects, {identical} identical")
    }

    /// Every difference.
    pub fn details(&self) -> String {
        let mut out = String::new();
        for (id, diff) in &self.differences {
            let _ = writeln!(out, "{id}\n{diff}");
        }
        out
    }

    /// The cases in which something differs from the list of known differences.
    pub fn surprises(&self, known: &str) -> BTreeSet<String> {
        let known: BTreeSet<&str> = entries(known).collect();
        let found: BTreeSet<&str> = self.differences.keys().map(String::as_str).collect();
        let case = |id: &&str| id.split(' ').next().unwrap_or(id).to_owned();
        known.symmetric_difference(&found).map(case).collect()
    }

    /// What speaks against the list of known differences: new ones, and, if all cases were
    /// compared, listed ones that are none.
    ///
    /// # Errors
    /// With each of them.
    pub fn against(&self, known: &str, all: bool) -> Result<(), String> {
        let known: BTreeSet<&str> = entries(known).collect();
        let mut out = String::new();
        for (id, diff) in self.differences.iter().filter(|(id, _)| !known.contains(id.as_str())) {
            let _ = writeln!(out, "new difference: {id}\n{diff}");
        }
        for id in known.iter().filter(|id| all && !self.differences.contains_key(**id)) {
            let _ = writeln!(out, "{id} is listed as known to differ and is alike: strike it out");
        }
        if out.is_empty() { Ok(()) } else { Err(out) }
    }
}

fn diff(real: &str, simulated: &str) -> String {
    TextDiff::from_lines(real, simulated)
        .unified_diff()
        .context_radius(3)
        .missing_newline_hint(false)
        .header("real", "simulated")
        .to_string()
}

/// What a list of known differences names, one a line, `#` for remarks.
fn entries(known: &str) -> impl Iterator<Item = &str> {
    known.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(objects: &[(&str, &str)], writes: usize) -> Picture {
        let mut picture = Picture::default();
        for (id, text) in objects {
            picture.told.entry((*id).to_owned()).or_default().push((*text).to_owned());
        }
        picture.writes.insert("Pod".to_owned(), writes);
        picture
    }

    #[track_caller]
    fn check(real: (&[(&str, &str)], usize), simulated: (&[(&str, &str)], usize), told: &[&str]) {
        let mut report = Report::default();
        let (real, simulated) = (picture(real.0, real.1), picture(simulated.0, simulated.1));
        let found = report.objects_of(&real, &simulated, Tolerance { most: 2, percent: 50 });
        let ids: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, told, "{found:?}");
    }

    #[test]
    fn objects_are_compared_as_sets_and_writes_with_a_tolerance() {
        let pods = [("Pod a", "x"), ("Pod a", "y")];
        check((&pods, 4), (&[pods[1], pods[0]], 6), &[]);
        check((&pods, 4), (&pods, 7), &["Writes Pod"]);
        check((&pods, 10), (&pods, 5), &[]);
        check((&pods, 10), (&pods, 4), &["Writes Pod"]);
        check((&pods, 4), (&pods[..1], 4), &["Pod a"]);
        check((&pods[..1], 4), (&[("Pod a", "z")], 4), &["Pod a"]);
        check((&[], 0), (&[("Pod b", "x")], 0), &["Pod b"]);
    }

    #[test]
    fn the_list_of_known_differences_only_shrinks() {
        let mut report = Report::default();
        report.differences.insert("case Pod a".to_owned(), "-x\n+y\n".to_owned());
        assert_eq!(report.against("# remark\ncase Pod a\n", true), Ok(()));
        assert!(
            report
                .against("", true)
                .is_err_and(|why| why.starts_with("new difference: case Pod a"))
        );
        let both = "case Pod a\ncase Pod b\n";
        assert!(report.against(both, true).is_err_and(|why| why.contains("strike it out")));
        assert_eq!(report.surprises(both), BTreeSet::from(["case".to_owned()]));
    }
}
