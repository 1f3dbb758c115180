//! What requests cost in a large cluster, as ratios to a small one, and how many an operator can
//! make a second through `kube::Client`, beside what `kube::Client` needs for itself.
//!
//! A simulation's own clock is virtual, so the time is taken by who waits for it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use maestro_sim::api::{PatchType, Request, Verb};
use maestro_sim::boot;
use maestro_sim::object::GroupResource;
use maestro_sim::sim::{Cluster, Options, run};
use maestro_sim::trace::TraceLevel;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Pods of a small and a large cluster.
const PODS: [usize; 2] = [1_000, 150_000];
/// Requests of a kind.
const COUNT: usize = 4_000;
/// Rounds of mixed requests, ten each.
const ROUNDS: usize = 1_000;

/// Tells that a part of the work is done.
struct Laps(Sender<()>);

impl Laps {
    fn lap(&self) {
        // Nobody listens any more only when the benchmark was stopped.
        let _ = self.0.send(());
    }
}

/// How long what lies between the laps of a simulation takes.
fn laps<Fut: Future<Output = ()>>(body: impl FnOnce(Cluster, Laps) -> Fut + Send) -> Vec<Duration> {
    std::thread::scope(|scope| {
        let (sender, receiver) = channel();
        scope.spawn(move || {
            let options = Options { seed: 1, trace: TraceLevel::Digest };
            if let Err(why) = run(&options, |cluster| body(cluster, Laps(sender))) {
                panic!("{why}");
            }
        });
        let at: Vec<Instant> = receiver.iter().map(|()| Instant::now()).collect();
        at.windows(2).map(|pair| pair[1] - pair[0]).collect()
    })
}

fn request(verb: Verb, name: &str, body: Value) -> Request {
    let pods = GroupResource::new("", "pods");
    Request { body: body.into(), ..Request::new("bench", verb, pods, "default", name) }
}

fn patch(kind: PatchType, name: &str, body: Value) -> Request {
    let mut patch = request(Verb::Patch, name, body);
    patch.patch = Some(kind);
    patch.options.field_manager = Some("bench".into());
    patch
}

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "bench"}},
        "spec": {"containers": [{"name": "main", "image": "example.com/main:1",
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}]}})
}

fn name(index: usize) -> String {
    format!("pod-{index}")
}

/// What is asked of a cluster, each with the request of an index.
type Kind = (&'static str, fn(usize) -> Request);
const KINDS: [Kind; 6] = [
    ("get", |index| request(Verb::Get, &name(index), Value::Null)),
    ("list of 100, by pages", |_| {
        let mut list = request(Verb::List, "", Value::Null);
        list.options.limit = 100;
        list
    }),
    ("create", |index| request(Verb::Create, "", pod(&format!("new-{index}")))),
    ("merge patch", |index| {
        let body = json!({"metadata": {"annotations": {"count": "1"}}});
        patch(PatchType::Merge, &name(index), body)
    }),
    ("apply", |index| {
        let body = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name(index),
            "annotations": {"applied": "1"}}});
        patch(PatchType::Apply, &name(index), body)
    }),
    ("delete", |index| request(Verb::Delete, &format!("new-{index}"), Value::Null)),
];

/// The first objects of a cluster in which nothing acts, and so many pods.
fn fill(cluster: &Cluster, pods: usize) {
    cluster.with(|world| {
        boot::bootstrap(world);
        let accounts = GroupResource::new("", "serviceaccounts");
        let account = Request {
            resource: accounts,
            ..request(Verb::Create, "", json!({"metadata": {"name": "default"}}))
        };
        world.direct(account).expect("the account is created");
        for index in 0..pods {
            world.direct(request(Verb::Create, "", pod(&name(index)))).expect("a pod is created");
        }
    });
}

/// What each kind of request takes in a cluster with so many pods.
fn costs(pods: usize) -> Vec<Duration> {
    let whole = laps(move |cluster, laps| async move {
        fill(&cluster, pods);
        laps.lap();
        for (_, make) in KINDS {
            cluster.with(|world| {
                for step in 0..COUNT {
                    // From everywhere in the collection, each pod once a kind or a few times.
                    let index = step * 7_919 % pods;
                    let index = if pods > COUNT { index } else { step % pods };
                    let made = matches!(make(0).verb, Verb::Create | Verb::Delete);
                    let request = make(if made { step } else { index });
                    std::hint::black_box(world.direct(request).expect("it is answered"));
                }
            });
            laps.lap();
        }
    });
    whole.into_iter().map(|time| time / COUNT as u32).collect()
}

/// Answers everything at once with the same object: what is left is the client.
#[derive(Clone)]
struct Constant(Bytes);

impl tower_service::Service<http::Request<kube::client::Body>> for Constant {
    type Response = http::Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<kube::client::Body>) -> Self::Future {
        ready(Ok(http::Response::new(Full::new(self.0.clone()))))
    }
}

fn map(index: usize) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(format!("map-{index}"));
    map.data = Some([("key".to_owned(), "value".to_owned())].into());
    map
}

/// Ten requests a round on ConfigMaps: six reads, and a create, an update, an apply and a delete.
async fn mixed(client: Client) {
    let maps = Api::<ConfigMap>::namespaced(client, "default");
    let apply = PatchParams::apply("bench").force();
    for index in 0..ROUNDS {
        let name = format!("map-{index}");
        let mut made = maps.create(&PostParams::default(), &map(index)).await.expect("created");
        made.data = Some([("key".to_owned(), "other".to_owned())].into());
        maps.replace(&name, &PostParams::default(), &made).await.expect("updated");
        maps.patch(&name, &apply, &Patch::Apply(&map(index))).await.expect("applied");
        for _ in 0..6 {
            std::hint::black_box(maps.get(&name).await.expect("read"));
        }
        maps.delete(&name, &DeleteParams::default()).await.expect("deleted");
    }
}

/// Requests a second through `kube::Client`, reads alone and mixed: of a cluster with so many pods,
/// on a link on which nothing takes time, or with an answer that is there before it is asked for.
fn through_kube(pods: Option<usize>) -> [f64; 2] {
    let whole = laps(move |cluster, laps| async move {
        fill(&cluster, pods.unwrap_or(0));
        let link = cluster.with(|world| world.links.add_direct("operator"));
        let mut client = Client::new(cluster.service(link), "default");
        let maps = Api::<ConfigMap>::namespaced(client.clone(), "default");
        maps.create(&PostParams::default(), &map(ROUNDS)).await.expect("created");
        if pods.is_none() {
            // The same bytes as the cluster's, and nobody who had to find them.
            let path = format!("/api/v1/namespaces/default/configmaps/map-{ROUNDS}");
            let request = http::Request::get(path).body(Vec::new()).expect("a request");
            let answer = client.request_text(request).await.expect("read");
            client = Client::new(Constant(answer.into()), "default");
        }
        let maps = Api::<ConfigMap>::namespaced(client.clone(), "default");
        laps.lap();
        for _ in 0..10 * ROUNDS {
            let name = format!("map-{ROUNDS}");
            std::hint::black_box(maps.get(&name).await.expect("read"));
        }
        laps.lap();
        mixed(client).await;
        laps.lap();
    });
    [whole[0], whole[1]].map(|time| (10 * ROUNDS) as f64 / time.as_secs_f64())
}

fn directly() {
    let [small, large] = PODS.map(costs);
    let micro = |time: &Duration| time.as_secs_f64() * 1e6;
    println!("{:<26}{:>12}{:>12}{:>9}", "µs a request, pods stored", PODS[0], PODS[1], "ratio");
    for ((name, _), (small, large)) in KINDS.iter().zip(small.iter().zip(&large)) {
        let (small, large) = (micro(small), micro(large));
        println!("{name:<26}{small:>12.1}{large:>12.1}{:>9.2}", large / small);
    }
}

fn by_kube() {
    let [client, small, large] = [None, Some(PODS[0]), Some(PODS[1])].map(through_kube);
    println!(
        "{:<26}{:>12}{:>12}{:>12}{:>9}",
        "a second, kube::Client", "no cluster", PODS[0], PODS[1], "ratio"
    );
    for (place, name) in ["get", "mixed"].iter().enumerate() {
        let [client, small, large] = [client, small, large].map(|rates| rates[place]);
        println!("{name:<26}{client:>12.0}{small:>12.0}{large:>12.0}{:>9.2}", small / large);
    }
}

/// Runs the parts that are named, or both: `direct`, `kube`.
fn main() {
    let parts: Vec<String> = std::env::args().skip(1).filter(|part| part != "--bench").collect();
    // As `maestro-test` does.
    maestro_test::pages::small();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    if wanted("direct") {
        directly();
    }
    if wanted("kube") {
        by_kube();
    }
}
