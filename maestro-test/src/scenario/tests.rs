//! Wrong scenario files and what is said about them.

use std::path::Path;

use super::{Place, Scenario};

const HEAD: &str =
    "apiVersion: test.maestro.dev/v1alpha1\nkind: Scenario\nmetadata: {name: wrong}\nspec:\n";
const STEP: &str = "  steps: [{name: rest, sleep: 1m}]\n";

fn said(text: &str) -> String {
    match Scenario::parse(Path::new("wrong.yaml"), text) {
        Ok(_) => "nothing is wrong".into(),
        Err(error) => error.to_string(),
    }
}

/// Each case: lines of `spec`, given the head above (and a step, unless it has steps).
const CASES: &[&str] = &[
    "  cluster: {node: 3}",
    "  cluster: {nodes: three}",
    "  cluster: {nodes: 0}",
    "  cluster: 3",
    "  operators: {}",
    "  operator: {maestro: {replicas: -1}}",
    "  operator: {command: []}",
    "  operator: {maestro: {replicas: 2}, command: [zk-operator]}",
    "  cluster: {version: \"1.29\"}",
    "  workloads: [{selector: {app: zk}, imagepull: 5s}]",
    "  workloads: [{imagePull: 5}]",
    "  workloads: [{imagePull: 5s...40s}]",
    "  workloads: [{ready: 40s..5s}]",
    "  workloads: [{ready: 5 minutes}]",
    "  workloads: [{quorum: {of: most}}]",
    "  workloads: [{failsToPull: ['zk:(']}]",
    "  workloads: [{crash: {percent: 120, after: 5s}}]",
    "  workloads: {app: zk}",
    "  steps: []",
    "  steps: [{name: install, apply: [scr]}]",
    "  steps: [{name: install, aply: [app.yaml]}]",
    "  steps: [{name: nothing}]",
    "  steps: [{sleep: 1m}]",
    "  steps: [{name: two, sleep: 1m, delete: {kind: Pod, name: a}}]",
    "  steps: [{name: a, sleep: 1m}, {name: a, sleep: 1m}]",
    "  steps: [{name: a, delete: {kind: Pod, name: a}, within: 0s}]",
    "  steps: [{name: a, sleep: 1m, within: 5m}]",
    "  steps: [{name: a, kill: {selector: {app: zk}, value: 3}}]",
    "  steps: [{name: a, await: {kind: Pod, name: a}}]",
    "  steps: [{name: a, await: {kind: Pod, name: a, that: 'self.ready('}}]",
    "  steps: [{name: a, await: {kind: Pod, name: a, that: 'slef.ready()'}}]",
    "  steps: [{name: a, scale: {kind: Pod, name: a}}]",
    "  faults: [{pod-kil: {selector: {app: zk}}}]",
    "  faults: [{every: 1m}]",
    "  faults: [{}]",
    "  faults: [{after: rest}]",
    "  faults: [{watch-drop: , every: 1m}]",
    "  faults: [{partition: {}}]",
    "  faults: [{partition: {between: []}}]",
    "  faults: [{partition: {between: [operator, apiserver]}, every: 0s}]",
    "  faults: [{stale-read: {}}]",
    "  faults: [{api-error: {}}]",
    "  faults: [{pod-kill: {}}]",
    "  faults: [{pod-kill: {selector: {app: zk}, mode: fixed}}]",
    "  faults: [{pod-kill: {selector: {app: zk}}, every: 1m, at: 1m}]",
    "  faults: [{container-kill: {selector: {app: zk}, gracePeriod: 5s}}]",
    "  faults: [{operator-crash: {}, for: 1m}]",
    "  faults: [{node-down: {}, operator-crash: {}}]",
    "  faults: [leader-loss]",
    "  faults: [{pod-kill: {selector: {app: zk}, mode: some}}]",
    "  faults: [{pod-kill: {selector: {app: zk}, mode: fixed-percent, value: 150}}]",
    "  faults: [{watch-drop: {}, after: rst}]",
    "  faults: [{watch-drop: {}, leader-loss: {}}]",
    "  faults: [{watch-drop: {}, every: 1m, at: 1m}]",
    "  faults: [{watch-drop: {}, after: rest, for: 1m}]",
    "  faults: [{container-kill: {selector: {app: zk}, mode: fixed, value: 1, gracePeriod: 5s}}]",
    "  faults: [{leader-loss: {}, after: rest}]",
    "  faults: [{operator-crash: {replica: 1}}]",
    "  faults: [{node-down: {node: node-4}}]",
    "  faults: [{partition: {between: [operator/2, apiserver]}}]",
    "  faults: [{partition: {between: [operator, api-server]}}]",
    "  faults: [{partition: {between: [operator, nodes]}}]",
    "  faults: [{api-error: {code: 418}}]",
    "  faults: [{api-error: {code: 500, verbs: [post]}}]",
    "  faults: [{slow-rollout: {factor: 0..5}}]",
    "  expect: {converge: {within: 30m}}",
    "  expect: {converges: {within: 30}}",
    "  expect: {fails: storage-safe}",
    "  expect: {fails: {property: storage-save}}",
    "  expect: {fails: {contains: deleted}}",
    "  expect: {properties: {no-orphans: {window: 5m}}}",
    "  expect: {properties: {stays: {maxUnavailable: 1}}}",
    "  expect: {properties: {no-orphan: {off: true}}}",
    "  expect: {properties: {stays: off}}",
    "  expect: {fails: {property: stays}, properties: {stays: {off: true}}}",
];

#[test]
fn every_wrong_field_names_its_place_and_what_would_be_right() {
    let mut all = String::new();
    for case in CASES {
        let step = if case.trim_start().starts_with("steps:") { "" } else { STEP };
        let said = said(&format!("{HEAD}{case}\n{step}"));
        assert_ne!(said, "nothing is wrong", "{case}");
        let placed = |line: &str| {
            let rest = line.strip_prefix("wrong.yaml:").unwrap_or("");
            let mut numbers = rest.splitn(3, ':').take(2);
            numbers.all(|n| n.parse::<u64>().is_ok_and(|n| n > 0))
        };
        assert!(said.lines().all(placed), "{case} has no place: {said}");
        all.push_str(&format!("{}\n    {}\n", case.trim(), said.replace('\n', "\n    ")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_head_is_checked_too() {
    let cases = [
        "".to_owned(),
        format!("apiVersion: v1\nkind: Scenario\nmetadata: {{name: a}}\nspec:\n{STEP}"),
        format!(
            "apiVersion: test.maestro.dev/v1alpha1\nkind: Test\nmetadata: {{name: a}}\nspec:\n{STEP}"
        ),
        format!("kind: Scenario\nmetadata: {{name: a}}\nspec:\n{STEP}"),
        format!("{}{STEP}", HEAD.replace("wrong", "Zoo Keeper")),
        format!("{HEAD}{STEP}---\n{HEAD}{STEP}"),
        format!("{HEAD}{STEP}{STEP}"),
        format!("{HEAD}  steps: [\n"),
        format!("{HEAD}\tsteps: []\n"),
    ];
    let all: Vec<String> = cases.iter().map(|case| said(case)).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_person_sees_the_line_marked() {
    let text = format!(
        "{HEAD}  faults:\n    - partition: {{between: [operator, api-server]}}\n      after: rst\n{STEP}"
    );
    let error = Scenario::parse(Path::new("scenarios/wrong.yaml"), &text).unwrap_err();
    insta::assert_snapshot!(error.render(false));
}

#[test]
fn the_sketch_of_the_manual_is_a_scenario() {
    let text = format!(
        "{HEAD}{}",
        r#"
  cluster: {nodes: 3}
  operator: {maestro: {replicas: 2}}
  workloads:
    - selector: {app: zookeeper}
      imagePull: 5s..40s
      ready: 2s..20s
      quorum: {of: "${replicas}"}
  steps:
    - {name: install, apply: [src]}
    - {name: deployed, await: {kind: ZooKeeper, name: main, that: "self.ready()"}, within: 15m}
    - {name: grow, patch: {kind: ZooKeeper, name: main, spec: {nodes: 5}}}
  faults:
    - {pod-kill: {selector: {app: zookeeper}, mode: one}, every: 30s..2m}
    - {partition: {between: [operator, apiserver]}, after: grow, for: 90s}
    - {slow-rollout: {factor: 1..20}}
  expect: {converges: {within: 30m}}
"#
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("wrong.yaml");
    let scenario = Scenario::parse(&root, &text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(scenario.replicas(), 2);
    assert_eq!(scenario.spec.faults[2].kind().map(|k| k.word), Some("slow-rollout"));
    assert!(scenario.conditions[1].is_some());
}

/// Run `maestro-test schema > maestro-test/schemas/scenario.json` when this fails.
#[test]
fn the_committed_schema_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/scenario.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let current = serde_json::to_string_pretty(&super::schema()).unwrap_or_default();
    assert!(committed.trim_end() == current, "schemas/scenario.json is not current");
}

#[test]
fn a_place_stays_in_its_text() {
    let check = |(offset, length): (usize, usize), expected: (usize, usize)| {
        let place = Place { line: 1, column: 1, offset, length }.within("aäb");
        assert_eq!((place.offset, place.length), expected, "{offset}+{length}");
    };
    check((0, 4), (0, 4));
    check((4, 1), (4, 0));
    check((9, usize::MAX), (4, 0));
    check((2, 1), (1, 2));
    check((0, 2), (0, 1));
}
