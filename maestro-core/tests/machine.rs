//! The machine under random plans and random observations: order, effects at most once in an
//! attempt, an end or a reason why not, nothing while suspended, equal outputs for equal inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use maestro_core::execution::{Moment, PlanExecutionStatus, State, StepState};
use maestro_core::machine::{Action, Execution, Observed, Outcome, Seen, step};
use maestro_core::plan::{OnFailure, Phase, Plan, Retry, Step, Strategy};
use maestro_core::task::{Apply, Delete, Job, ObjectKey, Task, TaskKind, Wait};
use proptest::prelude::{Just, Strategy as Strategies, any, prop, prop_assert, prop_assert_eq};
use proptest::prelude::{prop_oneof, proptest};
use serde_json::{Value, json};

/// What happens between two steps of the machine.
#[derive(Clone, Debug)]
enum Happening {
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
}

fn happening() -> impl Strategies<Value = Happening> {
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
    ]
}

fn strategy() -> impl Strategies<Value = Strategy> {
    prop_oneof![Just(Strategy::Serial), Just(Strategy::Parallel)]
}

fn object(kind: &str, api: &str, name: &str) -> Value {
    json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "n"}})
}

fn task() -> impl Strategies<Value = TaskKind> {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    (0..4u8, name).prop_map(|(kind, name)| {
        let set = object("StatefulSet", "apps/v1", name);
        match kind {
            0 => TaskKind::Apply(Apply { objects: vec![set, object("ConfigMap", "v1", name)] }),
            1 => TaskKind::Delete(Delete { objects: ObjectKey::of(&set).into_iter().collect() }),
            2 => TaskKind::Job(Job { object: object("Job", "batch/v1", name), keep: name == "a" }),
            _ => TaskKind::Wait(Wait {
                until: (name == "b").then(|| "flag".to_owned()),
                duration: Some(Duration::from_secs(5)),
            }),
        }
    })
}

fn steps() -> impl Strategies<Value = Step> {
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

fn plan() -> impl Strategies<Value = Plan> {
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

/// A cluster that does what it is told and no more.
struct Cluster {
    observed: Observed,
    now: Moment,
    uids: u64,
    refuse: bool,
    hinder: bool,
    /// How often each effect was done since the last crash, while its object was there.
    done: BTreeMap<String, u32>,
    /// Names of Jobs that were ever created.
    jobs: BTreeSet<String>,
}

impl Cluster {
    fn new() -> Self {
        let mut observed = Observed::default();
        observed.values.insert("flag".to_owned(), Ok(json!(true)));
        observed.values.insert("ready".to_owned(), Ok(json!(true)));
        Self {
            observed,
            now: Moment::new("2026-01-01T00:00:00Z".parse().expect("a time")),
            uids: 0,
            refuse: false,
            hinder: false,
            done: BTreeMap::new(),
            jobs: BTreeSet::new(),
        }
    }

    fn perform(&mut self, action: &Action) -> Outcome {
        if std::mem::take(&mut self.refuse) {
            return Outcome::Refused("refused".to_owned());
        }
        if std::mem::take(&mut self.hinder) {
            return Outcome::Hindered("hindered".to_owned());
        }
        match action {
            Action::Apply { object } | Action::Create { object } => {
                let key = ObjectKey::of(object).expect("a key");
                if key.kind == "Job" {
                    self.jobs.insert(key.name.clone());
                }
                let live = self.observed.objects.entry(key).or_insert_with(|| {
                    self.uids += 1;
                    let mut live = object.clone();
                    live["metadata"]["uid"] = json!(format!("u{}", self.uids));
                    live["metadata"]["generation"] = json!(1);
                    Arc::new(live)
                });
                Outcome::Done(Seen::of(live))
            }
            Action::Delete { key, uid } | Action::Evict { key, uid, .. } => {
                // Two tasks of one step may delete the same thing: the second finds it gone, which
                // the operator takes as done. What is there must be what the machine saw.
                if let Some(found) = self.observed.objects.remove(key) {
                    assert_eq!(Seen::of(&found).uid, *uid);
                }
                Outcome::Done(Seen { uid: uid.clone(), generation: 0 })
            }
            Action::Patch { .. } | Action::Scale { .. } => unreachable!("no such task"),
        }
    }

    fn happen(&mut self, happening: &Happening, execution: &mut Execution) {
        let waiting = |object: &&mut Value| object["status"].is_null();
        let mut live = self.observed.objects.values_mut().map(Arc::make_mut);
        match happening {
            Happening::Wait(secs) => {
                self.now = self.now.after(Duration::from_secs(u64::from(*secs)));
            }
            Happening::Well => {
                if let Some(object) = live.find(waiting) {
                    object["status"] = json!({"observedGeneration": 1, "replicas": 1,
                        "readyReplicas": 1, "updatedReplicas": 1,
                        "conditions": [{"type": "Complete", "status": "True"}]});
                }
            }
            Happening::Ill => {
                let mut jobs = live.filter(|one| one["kind"] == "Job");
                if let Some(object) = jobs.find(waiting) {
                    object["status"] =
                        json!({"conditions": [{"type": "Failed", "status": "True"}]});
                }
            }
            Happening::Vanish => {
                self.observed.objects.pop_last();
            }
            Happening::Refuse => self.refuse = true,
            Happening::Hinder => self.hinder = true,
            Happening::Crash => {
                self.observed.outcomes.clear();
                self.done.clear();
            }
            Happening::Suspend(on) => execution.spec.suspend = *on,
            Happening::Approve => {
                execution.spec.approve = paused(&execution.status);
            }
            Happening::Flip => {
                let old = self.observed.truth("flag").expect("a flag");
                self.observed.values.insert("flag".to_owned(), Ok(json!(!old)));
            }
        }
    }
}

fn paused(status: &PlanExecutionStatus) -> Vec<String> {
    let phases = status.phases.iter();
    let steps = phases.flat_map(|phase| phase.steps.iter().map(move |step| (phase, step)));
    steps
        .filter(|(_, step)| step.state == StepState::Paused)
        .map(|(phase, step)| format!("{}/{}", phase.name, step.name))
        .collect()
}

/// Nothing was begun before what must be done first.
fn in_order(plan: &Plan, status: &PlanExecutionStatus) -> bool {
    let begun = |state: StepState| state != StepState::Pending;
    let mut blocked = false;
    for (phase, journal) in plan.phases.iter().zip(&status.phases) {
        let mut held = false;
        for step in &journal.steps {
            if (blocked || held) && begun(step.state) {
                return false;
            }
            held |= phase.strategy == Strategy::Serial && !step.state.is_done();
        }
        let done = journal.steps.iter().all(|step| step.state.is_done());
        blocked |= plan.strategy == Strategy::Serial && !done;
    }
    true
}

/// What is done stays done.
fn keeps_done(old: &PlanExecutionStatus, new: &PlanExecutionStatus) -> bool {
    let steps = |status: &PlanExecutionStatus| -> Vec<StepState> {
        let phases = status.phases.iter();
        phases.flat_map(|phase| phase.steps.iter().map(|step| step.state)).collect()
    };
    steps(old).iter().zip(steps(new)).all(|(old, new)| !old.is_done() || *old == new)
}

proptest! {
    #[test]
    fn the_machine_keeps_its_word(
        plan in plan(),
        story in prop::collection::vec(happening(), 1..120),
    ) {
        let mut cluster = Cluster::new();
        let mut execution = Execution { uid: "e".to_owned(), ..Execution::default() };
        // After the story everything becomes well, so that there is an end to come to.
        let calm = (0..400).map(|at| match at % 4 {
            0 => Happening::Suspend(false),
            1 => Happening::Approve,
            2 => Happening::Wait(400),
            _ => Happening::Well,
        });
        let mut last_wake = None;
        for happening in story.into_iter().chain(calm) {
            if matches!(happening, Happening::Suspend(false)) {
                cluster.observed.values.insert("flag".to_owned(), Ok(json!(true)));
            }
            cluster.happen(&happening, &mut execution);
            let next = step(&plan, &execution, &cluster.observed, cluster.now);
            let again = step(&plan, &execution, &cluster.observed, cluster.now);
            prop_assert_eq!(&next, &again, "equal inputs, equal outputs");
            let status = &next.execution.status;
            prop_assert!(in_order(&plan, status), "out of order: {:#?}", status);
            prop_assert!(keeps_done(&execution.status, status), "undone: {:#?}", status);
            if execution.spec.suspend || execution.status.state.is_terminal() {
                prop_assert!(next.effects.is_empty(), "it acts while it is held or over");
            }
            for effect in &next.effects {
                let name = format!("{:?}", effect.id);
                let outcome = cluster.perform(&effect.action);
                if matches!(outcome, Outcome::Done(_)) {
                    let key = match &effect.action {
                        Action::Apply { object } | Action::Create { object } => ObjectKey::of(object),
                        _ => None,
                    };
                    // Another task may have deleted it, and then it is applied anew.
                    let count = cluster.done.entry(name.clone()).or_insert(0);
                    *count += 1;
                    let job = key.is_some_and(|key| key.kind == "Job");
                    prop_assert!(!job || *count == 1, "{name} was done {count} times");
                }
                cluster.observed.outcomes.insert(effect.id.clone(), outcome);
            }
            last_wake = next.wake;
            execution = next.execution;
        }
        let status = &execution.status;
        if !status.state.is_terminal() {
            prop_assert!(!status.message.is_empty(), "no end and no reason: {:#?}", status);
            prop_assert_eq!(status.state, State::Running);
        }
        if status.state == State::Complete {
            prop_assert!(status.phases.iter().all(|phase| phase.state.is_done()));
            prop_assert_eq!(last_wake, None);
        }
    }
}

fn one_step(step: Step) -> Plan {
    let phase = Phase { name: "p".to_owned(), strategy: Strategy::Serial, steps: vec![step] };
    Plan { name: "plan".to_owned(), strategy: Strategy::Serial, phases: vec![phase] }
}

fn job_step(on_failure: OnFailure, limit: u32) -> Step {
    Step {
        name: "s".to_owned(),
        tasks: vec![Task {
            name: "t".to_owned(),
            kind: TaskKind::Job(Job { object: object("Job", "batch/v1", "j"), keep: false }),
        }],
        when: None,
        ready: None,
        timeout: Some(Duration::from_secs(60)),
        retry: Retry { limit, backoff: Duration::from_secs(10) },
        pause: false,
        on_failure,
    }
}

#[test]
fn a_failed_job_is_tried_again_under_another_name_and_then_rolls_back() {
    let plan = one_step(job_step(OnFailure::Rollback, 1));
    let mut cluster = Cluster::new();
    let mut execution = Execution { uid: "e".to_owned(), ..Execution::default() };
    for _ in 0..12 {
        let next = step(&plan, &execution, &cluster.observed, cluster.now);
        for effect in &next.effects {
            let outcome = cluster.perform(&effect.action);
            cluster.observed.outcomes.insert(effect.id.clone(), outcome);
        }
        execution = next.execution;
        cluster.happen(&Happening::Ill, &mut execution);
        cluster.happen(&Happening::Wait(10), &mut execution);
    }
    assert_eq!(execution.status.state, State::Failed);
    assert!(execution.status.rollback);
    assert_eq!(cluster.jobs.len(), 2, "{:?}", cluster.jobs);
}

#[test]
fn a_step_times_out_with_what_it_waited_for_and_can_be_retried() {
    let plan = one_step(job_step(OnFailure::Fail, 0));
    let mut cluster = Cluster::new();
    let mut execution = Execution { uid: "e".to_owned(), ..Execution::default() };
    let drive = |cluster: &mut Cluster, execution: &mut Execution| {
        let next = step(&plan, execution, &cluster.observed, cluster.now);
        for effect in &next.effects {
            let outcome = cluster.perform(&effect.action);
            cluster.observed.outcomes.insert(effect.id.clone(), outcome);
        }
        *execution = next.execution;
        next.wake
    };
    drive(&mut cluster, &mut execution);
    let wake = drive(&mut cluster, &mut execution).expect("a deadline");
    assert_eq!(wake.since(cluster.now), Duration::from_secs(60));
    cluster.now = wake;
    drive(&mut cluster, &mut execution);
    assert_eq!(execution.status.state, State::Failed);
    assert!(execution.status.message.contains("not done within 60s"), "{:?}", execution.status);
    execution.spec.retry = Some("again".to_owned());
    drive(&mut cluster, &mut execution);
    assert_eq!(execution.status.state, State::Running);
    assert_eq!(execution.status.phases[0].steps[0].attempt, 2);
    cluster.happen(&Happening::Well, &mut execution);
    cluster.happen(&Happening::Well, &mut execution);
    for _ in 0..3 {
        drive(&mut cluster, &mut execution);
    }
    assert_eq!(execution.status.state, State::Complete, "{:#?}", execution.status);
}
