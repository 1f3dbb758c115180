//! Which plan runs: decided from what the instance asks for and what its journal covered, never
//! from an event that may have been missed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Cause, Moment, PlanExecution, State};
use crate::framework::{FrameworkSpec, lifecycle};

/// What an instance asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// Its `metadata.generation`.
    pub generation: i64,
    /// The Framework version it names, or the one it gets by default.
    pub version: String,
    /// Its parameters, defaults filled in.
    pub parameters: BTreeMap<String, Value>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether it holds its runs.
    pub suspended: bool,
    /// Triggers that ask for their plan now.
    pub fired: Vec<Fired>,
}

/// A trigger that asks for its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fired {
    /// Its place in the Framework.
    pub trigger: usize,
    /// The instant of its schedule that is due, if it has one.
    pub instant: Option<Moment>,
}

/// What is to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The plan.
    pub plan: String,
    /// Why.
    pub cause: Cause,
    /// The Framework version.
    pub version: String,
    /// The generation it covers.
    pub generation: i64,
    /// The place among the instance's runs.
    pub sequence: i64,
    /// The parameters it covers.
    pub parameters: BTreeMap<String, Value>,
    /// The instant of a schedule that it covers.
    pub scheduled_for: Option<Moment>,
}

/// What follows for an instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing runs, and nothing is to be run.
    Rest,
    /// This run, by its place in the history, goes on.
    Continue(usize),
    /// This run, by its place in the history, ends; the text says why. Decide again after that.
    Supersede(usize, String),
    /// A new run begins.
    Start(Start),
    /// Nothing is left to clean up: the finalizer may go.
    Release,
}

/// Decides. `history` is every execution of the instance; `spec` the version it asks for.
///
/// Order of concerns: deletion; the run under way; a rollback that a failure asked for; the
/// difference between what is asked for and what was covered; runs that people created; triggers,
/// in the order of the Framework.
#[must_use]
pub fn decide(spec: &FrameworkSpec, desired: &Desired, history: &[PlanExecution]) -> Decision {
    let history = History::new(history);
    if desired.deleting {
        return when_deleting(spec, desired, &history);
    }
    if let Some(active) = history.active() {
        return match history.superseding(desired, active) {
            Some(why) => Decision::Supersede(active, why),
            None => Decision::Continue(active),
        };
    }
    if desired.suspended {
        return Decision::Rest;
    }
    if let Some(start) = rollback(spec, &history) {
        return Decision::Start(start);
    }
    if let Some(start) = difference(spec, desired, &history) {
        return Decision::Start(start);
    }
    if let Some(manual) = history.next_manual() {
        return Decision::Continue(manual);
    }
    trigger(spec, desired, &history).map_or(Decision::Rest, Decision::Start)
}

/// The last complete run that covered a desired state: what the instance runs now.
#[must_use]
pub fn baseline(history: &[PlanExecution]) -> Option<&PlanExecution> {
    History::new(history).baseline()
}

/// The version that the instance was first given: without one of its own it stays with that until
/// a run completes.
#[must_use]
pub fn first_version(history: &[PlanExecution]) -> Option<String> {
    let first = History::new(history).covering().first().copied()?;
    first.spec.framework_version.clone()
}

fn when_deleting(spec: &FrameworkSpec, desired: &Desired, history: &History<'_>) -> Decision {
    let cleanup = history.last(|one| one.spec.cause == Some(Cause::Deleted));
    match cleanup {
        Some((_, done)) if done.state() == State::Complete => return Decision::Release,
        Some((_, over)) if matches!(over.state(), State::Cancelled | State::Superseded) => {
            return Decision::Release;
        }
        // A failed cleanup waits for a retry, a skip, or the user's own removal of the finalizer.
        Some((at, _)) => return Decision::Continue(at),
        None => {}
    }
    if let Some(active) = history.active() {
        return Decision::Supersede(active, "the instance is being deleted".to_owned());
    }
    let begun = history.last(|one| one.state() != State::Pending);
    let (Some(_), true) = (begun, spec.plans.contains_key(lifecycle::CLEANUP)) else {
        return Decision::Release;
    };
    let covered = history.baseline().or_else(|| history.covering().last().copied());
    Decision::Start(Start {
        plan: lifecycle::CLEANUP.to_owned(),
        cause: Cause::Deleted,
        version: covered.and_then(version_of).unwrap_or(&desired.version).to_owned(),
        generation: desired.generation,
        sequence: history.next_sequence(),
        parameters: covered.map_or(&desired.parameters, |one| &one.spec.parameters).clone(),
        scheduled_for: None,
    })
}

/// The way back that a failed step asked for, unless it was gone already.
fn rollback(spec: &FrameworkSpec, history: &History<'_>) -> Option<Start> {
    let failed = *history.covering().last()?;
    let asked = failed.status.as_ref().is_some_and(|status| status.rollback);
    if failed.state() != State::Failed || !asked || failed.spec.cause == Some(Cause::RolledBack) {
        return None;
    }
    let good = history.baseline()?;
    Some(Start {
        plan: plan_of(spec, &[lifecycle::ROLLBACK, lifecycle::UPDATE, lifecycle::DEPLOY])?,
        cause: Cause::RolledBack,
        version: version_of(good).unwrap_or_default().to_owned(),
        generation: failed.spec.generation,
        sequence: history.next_sequence(),
        parameters: good.spec.parameters.clone(),
        scheduled_for: None,
    })
}

/// The run that brings the instance from what was covered to what is asked for.
fn difference(spec: &FrameworkSpec, desired: &Desired, history: &History<'_>) -> Option<Start> {
    let start = |plan: String, cause, parameters| Start {
        plan,
        cause,
        version: desired.version.clone(),
        generation: desired.generation,
        sequence: history.next_sequence(),
        parameters,
        scheduled_for: None,
    };
    if let Some(last) = history.covering().last() {
        // What failed, or was cancelled or rolled back, for this generation waits for the user.
        let over = matches!(last.state(), State::Failed | State::Cancelled);
        let back = last.spec.cause == Some(Cause::RolledBack);
        if last.spec.generation == desired.generation && (over || back) {
            return None;
        }
    }
    let Some(good) = history.baseline() else {
        let plan = plan_of(spec, &[lifecycle::DEPLOY])?;
        return Some(start(plan, Cause::Created, desired.parameters.clone()));
    };
    let tried: Vec<_> = history.covering().into_iter().skip_while(|one| *one != good).collect();
    if tried.iter().any(|one| version_of(one) != Some(desired.version.as_str())) {
        let down = older(&desired.version, version_of(good).unwrap_or_default());
        let names: &[&str] = if down {
            &[lifecycle::ROLLBACK, lifecycle::UPGRADE, lifecycle::UPDATE, lifecycle::DEPLOY]
        } else {
            &[lifecycle::UPGRADE, lifecycle::UPDATE, lifecycle::DEPLOY]
        };
        let plan = plan_of(spec, names)?;
        return Some(start(plan, Cause::VersionChanged, desired.parameters.clone()));
    }
    let changed: BTreeSet<&str> =
        tried.iter().flat_map(|one| differing(&one.spec.parameters, &desired.parameters)).collect();
    let (plan, names) = first_plan(spec, &changed)?;
    let mut parameters = desired.parameters.clone();
    for name in changed.iter().filter(|name| !names.contains(*name)) {
        // Parameters of another plan have their own run after this one.
        match good.spec.parameters.get(*name) {
            Some(value) => parameters.insert((*name).to_owned(), value.clone()),
            None => parameters.remove(*name),
        };
    }
    Some(start(plan, Cause::ParametersChanged, parameters))
}

/// The plan of the first changed parameter in the Framework's order, and all changed parameters
/// that this plan covers.
fn first_plan<'a>(
    spec: &FrameworkSpec,
    changed: &BTreeSet<&'a str>,
) -> Option<(String, BTreeSet<&'a str>)> {
    let general = plan_of(spec, &[lifecycle::UPDATE, lifecycle::DEPLOY]);
    let plan_for = |name: &str| {
        let own = spec.parameter(name).and_then(|parameter| parameter.on_change.clone());
        let watched = spec
            .triggers
            .iter()
            .find(|trigger| trigger.watched_parameters().any(|watched| watched == name));
        own.or_else(|| watched.map(|trigger| trigger.plan.clone()))
            .filter(|plan| spec.plans.contains_key(plan))
            .or_else(|| general.clone())
    };
    let position = |name: &str| spec.parameters.iter().position(|one| one.name == name);
    let first = changed.iter().min_by_key(|name| position(name).unwrap_or(usize::MAX))?;
    let plan = plan_for(first)?;
    let names = changed.iter().copied();
    let names = names.filter(|name| plan_for(name).as_ref() == Some(&plan)).collect();
    Some((plan, names))
}

fn trigger(spec: &FrameworkSpec, desired: &Desired, history: &History<'_>) -> Option<Start> {
    let good = history.baseline()?;
    let mut fired = desired.fired.clone();
    fired.sort_unstable();
    let (plan, scheduled_for) = fired.iter().find_map(|fired| {
        let plan = &spec.triggers.get(fired.trigger)?.plan;
        spec.plans.contains_key(plan).then(|| (plan.clone(), fired.instant))
    })?;
    Some(Start {
        plan,
        cause: Cause::Triggered,
        version: version_of(good).unwrap_or_default().to_owned(),
        generation: desired.generation,
        sequence: history.next_sequence(),
        parameters: good.spec.parameters.clone(),
        scheduled_for,
    })
}

/// The executions of one instance, in the order they were begun.
pub(super) struct History<'a> {
    pub(super) all: &'a [PlanExecution],
    pub(super) order: Vec<usize>,
}

impl<'a> History<'a> {
    pub(super) fn new(all: &'a [PlanExecution]) -> Self {
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|at| {
            let one = &all[*at];
            (one.spec.sequence, one.metadata.creation_timestamp.clone(), one.metadata.name.clone())
        });
        Self { all, order }
    }

    pub(super) fn last(
        &self,
        is: impl Fn(&PlanExecution) -> bool,
    ) -> Option<(usize, &'a PlanExecution)> {
        let at = *self.order.iter().rev().find(|at| is(&self.all[**at]))?;
        Some((at, &self.all[at]))
    }

    /// The run under way: the one that began, or the operator's own that is about to.
    fn active(&self) -> Option<usize> {
        let open = |at: &&usize| !self.all[**at].state().is_terminal();
        let begun = |at: &&usize| open(at) && self.all[**at].state() != State::Pending;
        let own = |at: &&usize| open(at) && !self.all[**at].is_manual();
        self.order.iter().find(begun).or_else(|| self.order.iter().find(own)).copied()
    }

    /// The next run that a person created: not yet begun, or asked to be retried.
    fn next_manual(&self) -> Option<usize> {
        let waits = |at: &&usize| {
            let one = &self.all[**at];
            let status = one.status.as_ref();
            let retried = status.and_then(|status| status.retried.as_ref());
            let again = one.spec.retry.is_some() && one.spec.retry.as_ref() != retried;
            let last = self.order.last() == Some(*at);
            (one.is_manual() && one.state() == State::Pending)
                || (one.state() == State::Failed && again && (last || one.is_manual()))
        };
        self.order.iter().find(waits).copied()
    }

    /// Runs that cover a desired state, in order.
    fn covering(&self) -> Vec<&'a PlanExecution> {
        self.order.iter().map(|at| &self.all[*at]).filter(|one| one.covers()).collect()
    }

    fn baseline(&self) -> Option<&'a PlanExecution> {
        self.covering().into_iter().rev().find(|one| one.state() == State::Complete)
    }

    fn next_sequence(&self) -> i64 {
        self.all.iter().map(|one| one.spec.sequence).max().unwrap_or(0) + 1
    }

    /// Why the instance wants the active run no more, if so.
    fn superseding(&self, desired: &Desired, active: usize) -> Option<String> {
        let run = &self.all[active];
        let covers = matches!(
            run.spec.cause,
            Some(Cause::Created | Cause::VersionChanged | Cause::ParametersChanged)
        );
        if desired.suspended {
            return None;
        }
        let older = run.spec.generation < desired.generation;
        if version_of(run).is_some_and(|version| version != desired.version) && covers && older {
            return Some(format!("the instance asks for version {}", desired.version));
        }
        // A run of some of the changed parameters covers the rest in another run, of the same
        // generation; a way back, a repair or a manual run is over before the next begins.
        let reference = if covers { &run.spec.parameters } else { return None };
        let changed = differing(reference, &desired.parameters);
        (older && !changed.is_empty())
            .then(|| format!("the instance asks for other parameters: {}", changed.join(", ")))
    }
}

fn version_of(one: &PlanExecution) -> Option<&str> {
    one.spec.framework_version.as_deref()
}

fn older(version: &str, than: &str) -> bool {
    match (semver::Version::parse(version), semver::Version::parse(than)) {
        (Ok(version), Ok(than)) => version < than,
        _ => false,
    }
}

fn plan_of(spec: &FrameworkSpec, names: &[&str]) -> Option<String> {
    names.iter().find(|name| spec.plans.contains_key(**name)).map(|name| (*name).to_owned())
}

/// Names of parameters that differ between two sets.
fn differing<'a>(
    one: &'a BTreeMap<String, Value>,
    other: &'a BTreeMap<String, Value>,
) -> Vec<&'a str> {
    let names: BTreeSet<&str> = one.keys().chain(other.keys()).map(String::as_str).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).collect()
}

#[cfg(test)]
mod tests;
