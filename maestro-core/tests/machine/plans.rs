//! Random plans, and what happens between two steps of the machine.

use std::time::Duration;

use maestro_core::execution::{PlanExecutionStatus, StepState};
use maestro_core::plan::{OnFailure, Phase, Plan, Retry, Step, Strategy};
use maestro_core::task::{Apply, Delete, Job, ObjectKey, Patch, PatchKind, Replace, Scale, Task};
use maestro_core::task::{TaskKind, Toggle, Wait};
use proptest::prelude::prop_oneof;
use proptest::prelude::{Just, Strategy as Strategies, any, prop};
use serde_json::{Value, json};

/// What happens between two steps of the machine.
#[derive(Clone, Debug)]
pub enum Happening {
    /// Time goes by, in seconds.
    Wait(u16),
    /// One of the waiting objects becomes well.
    Well,
    /// One of the waiting objects fails for good.
    Ill,
    /// Somebody deletes an object.
    Vanish,
    /// The next effects are refused.
    Refuse,
    /// The next effects are hindered.
    Hinder,
    /// The process crashes: outcomes are forgotten.
    Crash,
    /// The run is held or goes on.
    Suspend(bool),
    /// Every paused step is approved.
    Approve,
    /// The conditions change.
    Flip,
    /// A person asks for a failed run to be tried again.
    Retry,
    /// A person ends the run.
    Cancel,
    /// The instance wants the run no more.
    Supersede,
    /// A person passes over every step that is under way.
    Skip,
    /// The process crashes before the next journal is written.
    LoseJournal,
    /// The process crashes after the next journal and so many effects.
    StopAfter(u8),
}

pub fn happening() -> impl Strategies<Value = Happening> {
    prop_oneof![
        4 => (0u16..400).prop_map(Happening::Wait),
        8 => Just(Happening::Well),
        1 => Just(Happening::Ill),
        1 => Just(Happening::Vanish),
        1 => Just(Happening::Refuse),
        1 => Just(Happening::Hinder),
        1 => Just(Happening::Crash),
        1 => any::<bool>().prop_map(Happening::Suspend),
        1 => Just(Happening::Approve),
        1 => Just(Happening::Flip),
        1 => Just(Happening::Retry),
        1 => prop::sample::select(vec![Happening::Cancel, Happening::Supersede, Happening::Retry,
            Happening::Retry, Happening::Retry, Happening::Retry, Happening::Retry]),
        1 => Just(Happening::Skip),
        1 => Just(Happening::LoseJournal),
        1 => (0u8..3).prop_map(Happening::StopAfter),
    ]
}

pub fn strategy() -> impl Strategies<Value = Strategy> {
    prop_oneof![Just(Strategy::Serial), Just(Strategy::Parallel)]
}

pub fn object(kind: &str, api: &str, name: &str) -> Value {
    json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "n"}})
}

pub fn task() -> impl Strategies<Value = TaskKind> {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    (0..8u8, name).prop_map(|(kind, name)| {
        let set = object("StatefulSet", "apps/v1", name);
        match kind {
            0 => TaskKind::Apply(Apply { objects: vec![set, object("ConfigMap", "v1", name)] }),
            1 => TaskKind::Delete(Delete { objects: ObjectKey::of(&set).into_iter().collect() }),
            2 => TaskKind::Job(Job { object: object("Job", "batch/v1", name), keep: name == "a" }),
            3 => TaskKind::Toggle(Toggle { objects: vec![set], when: "flag".to_owned() }),
            4 => TaskKind::Scale(Scale {
                targets: ObjectKey::of(&set).into_iter().collect(),
                replicas: "count".to_owned(),
            }),
            5 => TaskKind::Patch(Patch {
                kind: PatchKind::Merge,
                patches: ObjectKey::of(&set).map(|key| (key, set)).into_iter().collect(),
            }),
            6 => TaskKind::Replace(Replace { pods: "pods".to_owned(), force: name == "a" }),
            _ => TaskKind::Wait(Wait {
                until: (name == "b").then(|| "flag".to_owned()),
                duration: Some(Duration::from_secs(5)),
            }),
        }
    })
}

pub fn steps() -> impl Strategies<Value = Step> {
    let failure =
        prop_oneof![Just(OnFailure::Retry), Just(OnFailure::Fail), Just(OnFailure::Rollback)];
    let options = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1), 0..3u32);
    (prop::collection::vec(task(), 0..3), options, prop::option::of(30u64..600), failure).prop_map(
        |(tasks, (when, ready, pause, limit), timeout, on_failure)| Step {
            name: String::new(),
            tasks: tasks
                .into_iter()
                .enumerate()
                .map(|(at, kind)| Task { name: format!("t{at}"), kind })
                .collect(),
            when: when.then(|| "flag".to_owned()),
            ready: (ready && !when).then(|| "ready".to_owned()),
            timeout: timeout.map(Duration::from_secs),
            retry: Retry { limit, backoff: Duration::from_secs(10) },
            pause,
            on_failure,
        },
    )
}

pub fn plan() -> impl Strategies<Value = Plan> {
    let phase = (strategy(), prop::collection::vec(steps(), 1..4));
    (strategy(), prop::collection::vec(phase, 1..4)).prop_map(|(strategy, phases)| Plan {
        name: "p".to_owned(),
        strategy,
        phases: phases
            .into_iter()
            .enumerate()
            .map(|(at, (strategy, mut steps))| {
                steps.iter_mut().enumerate().for_each(|(at, step)| step.name = format!("s{at}"));
                Phase { name: format!("p{at}"), strategy, steps }
            })
            .collect(),
    })
}

/// The steps in some states, as `phase/step`.
pub fn places(status: &PlanExecutionStatus, is: impl Fn(StepState) -> bool) -> Vec<String> {
    let phases = status.phases.iter();
    let steps = phases.flat_map(|phase| phase.steps.iter().map(move |step| (phase, step)));
    steps
        .filter(|(_, step)| is(step.state))
        .map(|(phase, step)| format!("{}/{}", phase.name, step.name))
        .collect()
}
