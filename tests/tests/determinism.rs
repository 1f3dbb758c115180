//! One seed, one run: the same trace, byte for byte, twice in one process, in two processes and
//! on eight threads at once, with an ordinary kube-rs operator and with Maestro's own.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use maestro_core::operator::{self, LeaseOptions, OperatorOptions};
use maestro_sim::api::{Request, Verb};
use maestro_sim::boot::{self, ClusterSpec};
use maestro_sim::json::{Value, json};
use maestro_sim::object::GroupResource;
use maestro_sim::sim::{Cluster, Options, run};
use maestro_sim::trace::TraceLevel;

fn request(verb: Verb, resource: &str, namespace: &str, name: &str, body: Value) -> Request {
    Request {
        body,
        ..Request::new("user", verb, GroupResource::owned("", resource), namespace, name)
    }
}

fn act(cluster: &Cluster, request: Request) {
    let answer = cluster.with(|world| world.direct(request));
    assert!(answer.is_ok(), "{answer:?}");
}

fn client(cluster: &Cluster, name: &str) -> kube::Client {
    let link = cluster.with(|world| world.links.add(name));
    kube::client::ClientBuilder::new(cluster.service(link), "default").build()
}

/// Ten virtual minutes of a cluster with both operators, Maestro's in two replicas.
async fn scene(cluster: Cluster) -> String {
    cluster.with(|world| boot::cluster(world, &ClusterSpec { nodes: 3, workloads: Vec::new() }));
    act(
        &cluster,
        request(
            Verb::Create,
            "namespaces",
            "",
            "",
            json!({"metadata": {
        "name": "maestro-system"}}),
        ),
    );
    let mirror = client(&cluster, "mirror");
    tokio::spawn(async move { maestro_tests::mirror::run(mirror, "mirror-0").await });
    for replica in 0..2 {
        let client = client(&cluster, &format!("operator/{replica}"));
        tokio::spawn(operator::run(
            client,
            OperatorOptions {
                identity: format!("operator-{replica}"),
                namespace: None,
                lease: Some(LeaseOptions::default()),
                concurrency: 3,
                shutdown: Box::pin(std::future::pending()),
                listen: None,
            },
        ));
    }
    for index in 0..8 {
        let body = json!({"metadata": {"name": format!("source-{index}"),
            "labels": {"mirror": "yes"}}, "data": {"index": index.to_string()}});
        act(&cluster, request(Verb::Create, "configmaps", "default", "", body));
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    for index in 0..4 {
        let name = format!("source-{index}");
        act(&cluster, request(Verb::Delete, "configmaps", "default", &name, Value::Null));
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    cluster.with(|world| world.trace.take_lines().join("\n"))
}

fn trace(seed: u64) -> String {
    let options = Options { seed, trace: TraceLevel::Full };
    run(&options, scene).expect("the simulation ends")
}

/// The first line in which two traces differ.
fn difference(a: &str, b: &str) -> Option<String> {
    if a == b {
        return None;
    }
    let pairs = a.lines().zip(b.lines()).enumerate();
    let first = pairs.into_iter().find(|(_, (a, b))| a != b);
    Some(first.map_or("one is longer".into(), |(n, (a, b))| format!("line {n}:\n{a}\n{b}")))
}

#[test]
fn the_operators_work_at_all() {
    let trace = trace(1);
    assert!(trace.lines().count() > 500, "only {} lines", trace.lines().count());
    for mark in ["Mirrored", "mirror.example.com/cleanup", "leases", "maestro-operator"] {
        assert!(trace.contains(mark), "no {mark} in the trace");
    }
}

#[test]
fn twice_in_one_process() {
    for seed in [1, 2, 3] {
        assert_eq!(difference(&trace(seed), &trace(seed)), None);
    }
}

#[test]
fn another_seed_is_another_run() {
    assert!(difference(&trace(1), &trace(2)).is_some());
}

#[test]
fn on_eight_threads_at_once() {
    let alone = trace(5);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| trace(5))).collect();
        for run in runs {
            assert_eq!(difference(&alone, &run.join().expect("no panic")), None);
        }
    });
}

#[test]
fn in_two_processes() {
    const CHILD: &str = "MAESTRO_DETERMINISM_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let mut marked = String::new();
        for line in trace(7).lines() {
            let _ = writeln!(marked, "trace: {line}");
        }
        print!("{marked}");
        return;
    }
    let child = || {
        let program = std::env::current_exe().expect("this test's program");
        let output = Command::new(program)
            .args(["in_two_processes", "--exact", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .expect("the child runs");
        let text = String::from_utf8(output.stdout).expect("text");
        let lines: Vec<&str> =
            text.lines().filter_map(|line| Some(line.split_once("trace: ")?.1)).collect();
        lines.join("\n")
    };
    let (first, second) = (child(), child());
    assert!(first.lines().count() > 500, "the child printed no trace");
    assert_eq!(difference(&first, &second), None);
    assert_eq!(difference(&first, &trace(7)), None);
}
