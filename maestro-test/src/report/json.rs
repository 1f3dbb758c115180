//! The JSON report: one object per scenario, keys stable.

use serde_json::{Value, json};

use crate::outcome::{Summary, Verdict};

/// The whole report.
pub fn render(summaries: &[Summary]) -> String {
    let scenarios: Vec<Value> = summaries.iter().map(scenario).collect();
    let mut text =
        serde_json::to_string_pretty(&json!({"scenarios": scenarios})).unwrap_or_default();
    text.push('\n');
    text
}

fn scenario(summary: &Summary) -> Value {
    let outcomes = &summary.outcomes;
    let coverage = summary.coverage();
    let sum = |of: fn(&crate::outcome::Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    let virtual_seconds: f64 = outcomes.iter().map(|o| o.virtual_time.as_secs_f64()).sum();
    let failure = summary.first_failure().map(|(outcome, verdict)| {
        let violations: Vec<Value> = outcome
            .violations
            .iter()
            .map(|v| {
                json!({"property": v.property, "object": v.object, "detail": v.detail,
                       "atSeconds": v.at.as_secs_f64()})
            })
            .collect();
        let before: Vec<Value> = outcome
            .last_writes
            .iter()
            .map(|w| {
                json!({"atSeconds": w.at.as_secs_f64(), "actor": w.actor, "what": w.what,
                       "times": w.times})
            })
            .collect();
        json!({"seed": outcome.seed, "before": before, "verdict": verdict_name(verdict), "violations": violations,
               "spin": outcome.spin, "harness": outcome.harness, "left": outcome.left})
    });
    json!({
        "name": summary.scenario.name,
        "cluster": summary.place.target.to_string(),
        "file": summary.scenario.path.display().to_string(),
        "seeds": outcomes.len(),
        "passed": summary.passed(),
        "failed": outcomes.len() - summary.passed(),
        "skipped": summary.skipped,
        "firstFailingSeed": summary.first_failure().map(|(outcome, _)| outcome.seed),
        "failure": failure,
        "never": summary.never(),
        "wallMillis": {
            "median": summary.wall_quantile(0.5).as_secs_f64() * 1000.0,
            "p99": summary.wall_quantile(0.99).as_secs_f64() * 1000.0,
        },
        "virtualSeconds": {
            "perRun": summary.virtual_per_run().as_secs_f64(),
            "total": virtual_seconds,
        },
        "requests": counted(sum(|o| o.requests), outcomes.len()),
        "writes": counted(sum(|o| o.writes), outcomes.len()),
        "faults": coverage.faults,
        "faultsSkipped": coverage.skipped,
        "stepsMet": coverage.steps,
        "digest": format!("{:016x}", summary.digest()),
    })
}

/// A number over all runs, and of one on average.
fn counted(total: u64, runs: usize) -> Value {
    json!({"perRun": total as f64 / runs.max(1) as f64, "total": total})
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Property => "property",
        Verdict::NotFound => "not-found",
        Verdict::NotConverged => "not-converged",
        Verdict::Spins => "spins",
        Verdict::Nondeterminism => "nondeterminism",
        Verdict::Harness => "harness",
    }
}
