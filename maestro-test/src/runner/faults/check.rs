//! What is wrong with a fault as written: references, ranges, and fields that its kind reads not.

use std::time::Duration;

use super::pods::PodFault;
use super::{Fault, Given, KINDS};
use crate::scenario::check as scenario;
use crate::scenario::{At, Place, Problem, Spec};

/// Where a kind's parameters are checked.
pub struct Checking<'a> {
    /// Where the parameters stand.
    pub place: Place,
    spec: &'a Spec,
    problems: &'a mut Vec<Problem>,
}

impl Checking<'_> {
    /// Adds a problem.
    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Adds a problem: where, what, and what would be right.
    pub fn wrong(&mut self, at: Place, message: impl Into<String>, help: impl Into<String>) {
        self.problem(Problem::new(at, message, "this").help(help));
    }

    /// How many replicas of the operator run.
    pub fn replicas(&self) -> u32 {
        self.spec.operator.maestro.as_ref().map_or(1, |maestro| maestro.replicas.value)
    }

    /// The names of the nodes.
    pub fn nodes(&self) -> Vec<String> {
        (1..=self.spec.cluster.nodes.value).map(|number| format!("node-{number}")).collect()
    }

    /// Checks which pods are meant.
    pub fn pods(&mut self, pods: &PodFault) {
        scenario::pods(pods, self.place, self.problems);
    }

    /// Checks a share.
    pub fn percent(&mut self, share: &At<u8>) {
        scenario::percent(share.place, share.value, self.problems);
    }
}

/// Collects what is wrong with one fault.
pub fn check(fault: &At<Fault>, spec: &Spec, steps: &[&str], problems: &mut Vec<Problem>) {
    let wrong = |message: String, help: &str| {
        Problem::new(fault.place, message, "this").help(help.to_owned())
    };
    let given = fault.kinds();
    let Some(Given { word, kind, place }) = given.first().copied() else {
        let help = format!("give it one of {}, as in watch-drop: {{}}", KINDS.join(", "));
        problems.push(wrong("a fault does nothing".into(), &help));
        return;
    };
    if given.len() > 1 {
        let words: Vec<&str> = given.iter().map(|given| given.word).collect();
        let message = format!("a fault does {} things: {}", words.len(), words.join(", "));
        problems.push(wrong(message, "make one of each"));
    }
    if let Some(after) = &fault.after
        && !steps.contains(&after.as_str())
    {
        problems.push(Problem::unknown(after.place, "step", after, steps));
    }
    if fault.every.is_some() && fault.at.is_some() {
        let message = format!("fault `{word}` has both `every` and `at`");
        problems.push(wrong(message, "`every` strikes again and again, `at` once; keep one"));
    }
    if fault.every.is_some_and(|every| every.low < Duration::from_millis(1)) {
        let message = format!("fault `{word}` would strike without end");
        problems.push(wrong(message, "`every` is at least 1ms"));
    }
    if fault.lasts.is_some() && !kind.lasts() {
        let message = format!("fault `{word}` is over at once");
        problems.push(
            Problem::new(fault.place, message, "so `for` is idle")
                .help("remove `for`; `every` strikes again and again"),
        );
    }
    kind.check(&mut Checking { place, spec, problems });
}

/// The share of requests that are struck when the scenario does not say, in percent.
pub fn ten() -> At<u8> {
    10.into()
}
