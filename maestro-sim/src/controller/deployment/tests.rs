//! Deployments: the arithmetic of a rollout and its phases.

use crate::controller::deployment::rolling::{Limits, limits};
use crate::controller::kinds::{DEPLOYMENTS, PODS, REPLICA_SETS};
use crate::controller::testing::World;
use crate::json::{Value, json};
use crate::object::Object;

fn deployment(replicas: i64, strategy: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas, "strategy": strategy,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "good:1"}]},
            },
        },
    })
}

fn is_good(pod: &Object) -> bool {
    pod.items(&["spec", "containers"])[0]["image"].as_str().is_some_and(|i| i.starts_with("good"))
}

fn image(name: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}})
}

fn condition(world: &World, kind: &str) -> String {
    let found = world.get(&DEPLOYMENTS, "web").expect("it is there");
    let found = crate::controller::pods::condition(&found, kind).cloned().unwrap_or_default();
    format!("{} {}", found["status"].as_str().unwrap_or(""), found["reason"].as_str().unwrap_or(""))
}

#[test]
fn surge_and_unavailable() {
    let table = [
        (10, json!("25%"), json!("25%"), 3, 2),
        (4, json!("25%"), json!("25%"), 1, 1),
        (1, json!("25%"), json!("25%"), 1, 0),
        (5, json!(0), json!("10%"), 0, 1),
        (3, json!(0), json!(0), 0, 1),
        (2, json!(1), json!(5), 1, 2),
        (3, json!("100%"), json!(0), 3, 0),
    ];
    for (replicas, surge, unavailable, pods_over, pods_under) in table {
        let rolling = json!({"maxSurge": surge, "maxUnavailable": unavailable});
        let strategy = json!({"type": "RollingUpdate", "rollingUpdate": rolling});
        let found = limits(&Object::new(deployment(replicas, &strategy)));
        let expected = Limits { surge: pods_over, unavailable: pods_under };
        assert_eq!(found, expected, "{replicas} {strategy}");
    }
}

fn world(strategy: &Value) -> World {
    let mut world = World::new();
    world.healthy = is_good;
    world.create(&DEPLOYMENTS, deployment(4, strategy));
    // The pass that makes a ReplicaSet is refused at its end and comes again a moment later.
    world.pass(2);
    world.server.events.clear();
    world
}

#[test]
fn rolls_over_and_back() {
    let mut world = world(&json!({"type": "RollingUpdate"}));
    assert_eq!(condition(&world, "Progressing"), "True NewReplicaSetAvailable");
    assert_eq!(condition(&world, "Available"), "True MinimumReplicasAvailable");
    world.patch(&DEPLOYMENTS, "web", image("good:2"));
    world.settle();
    let found = world.get(&DEPLOYMENTS, "web").expect("it is there");
    assert_eq!(found.annotation("deployment.kubernetes.io/revision"), Some("2"));
    assert_eq!(found.at(&["status", "updatedReplicas"]), Some(&json!(4)));
    assert_eq!(found.at(&["status", "unavailableReplicas"]), None);
    assert_eq!(world.names(&PODS).len(), 4);
    let sizes = |world: &World| -> Vec<i64> {
        world.server.list(&REPLICA_SETS).filter_map(|s| s.int(&["spec", "replicas"])).collect()
    };
    assert_eq!(sizes(&world).iter().sum::<i64>(), 4);
    world.patch(&DEPLOYMENTS, "web", image("good:1"));
    world.settle();
    let found = world.get(&DEPLOYMENTS, "web").expect("it is there");
    assert_eq!(found.annotation("deployment.kubernetes.io/revision"), Some("3"));
    assert_eq!(world.names(&REPLICA_SETS).len(), 2);
    // Only what a pass writes at its end, after a new ReplicaSet or revision, is refused.
    assert_eq!(world.server.errors.len(), 3, "{:?}", world.server.errors);
    assert!(world.server.errors.iter().all(|e| e.contains("the object has been modified")));
}

#[test]
fn a_broken_image_keeps_enough_pods_and_times_out() {
    let mut world = world(&json!({"type": "RollingUpdate"}));
    world.patch(&DEPLOYMENTS, "web", image("bad:1"));
    world.settle();
    let good = world.server.list(&PODS).filter(|p| is_good(p)).count();
    assert_eq!((good, world.names(&PODS).len()), (3, 5));
    assert_eq!(condition(&world, "Progressing"), "True ReplicaSetUpdated");
    world.pass(605);
    assert_eq!(condition(&world, "Progressing"), "False ProgressDeadlineExceeded");
    world.patch(&DEPLOYMENTS, "web", image("good:1"));
    world.settle();
    assert_eq!(condition(&world, "Progressing"), "True NewReplicaSetAvailable");
}

#[test]
fn recreate_never_mixes() {
    let mut world = world(&json!({"type": "Recreate"}));
    world.trace.clear();
    world.patch(&DEPLOYMENTS, "web", image("good:2"));
    world.settle();
    let kinds: Vec<&str> = world.trace.iter().filter_map(|t| t.split(' ').next()).collect();
    assert_eq!(kinds, ["gone", "gone", "gone", "gone", "made", "made", "made", "made"]);
}

#[test]
fn scales_and_pauses() {
    let mut world = world(&json!({"type": "RollingUpdate"}));
    world.patch(&DEPLOYMENTS, "web", json!({"spec": {"paused": true}}));
    world.patch(&DEPLOYMENTS, "web", image("good:2"));
    world.settle();
    assert_eq!(world.names(&REPLICA_SETS).len(), 1);
    assert_eq!(condition(&world, "Progressing"), "Unknown DeploymentPaused");
    world.patch(&DEPLOYMENTS, "web", json!({"spec": {"replicas": 6}}));
    world.settle();
    assert_eq!(world.names(&PODS).len(), 6);
    world.patch(&DEPLOYMENTS, "web", json!({"spec": {"paused": false, "replicas": 2}}));
    world.settle();
    assert_eq!((world.names(&PODS).len(), world.names(&REPLICA_SETS).len()), (2, 2));
}
