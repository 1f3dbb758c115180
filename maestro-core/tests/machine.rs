//! The machine under random plans and random observations: order, effects at most once in an
//! attempt, an end or a reason why not, nothing while suspended, equal outputs for equal inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use maestro_core::execution::{Moment, PlanExecutionStatus, State, StepState};
use maestro_core::machine::{Action, Effect, Execution, Observed, Outcome, Seen, step};
use maestro_core::plan::{OnFailure, Phase, Plan, Retry, Step, Strategy};
use maestro_core::task::{Apply, Delete, Job, ObjectKey, Patch, PatchKind, Replace, Scale, Task};
use maestro_core::task::{TaskKind, Toggle, Wait};
use proptest::prelude::{Just, Strategy as Strategies, any, prop, prop_assert, prop_assert_eq};
use proptest::prelude::{prop_oneof, proptest};
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestCaseError, TestRunner};
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
        1 => Just(Happening::Retry),
        1 => prop::sample::select(vec![Happening::Cancel, Happening::Supersede, Happening::Retry,
            Happening::Retry, Happening::Retry, Happening::Retry, Happening::Retry]),
        1 => Just(Happening::Skip),
        1 => Just(Happening::LoseJournal),
        1 => (0u8..3).prop_map(Happening::StopAfter),
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
    /// How often each Job may come into being: once, and once more each time somebody deletes it.
    allowed: BTreeMap<String, u32>,
    /// Whether the next journal is lost.
    lose: bool,
    /// After how many of the next effects the process stops.
    stop: Option<u8>,
}

impl Cluster {
    fn new() -> Self {
        let mut observed = Observed::default();
        observed.values.insert("flag".to_owned(), Ok(json!(true)));
        observed.values.insert("ready".to_owned(), Ok(json!(true)));
        observed.values.insert("count".to_owned(), Ok(json!(3)));
        observed.values.insert("pods".to_owned(), Ok(json!(["p"])));
        let mut pod = object("Pod", "v1", "p");
        pod["metadata"]["uid"] = json!("u0");
        observed.objects.extend(ObjectKey::of(&pod).map(|key| (key, pod.into())));
        Self {
            observed,
            now: Moment::new("2026-01-01T00:00:00Z".parse().expect("a time")),
            uids: 0,
            refuse: false,
            hinder: false,
            done: BTreeMap::new(),
            jobs: BTreeSet::new(),
            allowed: BTreeMap::new(),
            lose: false,
            stop: None,
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
                    if object["kind"] == "Job" {
                        let name = object["metadata"]["name"].as_str().unwrap_or_default();
                        let left = self.allowed.entry(name.to_owned()).or_insert(1);
                        *left = left.checked_sub(1).expect("a Job is run once an attempt");
                    }
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
            Action::Patch { key, .. } | Action::Scale { key, .. } => {
                match self.observed.objects.get(key) {
                    Some(live) => Outcome::Done(Seen::of(live)),
                    None => Outcome::Hindered("not found".to_owned()),
                }
            }
        }
    }

    fn crash(&mut self) {
        self.observed.outcomes.clear();
        self.done.clear();
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
                if let Some((key, _)) = self.observed.objects.pop_last() {
                    *self.allowed.entry(key.name).or_insert(1) += 1;
                }
            }
            Happening::Refuse => self.refuse = true,
            Happening::Hinder => self.hinder = true,
            Happening::Crash => self.crash(),
            Happening::LoseJournal => self.lose = true,
            Happening::StopAfter(count) => self.stop = Some(*count),
            Happening::Retry => execution.spec.retry = Some(format!("{:?}", self.now)),
            Happening::Cancel => execution.spec.cancel = true,
            Happening::Supersede => self.observed.superseded = Some("another wish".to_owned()),
            Happening::Skip => {
                execution.spec.skip = places(&execution.status, |state| {
                    matches!(state, StepState::Running | StepState::Retrying)
                });
            }
            Happening::Suspend(on) => execution.spec.suspend = *on,
            Happening::Approve => {
                execution.spec.approve =
                    places(&execution.status, |state| state == StepState::Paused);
            }
            Happening::Flip => {
                let old = self.observed.truth("flag").expect("a flag");
                self.observed.values.insert("flag".to_owned(), Ok(json!(!old)));
            }
        }
    }
}

/// The steps in some states, as `phase/step`.
fn places(status: &PlanExecutionStatus, is: impl Fn(StepState) -> bool) -> Vec<String> {
    let phases = status.phases.iter();
    let steps = phases.flat_map(|phase| phase.steps.iter().map(move |step| (phase, step)));
    steps
        .filter(|(_, step)| is(step.state))
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

/// What must follow from what a person or the instance asks of a run, whatever else is the case.
fn obeys(old: &Execution, observed: &Observed, new: &Execution) -> Result<(), TestCaseError> {
    let (before, after) = (old.status.state, new.status.state);
    let again = old.spec.retry.is_some() && old.spec.retry != old.status.retried;
    let revived = before == State::Failed && again && !old.spec.cancel;
    if before.is_terminal() && !(revived && observed.superseded.is_none()) {
        prop_assert_eq!(&old.status, &new.status, "what is over stays so");
        return Ok(());
    }
    if old.spec.cancel {
        prop_assert_eq!(after, State::Cancelled);
    } else if observed.superseded.is_some() {
        prop_assert_eq!(after, State::Superseded);
    } else if old.spec.suspend {
        prop_assert_eq!(after, State::Suspended);
    } else if revived {
        prop_assert_eq!(&new.status.retried, &old.spec.retry, "a retry is honoured once");
    }
    if after.is_terminal() {
        prop_assert!(!new.status.reason.is_empty(), "an end without a reason");
        prop_assert!(new.status.finished_at.is_some());
        prop_assert!(after == State::Complete || !new.status.message.is_empty());
        let open = places(&new.status, |state| {
            matches!(state, StepState::Running | StepState::Retrying | StepState::Paused)
        });
        prop_assert!(open.is_empty(), "left open at the end: {:?}", open);
    }
    Ok(())
}

/// The number of a step's attempt never falls, and rises by one at a time.
fn counts_on(old: &PlanExecutionStatus, new: &PlanExecutionStatus) -> bool {
    let attempts = |status: &PlanExecutionStatus| -> Vec<u32> {
        let phases = status.phases.iter();
        phases.flat_map(|phase| phase.steps.iter().map(|step| step.attempt)).collect()
    };
    attempts(old).iter().zip(attempts(new)).all(|(old, new)| new == *old || new == *old + 1)
}

/// Sends what a step of the machine wants sent, as far as the process gets.
fn send(cluster: &mut Cluster, effects: &[Effect]) -> Result<(), TestCaseError> {
    let stop = cluster.stop.take();
    for effect in effects.iter().take(stop.map_or(usize::MAX, usize::from)) {
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
    if stop.is_some() {
        cluster.crash();
    }
    Ok(())
}

/// Plays a story, and then lets everything become well; the state that the run came to.
fn play(plan: &Plan, story: Vec<Happening>) -> Result<State, TestCaseError> {
    let mut cluster = Cluster::new();
    let mut execution = Execution { uid: "e".to_owned(), ..Execution::default() };
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
        let next = step(plan, &execution, &cluster.observed, cluster.now);
        let again = step(plan, &execution, &cluster.observed, cluster.now);
        prop_assert_eq!(&next, &again, "equal inputs, equal outputs");
        let status = &next.execution.status;
        prop_assert!(in_order(plan, status), "out of order: {:#?}", status);
        prop_assert!(keeps_done(&execution.status, status), "undone: {:#?}", status);
        prop_assert!(counts_on(&execution.status, status), "miscounted: {:#?}", status);
        obeys(&execution, &cluster.observed, &next.execution)?;
        let held = matches!(status.state, State::Suspended | State::Cancelled | State::Superseded);
        if held || (status.state.is_terminal() && status.state != State::Complete) {
            prop_assert!(next.effects.is_empty(), "it acts while it is held or over");
        }
        if std::mem::take(&mut cluster.lose) {
            // The journal was not written, so nothing was sent either.
            cluster.crash();
            continue;
        }
        send(&mut cluster, &next.effects)?;
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
    Ok(status.state)
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 512, ..Default::default() })]

    #[test]
    fn the_machine_keeps_its_word(
        plan in plan(),
        story in prop::collection::vec(happening(), 1..120),
    ) {
        play(&plan, story)?;
    }
}

/// Every end is come to, so that what is said of each of them is said of something.
#[test]
fn stories_come_to_every_end() {
    let mut runner = TestRunner::deterministic();
    let stories = (plan(), prop::collection::vec(happening(), 1..120));
    let mut ends: BTreeMap<State, u32> = BTreeMap::new();
    for _ in 0..200 {
        let (plan, story) = stories.new_tree(&mut runner).expect("a story").current();
        let end = play(&plan, story).unwrap_or_else(|error| panic!("{error}"));
        *ends.entry(end).or_default() += 1;
    }
    for state in [State::Complete, State::Failed, State::Cancelled, State::Superseded] {
        assert!(ends.get(&state).is_some_and(|count| *count >= 5), "{state:?}: {ends:?}");
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

/// What effects are about, in order.
fn about(effects: &[Effect]) -> Vec<String> {
    let object = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
    let all = effects.iter().filter_map(|effect| match &effect.action {
        Action::Apply { object: one } | Action::Create { object: one } => Some(object(one)),
        _ => None,
    });
    all.map(|text| text.replace('"', "")).collect()
}

#[test]
fn tasks_of_a_step_begin_together_and_send_in_the_order_written() {
    let apply = |kind: &str, api: &str, name: &str| {
        TaskKind::Apply(Apply { objects: vec![object(kind, api, name)] })
    };
    let names = |kinds: Vec<TaskKind>| {
        let named = |(at, kind)| Task { name: format!("t{at}"), kind };
        kinds.into_iter().enumerate().map(named).collect()
    };
    let job = TaskKind::Job(Job { object: object("Job", "batch/v1", "j"), keep: false });
    // The first is never done by itself, and the others do not wait for it.
    let tasks = vec![
        apply("StatefulSet", "apps/v1", "z"),
        apply("ConfigMap", "v1", "b"),
        apply("ConfigMap", "v1", "a"),
        job,
    ];
    let plan = one_step(Step { tasks: names(tasks), ..job_step(OnFailure::Fail, 0) });
    let mut execution = Execution { uid: "e".to_owned(), ..Execution::default() };
    let cluster = Cluster::new();
    let first = step(&plan, &execution, &cluster.observed, cluster.now);
    let sent = about(&first.effects);
    assert_eq!(sent[..3], ["StatefulSet z", "ConfigMap b", "ConfigMap a"].map(str::to_owned));
    assert!(sent[3].starts_with("Job j-") && sent.len() == 4, "{sent:?}");
    execution = first.execution;
    let states = |execution: &Execution| -> Vec<StepState> {
        execution.status.phases[0].steps[0].tasks.iter().map(|task| task.state).collect()
    };
    assert_eq!(states(&execution), [StepState::Running; 4]);
}
