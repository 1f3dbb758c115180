//! The arithmetic of disruption budgets.

use crate::controller::kinds::{BUDGETS, REPLICA_SETS};
use crate::controller::testing::World;
use crate::json::{Value, json};

/// `replicas` pods of which all are healthy unless the set is over-asked; the four numbers of the
/// status and the reason.
fn check(replicas: i64, spec: &Value) -> (i64, i64, i64, i64, String) {
    let mut world = World::new();
    let labels = json!({"app": "a"});
    world.create(
        &REPLICA_SETS,
        json!({"metadata": {"name": "a", "namespace": "default"}, "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {}},
        }}),
    );
    let mut budget = json!({"metadata": {"name": "b", "namespace": "default"},
        "spec": {"selector": {"matchLabels": labels}}});
    crate::json::merge(&mut budget, &json!({"spec": spec}));
    world.create(&BUDGETS, budget);
    world.settle();
    let found = world.get(&BUDGETS, "b").expect("it is there");
    let of = |field| found.int(&["status", field]).unwrap_or(-1);
    let reason = found.items(&["status", "conditions"])[0]["reason"].as_str().unwrap_or("");
    let numbers = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
    let [allowed, healthy, desired, expected] = numbers.map(of);
    (allowed, healthy, desired, expected, reason.to_owned())
}

#[test]
fn table() {
    let (enough, short) = ("SufficientPods".to_owned(), "InsufficientPods".to_owned());
    assert_eq!(check(3, &json!({"minAvailable": 2})), (1, 3, 2, 3, enough.clone()));
    assert_eq!(check(3, &json!({"minAvailable": 3})), (0, 3, 3, 3, short.clone()));
    assert_eq!(check(3, &json!({"minAvailable": "50%"})), (1, 3, 2, 3, enough.clone()));
    assert_eq!(check(7, &json!({"maxUnavailable": "30%"})), (3, 7, 4, 7, enough.clone()));
    assert_eq!(check(3, &json!({"maxUnavailable": 5})), (3, 3, 0, 3, enough));
    assert_eq!(check(0, &json!({"maxUnavailable": 1})), (0, 0, 0, 0, short));
}
