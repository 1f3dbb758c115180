//! A cluster's beginning: what a fresh control plane holds before anyone asks anything of it.
//!
//! Namespaces, priority classes, the `kubernetes` Service and a default StorageClass; then the
//! controllers, the scheduler and one kubelet a node, each on a link of its own.

use serde_json::{Value, json};

use crate::api::{Options, Request, Verb};
use crate::object::GroupResource;
use crate::world::World;

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Creates what a fresh control plane holds.
pub fn bootstrap(world: &mut World) {
    for name in NAMESPACES {
        create(
            world,
            "",
            "namespaces",
            "",
            json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name}}),
        );
    }
    let classes = [
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another \
          node if necessary.",
        ),
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ];
    for (name, value, description) in classes {
        create(
            world,
            "scheduling.k8s.io",
            "priorityclasses",
            "",
            json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value, "description": description,
            "preemptionPolicy": "PreemptLowerPriority"}),
        );
    }
    create(
        world,
        "storage.k8s.io",
        "storageclasses",
        "",
        json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "standard", "annotations": {
            "storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "sim.maestro.dev/volume", "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true}),
    );
    create(
        world,
        "",
        "services",
        "default",
        json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"clusterIP": "10.96.0.1", "ports": [
            {"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]}}),
    );
}

fn create(
    world: &mut World,
    group: &'static str,
    resource: &'static str,
    namespace: &str,
    body: Value,
) {
    let request = Request {
        verb: Verb::Create,
        resource: GroupResource::new(group, resource),
        version: "v1".into(),
        namespace: namespace.to_owned(),
        name: String::new(),
        subresource: "".into(),
        patch: None,
        options: Options::default(),
        body,
        user_agent: "kube-apiserver".into(),
    };
    let answer = world.direct(request);
    debug_assert!(answer.is_ok(), "{resource}: {answer:?}");
}
