//! What a person reads on the terminal.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use maestro_core::framework::GoDuration;

use crate::cluster::target::Target;
use crate::outcome::{Outcome, Summary, Verdict};
use crate::property::Violation;

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// Whether to write escape codes.
    pub on: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
    fn good(self, text: &str) -> String {
        self.with("32", text)
    }
    fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }
    fn faint(self, text: &str) -> String {
        self.with("2", text)
    }
    fn strong(self, text: &str) -> String {
        self.with("1", text)
    }
}

/// One scenario's line, and its first failure.
pub fn scenario(summary: &Summary, paint: Paint, verbose: bool) -> String {
    let mut out = String::new();
    let never = summary.never();
    let failure = summary.first_failure();
    let mark =
        if failure.is_none() && never.is_empty() { paint.good("PASS") } else { paint.bad("FAIL") };
    let runs = summary.outcomes.len();
    let detail = format!(
        "{}/{runs} seeds, a run {} ms and {} of {} time",
        summary.passed(),
        summary.wall_quantile(0.5).as_millis(),
        round(summary.virtual_per_run()),
        if summary.place.target == Target::Sim { "virtual" } else { "the cluster's" },
    );
    let _ = writeln!(out, "{mark} {}  {}", summary.scenario.name, paint.faint(&detail));
    if let Some((outcome, verdict)) = failure {
        out.push_str(&failure_block(summary, outcome, verdict, paint));
    }
    for what in never {
        let _ = writeln!(out, "     {} {what} in {runs} runs", paint.bad("sometimes"));
    }
    let coverage = summary.coverage();
    for (kind, why) in &coverage.skipped {
        let _ = writeln!(out, "     {}", paint.faint(&format!("fault {kind} skipped: {why}")));
    }
    if verbose {
        for (kind, count) in &coverage.faults {
            let _ = writeln!(out, "     {}", paint.faint(&format!("fault {kind} × {count}")));
        }
        for (step, count) in &coverage.steps {
            let _ = writeln!(out, "     {}", paint.faint(&format!("step {step}: {count}/{runs}")));
        }
    }
    out
}

fn failure_block(summary: &Summary, outcome: &Outcome, verdict: Verdict, paint: Paint) -> String {
    let mut out = String::new();
    let rule = paint.faint("│");
    let mut line = |text: String| {
        let _ = writeln!(out, "   {rule} {text}");
    };
    match verdict {
        Verdict::Harness => {
            let what = outcome.harness.as_deref().or(outcome.left.as_deref());
            let what = what.unwrap_or("no reason given");
            line(format!("{} {what}", paint.bad("the kit itself failed:")));
        }
        Verdict::Nondeterminism => line(format!(
            "{} two runs of this seed differ: {:016x} and {:016x}",
            paint.bad("nondeterminism"),
            outcome.digest,
            outcome.other_digest.unwrap_or_default(),
        )),
        Verdict::Spins => {
            let what = outcome.spin.as_deref().unwrap_or_default();
            line(format!("{} {what}", paint.bad("no rest")));
        }
        Verdict::NotFound => {
            for text in not_found(summary, outcome, paint) {
                line(text);
            }
        }
        _ => {}
    }
    if let Some(left) = outcome.left.as_ref().filter(|_| verdict != Verdict::Harness) {
        line(format!("{} {left}", paint.bad("not removed")));
    }
    for violation in &outcome.violations {
        line(violation_line(violation, paint));
        line(format!("{} {}", paint.faint("at"), round(violation.at)));
    }
    if !outcome.last_writes.is_empty() {
        line(paint.faint("what came before"));
        let wide = outcome.last_writes.iter().map(|w| w.actor.chars().count()).max().unwrap_or(0);
        for write in &outcome.last_writes {
            let at = format!("{:>10}", round(write.at).to_string());
            let times = match write.times {
                0 | 1 => String::new(),
                many => format!(", {many} times"),
            };
            let (actor, what) = (&write.actor, &write.what);
            line(format!("  {} {actor:<wide$}  {what}{times}", paint.faint(&at)));
        }
    }
    let path = summary.scenario.path.display();
    let (program, seed, place) = (program(), outcome.seed, &summary.place);
    line(match place.target {
        Target::Sim => {
            format!("{} {program} replay {path} --seed {seed}", paint.faint("replay"))
        }
        // The wall's time does not repeat; the same faults come, as far as they are drawn.
        _ => format!(
            "{} {program} run {path} --cluster {} --time-scale {} --seeds {seed}..{}",
            paint.faint("again"),
            place.target,
            place.time_scale,
            seed + 1,
        ),
    });
    out
}

/// This program as it was called, so that what is printed works where it is pasted.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    let is_this = Path::new(&called).file_stem().is_some_and(|name| name == "maestro-test");
    if is_this { called } else { "maestro-test".to_owned() }
}

/// What was to be found, and why what was found is not it.
fn not_found(summary: &Summary, outcome: &Outcome, paint: Paint) -> Vec<String> {
    let Some(wanted) = &summary.scenario.spec.expect.fails else { return Vec::new() };
    let mut text = format!("{} was to be found broken", paint.bad(&wanted.property));
    if let Some(object) = &wanted.object {
        let _ = write!(text, " for {}", paint.strong(object));
    }
    if let Some(part) = &wanted.contains {
        let _ = write!(text, ", saying `{}`", part.value);
    }
    let why = match outcome.violations.first() {
        None => "and no property was".to_owned(),
        Some(first) => {
            format!("and was not: {}", wanted.differs(first).unwrap_or_default())
        }
    };
    vec![text, why]
}

fn violation_line(violation: &Violation, paint: Paint) -> String {
    let object = if violation.object.is_empty() {
        String::new()
    } else {
        format!(" {}", paint.strong(&violation.object))
    };
    format!("{}{object} {}", paint.bad(violation.property), violation.detail)
}

/// The last line of a run.
pub fn last_line(summaries: &[Summary], skipped: usize) -> String {
    let passes = |s: &&Summary| s.first_failure().is_none() && s.never().is_empty();
    let passed = summaries.iter().filter(passes).count();
    format!("{passed} passed, {} failed, {skipped} skipped", summaries.len() - passed)
}

/// A duration as Go writes it, in whole milliseconds below a minute and whole seconds above.
pub fn round(time: Duration) -> GoDuration {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    if millis < 60_000 {
        return GoDuration(Duration::from_millis(millis));
    }
    GoDuration(Duration::from_secs(millis / 1000))
}
