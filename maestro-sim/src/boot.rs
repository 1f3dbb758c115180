//! A cluster's beginning: what a fresh control plane holds before anyone asks anything of it.
//!
//! Namespaces, priority classes and the `kubernetes` Service; then a default StorageClass, the
//! controllers, the scheduler and one kubelet a node, each on a link of its own.

use std::sync::Arc;

use crate::api::kept;
use crate::api::registry::Registry;
use crate::api::{Request, Verb};
use crate::controller::address_repair::AddressRepair;
use crate::controller::definition::DefinitionFinalizer;
use crate::controller::kubernetes_service::KubernetesService;
use crate::controller::list;
use crate::facts::Version;
use crate::json::{Value, json};
use crate::kubelet::{Kubelet, NodeSpec};
use crate::link::LinkId;
use crate::object::GroupResource;
use crate::scheduler::Scheduler;
use crate::workload::{Quorum, Rule, Wake, WorkloadControl, Workloads};
use crate::world::World;

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Who makes volumes: the provisioner of [`storage_class`].
pub const PROVISIONER: &str = "volume.sim.maestro.dev";

/// The program that the built-in controllers are parts of.
const MANAGER: &str = "kube-controller-manager";

/// Makes an empty world one of a version of Kubernetes; without this it is of the newest.
pub fn be(world: &mut World, version: Version) {
    world.server.registry = Registry::of(version);
}

/// Creates what a fresh API server holds, and what runs in its process.
pub fn bootstrap(world: &mut World) {
    let own = world.links.add("kube-apiserver");
    world.server.expect_roles(world.seed(), false);
    world.server.keep_itself(world.seed());
    world.add_actor(Box::new(DefinitionFinalizer::default()), own);
    let place = world.server.own_place();
    world.add_actor(Box::new(KubernetesService::new(place)), own);
    world.add_part("kube-apiserver", Box::new(AddressRepair::default()), own);
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
    let service = kept::service_of(&place);
    create(world, "", "services", "default", service);
    world.server.keep_place();
}

fn create(
    world: &mut World,
    group: &'static str,
    resource: &'static str,
    namespace: &str,
    body: Value,
) {
    let request = Request {
        body,
        ..Request::new(
            "kube-apiserver",
            Verb::Create,
            GroupResource::new(group, resource),
            namespace,
            "",
        )
    };
    let answer = world.direct(request);
    debug_assert!(answer.is_ok(), "{resource}: {answer:?}");
}

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    /// Number of nodes, `node-1` to `node-N`, in three zones.
    pub nodes: u32,
    /// How workloads behave.
    pub workloads: Vec<Rule>,
}

/// The handles that faults need on a running cluster.
#[derive(Clone)]
pub struct Plant {
    /// What the kubelets read of faults.
    pub control: WorkloadControl,
    /// Each node's name, kubelet (an actor) and link, in order.
    pub nodes: Vec<PlantNode>,
}

/// One node.
#[derive(Clone, Debug)]
pub struct PlantNode {
    /// `metadata.name`.
    pub name: String,
    /// Its kubelet.
    pub kubelet: usize,
    /// Its kubelet's link.
    pub link: LinkId,
}

/// Starts a whole cluster in an empty world: control plane content, controllers, scheduler,
/// nodes.
pub fn cluster(world: &mut World, spec: &ClusterSpec) -> Plant {
    bootstrap(world);
    create(world, "storage.k8s.io", "storageclasses", "", storage_class());
    let manager = world.links.add(MANAGER);
    world.server.expect_roles(world.seed(), true);
    world.server.is_managed();
    for controller in list::built_in(&world.server.authority) {
        world.add_part(MANAGER, controller, manager);
    }
    let version = world.server.registry.version();
    let scheduler = world.links.add("kube-scheduler");
    world.add_actor(Box::new(Scheduler::new(version)), scheduler);
    let workloads = Arc::new(Workloads::new(spec.workloads.clone(), world.seed()));
    let control = WorkloadControl::default();
    if spec.workloads.iter().any(|rule| rule.quorum == Some(Quorum::Replicas)) {
        world.observe(Box::new(control.clone()));
    }
    let nodes = (1..=spec.nodes)
        .map(|index| {
            let node = NodeSpec { version: version.git().into(), ..node(index) };
            let name = node.name.clone();
            let link = world.links.add(&format!("kubelet/{name}"));
            let kubelet = Kubelet::new(node, Arc::clone(&workloads), control.clone());
            let kubelet = world.add_actor(Box::new(kubelet), link);
            PlantNode { name, kubelet, link }
        })
        .collect();
    Plant { control, nodes }
}

/// The n-th node, counted from 1: `node-N`, in one of three zones, of the newest version.
pub fn node(number: u32) -> NodeSpec {
    let mut node = NodeSpec::new(&format!("node-{number}"), number, Version::default().git());
    let zone = format!("zone-{}", number.saturating_sub(1) % 3 + 1);
    node.labels.insert("topology.kubernetes.io/zone", zone.into());
    node
}

/// The class of volumes that every cluster has: what a claim takes that names none.
pub fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "standard", "annotations": {
            "storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": PROVISIONER, "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true})
}

impl Plant {
    /// Lets kubelets feel what was just set on the control.
    pub fn wake(&self, world: &mut World, wakes: &[Wake]) {
        for wake in wakes {
            if let Some(node) = self.nodes.iter().find(|n| n.name == wake.node) {
                world.enqueue(node.kubelet, wake.pod.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
