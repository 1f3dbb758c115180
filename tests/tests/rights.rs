//! The rights that the operator is installed with are enough for every scenario, and what is
//! printed is taken. The simulation decides by roles as the API server does; tests of real
//! clusters run the operator with the same rights.

use std::path::Path;
use std::time::Duration;

use maestro_core::manifests::{self, Choices, NAME, NAMESPACE};
use maestro_sim::api::{Request, Verb};
use maestro_sim::boot::{self, ClusterSpec};
use maestro_sim::json::Value;
use maestro_sim::object::{GroupResource, Key};
use maestro_sim::sim::{Cluster, Options, run};
use maestro_sim::trace::TraceLevel;
use maestro_test::Scenario;
use maestro_test::cluster::target::Place;
use maestro_test::outcome::Verdict;
use maestro_test::runner::run_at;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_operator_is_never_forbidden_what_it_tries() {
    let place = Place { as_installed: true, ..Place::default() };
    let files = std::fs::read_dir(root().join("scenarios")).expect("scenarios");
    let mut files: Vec<_> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    let mut ran = 0;
    for file in files {
        let scenario = Scenario::load(&file).expect("a scenario");
        if scenario.program().is_some() {
            continue;
        }
        let outcome = run_at(&place, &scenario, 0);
        let verdict = outcome.verdict(&scenario);
        assert_eq!(verdict, Verdict::Passed, "{}: {:?}", scenario.name, outcome.harness);
        ran += 1;
    }
    assert!(ran > 10, "only {ran} scenarios");
    println!("rights: enough in {ran} scenarios");
}

/// A fresh cluster with everything that the manifests say, made object by object.
fn install(cluster: &Cluster, choices: &Choices) {
    cluster.with(|world| {
        boot::cluster(world, &ClusterSpec { nodes: 3, workloads: Vec::new() });
        for object in manifests::all(choices).expect("manifests").into_iter().map(Value::from) {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
            let api = text("/apiVersion").unwrap_or_default();
            let (group, version) = api.split_once('/').unwrap_or(("", api));
            let kind = text("/kind").unwrap_or_default();
            let resource = { world.server.registry.all() }
                .find(|one| one.kind == kind && one.resource.group == group)
                .map(|one| one.resource.clone())
                .expect(kind);
            let namespace = text("/metadata/namespace").unwrap_or_default();
            let request = Request {
                version: version.to_owned().into(),
                body: object.clone(),
                ..Request::new("kubectl", Verb::Create, resource, namespace, "")
            };
            world.direct(request).unwrap_or_else(|why| panic!("{kind}: {why}"));
        }
    });
}

#[test]
fn what_is_printed_is_taken_and_its_replicas_run() {
    let choices =
        Choices { image: "maestro:test".to_owned(), namespace: NAMESPACE.to_owned(), replicas: 2 };
    let options = Options { seed: 3, trace: TraceLevel::Digest };
    let done = run(&options, |cluster: Cluster| async move {
        install(&cluster, &choices);
        tokio::time::sleep(Duration::from_secs(120)).await;
        let get = |group: &str, resource: &str, namespace: &str, name: &str| {
            cluster.with(|world| {
                let resource = GroupResource::owned(group, resource);
                let found = world.server.store.get(&resource, &Key::new(namespace, name));
                found.map(|object| object.value().clone()).unwrap_or_default()
            })
        };
        let deployment = get("apps", "deployments", NAMESPACE, NAME);
        assert_eq!(deployment["status"]["readyReplicas"], 2, "{deployment}");
        let rbac = "rbac.authorization.k8s.io";
        let packages = get(rbac, "clusterroles", "", "maestro-packages");
        let workloads = get(rbac, "clusterroles", "", "maestro-workloads");
        assert_eq!(packages["rules"], workloads["rules"], "rules are aggregated");
        assert!(packages["rules"].as_array().is_some_and(|rules| rules.len() > 5), "{packages}");
    });
    done.expect("the simulation ends");
}
