//! Whole simulations drawn by proptest: parameters, edits and faults; every property holds.
//!
//! A failure shrinks to the edits and faults that it needs, is written to a file that can be
//! replayed, and is kept in `simulations.regressions`, which is tried first from then on.

use std::path::{Path, PathBuf};

use maestro_test::{Scenario, prove};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{
    Config, FileFailurePersistence, RngSeed, TestCaseError, TestError, TestRunner,
};

/// What is run: a ZooKeeper of some size, edits of its spec, faults, and the seed.
#[derive(Clone, Debug)]
struct Case {
    nodes: u32,
    tick_time: u32,
    replicas: u32,
    edits: Vec<String>,
    faults: Vec<String>,
    seed: u64,
}

impl Case {
    /// The scenario file that says the same.
    fn text(&self) -> String {
        use std::fmt::Write as _;
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/zookeeper");
        let fixture = Path::new(fixture).canonicalize().unwrap_or_default();
        let fixture = fixture.display();
        // A single replica holds no lease to lose.
        let elects = self.faults.iter().any(|fault| fault.contains("leader-loss"));
        let replicas = if elects { 2 } else { self.replicas };
        let mut text = format!(
            "apiVersion: test.maestro.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: drawn}}\n\
             spec:\n  operator: {{maestro: {{replicas: {replicas}}}}}\n  workloads:\n    \
             - selector: {{app.kubernetes.io/name: zookeeper}}\n      imagePull: 5s..40s\n      \
             ready: 2s..20s\n      quorum: {{of: \"${{replicas}}\"}}\n  steps:\n    \
             - {{name: install, apply: [{fixture}]}}\n    \
             - {{name: create, apply: [{fixture}/examples/instance.yaml]}}\n    \
             - {{name: first, patch: {{kind: ZooKeeper, name: main, spec: \
             {{nodes: {}, tickTime: {}}}}}}}\n    - {{name: deployed, await: {{kind: ZooKeeper, \
             name: main, that: \"self.ready()\"}}, within: 30m}}\n",
            self.nodes, self.tick_time
        );
        for (index, edit) in self.edits.iter().enumerate() {
            let _ = writeln!(
                text,
                "    - {{name: edit-{index}, patch: {{kind: ZooKeeper, name: main, spec: {edit}}}}}\n    \
                 - {{name: pause-{index}, sleep: 1s..3m}}"
            );
        }
        text.push_str(
            "    - {name: settled, await: {kind: ZooKeeper, name: main, that: \"self.ready()\"}, \
             within: 60m}\n",
        );
        if !self.faults.is_empty() {
            text.push_str("  faults:\n");
            for fault in &self.faults {
                let _ = writeln!(text, "    - {fault}");
            }
        }
        text
    }
}

fn edit() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![3_u32, 5, 7]).prop_map(|nodes| format!("{{nodes: {nodes}}}")),
        (1_u32..5).prop_map(|ticks| format!("{{tickTime: {}}}", ticks * 1000)),
        Just("{memory: 2Gi}".to_owned()),
    ]
}

fn fault() -> impl Strategy<Value = String> {
    let pods = "selector: {app.kubernetes.io/name: zookeeper}";
    let kinds = vec![
        format!("pod-kill: {{{pods}}}"),
        format!("container-kill: {{{pods}}}"),
        "operator-crash: {afterWrites: 1..9}".into(),
        "watch-drop: {}".into(),
        "watch-gap: {}".into(),
        "partition: {between: [operator, apiserver]}".into(),
        "partition: {between: [operator, apiserver], direction: from}".into(),
        "slow-rollout: {factor: 1..8}".into(),
        "api-error: {code: 503, percent: 20}".into(),
        "api-error: {code: 409, percent: 20, verbs: [create, update, patch]}".into(),
        "lost-reply: {percent: 20}".into(),
        "stale-read: {lag: 100ms..5s}".into(),
        "node-down: {}".into(),
        "leader-loss: {}".into(),
    ];
    (select(kinds), 20_u64..200)
        .prop_map(|(kind, every)| format!("{{{kind}, every: {every}s..{}s}}", every * 3))
}

/// What is tried first to be left out is what stands first; another seed is another run, and no
/// smaller one.
fn case() -> impl Strategy<Value = Case> {
    let faults = vec(fault().no_shrink(), 0..4);
    let edits = vec(edit().no_shrink(), 0..3);
    let shape = (select(vec![3_u32, 5]), 1_u32..4, 1_u32..3);
    (faults, edits, shape, (0_u64..1_000_000).no_shrink()).prop_map(
        |(faults, edits, (nodes, ticks, replicas), seed)| Case {
            nodes,
            tick_time: ticks * 1000,
            replicas,
            edits,
            faults,
            seed,
        },
    )
}

#[test]
fn whatever_is_edited_and_whatever_goes_wrong_every_property_holds() {
    let regressions = FileFailurePersistence::Direct("tests/simulations.regressions");
    let config = Config {
        cases: 12,
        max_shrink_iters: 60,
        failure_persistence: Some(Box::new(regressions)),
        // The same cases everywhere; PROPTEST_RNG_SEED looks at others.
        rng_seed: std::env::var("PROPTEST_RNG_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or(RngSeed::Fixed(1)),
        ..Config::default()
    };
    let place = |case: &Case| {
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("drawn-{}.yaml", case.seed))
    };
    let result = TestRunner::new(config).run(&case(), |case| {
        let scenario = Scenario::parse(&place(&case), &case.text())
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let failed = |error: maestro_test::prove::NotProved| TestCaseError::fail(error.to_string());
        prove(&scenario, case.seed..case.seed + 1).map_err(failed)?;
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => {
            let (file, text) = (place(&case), case.text());
            std::fs::write(&file, &text).expect("the scenario can be written");
            let (file, seed) = (file.display(), case.seed);
            panic!(
                "{reason}\n{text}\nOnce more, with a trace: cargo run -p maestro-test -- replay {file} \
                 --seed {seed} --trace trace.jsonl"
            );
        }
        Err(error) => panic!("{error}"),
    }
}
