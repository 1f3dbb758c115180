//! Which executions of an instance may go: the journal is also the history, and a history that
//! only grows fills the API server.
//!
//! As with a Deployment's `revisionHistoryLimit`, so many of the last finished runs are kept.
//! Older ones stay as long as a decision depends on them, and those that people created are theirs
//! to delete: whatever applies them from a repository would run them again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::choose::History;
use super::{PlanExecution, State};

/// How many finished executions of an instance are kept when the Framework does not say: as many
/// as a Deployment keeps revisions.
pub const LIMIT: u32 = 10;

/// The executions that may be deleted, by their places in the history, the oldest first.
///
/// Deciding by what is left, now or later, comes to what deciding by the whole history does.
#[must_use]
pub fn surplus(history: &[PlanExecution], limit: u32) -> Vec<usize> {
    let runs = History::new(history);
    let kept = needed(&runs);
    let finished: Vec<usize> =
        runs.order.iter().copied().filter(|at| is_over(history, *at)).collect();
    let newest = finished.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    let older = finished.into_iter().take(newest);
    older.filter(|at| !kept.contains(at) && !history[*at].is_manual()).collect()
}

/// Whether a run is over, and nobody has asked for another go of it.
fn is_over(history: &[PlanExecution], at: usize) -> bool {
    let run = &history[at];
    let retried = run.status.as_ref().and_then(|status| status.retried.as_ref());
    let again = run.spec.retry.is_some() && run.spec.retry.as_ref() != retried;
    run.state().is_terminal() && !again
}

/// The runs that decisions depend on.
fn needed(runs: &History<'_>) -> BTreeSet<usize> {
    let mut kept = BTreeSet::new();
    // The last run's place is counted on from.
    kept.extend(runs.order.last());
    kept.extend(runs.last(|run| !run.is_manual()).map(|(at, _)| at));
    covering(runs, &mut kept);
    let plans: BTreeSet<&str> = runs.all.iter().map(|run| run.spec.plan.as_str()).collect();
    let finished = |at: &usize| runs.all[*at].status.as_ref().and_then(|s| s.finished_at);
    let scheduled = |at: &usize| runs.all[*at].spec.scheduled_for;
    for plan in plans {
        let of_plan = || runs.order.iter().copied().filter(|at| runs.all[*at].spec.plan == plan);
        // What a trigger's rest, its schedule, the status and the repair of drift go by.
        kept.extend(of_plan().filter(|at| finished(at).is_some()).max_by_key(finished));
        kept.extend(of_plan().filter(|at| scheduled(at).is_some()).max_by_key(scheduled));
        kept.extend(of_plan().rfind(|at| runs.all[*at].state() == State::Complete));
    }
    kept
}

/// The runs that say what the instance runs, since when, and what was tried since.
fn covering(runs: &History<'_>, kept: &mut BTreeSet<usize>) {
    let covering: Vec<usize> =
        runs.order.iter().copied().filter(|at| runs.all[*at].covers()).collect();
    kept.extend(covering.last());
    let complete = |at: &usize| runs.all[*at].state() == State::Complete;
    let Some(good) = covering.iter().rposition(complete) else {
        // Without a version of its own an instance stays with the one it was first given.
        kept.extend(covering.first());
        return;
    };
    // Of runs that tried the same, one says all.
    let mut tried: BTreeMap<(Option<&str>, String), usize> = BTreeMap::new();
    for at in covering.iter().skip(good) {
        let spec = &runs.all[*at].spec;
        let parameters = serde_json::to_string::<BTreeMap<String, Value>>(&spec.parameters);
        tried.insert((spec.framework_version.as_deref(), parameters.unwrap_or_default()), *at);
    }
    kept.extend(covering.get(good));
    kept.extend(tried.into_values());
    let version = covering.get(good).map(|at| &runs.all[*at].spec.framework_version);
    let arrived = runs.order.iter().filter(|at| {
        let run = &runs.all[**at];
        complete(at) && !run.is_manual() && Some(&run.spec.framework_version) == version
    });
    kept.extend(
        arrived.min_by_key(|at| runs.all[**at].status.as_ref().and_then(|s| s.finished_at)),
    );
}

#[cfg(test)]
mod tests;
