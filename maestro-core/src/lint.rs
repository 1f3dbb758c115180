//! What is wrong with a Framework, before anybody runs it.
//!
//! [`validate`] finds what cannot work; the operator refuses such a Framework. [`advise`] finds
//! what will be regretted; `maestro lint` shows both.

mod advice;
mod expressions;
mod parameters;
mod plans;
mod trial;

use crate::framework::FrameworkSpec;
use std::fmt;

/// One thing wrong, at its place in the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Field path from `spec`, such as `plans.deploy.phases[0].steps[1].tasks[0]`; a key that is
    /// no identifier stands in brackets: `templates[services.yaml]`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
    /// Line and column inside the text at `path`, where it is a template.
    pub at: Option<(u64, u64)>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => {
                write!(f, "{}:{line}:{column}: {}", self.path, self.message)
            }
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

/// Collects problems.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { path: path.into(), message: message.into(), at: None });
    }

    fn add_at(&mut self, path: impl Into<String>, at: (u64, u64), message: impl Into<String>) {
        self.0.push(Problem { path: path.into(), message: message.into(), at: Some(at) });
    }
}

/// `base.key`, or `base[key]` where the key is no identifier.
fn key(base: &str, key: &str) -> String {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain { format!("{base}.{key}") } else { format!("{base}[{key}]") }
}

/// Everything that keeps this Framework from working, in the order of the spec.
#[must_use]
pub fn validate(spec: &FrameworkSpec) -> Vec<Problem> {
    let mut problems = Problems::default();
    names(spec, &mut problems);
    versions(spec, &mut problems);
    parameters::check(spec, &mut problems);
    let compiled = expressions::templates(spec, &mut problems);
    plans::tasks(spec, &mut problems);
    plans::check(spec, &mut problems);
    plans::triggers(spec, &mut problems);
    expressions::rest(spec, &mut problems);
    if problems.0.is_empty() {
        trial::check(spec, &compiled, &mut problems);
    }
    problems.0
}

/// What works but will be regretted. Only meaningful for a spec that is valid.
#[must_use]
pub fn advise(spec: &FrameworkSpec) -> Vec<Problem> {
    let mut problems = Problems::default();
    advice::check(spec, &mut problems);
    problems.0
}

fn names(spec: &FrameworkSpec, problems: &mut Problems) {
    let names = &spec.names;
    let kind_is_fine = names.kind.starts_with(|c: char| c.is_ascii_uppercase())
        && names.kind.chars().all(|c| c.is_ascii_alphanumeric());
    if !kind_is_fine || names.kind.len() > 63 {
        problems.add("names.kind", format!("{:?} is not CamelCase, as in ZooKeeper", names.kind));
    }
    let short = names.short_names.iter().enumerate();
    let short = short.map(|(at, name)| (format!("names.shortNames[{at}]"), name));
    let lower = [Some(("names.plural".to_owned(), &names.plural))]
        .into_iter()
        .chain([names.singular.as_ref().map(|name| ("names.singular".to_owned(), name))])
        .flatten()
        .chain(short);
    for (path, name) in lower {
        let fine = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.ends_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && name.len() <= 63;
        if !fine {
            problems.add(path, format!("{name:?} is not a lower-case DNS label"));
        }
    }
}

fn versions(spec: &FrameworkSpec, problems: &mut Problems) {
    if let Err(error) = semver::Version::parse(&spec.version) {
        let message = format!("{:?} is not a semantic version: {error}", spec.version);
        problems.add("version", message);
    }
    if let Some(range) = &spec.upgradable_from
        && let Err(error) = semver::VersionReq::parse(range)
    {
        let message = format!("{range:?} is not a version range such as ^1.0: {error}");
        problems.add("upgradableFrom", message);
    }
}

#[cfg(test)]
mod tests;
