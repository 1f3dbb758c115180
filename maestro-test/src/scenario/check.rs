//! What the types of a scenario cannot say: references, ranges, files, and one action a step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use maestro_sim::facts::Version;

use super::condition::Condition;
use super::problem::Problem;
use super::step::{self, Action, Step};
use super::text::{At, Place};
use super::workload::Workload;
use super::{API_VERSION, Document, Expect, KIND, Setting, Spec};
use crate::property;
use crate::runner::faults;
use crate::runner::faults::pods::{Mode, PodFault};

/// Collects everything that is wrong and compiles the expressions, one slot per step.
pub fn document(
    document: &Document,
    directory: &Path,
    problems: &mut Vec<Problem>,
) -> Vec<Option<Condition>> {
    for (written, right) in [(&document.api_version, API_VERSION), (&document.kind, KIND)] {
        if written.value != right {
            let message = format!("`{}` is not a scenario's", written.value);
            problems.push(
                Problem::new(written.place, message, "not this").help(format!("write `{right}`")),
            );
        }
    }
    let name = &document.metadata.name;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(is_plain) {
        problems.push(
            Problem::new(name.place, format!("`{}` cannot be a name", name.value), "this")
                .help("a scenario's name has lower-case letters, digits and `-`"),
        );
    }
    cluster(&document.spec, problems);
    document.spec.workloads.iter().for_each(|w| workload(w, problems));
    let conditions = steps(&document.spec.steps, directory, problems);
    let names: Vec<&str> = document.spec.steps.iter().map(|s| s.name.as_str()).collect();
    document.spec.faults.iter().for_each(|f| faults::check(f, &document.spec, &names, problems));
    expect(&document.spec.expect, problems);
    conditions
}

fn cluster(spec: &Spec, problems: &mut Vec<Problem>) {
    if spec.cluster.nodes.value == 0 {
        let message = "a cluster without nodes runs no pods";
        problems.push(Problem::new(spec.cluster.nodes.place, message, "").help("write 1 or more"));
    }
    if let Some(version) = &spec.cluster.version
        && version.parse::<Version>().is_err()
    {
        let message = format!("Kubernetes `{}` is not simulated", version.value);
        let known: Vec<String> =
            Version::names().iter().map(|name| format!("\"{name}\"")).collect();
        let help = format!("write one of {}", known.join(", "));
        problems.push(Problem::new(version.place, message, "this").help(help));
    }
    if let Some(command) = &spec.operator.command {
        let place = command.first().map_or(spec.operator.place, |word| word.place);
        if command.is_empty() {
            let help = "write the program and its arguments, as in command: [my-operator, -v]";
            problems.push(Problem::new(place, "no program is named", "this").help(help));
        }
        if spec.operator.maestro.is_some() {
            let help = "keep one: maestro is the operator in process, command a program";
            problems.push(Problem::new(place, "two operators are under test", "this").help(help));
        }
    }
    let Some(maestro) = &spec.operator.maestro else { return };
    if maestro.replicas.value == 0 {
        let message = "an operator without replicas does nothing";
        problems.push(Problem::new(maestro.replicas.place, message, "").help("write 1 or more"));
    }
}

fn workload(workload: &Workload, problems: &mut Vec<Problem>) {
    for pattern in workload.fails_to_pull.iter().chain(&workload.never_ready) {
        if let Err(error) = regex(pattern) {
            problems.push(
                Problem::new(pattern.place, "this is no regular expression", "this").help(error),
            );
        }
    }
    if let Some(crash) = &workload.crash {
        percent(crash.percent.place, crash.percent.value, problems);
    }
    if let Some(quorum) = &workload.quorum {
        let of = &quorum.of;
        let is_number = of.parse::<u32>().is_ok_and(|n| n > 0);
        if !is_number && of.value != "${replicas}" {
            let message = format!("`{}` is no number of members", of.value);
            problems.push(
                Problem::new(of.place, message, "this")
                    .help("write a number, or ${replicas} for what the StatefulSet wants"),
            );
        }
    }
}

/// Compiles an image pattern; the error is its first line.
pub fn regex(pattern: &str) -> Result<regex::Regex, String> {
    regex::Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        text.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned()
    })
}

fn steps(
    steps: &At<Vec<Step>>,
    directory: &Path,
    problems: &mut Vec<Problem>,
) -> Vec<Option<Condition>> {
    if steps.is_empty() {
        let message = "a scenario without steps does nothing";
        problems.push(
            Problem::new(steps.place, message, "")
                .help("add a step, as in - {name: install, apply: [app.yaml]}"),
        );
    }
    let mut seen = BTreeMap::new();
    let mut conditions = Vec::new();
    for step in &**steps {
        if let Some(line) = seen.insert(step.name.value.clone(), step.name.place.line) {
            let message = format!("two steps are called `{}`", step.name.value);
            problems.push(
                Problem::new(step.name.place, message, "the second")
                    .help(format!("the first stands on line {line}; rename one")),
            );
        }
        one_of(&step.name, "step", "does", &words(&step.actions()), &step::ACTIONS, problems);
        if let Some(within) = &step.within
            && within.value.0.is_zero()
        {
            problems.push(
                Problem::new(within.place, "no step can be done within 0s", "")
                    .help("write how long it may take, as in 15m"),
            );
        }
        if let (Some(within), Some(word @ ("sleep" | "kill"))) =
            (&step.within, step.actions().first().map(|(word, _)| *word))
        {
            problems.push(
                Problem::new(within.place, format!("`{word}` is done at once"), "so this is idle")
                    .help("remove `within`"),
            );
        }
        conditions.push(action(step, directory, problems));
    }
    conditions
}

fn words<T>(given: &[(&'static str, T)]) -> Vec<&'static str> {
    given.iter().map(|(word, _)| *word).collect()
}

fn one_of(
    name: &At<String>,
    what: &str,
    does: &str,
    given: &[&str],
    known: &[&str],
    problems: &mut Vec<Problem>,
) {
    let subject = format!("{what} `{}`", name.value);
    let problem = match given {
        [_] => return,
        [] => Problem::new(name.place, format!("{subject} {does} nothing"), "this")
            .help(format!("give it one of {}", known.join(", "))),
        many => Problem::new(
            name.place,
            format!("{subject} {does} {} things: {}", many.len(), many.join(", ")),
            "this",
        )
        .help("make one of each"),
    };
    problems.push(problem);
}

fn action(step: &Step, directory: &Path, problems: &mut Vec<Problem>) -> Option<Condition> {
    match step.action()? {
        Action::Apply(paths) => paths.iter().for_each(|path| file(path, directory, problems)),
        Action::Kill(kill) => pods(kill, step.name.place, problems),
        Action::Await(wait) => {
            let place = wait.kind.place;
            match (&wait.that, wait.gone) {
                (Some(that), false) => match Condition::compile(that) {
                    Ok(condition) => return Some(condition),
                    Err((message, help)) => {
                        problems.push(Problem::new(that.place, message, "this").help(help));
                    }
                },
                (None, true) => {}
                (None, false) => problems.push(
                    Problem::new(place, "`await` waits for nothing", "of this object")
                        .help("add `that:` with a CEL expression, or `gone: true`"),
                ),
                (Some(that), true) => problems.push(
                    Problem::new(that.place, "what is gone satisfies nothing", "this")
                        .help("keep either `that` or `gone`"),
                ),
            }
        }
        _ => {}
    }
    None
}

fn file(path: &At<String>, directory: &Path, problems: &mut Vec<Problem>) {
    let full = directory.join(&path.value);
    if full.exists() {
        return;
    }
    let parent = full.parent().unwrap_or(directory);
    let wanted = full.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let siblings: BTreeSet<String> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    let near = super::suggest::nearest(&wanted, siblings.iter().map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "paths are relative to the scenario file".to_owned(),
    };
    let message = format!("there is no `{}`", path.value);
    problems.push(Problem::new(path.place, message, "no such file or directory").help(help));
}

/// Checks which pods are meant.
pub fn pods(fault: &PodFault, place: Place, problems: &mut Vec<Problem>) {
    let needs_value = !matches!(fault.mode, Mode::One | Mode::All);
    if needs_value && fault.value.is_none() {
        problems.push(
            Problem::new(place, "this mode needs a `value`", "here")
                .help("add `value:` with a number of pods, or a share in percent"),
        );
    }
    if let Some(value) = fault.value.as_ref().filter(|_| !needs_value) {
        problems.push(
            Problem::new(value.place, "this mode has no `value`", "this")
                .help("remove it, or write mode: fixed, fixed-percent or random-max-percent"),
        );
    }
    if matches!(fault.mode, Mode::FixedPercent | Mode::RandomMaxPercent)
        && let Some(value) = &fault.value
    {
        percent(value.place, u8::try_from(value.value).unwrap_or(u8::MAX), problems);
    }
}

/// Checks a share.
pub fn percent(place: Place, value: u8, problems: &mut Vec<Problem>) {
    if value > 100 {
        problems.push(
            Problem::new(place, format!("{value} percent is more than all"), "this")
                .help("write 0 to 100"),
        );
    }
}

/// A setting that its property does not read would be a wish without effect.
fn heeded(name: &At<String>, setting: &Setting, problems: &mut Vec<Problem>) {
    let readers: [(&str, bool, &[&str]); 2] = [
        ("window", setting.window.is_some(), &["stays", "quiesces"]),
        ("maxUnavailable", setting.max_unavailable.is_some(), &["budgeted"]),
    ];
    for (field, given, of) in readers {
        if given && !of.contains(&name.as_str()) {
            let message = format!("`{}` has no `{field}`", name.value);
            problems.push(
                Problem::new(name.place, message, "this")
                    .help(format!("`{field}` belongs to {}", of.join(" and "))),
            );
        }
    }
}

fn expect(expect: &Expect, problems: &mut Vec<Problem>) {
    let fails = expect.fails.as_ref().map(|fails| &fails.property);
    for name in expect.properties.keys().chain(fails) {
        if !property::NAMES.contains(&name.as_str()) {
            problems.push(Problem::unknown(name.place, "property", name, &property::NAMES));
        }
    }
    for (name, setting) in &expect.properties {
        heeded(name, setting, problems);
    }
    if let Some(fails) = fails
        && expect.properties.get(fails).is_some_and(|setting| setting.off)
    {
        problems.push(
            Problem::new(fails.place, format!("`{}` is off and cannot fail", fails.value), "this")
                .help("remove `off` from it"),
        );
    }
    if let Some(converges) = &expect.converges
        && converges.within.value.0.is_zero()
    {
        problems.push(
            Problem::new(converges.within.place, "nothing converges within 0s", "")
                .help("write how long it may take, as in 30m"),
        );
    }
}
