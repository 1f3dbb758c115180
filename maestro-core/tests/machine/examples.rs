//! Single plans, step by step.

use std::time::Duration;

use maestro_core::execution::{State, StepState};
use maestro_core::machine::{Action, Effect, Execution, step};
use maestro_core::plan::{OnFailure, Phase, Plan, Retry, Step, Strategy};
use maestro_core::task::TaskKind;
use maestro_core::task::{Apply, Job, Task};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::plans::{Happening, object};

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
