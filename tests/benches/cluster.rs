//! What the simulated cluster costs: a fresh one, single requests in process and through
//! `kube::Client`, watches, one reconcile, one whole scenario.
//!
//! Each figure is one simulation that does the same thing many times, so that the start of the
//! simulation's thread weighs little; `items` in the output is the rate of that thing.

use std::path::Path;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams, WatchParams};
use maestro_sim::api::{PatchType, Request, Verb};
use maestro_sim::boot::{self, ClusterSpec};
use maestro_sim::json::{Value, json};
use maestro_sim::object::GroupResource;
use maestro_sim::sim::{Cluster, Options, run};
use maestro_sim::trace::TraceLevel;
use maestro_test::scenario::Scenario;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // As `maestro-test` does.
    maestro_test::pages::small();
    divan::main();
}

fn simulate<Fut: Future<Output = ()>>(body: impl FnOnce(Cluster) -> Fut + Send) {
    let options = Options { seed: 1, trace: TraceLevel::Digest };
    if let Err(why) = run(&options, body) {
        panic!("{why}");
    }
}

fn request(verb: Verb, resource: &'static str, name: &str, body: Value) -> Request {
    Request {
        body,
        ..Request::new("bench", verb, GroupResource::new("", resource), "default", name)
    }
}

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "bench"}},
        "spec": {"containers": [{"name": "main", "image": "example.com/main:1",
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
            "readinessProbe": {"tcpSocket": {"port": 80}}}]}})
}

/// A server with its first objects and so many pods, and nothing that acts.
fn quiet(cluster: &Cluster, pods: usize) {
    cluster.with(|world| {
        boot::bootstrap(world);
        // Pods run as an account, which a controller would make.
        let account = json!({"metadata": {"name": "default"}});
        let account = request(Verb::Create, "serviceaccounts", "", account);
        world.direct(account).expect("the account is created");
        for index in 0..pods {
            let create = request(Verb::Create, "pods", "", pod(&format!("pod-{index}")));
            world.direct(create).expect("a pod is created");
        }
    });
}

fn client(cluster: &Cluster, name: &str) -> Client {
    let link = cluster.with(|world| world.links.add(name));
    kube::client::ClientBuilder::new(cluster.service(link), "default").build()
}

#[divan::bench]
fn fresh_simulation(bencher: Bencher) {
    bencher.bench(|| simulate(|cluster| async move { quiet(&cluster, 0) }));
}

#[divan::bench]
fn fresh_cluster_of_three_nodes(bencher: Bencher) {
    bencher.bench(|| {
        simulate(|cluster| async move {
            let spec = ClusterSpec { nodes: 3, workloads: Vec::new() };
            cluster.with(|world| boot::cluster(world, &spec));
        });
    });
}

/// Requests of the cluster's own parts: values, without HTTP.
#[divan::bench_group]
mod in_process {
    use super::*;

    fn many(bencher: Bencher, pods: usize, count: usize, make: impl Fn(usize) -> Request + Sync) {
        bencher.counter(ItemsCount::new(count)).bench(|| {
            simulate(|cluster| async {
                let cluster = cluster;
                quiet(&cluster, pods);
                cluster.with(|world| {
                    for index in 0..count {
                        divan::black_box(world.direct(make(index)).expect("it is answered"));
                    }
                });
            });
        });
    }

    #[divan::bench]
    fn get(bencher: Bencher) {
        many(bencher, 1, 20_000, |_| request(Verb::Get, "pods", "pod-0", Value::Null));
    }

    #[divan::bench]
    fn create(bencher: Bencher) {
        many(bencher, 0, 2_000, |index| {
            request(Verb::Create, "pods", "", pod(&format!("new-{index}")))
        });
    }

    fn patched(kind: PatchType, body: Value) -> Request {
        let mut patch = request(Verb::Patch, "pods", "pod-0", body);
        patch.patch = Some(kind);
        patch.options.field_manager = Some("bench".into());
        patch
    }

    #[divan::bench]
    fn merge_patch(bencher: Bencher) {
        many(bencher, 1, 2_000, |index| {
            let body = json!({"metadata": {"annotations": {"count": index.to_string()}}});
            patched(PatchType::Merge, body)
        });
    }

    #[divan::bench]
    fn apply(bencher: Bencher) {
        many(bencher, 1, 2_000, |index| {
            let body = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod-0",
                "annotations": {"count": index.to_string()}}});
            patched(PatchType::Apply, body)
        });
    }

    #[divan::bench]
    fn status_update(bencher: Bencher) {
        many(bencher, 1, 2_000, |index| {
            let body = json!({"status": {"message": index.to_string()}});
            Request { subresource: "status".into(), ..patched(PatchType::Merge, body) }
        });
    }
}

/// Requests of an operator: `kube::Client` as its users get it, over a link with its usual lag.
#[divan::bench_group]
mod through_kube {
    use super::*;

    #[divan::bench]
    fn get(bencher: Bencher) {
        const COUNT: usize = 5_000;
        bencher.counter(ItemsCount::new(COUNT)).bench(|| {
            simulate(|cluster| async move {
                quiet(&cluster, 1);
                let pods = Api::<Pod>::namespaced(client(&cluster, "operator/0"), "default");
                for _ in 0..COUNT {
                    divan::black_box(pods.get("pod-0").await.expect("it is there"));
                }
            });
        });
    }

    #[divan::bench]
    fn list_1000(bencher: Bencher) {
        const COUNT: usize = 10;
        bencher.counter(ItemsCount::new(COUNT)).bench(|| {
            simulate(|cluster| async move {
                quiet(&cluster, 1_000);
                let pods = Api::<Pod>::namespaced(client(&cluster, "operator/0"), "default");
                for _ in 0..COUNT {
                    let all = pods.list(&ListParams::default()).await.expect("they are listed");
                    assert_eq!(all.items.len(), 1_000);
                }
            });
        });
    }

    #[divan::bench]
    fn create_and_apply(bencher: Bencher) {
        const COUNT: usize = 1_000;
        bencher.counter(ItemsCount::new(2 * COUNT)).bench(|| {
            simulate(|cluster| async move {
                quiet(&cluster, 0);
                let api = Api::<ConfigMap>::namespaced(client(&cluster, "operator/0"), "default");
                let params = PatchParams::apply("bench").force();
                for index in 0..COUNT {
                    let name = format!("map-{index}");
                    let mut map = ConfigMap::default();
                    map.metadata.name = Some(name.clone());
                    api.create(&PostParams::default(), &map).await.expect("it is created");
                    map.data = Some([("key".to_owned(), index.to_string())].into());
                    api.patch(&name, &params, &Patch::Apply(&map)).await.expect("it is applied");
                }
            });
        });
    }

    /// One write, seen by a hundred watches.
    #[divan::bench]
    fn watch_by_100(bencher: Bencher) {
        const WATCHES: usize = 100;
        const WRITES: usize = 50;
        bencher.counter(ItemsCount::new(WATCHES * WRITES)).bench(|| {
            simulate(|cluster| async move {
                quiet(&cluster, 0);
                let client = client(&cluster, "operator/0");
                let watches: Vec<_> = (0..WATCHES)
                    .map(|_| {
                        let api = Api::<ConfigMap>::namespaced(client.clone(), "default");
                        tokio::spawn(async move {
                            let events = api.watch(&WatchParams::default(), "0").await;
                            let events = events.expect("the watch begins");
                            let mut events = std::pin::pin!(events);
                            for _ in 0..WRITES {
                                events.try_next().await.expect("an event").expect("it goes on");
                            }
                        })
                    })
                    .collect();
                tokio::time::sleep(Duration::from_secs(1)).await;
                for index in 0..WRITES {
                    let name = format!("map-{index}");
                    let body = json!({"metadata": {"name": name}, "data": {"a": "b"}});
                    let write = request(Verb::Create, "configmaps", "", body);
                    cluster.with(|world| world.direct(write)).expect("it is created");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                for watch in watches {
                    watch.await.expect("it saw everything");
                }
            });
        });
    }

    /// An operator without a Lease over an hour in which nothing happens but one change a minute.
    #[divan::bench]
    fn one_reconcile(bencher: Bencher) {
        const COUNT: usize = 60;
        bencher.counter(ItemsCount::new(COUNT)).bench(|| {
            simulate(|cluster| async move {
                quiet(&cluster, 0);
                let operator = client(&cluster, "operator/0");
                tokio::spawn(async move { maestro_tests::mirror::run(operator, "mirror").await });
                for index in 0..COUNT {
                    let body = json!({"metadata": {"name": format!("source-{index}"),
                        "labels": {"mirror": "yes"}}, "data": {"a": "b"}});
                    let write = request(Verb::Create, "configmaps", "", body);
                    cluster.with(|world| world.direct(write)).expect("it is created");
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
            });
        });
    }
}

#[divan::bench(args = ["zookeeper-deploy", "zookeeper-lifecycle"], sample_count = 10)]
fn scenario(bencher: Bencher, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let file = folder.join(format!("{name}.yaml"));
    let scenario = Scenario::load(&file).expect("the scenario is valid");
    let seed = std::sync::atomic::AtomicU64::new(0);
    bencher.bench(|| {
        let seed = seed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        maestro_test::runner::run_scenario(&scenario, seed, TraceLevel::Digest)
    });
}
