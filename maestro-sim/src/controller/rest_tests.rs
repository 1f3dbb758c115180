//! The smaller controllers, each by its main effect.

use crate::controller::cron_job::schedule::Schedule;
use crate::controller::kinds::{
    CLAIMS, CONFIG_MAPS, CRON_JOBS, DAEMON_SETS, ENDPOINT_SLICES, JOBS, NAMESPACES, NODES,
    PERSISTENT_VOLUMES, PODS, SERVICE_ACCOUNTS, SERVICES, STORAGE_CLASSES,
};
use crate::controller::testing::World;
use crate::json::json;
use crate::object::Key;

#[test]
fn claims_are_provisioned_and_reclaimed() {
    let mut world = World::new();
    let default = json!({"storageclass.kubernetes.io/is-default-class": "true"});
    world.create(
        &STORAGE_CLASSES,
        json!({
            "metadata": {"name": "standard", "annotations": default}, "provisioner": "sim",
        }),
    );
    world.create(
        &CLAIMS,
        json!({"metadata": {"name": "c", "namespace": "default"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        }}),
    );
    world.settle();
    let claim = world.get(&CLAIMS, "c").expect("it is there");
    assert_eq!(claim.text(&["status", "phase"]), "Bound");
    assert_eq!(world.names(&PERSISTENT_VOLUMES), [claim.text(&["spec", "volumeName"])]);
    world.delete(&CLAIMS, "c", "Background");
    world.settle();
    assert!(world.names(&CLAIMS).is_empty() && world.names(&PERSISTENT_VOLUMES).is_empty());
}

#[test]
fn namespaces_are_furnished_and_emptied() {
    let mut world = World::new();
    world.create(
        &NAMESPACES,
        json!({"metadata": {"name": "n", "finalizers": ["x"]},
        "spec": {"finalizers": ["kubernetes"]}}),
    );
    world.settle();
    assert_eq!(world.names(&SERVICE_ACCOUNTS), ["default"]);
    assert_eq!(world.names(&CONFIG_MAPS), ["kube-root-ca.crt"]);
    world.server.delete(&NAMESPACES, &Key::new("", "n"), &json!({})).expect("it is there");
    world.settle();
    world.pass(16);
    assert!(world.names(&SERVICE_ACCOUNTS).is_empty() && world.names(&NAMESPACES).is_empty());
}

#[test]
fn daemons_follow_nodes() {
    let mut world = World::new();
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    world.create(&NODES, json!({"metadata": {"name": "a"}, "status": ready}));
    let set = json!({"metadata": {"name": "d", "namespace": "default"}, "spec": {
        "selector": {"matchLabels": {"d": "d"}},
        "template": {"metadata": {"labels": {"d": "d"}}, "spec": {"containers": [{"name": "c"}]}},
    }});
    world.create(&DAEMON_SETS, set);
    world.settle();
    world.create(&NODES, json!({"metadata": {"name": "b"}, "status": ready}));
    let taint = json!([{"key": "only", "effect": "NoSchedule"}]);
    world.create(
        &NODES,
        json!({"metadata": {"name": "t"}, "spec": {"taints": taint}, "status": ready}),
    );
    world.settle();
    assert_eq!(world.names(&PODS).len(), 2);
    let found = world.get(&DAEMON_SETS, "d").expect("it is there");
    assert_eq!(found.at(&["status", "numberAvailable"]), Some(&json!(2)));
    let again = json!({"spec": {"template": {"spec": {"hostNetwork": true}}}});
    world.patch(&DAEMON_SETS, "d", again);
    world.settle();
    let found = world.get(&DAEMON_SETS, "d").expect("it is there");
    assert_eq!(found.at(&["status", "updatedNumberScheduled"]), Some(&json!(2)));
}

#[test]
fn services_list_their_pods() {
    let mut world = World::new();
    world.create(&SERVICES, json!({"metadata": {"name": "s", "namespace": "default"}, "spec": {
        "selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": 8080}], "clusterIP": "None",
    }}));
    for number in 0..120 {
        let name = format!("p-{number}");
        world.create(
            &PODS,
            json!({
                "metadata": {"name": name, "namespace": "default", "labels": {"a": "b"}},
                "status": {"podIP": format!("10.0.0.{number}")},
            }),
        );
    }
    world.settle();
    let sizes: Vec<_> =
        world.server.list(&ENDPOINT_SLICES).map(|s| s.items(&["endpoints"]).len()).collect();
    assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (2, 120));
    assert!(sizes.iter().all(|s| *s <= 100), "{sizes:?}");
    // What somebody else takes away comes back, and what changes in a pod is followed.
    let addresses = |world: &World| {
        let slices: Vec<_> = world.server.list(&ENDPOINT_SLICES).collect();
        let all = slices.iter().flat_map(|slice| slice.items(&["endpoints"]));
        all.map(|e| e["addresses"][0].as_str().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    let first = world.names(&ENDPOINT_SLICES).swap_remove(0);
    world.patch(&ENDPOINT_SLICES, &first, json!({"endpoints": []}));
    assert!(addresses(&world).len() < 120);
    world.settle();
    assert_eq!(addresses(&world).len(), 120);
    let moved = json!({"status": {"podIP": "10.9.9.9"}});
    world.server.patch(&PODS, &Key::new("default", "p-7"), &moved, true).expect("it is there");
    world.settle();
    assert!(addresses(&world).contains(&"10.9.9.9".to_owned()));
    assert_eq!(addresses(&world).len(), 120);
}

#[test]
fn schedules() {
    let table = [
        ("*/5 * * * *", 0, 300),
        ("0 0 1 * *", 0, 31 * 86_400),
        ("30 4 * * mon", 0, 4 * 86_400 + 4 * 3_600 + 30 * 60),
        ("@hourly", 3_599, 3_600),
    ];
    for (text, from, next) in table {
        let schedule = Schedule::parse(text, "").expect("a good schedule");
        assert_eq!(schedule.next(from), Some(next), "{text}");
    }
    assert!(
        ["", "* * * *", "60 * * * *", "5-1 * * * *"]
            .iter()
            .all(|t| Schedule::parse(t, "").is_none())
    );
    let schedule = Schedule::parse("* * * * *", "").expect("a good schedule");
    assert_eq!(schedule.last(0, 864_000), Some(864_000));
}

#[test]
fn cron_jobs_start_jobs() {
    let mut world = World::new();
    world.create(
        &CRON_JOBS,
        json!({"metadata": {"name": "c", "namespace": "default"}, "spec": {
            "schedule": "* * * * *", "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"completions": 1, "selector": {"matchLabels": {"c": "c"}},
                "template": {"metadata": {"labels": {"c": "c"}}, "spec": {}}}},
        }}),
    );
    world.pass(130);
    assert_eq!(world.names(&JOBS).len(), 1);
}
