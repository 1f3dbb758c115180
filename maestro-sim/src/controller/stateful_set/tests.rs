//! StatefulSets through their life, as data.

use crate::controller::kinds::{CLAIMS, PODS, STATEFUL_SETS};
use crate::controller::testing::World;
use crate::json::{Value, json};

fn set(replicas: i64, extra: &Value) -> Value {
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "zk", "namespace": "default"},
        "spec": {
            "replicas": replicas, "serviceName": "zk",
            "selector": {"matchLabels": {"app": "zk"}},
            "template": {
                "metadata": {"labels": {"app": "zk"}},
                "spec": {"containers": [{"name": "c", "image": "good:1"}]},
            },
            "updateStrategy": {"type": "RollingUpdate"},
        },
    });
    crate::json::merge(&mut set, &json!({"spec": extra}));
    set
}

fn image(name: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}})
}

fn is_good(pod: &crate::object::Object) -> bool {
    pod.items(&["spec", "containers"])[0]["image"].as_str().is_some_and(|i| i.starts_with("good"))
}

/// Creates a set, applies patches one after the other, and returns what happened after the first
/// rest, and the world.
fn check(start: Value, patches: &[Value], expected: &[&str]) -> World {
    let mut world = World::new();
    world.healthy = is_good;
    world.create(&STATEFUL_SETS, start);
    world.settle();
    if !patches.is_empty() {
        world.trace.clear();
    }
    for patch in patches {
        world.patch(&STATEFUL_SETS, "zk", patch.clone());
        world.settle();
    }
    assert_eq!(world.trace, expected);
    world
}

#[test]
fn life() {
    let none = json!({});
    check(set(3, &none), &[], &["made zk-0", "made zk-1", "made zk-2"]);
    let start = json!({"ordinals": {"start": 5}});
    check(set(2, &start), &[], &["made zk-5", "made zk-6"]);
    let down = json!({"spec": {"replicas": 1}});
    check(set(3, &none), &[down], &["gone zk-2", "gone zk-1"]);
    let rolled = ["gone zk-2", "made zk-2", "gone zk-1", "made zk-1", "gone zk-0", "made zk-0"];
    check(set(3, &none), &[image("good:2")], &rolled);
    let partition = json!({"updateStrategy": {"rollingUpdate": {"partition": 2}}});
    check(set(3, &partition), &[image("good:2")], &["gone zk-2", "made zk-2"]);
    let two = json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}},
        "podManagementPolicy": "Parallel"});
    let pairs = ["gone zk-1", "gone zk-2", "made zk-1", "made zk-2", "gone zk-0", "made zk-0"];
    check(set(3, &two), &[image("good:2")], &pairs);
    let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    check(set(3, &on_delete), &[image("good:2")], &[]);
    // A broken image stops the rollout at its first pod, and an OrderedReady set stays stuck
    // even when the template is mended: the broken pod has to be deleted by hand.
    let stuck = ["gone zk-2", "made zk-2"];
    check(set(3, &none), &[image("bad:1"), image("good:3")], &stuck);
}

#[test]
fn status_and_claims() {
    let claims = json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]});
    let world = check(
        set(2, &claims),
        &[image("good:2")],
        &["gone zk-1", "made zk-1", "gone zk-0", "made zk-0"],
    );
    assert_eq!(world.names(&CLAIMS), ["data-zk-0", "data-zk-1"]);
    let set = world.get(&STATEFUL_SETS, "zk").expect("the set is there");
    let status = set.at(&["status"]).expect("it has a status");
    let counts = ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas"];
    assert!(counts.iter().all(|f| status[f] == 2), "{status}");
    assert_eq!(status["currentRevision"], status["updateRevision"]);
    assert_eq!(status["observedGeneration"], 2);
    let pod = world.get(&PODS, "zk-1").expect("the pod is there");
    assert_eq!(pod.label("apps.kubernetes.io/pod-index"), Some("1"));
    assert_eq!(pod.label("controller-revision-hash"), status["updateRevision"].as_str());
    assert_eq!(world.server.errors, Vec::<String>::new());
}
