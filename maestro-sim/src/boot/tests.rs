//! What a whole cluster does by itself.

use super::*;
use crate::api::PatchType;
use crate::json::{Value, json};
use crate::sim::{self, Cluster};
use crate::trace::TraceLevel;
use crate::workload::Selector;

fn request(verb: Verb, name: &str, body: Value) -> Request {
    Request {
        patch: (verb == Verb::Patch).then_some(PatchType::Merge),
        body,
        ..Request::new("test", verb, GroupResource::new("apps", "statefulsets"), "default", name)
    }
}

/// The pods of a set that are ready.
fn ready(cluster: &Cluster) -> Vec<String> {
    let pods = GroupResource::new("", "pods");
    let is_ready = |pod: &Value| {
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    cluster.with(|world| {
        let names = (0..3).map(|ordinal| format!("a-{ordinal}"));
        let found = names.filter(|name| {
            let pod = world.server.store.named(&pods, "default", name);
            pod.is_some_and(|pod| is_ready(pod.value()))
        });
        found.collect()
    })
}

#[test]
fn members_are_ready_while_a_majority_of_what_their_set_wants_runs() {
    let options = sim::Options { seed: 1, trace: TraceLevel::Digest };
    let done = sim::run(&options, |cluster| async move {
        let rule = Rule {
            selector: Selector {
                labels: [("app".into(), "a".into())].into(),
                ..Default::default()
            },
            quorum: Some(Quorum::Replicas),
            ..Rule::default()
        };
        let minutes = async |count: u64| {
            tokio::time::sleep(std::time::Duration::from_secs(60 * count)).await;
        };
        cluster.with(|world| {
            self::cluster(world, &ClusterSpec { nodes: 1, workloads: vec![rule] });
            let labels = json!({"app": "a"});
            let set = json!({
                "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a"},
                "spec": {
                    "serviceName": "a", "replicas": 3, "podManagementPolicy": "Parallel",
                    "selector": {"matchLabels": labels},
                    // The node has room for one.
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": [{
                        "name": "a", "image": "a", "readinessProbe": {"tcpSocket": {"port": 1}},
                        "resources": {"requests": {"cpu": "5"}},
                    }]}},
                },
            });
            world.direct(request(Verb::Create, "", set)).expect("the set is created");
        });
        minutes(3).await;
        assert_eq!(ready(&cluster), Vec::<String>::new(), "one of three is no majority");
        let scale = |replicas: u32| {
            let body = json!({"spec": {"replicas": replicas}});
            let answer = cluster.with(|world| world.direct(request(Verb::Patch, "a", body)));
            answer.expect("the set is scaled");
        };
        scale(1);
        minutes(3).await;
        assert_eq!(ready(&cluster), ["a-0"], "one of one is");
        scale(2);
        minutes(3).await;
        assert_eq!(ready(&cluster), Vec::<String>::new(), "one of two is not");
    });
    assert_eq!(done, Ok(()));
}

#[test]
fn what_the_server_keeps_of_itself_comes_back() {
    let options = sim::Options { seed: 1, trace: TraceLevel::Digest };
    let own = [
        ("networking.k8s.io", "ipaddresses", "", "10.96.0.1"),
        ("", "endpoints", "default", "kubernetes"),
        ("discovery.k8s.io", "endpointslices", "default", "kubernetes"),
    ];
    let send = |cluster: &Cluster, verb, (group, resource, namespace, name)| {
        let resource = GroupResource::new(group, resource);
        cluster.with(|world| world.direct(Request::new("test", verb, resource, namespace, name)))
    };
    let done = sim::run(&options, |cluster| async move {
        cluster.with(|world| self::cluster(world, &ClusterSpec { nodes: 0, workloads: vec![] }));
        // Nothing is there before somebody asks.
        let slices = GroupResource::new("discovery.k8s.io", "endpointslices");
        cluster.with(|world| {
            assert!(world.server.store.named(&slices, "default", "kubernetes").is_none());
        });
        for place in own {
            send(&cluster, Verb::Get, place).expect("it is there");
            send(&cluster, Verb::Delete, place).expect("it can be deleted");
        }
        tokio::time::sleep(std::time::Duration::from_secs(200)).await;
        for place in own {
            send(&cluster, Verb::Get, place).expect("it is there again");
        }
    });
    assert_eq!(done, Ok(()));
}
