//! The whole line: a Framework, the operator that ships, a simulated cluster.

use std::time::Duration;

use maestro_core::operator::{self, OperatorOptions};
use maestro_sim::api::{Request, Verb};
use maestro_sim::boot::{self, ClusterSpec};
use maestro_sim::object::{GroupResource, Key};
use maestro_sim::sim::{Cluster, Options, run};
use maestro_sim::trace::TraceLevel;

fn create(
    cluster: &Cluster,
    group: &str,
    resource: &str,
    version: &'static str,
    namespace: &str,
    body: maestro_sim::json::Value,
) {
    cluster
        .with(|w| {
            w.direct(Request {
                version: version.into(),
                body,
                ..Request::new(
                    "test",
                    Verb::Create,
                    GroupResource::owned(group, resource),
                    namespace,
                    "",
                )
            })
        })
        .unwrap();
}

#[test]
fn zookeeper() {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let options = Options {
        seed,
        trace: if std::env::var("TRACE").is_ok() { TraceLevel::Full } else { TraceLevel::Digest },
    };
    let began = std::time::Instant::now();
    let out = run(&options, |cluster: Cluster| async move {
        let link = cluster.with(|w| {
            boot::cluster(w, &ClusterSpec { nodes: 3, workloads: Vec::new() });
            w.links.add("operator/0")
        });
        create(
            &cluster,
            "",
            "namespaces",
            "v1",
            "",
            maestro_sim::json!({"metadata": {"name": "maestro-system"}}),
        );
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/zookeeper");
        let loaded = maestro_core::load::load(std::path::Path::new(dir)).unwrap();
        for crd in maestro_core::package::framework_crds() {
            create(
                &cluster,
                "apiextensions.k8s.io",
                "customresourcedefinitions",
                "v1",
                "",
                serde_json::to_value(crd).unwrap().into(),
            );
        }
        let client = kube::client::ClientBuilder::new(cluster.service(link), "default").build();
        let task = tokio::spawn(operator::run(
            client,
            OperatorOptions {
                identity: "operator-0".into(),
                namespace: None,
                lease: None,
                concurrency: 2,
                shutdown: Box::pin(std::future::pending()),
                listen: None,
            },
        ));
        tokio::time::sleep(Duration::from_secs(5)).await;
        let _ = &loaded;
        create(
            &cluster,
            "maestro.dev",
            "frameworks",
            "v1alpha1",
            "",
            maestro_sim::json!({"metadata": {"name": loaded.name}, "spec": serde_json::to_value(loaded.spec).unwrap()}),
        );
        tokio::time::sleep(Duration::from_secs(5)).await;
        create(
            &cluster,
            "packages.maestro.dev",
            "zookeepers",
            "v1alpha1",
            "default",
            maestro_sim::json!({"metadata": {"name": "main", "namespace": "default"}, "spec": {}}),
        );
        tokio::time::sleep(Duration::from_secs(600)).await;
        println!("operator finished: {}", task.is_finished());
        cluster.with(|w| {
            for line in w.trace.lines() {
                println!("{line}");
            }
            for t in w.server.store.tables() {
                println!(
                    "{}: {:?}",
                    t.resource,
                    t.objects.keys().map(|k: &Key| k.to_string()).collect::<Vec<_>>()
                );
            }
            let zk = w
                .server
                .store
                .get(
                    &GroupResource::new("packages.maestro.dev", "zookeepers"),
                    &Key::new("default", "main"),
                )
                .unwrap();
            println!("{}", serde_json::to_string_pretty(&zk.value()["status"]).unwrap());
            println!(
                "rv {} requests {} digest {:x}",
                w.server.store.version(),
                w.links.get(link).requests,
                w.trace.digest()
            );
        });
    });
    out.unwrap();
    println!("{:?}", began.elapsed());
}
