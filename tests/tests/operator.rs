//! The operator on a simulated cluster, in what time alone brings about: a lost node, a schedule,
//! a template that never comes to rest.

use std::path::Path;
use std::time::Duration;

use maestro_core::operator::{self, OperatorOptions};
use maestro_sim::api::{Request, Verb};
use maestro_sim::boot::{self, ClusterSpec};
use maestro_sim::json::{Value, json};
use maestro_sim::link::{Direction, LinkId, Trouble};
use maestro_sim::object::{GroupResource, Key};
use maestro_sim::sim::{Cluster, Options, run};
use maestro_sim::trace::TraceLevel;

const PACKAGES: &str = "packages.maestro.dev";
const OWN: &str = "maestro.dev";

fn send(cluster: &Cluster, verb: Verb, group: &str, resource: &str, version: &str, body: &Value) {
    let metadata = &body["metadata"];
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    let named = verb != Verb::Create;
    let request = Request {
        version: version.to_owned().into(),
        body: body.clone(),
        ..Request::new(
            "test",
            verb,
            GroupResource::owned(group, resource),
            &text("namespace"),
            &if named { text("name") } else { String::new() },
        )
    };
    cluster.with(|world| world.direct(request)).expect("the server takes it");
}

/// A cluster of three nodes with the operator, a Framework and one instance of it.
fn start(cluster: &Cluster, framework: &Value, spec: &Value) {
    let link = cluster.with(|world| {
        boot::cluster(world, &ClusterSpec { nodes: 3, workloads: Vec::new() });
        world.links.add("operator/0")
    });
    for crd in maestro_core::package::framework_crds() {
        let crd = serde_json::to_value(crd).expect("a CRD is JSON");
        let resource = "customresourcedefinitions";
        send(cluster, Verb::Create, "apiextensions.k8s.io", resource, "v1", &crd.into());
    }
    send(cluster, Verb::Create, OWN, "frameworks", "v1alpha1", framework);
    operate(cluster, link);
    let instance = json!({
        "apiVersion": format!("{PACKAGES}/v1alpha1"), "kind": framework["spec"]["names"]["kind"],
        "metadata": {"name": "main", "namespace": "default"}, "spec": spec,
    });
    let (cluster, plural) = (cluster.clone(), framework["spec"]["names"]["plural"].clone());
    tokio::spawn(async move {
        // The package's kind is served once the operator has seen the Framework.
        tokio::time::sleep(Duration::from_secs(10)).await;
        let plural = plural.as_str().unwrap_or_default();
        send(&cluster, Verb::Create, PACKAGES, plural, "v1alpha1", &instance);
    });
}

/// Starts the operator on a link.
fn operate(cluster: &Cluster, link: LinkId) {
    let client = kube::client::ClientBuilder::new(cluster.service(link), "default").build();
    tokio::spawn(operator::run(client, OperatorOptions::default()));
}

fn load(folder: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(folder);
    let package = maestro_core::load::load(&path).expect("a Framework");
    json!({"apiVersion": "maestro.dev/v1alpha1", "kind": "Framework",
           "metadata": {"name": package.name}, "spec": serde_json::to_value(package.spec).unwrap()})
}

fn get(cluster: &Cluster, group: &str, resource: &str, name: &str) -> Value {
    let resource = GroupResource::owned(group, resource);
    let key = Key::new("default", name);
    cluster.with(|world| {
        let object = world.server.store.get(&resource, &key);
        object.map(|object| object.value().clone()).unwrap_or_default()
    })
}

/// The runs of a plan: what they were scheduled for, and their state.
fn runs(cluster: &Cluster, plan: &str) -> Vec<(Value, Value)> {
    let resource = GroupResource::new(OWN, "planexecutions");
    let mut runs = cluster.with(|world| {
        let table = world.server.store.find(&resource);
        let objects = table.into_iter().flat_map(|table| table.objects.values());
        objects.map(|object| object.value().clone()).collect::<Vec<Value>>()
    });
    runs.retain(|run| run["spec"]["plan"] == plan);
    runs.sort_by_key(|run| run["spec"]["sequence"].as_i64());
    let short = |run: Value| (run["spec"]["scheduledFor"].clone(), run["status"]["state"].clone());
    runs.into_iter().map(short).collect()
}

async fn minutes(count: u64) {
    tokio::time::sleep(Duration::from_secs(60 * count)).await;
}

fn ready(object: &Value) -> &str {
    let all = object["status"]["conditions"].as_array().into_iter().flatten();
    let mut found = all.filter(|one| one["type"] == "Ready");
    found.next().and_then(|one| one["status"].as_str()).unwrap_or("none")
}

fn options() -> Options {
    Options { seed: 7, trace: TraceLevel::Digest }
}

#[test]
fn a_server_on_a_lost_node_is_brought_back() {
    let done = run(&options(), |cluster: Cluster| async move {
        start(&cluster, &load("zookeeper"), &json!({"storageClass": "network"}));
        // A volume that any node can mount, unlike those that are bound where a pod first runs.
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": "network"}, "provisioner": "volume.sim.maestro.dev",
            "volumeBindingMode": "Immediate",
        });
        send(&cluster, Verb::Create, "storage.k8s.io", "storageclasses", "v1", &class);
        minutes(10).await;
        assert_eq!(ready(&get(&cluster, PACKAGES, "zookeepers", "main")), "True");
        let pod = get(&cluster, "", "pods", "main-1");
        let node = pod["spec"]["nodeName"].as_str().expect("a node").to_owned();
        cluster.with(|world| {
            let link = world.links.find(&format!("kubelet/{node}")).expect("a kubelet");
            world.links.trouble(&[link], &Trouble::Cut(Direction::Both));
        });
        // 50 s until the node is given up, 5 min until its pods are to go, a minute's grace and
        // two more: none of it is an event at the moment when the trigger comes true.
        minutes(8).await;
        assert_eq!(runs(&cluster, "recover"), []);
        minutes(5).await;
        assert_eq!(runs(&cluster, "recover"), [(Value::Null, json!("Complete"))]);
        let other = get(&cluster, "", "pods", "main-1");
        assert_ne!(other["metadata"]["uid"], pod["metadata"]["uid"]);
        assert_ne!(other["spec"]["nodeName"], pod["spec"]["nodeName"]);
        assert_eq!(ready(&other), "True");
        assert_eq!(ready(&get(&cluster, PACKAGES, "zookeepers", "main")), "True");
        minutes(30).await;
        assert_eq!(runs(&cluster, "recover").len(), 1, "what helped is not repeated");
    });
    done.expect("the simulation ends");
}

/// A Framework of one ConfigMap and what else is given.
fn small(extra: Value, data: &str) -> Value {
    let mut spec = json!({
        "names": {"kind": "Small", "plural": "smalls"}, "version": "1.0.0",
        "parameters": [{"name": "size", "type": "integer", "default": 1}],
        "templates": {
            "map.yaml": format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: '${{name}}'}}\n\
                                 data: {{size: '${{string(params.size)}}', seen: '{data}'}}\n"),
            "set.yaml": "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: '${name}'}\n\
                spec:\n  serviceName: a\n  replicas: 3\n  selector: {matchLabels: {a: b}}\n\
                \x20 template:\n    metadata: {labels: {a: b}}\n    spec:\n      containers:\n\
                \x20       - {name: a, image: a, envFrom: [{configMapRef: {name: '${name}'}}]}\n",
        },
        "tasks": {"all": {"apply": ["map.yaml", "set.yaml"]}, "map": {"apply": ["map.yaml"]}},
        "plans": {
            "deploy": {"phases": [{"name": "a", "steps": [{"name": "a", "tasks": ["all"]}]}]},
            "backup": {"phases": [{"name": "a", "steps": [{"name": "a", "tasks": ["map"]}]}]},
        },
    });
    for (field, value) in extra.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    json!({"apiVersion": "maestro.dev/v1alpha1", "kind": "Framework",
           "metadata": {"name": "small"}, "spec": spec})
}

#[test]
fn a_schedule_runs_once_an_instant_and_makes_up_for_missed_ones_once() {
    let done = run(&options(), |cluster: Cluster| async move {
        let triggers = json!([{"plan": "backup", "schedule": "*/20 * * * *"}]);
        start(&cluster, &small(json!({"triggers": triggers}), ""), &json!({}));
        minutes(65).await;
        let hourly = runs(&cluster, "backup");
        let instants: Vec<_> = hourly.iter().filter_map(|run| run.0.as_str()).collect();
        assert_eq!(instants.len(), 3, "{hourly:?}");
        assert!(hourly.iter().all(|run| run.1 == "Complete"), "{hourly:?}");
        assert!(instants.iter().all(|at| at.ends_with("0:00Z")), "{instants:?}");
        let mut main = get(&cluster, PACKAGES, "smalls", "main");
        main["spec"]["suspend"] = json!(true);
        send(&cluster, Verb::Update, PACKAGES, "smalls", "v1alpha1", &main);
        minutes(120).await;
        assert_eq!(runs(&cluster, "backup").len(), 3, "what is suspended runs nothing");
        let mut main = get(&cluster, PACKAGES, "smalls", "main");
        main["spec"]["suspend"] = json!(false);
        send(&cluster, Verb::Update, PACKAGES, "smalls", "v1alpha1", &main);
        minutes(1).await;
        assert_eq!(runs(&cluster, "backup").len(), 4, "six were missed, and are one");
    });
    done.expect("the simulation ends");
}

/// Changes a Framework's object as a user would.
fn change(cluster: &Cluster, change: impl Fn(&mut Value)) {
    let resource = GroupResource::new(OWN, "frameworks");
    let mut framework = cluster.with(|world| {
        let found = world.server.store.get(&resource, &Key::new("", "small"));
        found.map(|object| object.value().clone()).unwrap_or_default()
    });
    change(&mut framework);
    send(cluster, Verb::Update, OWN, "frameworks", "v1alpha1", &framework);
}

#[test]
fn instances_are_run_whatever_becomes_of_their_framework() {
    // A spec that its version forbids; one whose CRD the server refuses; a Framework that is to go.
    type Blow = fn(&Cluster);
    let cases: [(&str, Blow); 3] = [
        ("VersionIsImmutable", |cluster| {
            change(cluster, |framework| framework["spec"]["appVersion"] = json!("2"));
        }),
        ("InvalidCustomResourceDefinition", |cluster| {
            change(cluster, |framework| {
                framework["spec"]["version"] = json!("1.1.0");
                framework["spec"]["parameters"][0]["rule"] = json!("self ==");
            });
        }),
        ("InstancesLeft", |cluster| {
            let body = json!({"metadata": {"name": "small"}});
            send(cluster, Verb::Delete, OWN, "frameworks", "v1alpha1", &body);
        }),
    ];
    for (reason, spoil) in cases {
        let done = run(&options(), move |cluster: Cluster| async move {
            start(&cluster, &small(json!({}), ""), &json!({}));
            minutes(5).await;
            spoil(&cluster);
            minutes(1).await;
            // Another process takes over, which has never seen the Framework well.
            let link = cluster.with(|world| {
                let old = world.links.find("operator/0").expect("the operator's link");
                world.links.replace(old)
            });
            operate(&cluster, link);
            minutes(2).await;
            let mut main = get(&cluster, PACKAGES, "smalls", "main");
            main["spec"]["size"] = json!(7);
            send(&cluster, Verb::Update, PACKAGES, "smalls", "v1alpha1", &main);
            minutes(5).await;
            let framework = cluster.with(|world| {
                let resource = GroupResource::new(OWN, "frameworks");
                let found = world.server.store.get(&resource, &Key::new("", "small"));
                found.map(|object| object.value().clone()).unwrap_or_default()
            });
            assert_eq!(framework["status"]["conditions"][0]["reason"], reason);
            assert_eq!(get(&cluster, "", "configmaps", "main")["data"]["size"], "7", "{reason}");
        });
        done.expect("the simulation ends");
    }
}

/// How many objects of a kind there are, besides those that every cluster begins with.
fn count(cluster: &Cluster, group: &str, resource: &str) -> usize {
    let resource = GroupResource::owned(group, resource);
    cluster.with(|world| {
        let table = world.server.store.find(&resource);
        let objects = table.map(|table| table.objects.values()).into_iter().flatten();
        objects.filter(|object| object.label("kubernetes.io/bootstrapping").is_none()).count()
    })
}

#[test]
fn old_runs_go_unless_only_they_know_what_the_instance_left_elsewhere() {
    // A cluster-scoped object that has one name for ever, and one that each run names anew.
    let role = |name: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n\
             metadata: {{name: '{name}'}}\nrules: []\n"
        )
    };
    // Besides the last two, the run that says since when the instance is at its version stays.
    for (name, runs, roles) in [("${name}", 3, 1), ("${name}-${string(params.size)}", 13, 13)] {
        let done = run(&options(), |cluster: Cluster| async move {
            let mut framework = small(json!({"historyLimit": 2}), "");
            framework["spec"]["templates"]["map.yaml"] = json!(role(name));
            framework["spec"]["tasks"]["all"]["apply"] = json!(["map.yaml"]);
            start(&cluster, &framework, &json!({}));
            minutes(2).await;
            for size in 2..=13 {
                let mut main = get(&cluster, PACKAGES, "smalls", "main");
                main["spec"]["size"] = json!(size);
                send(&cluster, Verb::Update, PACKAGES, "smalls", "v1alpha1", &main);
                minutes(1).await;
            }
            assert_eq!(count(&cluster, OWN, "planexecutions"), runs, "{name}");
            let mine = "rbac.authorization.k8s.io";
            assert_eq!(count(&cluster, mine, "clusterroles"), roles, "{name}");
            let main = json!({"metadata": {"name": "main", "namespace": "default"}});
            send(&cluster, Verb::Delete, PACKAGES, "smalls", "v1alpha1", &main);
            minutes(5).await;
            assert_eq!(count(&cluster, mine, "clusterroles"), 0, "{name}");
            assert_eq!(count(&cluster, OWN, "planexecutions"), 0, "{name}");
        });
        done.expect("the simulation ends");
    }
}

#[test]
fn drift_is_what_templates_render_now() {
    let versions = |data: &'static str| {
        let done = run(&options(), move |cluster: Cluster| async move {
            start(&cluster, &small(json!({}), data), &json!({}));
            let mut versions = Vec::new();
            for _ in 0..4 {
                minutes(15).await;
                versions.push(
                    get(&cluster, "apps", "statefulsets", "main")["metadata"]["generation"].clone(),
                );
            }
            versions
        });
        done.expect("the simulation ends")
    };
    let still = versions("${params.size + 1}");
    assert_eq!(still, [1, 1, 1, 1].map(|one| json!(one)), "what renders the same stays");
    // The servers restart with their configuration, which changes the status of the instance,
    // which changes their configuration.
    let hot = versions("${instance.metadata.resourceVersion}");
    let rises = |pair: &[Value]| pair[0].as_i64() < pair[1].as_i64();
    assert!(hot.windows(2).all(rises), "{hot:?}");
}
