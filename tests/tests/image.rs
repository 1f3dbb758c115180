//! The operator as it ships: its own image beside a real control plane in containers, installed by
//! its own manifests, with a token of its own account and no other rights.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Client, Config};
use maestro_core::manifests::{self, Choices, NAME, NAMESPACE, rights};
use maestro_sim::facts::Version;
use maestro_test::cluster::Sink;
use maestro_test::cluster::container::{self, Containers, operator};
use maestro_test::cluster::control_plane::programs::{Managers, Programs};
use maestro_test::cluster::live::{Live, Spec};
use maestro_test::event::Write;
use serde_json::{Value, json};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(240);

/// Nobody judges what happens.
struct Deaf;

impl Sink for Deaf {
    fn wrote(&self, _at: Duration, _write: Write) {}
}

/// The API of an object's kind, once it is served.
async fn api(client: &Client, object: &Value) -> Option<Api<DynamicObject>> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", "v1"));
    let gvk = GroupVersionKind::gvk(group, version, text("/kind"));
    let (resource, can) = pinned_kind(client, &gvk).await.ok()?;
    Some(match can.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => {
            Api::namespaced_with(client.clone(), text("/metadata/namespace"), &resource)
        }
    })
}

/// Applies an object as kubectl does, as soon as its kind is served.
async fn apply(client: &Client, object: &Value) {
    let name = object["metadata"]["name"].as_str().expect("a name");
    let params = PatchParams::apply("kubectl").force();
    let done = until(async || {
        let api = api(client, object).await?;
        api.patch(name, &params, &Patch::Apply(object)).await.ok()
    });
    assert!(done.await.is_some(), "cannot apply {} {name}", object["kind"]);
}

async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let end = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < end {
        if let Some(found) = look().await {
            return Some(found);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    None
}

/// An object as it is now.
async fn get(client: &Client, (api_version, kind): (&str, &str), at: (&str, &str)) -> Value {
    let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"namespace": at.0}});
    let Some(api) = api(client, &object).await else { return Value::Null };
    let found = api.get(at.1).await.ok();
    found.and_then(|found| serde_json::to_value(found).ok()).unwrap_or_default()
}

fn is_ready(object: &Value) -> bool {
    let all = object["status"]["conditions"].as_array().into_iter().flatten();
    { all }.any(|one| one["type"] == "Ready" && one["status"] == "True")
}

async fn operate(programs: Programs, managers: Managers, program: &Path) {
    let built = operator::build(program).await.expect("an image");
    let containers =
        Containers::start(&programs, &managers, Version::default()).await.expect("a control plane");
    let kubeconfig = Kubeconfig::from_yaml(containers.kubeconfig()).expect("a kubeconfig");
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a config");
    let client = Client::try_from(config).expect("a client");
    let spec = Spec {
        nodes: 3,
        hosted: true,
        provisions: false,
        after: None,
        workloads: Vec::new(),
        version: Version::default(),
        seed: 1,
        time_scale: 0.05,
    };
    let _nodes = Live::start(client.clone(), &spec, Arc::new(Deaf)).await.expect("nodes");
    let choices = Choices { image: built.name.clone(), namespace: NAMESPACE.into(), replicas: 2 };
    for object in manifests::all(&choices).expect("manifests") {
        apply(&client, &object).await;
    }
    let role = ("rbac.authorization.k8s.io/v1", "ClusterRole");
    let gathered = until(async || {
        let role = get(&client, role, ("", rights::PACKAGES)).await;
        role["rules"].as_array().filter(|rules| !rules.is_empty()).map(Vec::len)
    });
    gathered.await.expect("gathered rules");
    let deployment = until(async || {
        let object = get(&client, ("apps/v1", "Deployment"), (NAMESPACE, NAME)).await;
        (object["status"]["readyReplicas"] == 2).then_some(())
    });
    deployment.await.expect("what is printed runs, as far as Maestro's kubelets run anything");
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), NAMESPACE);
    let asked = TokenRequest {
        spec: TokenRequestSpec {
            // What the API server takes itself to be for.
            audiences: Vec::new(),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let given = accounts.create_token_request(NAME, &PostParams::default(), &asked).await;
    let token = given.expect("a token").status.expect("a token").token;
    let mut replicas = Vec::new();
    for number in 0..2 {
        let replica = containers.operator(&built, NAMESPACE, &token, number).await;
        replicas.push(replica.expect("a replica"));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/zookeeper");
    let package = maestro_core::load::load(&folder).expect("a Framework");
    let framework = json!({"apiVersion": "maestro.dev/v1alpha1", "kind": "Framework",
        "metadata": {"name": package.name}, "spec": package.spec});
    apply(&client, &framework).await;
    let kind = ("packages.maestro.dev/v1alpha1", "ZooKeeper");
    let instance = json!({"apiVersion": kind.0, "kind": kind.1, "spec": {},
        "metadata": {"name": "main", "namespace": "default"}});
    apply(&client, &instance).await;
    let ready =
        until(async || is_ready(&get(&client, kind, ("default", "main")).await).then_some(()));
    let ready = ready.await;
    let mut leaders = 0;
    for replica in &replicas {
        let log = replica.log().await.expect("a log");
        assert!(!log.contains("is forbidden"), "{log}");
        assert!(ready.is_some(), "the instance is not ready; a replica said:\n{log}");
        leaders += usize::from(log.contains("\"leading\""));
    }
    assert_eq!(leaders, 1, "one leads, one waits");
    println!(
        "container image: two replicas as {} brought an instance up",
        manifests::user(NAMESPACE)
    );
}

#[test]
fn the_image_runs_beside_a_control_plane_with_its_own_token() {
    let had = || {
        let (programs, managers) = (Programs::find()?, Managers::find()?);
        let program = operator::program()?;
        container::lacking().map_or(Ok((programs, managers, program)), Err)
    };
    let (programs, managers, program) = match had() {
        Ok(had) => had,
        Err(why) => {
            println!("SKIPPED the operator's image: {why}");
            return;
        }
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(operate(programs, managers, &program));
}
