//! Pods on a script: a spec, a behaviour and what happens when; the lines that are observed.

use std::sync::Arc;
use std::time::Duration;

use super::resize::{PENDING, PROGRESS};
use super::state::Verdict;
use super::{Around, PodState, step};
use crate::json::{Value, json};
use crate::workload::{Behaviour, Control, Crash, Rule, Span, Workloads};

/// Something from outside, at a time in milliseconds.
#[derive(Clone, Copy)]
enum Act {
    Delete {
        grace: u64,
    },
    Kill,
    Mounts(bool),
    Restart,
    /// The first container asks for so much cpu.
    Ask(&'static str),
    /// Both containers do.
    AskAll(&'static str),
    /// Whether the node has room for what is asked for.
    Room(bool),
    /// Somebody looks into the pod by a container of their own.
    Look,
}

const EPOCH: u64 = 1_700_000_000;

fn rule() -> Rule {
    let span = |ms| Some(Span::millis(ms, ms));
    Rule { image_pull: span(3000), start: span(1000), shutdown: span(2000), ..Rule::default() }
}

/// Runs a pod for `until` seconds: one line per status, `time phase ready state`.
fn check(spec: &str, rule: Rule, script: &[(u64, Act)], until: u64) -> String {
    let mut pod = json!({
        "metadata": {"name": "p", "namespace": "x", "uid": "u", "generation": 1},
        "spec": serde_yaml::from_str::<Value>(spec).unwrap_or_default(),
    });
    let workloads = Workloads::new(vec![rule], 1);
    let behaviour: Behaviour = workloads.behaviour(&pod, &Control::default());
    let mut around = Around { pod_ip: "10.1.0.2".into(), ..Around::default() };
    let (mut state, mut lines) = (PodState::default(), Vec::new());
    let (mut now, end) = (Duration::ZERO, Duration::from_secs(until));
    let mut script: Vec<(Duration, Act)> =
        script.iter().map(|(at, act)| (Duration::from_millis(*at), *act)).collect();
    for _ in 0..1000 {
        while let Some((_, act)) = script.first().copied().filter(|(at, _)| *at <= now) {
            script.remove(0);
            apply(act, &mut pod, &mut around, &mut state, now);
            // It is another version of the pod.
            around.settled = None;
        }
        let done = step(&pod, &state, &behaviour, &around, Duration::from_secs(EPOCH) + now);
        let unsettled = Around { settled: None, ..around.clone() };
        let full = step(&pod, &state, &behaviour, &unsettled, Duration::from_secs(EPOCH) + now);
        assert_eq!(done.status, full.status, "what looks settled is settled");
        around.kills.clear();
        Arc::make_mut(&mut around.images).extend(done.pulled.clone());
        state = done.state.clone();
        for note in done.events.iter().filter(|note| note.reason.starts_with("Resize")) {
            lines.push(format!("{:>7} {}: {}", now.as_millis(), note.reason, note.message));
        }
        if let Some(status) = done.status {
            lines.push(line(now, &status));
            pod["status"] = status;
        }
        around.settled = None;
        let again = step(&pod, &state, &behaviour, &around, Duration::from_secs(EPOCH) + now);
        around.settled = again.outline.filter(|_| again.status.is_none());
        if done.delete {
            lines.push(format!("{:>7} gone", now.as_millis()));
            break;
        }
        let wake = done.wake.map(|after| now + after);
        let next = script.first().map(|(at, _)| *at).into_iter().chain(wake).min();
        match next.filter(|at| *at <= end) {
            Some(at) => now = at,
            None => break,
        }
    }
    lines.join("\n")
}

fn apply(act: Act, pod: &mut Value, around: &mut Around, state: &mut PodState, now: Duration) {
    match act {
        Act::Delete { grace } => {
            let over = super::state::format(Duration::from_secs(EPOCH + grace) + now);
            pod["metadata"]["deletionTimestamp"] = over.into();
            pod["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        }
        Act::Kill => drop(around.kills.insert(String::new())),
        Act::Mounts(there) => {
            around.missing.mount = (!there).then(|| "secret \"s\" not found".to_owned());
        }
        Act::Restart => *state = PodState::adopt(pod),
        Act::Ask(cpu) => ask(pod, &[0], cpu),
        Act::AskAll(cpu) => ask(pod, &[0, 1], cpu),
        Act::Room(there) => {
            let (reason, message) = ("OutOfcpu".to_owned(), "no room".to_owned());
            around.unfit = (!there).then_some(Verdict { reason, message });
        }
        Act::Look => {
            pod["spec"]["ephemeralContainers"] = json!([{"name": "look", "image": "i:1",
                "command": ["sleep", "5"]}]);
        }
    }
}

fn ask(pod: &mut Value, containers: &[usize], cpu: &str) {
    let generation = pod["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
    pod["metadata"]["generation"] = generation.into();
    for container in containers {
        pod["spec"]["containers"][*container]["resources"] = json!({"requests": {"cpu": cpu}});
    }
}

fn line(now: Duration, status: &Value) -> String {
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
    let containers = ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"];
    let states = containers.iter().filter_map(|list| status[*list].as_array()).flatten();
    let states: Vec<String> = states.map(container).collect();
    let phase = status["phase"].as_str().unwrap_or("");
    let ready = if ready { "ready" } else { "-" };
    let told = conditions
        .iter()
        .filter(|c| c["type"].as_str().is_some_and(|t| [PENDING, PROGRESS].contains(&t)));
    let told: String = told.map(|c| format!(" {}", c["type"].as_str().unwrap_or(""))).collect();
    format!("{:>7} {phase} {ready} {}{told}", now.as_millis(), states.join(" "))
}

fn container(status: &Value) -> String {
    let state = &status["state"];
    let kind = state.as_object().and_then(|s| s.keys().next().cloned()).unwrap_or_default();
    let inner = &state[&kind];
    let detail = match &inner["exitCode"] {
        Value::Null => inner["reason"].as_str().unwrap_or("").to_owned(),
        code => format!("exit {code}"),
    };
    let text = if kind == "running" { kind.to_string() } else { detail };
    let held = match status["allocatedResources"]["cpu"].as_str() {
        None => String::new(),
        Some(given) => {
            let has = status["resources"]["requests"]["cpu"].as_str().unwrap_or("nothing");
            format!("(given {given}, has {has})")
        }
    };
    format!("{}={text}/{}{held}", status["name"].as_str().unwrap_or(""), status["restartCount"])
}

const PLAIN: &str = "containers: [{name: c, image: 'i:1'}]";
const PROBED: &str = "containers: [{name: c, image: 'i:1', readinessProbe: {initialDelaySeconds: 5, \
     periodSeconds: 4, successThreshold: 1}}]";

#[test]
fn comes_up_and_goes_down() {
    insta::assert_snapshot!(check(PLAIN, rule(), &[(10_000, Act::Delete { grace: 30 })], 60));
    insta::assert_snapshot!(check(PLAIN, rule(), &[(10_000, Act::Delete { grace: 1 })], 60));
    insta::assert_snapshot!(check(PLAIN, rule(), &[(2_000, Act::Delete { grace: 30 })], 60));
}

#[test]
fn readiness_is_asked_at_the_probes_times() {
    let slow = Rule { ready: Some(Span::millis(6000, 6000)), ..rule() };
    insta::assert_snapshot!(check(PROBED, slow, &[], 60));
}

#[test]
fn startup_and_liveness_probes_restart() {
    let startup = "containers: [{name: c, image: 'i:1', startupProbe: {periodSeconds: 2, \
                   failureThreshold: 2}}]";
    let slow = Rule { ready: Some(Span::millis(6000, 6000)), ..rule() };
    insta::assert_snapshot!(check(startup, slow, &[], 20));
    let liveness = "containers: [{name: c, image: 'i:1', livenessProbe: {periodSeconds: 5, \
                    failureThreshold: 2}}]";
    let sick = Rule { unhealthy: Some(Span::millis(7000, 7000)), ..rule() };
    insta::assert_snapshot!(check(liveness, sick, &[], 24));
}

#[test]
fn crashes_back_off() {
    let crash = Crash { percent: 100, after: Span::millis(500, 500), exit_code: 3, times: None };
    let crashing = Rule { crash: Some(crash), ..rule() };
    insta::assert_snapshot!(check(PLAIN, crashing.clone(), &[], 60));
    let never = format!("restartPolicy: Never\n{PLAIN}");
    insta::assert_snapshot!(check(&never, crashing, &[], 60));
}

#[test]
fn init_containers_and_sidecars() {
    let spec = "restartPolicy: OnFailure
initContainers: [{name: first, image: 'i:1'}, {name: side, image: 'i:1', restartPolicy: Always}]
containers: [{name: c, image: 'i:1'}]";
    let second = Some(Span::millis(1000, 1000));
    let job = Rule { run: Some(Span::millis(5000, 5000)), init: second, ..rule() };
    insta::assert_snapshot!(check(spec, job, &[], 60));
}

#[test]
fn image_that_cannot_be_pulled() {
    let bad = regex::Regex::new("i:1").into_iter().collect();
    insta::assert_snapshot!(check(PLAIN, Rule { fails_to_pull: bad, ..rule() }, &[], 40));
}

#[test]
fn deadline_kills_and_mounts_wait() {
    let spec = format!("activeDeadlineSeconds: 10\n{PLAIN}");
    insta::assert_snapshot!(check(&spec, rule(), &[], 60));
    let script = [(0, Act::Mounts(false)), (4_000, Act::Mounts(true))];
    insta::assert_snapshot!(check(PLAIN, rule(), &script, 60));
}

#[test]
fn kill_and_kubelet_restart() {
    let script = [(9_000, Act::Kill), (20_000, Act::Restart), (30_000, Act::Kill)];
    insta::assert_snapshot!(check(PLAIN, rule(), &script, 60));
}

#[test]
fn resizes_in_place() {
    let spec = |policy: &str| {
        format!(
            "containers: [{{name: c, image: 'i:1', resources: {{requests: {{cpu: '1'}}}}, \
             resizePolicy: [{{resourceName: cpu, restartPolicy: {policy}}}]}}]"
        )
    };
    let at_once = [(10_000, Act::Ask("2")), (20_000, Act::Delete { grace: 30 })];
    insta::assert_snapshot!(check(&spec("NotRequired"), rule(), &at_once, 60));
    insta::assert_snapshot!(check(&spec("RestartContainer"), rule(), &at_once[..1], 60));
    // One container has at once what it was given; the other is started anew first.
    let two = format!(
        "{}\n  - {{name: d, image: 'i:1', resources: {{requests: {{cpu: '1'}}}}}}",
        "containers:\n  - {name: c, image: 'i:1', resources: {requests: {cpu: '1'}}, \
         resizePolicy: [{resourceName: cpu, restartPolicy: RestartContainer}]}"
    );
    insta::assert_snapshot!(check(&two, rule(), &[(10_000, Act::AskAll("2"))], 60));
    // It waits, is asked for less, which there is room for, then for more again; by time alone it
    // is tried again.
    let waits = [
        (10_000, Act::Room(false)),
        (10_000, Act::Ask("9")),
        (20_000, Act::Restart),
        (30_000, Act::Room(true)),
        (30_000, Act::Ask("500m")),
        (40_000, Act::Room(false)),
        (40_000, Act::Ask("7")),
        (50_000, Act::Ask("500m")),
        (60_000, Act::Ask("8")),
        (100_000, Act::Room(true)),
    ];
    insta::assert_snapshot!(check(&spec("NotRequired"), rule(), &waits, 300));
}

#[test]
fn what_an_older_kubelet_did_not_say_it_gave_is_what_is_asked_for() {
    let pod: Value = json!({
        "metadata": {"name": "p", "namespace": "x", "uid": "u", "generation": 1},
        "spec": {"containers": [{"name": "c", "image": "i:1",
            "resources": {"requests": {"cpu": "1"}}}]},
        "status": {"phase": "Running", "startTime": "2025-01-01T00:00:00Z", "podIP": "10.1.0.2",
            "containerStatuses": [{"name": "c", "restartCount": 0,
                "state": {"running": {"startedAt": "2025-01-01T00:00:00Z"}}}]},
    });
    let behaviour = Workloads::new(vec![rule()], 1).behaviour(&pod, &Control::default());
    let now = Duration::from_secs(EPOCH);
    let done = step(&pod, &PodState::adopt(&pod), &behaviour, &Around::default(), now);
    assert!(done.events.is_empty() && !done.resized, "{:?}", done.events);
    let status = done.status.unwrap_or_default();
    assert_eq!(status["containerStatuses"][0]["resources"], json!({"requests": {"cpu": "1"}}));
}

#[test]
fn who_looks_into_a_pod_counts_for_nothing() {
    let look = [(6_000, Act::Look), (30_000, Act::Restart), (40_000, Act::Delete { grace: 30 })];
    insta::assert_snapshot!(check(PLAIN, rule(), &look, 60));
    // While an init container holds everything else back; and the pod ends with its own.
    let spec = "restartPolicy: Never
initContainers: [{name: first, image: 'i:1', command: [sleep, '20']}]
containers: [{name: c, image: 'i:1', command: [sleep, '2']}]";
    insta::assert_snapshot!(check(spec, rule(), &[(5_000, Act::Look)], 60));
    let late = [(25_500, Act::Look)];
    insta::assert_snapshot!(check(spec, rule(), &late, 60));
}
