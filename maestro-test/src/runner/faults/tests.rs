//! What faults do to a run in which the operator has nothing to do but to watch and to renew.

use std::path::Path;
use std::time::Duration;

use maestro_sim::json::Value;
use maestro_sim::trace::TraceLevel;

use crate::outcome::Outcome;
use crate::runner::run_scenario;
use crate::scenario::Scenario;

/// Runs a scenario of two replicas without instances; every property that looks at the end is off.
fn run(steps: &str, faults: &str, trace: TraceLevel) -> Outcome {
    let text = format!(
        "apiVersion: test.maestro.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: test}}\n\
         spec:\n  operator: {{maestro: {{replicas: 2}}}}\n  steps: [{steps}]\n  faults: [{faults}]\n  \
         expect: {{properties: {{stays: {{window: 1m}}, quiesces: {{off: true}}}}}}\n"
    );
    match Scenario::parse(Path::new("test.yaml"), &text) {
        Ok(scenario) => run_scenario(&scenario, 1, trace),
        Err(error) => panic!("{error}"),
    }
}

/// What became of the requests of a client between two seconds of virtual time, each verdict
/// once, in order of the alphabet.
fn verdicts(outcome: &Outcome, client: &str, from: f64, to: f64) -> Vec<String> {
    let lines = outcome.trace.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut all: Vec<String> = lines
        .filter(|line| line["client"] == client)
        .filter(|line| line["at"].as_f64().is_some_and(|at| (from..to).contains(&at)))
        .filter_map(|line| Some(line["verdict"].as_str()?.to_owned()))
        .collect();
    all.sort();
    all.dedup();
    all
}

const CUT: &str = "partition: {between: [operator/0, apiserver]}";

#[test]
fn what_is_wrong_with_a_link_outlives_the_process_behind_it() {
    let crash = "{operator-crash: {replica: 0}, at: 60s}";
    let slow = "{name: rest, sleep: 4m}";
    let cases = [
        (format!("{{{CUT}, at: 30s, for: 90s}}, {crash}"), vec!["drop"], 120.0),
        (format!("{{{CUT}, at: 30s, for: 20s}}, {crash}"), vec!["pass"], 50.0),
        (
            "{lost-reply: {percent: 100}, at: 30s, for: 90s}, ".to_owned() + crash,
            vec!["lost-reply"],
            120.0,
        ),
    ];
    for (faults, expected, healed) in cases {
        let outcome = run(slow, &faults, TraceLevel::Full);
        assert_eq!(verdicts(&outcome, "operator/0", 60.1, 119.0), expected, "{faults}");
        // A replica that does not lead asks for its watches, and then for nothing.
        let after = verdicts(&outcome, "operator/0", healed, 230.0);
        assert!(after.contains(&"pass".into()), "{faults}");
    }
}

#[test]
fn healing_one_fault_leaves_another_of_its_kind() {
    let cut = |direction: &str, at: u32, lasts: u32| {
        let between = format!("between: [operator/0, apiserver], direction: {direction}");
        format!("{{partition: {{{between}}}, at: {at}s, for: {lasts}s}}")
    };
    let faults = [cut("to", 20, 200), cut("from", 30, 30)].join(", ");
    let outcome = run("{name: rest, sleep: 5m}", &faults, TraceLevel::Full);
    assert_eq!(verdicts(&outcome, "operator/0", 100.0, 215.0), ["drop"]);
    assert!(verdicts(&outcome, "operator/0", 220.0, 300.0).contains(&"pass".into()));
}

#[test]
fn a_partition_may_be_seen_from_the_server() {
    for (between, direction, expected) in [
        ("operator/0, apiserver", "to", "drop"),
        ("operator/0, apiserver", "from", "lost-reply"),
        ("apiserver, operator/0", "to", "lost-reply"),
        ("apiserver, operator/0", "from", "drop"),
        ("apiserver, operator/0", "both", "drop"),
    ] {
        let cut = format!("partition: {{between: [{between}], direction: {direction}}}");
        let faults = format!("{{{cut}, at: 20s, for: 90s}}");
        let outcome = run("{name: rest, sleep: 3m}", &faults, TraceLevel::Full);
        let found = verdicts(&outcome, "operator/0", 21.0, 109.0);
        assert_eq!(found, [expected], "{faults}");
    }
}

#[test]
fn a_crash_counts_when_it_comes() {
    for (fault, struck) in [
        ("{operator-crash: {}, at: 30s}", 1),
        // The leader writes and dies of it, and leads again; the other has nothing to write.
        (
            "{operator-crash: {replica: 0, afterWrites: 1}, at: 30s}, \
             {operator-crash: {replica: 1, afterWrites: 1}, at: 30s}",
            1,
        ),
        ("{operator-crash: {replica: 0, afterWrites: 1000}, at: 30s}", 0),
        ("{operator-crash: {replica: 0}, every: 30s}", 3),
    ] {
        let outcome = run("{name: rest, sleep: 119s}", fault, TraceLevel::Digest);
        let counted = outcome.coverage.faults.get("operator-crash").copied().unwrap_or(0);
        assert_eq!(counted, struck, "{fault}");
    }
}

/// The virtual time that the steps of a run take.
fn rest(steps: &[&str]) -> Duration {
    let steps: Vec<String> =
        steps.iter().map(|s| format!("{{name: {s}, sleep: 1ms..1h}}")).collect();
    run(&steps.join(", "), "", TraceLevel::Digest).virtual_time
}

#[test]
fn each_step_draws_from_a_stream_of_its_own() {
    let (a, b, both) = (rest(&["a"]), rest(&["b"]), rest(&["a", "b"]));
    assert_ne!(a, b);
    // What comes after the steps takes its own time, within seconds.
    let after = a + b - both;
    assert!(after > Duration::from_secs(100) && after < Duration::from_secs(150), "{after:?}");
}

#[test]
fn one_fault_more_moves_none_of_another_kind() {
    let kinds = |outcome: &Outcome, what: &str| -> Vec<String> {
        outcome.trace.iter().filter(|line| line.contains(what)).cloned().collect()
    };
    let crash = "{operator-crash: {replica: 0}, every: 20s..90s}";
    let alone = run("{name: rest, sleep: 10m}", crash, TraceLevel::Full);
    let more = format!("{{watch-gap: {{}}, every: 20s..90s}}, {crash}");
    let more = run("{name: rest, sleep: 10m}", &more, TraceLevel::Full);
    let crashes = kinds(&alone, "\"event\":\"crash\"");
    assert!(crashes.len() > 3);
    assert_eq!(crashes, kinds(&more, "\"event\":\"crash\""));
}

#[test]
fn a_quota_stands_in_the_way_until_it_is_healed() {
    let outcome = |faults: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let text = format!(
            "apiVersion: test.maestro.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: test}}\n\
             spec:\n  workloads: [{{ready: 5s}}]\n  steps:\n    \
             - {{name: install, apply: [../fixtures/zookeeper]}}\n    \
             - {{name: rest, sleep: 20s}}\n    \
             - {{name: create, apply: [../fixtures/zookeeper/examples/instance.yaml]}}\n    \
             - {{name: deployed, await: {{kind: ZooKeeper, name: main, that: \"self.ready()\"}}, \
             within: 60m}}\n  faults: [{faults}]\n"
        );
        let scenario = Scenario::parse(&folder.join("test.yaml"), &text).expect("a scenario");
        let outcome = run_scenario(&scenario, 1, TraceLevel::Digest);
        assert!(outcome.violations.is_empty(), "{:?}", outcome.violations);
        outcome
    };
    let free = outcome("");
    for hard in ["", "hard: {pods: \"0\"}", "hard: {persistentvolumeclaims: \"0\"}"] {
        let full = outcome(&format!("{{quota-exceeded: {{{hard}}}, at: 10s, for: 20m}}"));
        assert_eq!(full.coverage.faults.get("quota-exceeded"), Some(&1), "{hard}");
        let longer = full.virtual_time.saturating_sub(free.virtual_time);
        assert!(longer > Duration::from_secs(15 * 60), "{hard}: {longer:?}");
    }
    let other = outcome("{quota-exceeded: {namespace: kube-system}, at: 10s, for: 20m}");
    assert!(other.virtual_time < free.virtual_time + Duration::from_secs(60));
}
