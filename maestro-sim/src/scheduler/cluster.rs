//! The nodes with what runs on them, kept up to date change by change.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::object::{Key, Object};
use crate::quantity::Quantity;
use crate::scheduler::pod::{Amounts, CpuMemory, PodInfo, amounts};

/// A node and its pods, assumed ones included.
#[derive(Clone, Default, Debug)]
pub struct NodeInfo {
    /// The object; `None` while only pods are known to be there.
    pub node: Option<Arc<Object>>,
    /// Its pods.
    pub pods: BTreeMap<Key, Arc<PodInfo>>,
    /// `status.allocatable`.
    pub allocatable: Amounts,
    /// The sum of its pods' requests.
    pub requested: Amounts,
    /// Cpu and memory of `status.allocatable`.
    pub capacity: CpuMemory,
    /// What its pods ask for of both.
    pub asked: CpuMemory,
    /// What its pods are taken to use of both.
    pub usual: CpuMemory,
}

impl NodeInfo {
    /// A node without pods, by its object alone.
    pub fn bare(node: Option<Arc<Object>>) -> Self {
        Self { node, ..Self::default() }
    }

    /// Its name, empty while the object is unknown.
    pub fn name(&self) -> &str {
        self.node.as_ref().map_or("", |node| node.name())
    }

    /// One of its labels.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.node.as_ref()?.label(name)
    }

    /// Takes a pod off.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<PodInfo>> {
        let pod = self.pods.remove(key)?;
        for (name, amount) in &pod.requests {
            let sum = self.requested.entry(name.clone()).or_default();
            *sum = *sum - *amount;
        }
        self.asked = self.asked.minus(pod.asked);
        self.usual = self.usual.minus(pod.usual);
        Some(pod)
    }

    /// Puts a pod on.
    pub fn add(&mut self, pod: Arc<PodInfo>) {
        self.remove(&pod.key().clone());
        for (name, amount) in &pod.requests {
            let sum = self.requested.entry(name.clone()).or_default();
            *sum = *sum + *amount;
        }
        self.asked = self.asked.plus(pod.asked);
        self.usual = self.usual.plus(pod.usual);
        self.pods.insert(pod.key().clone(), pod);
    }

    /// What is left of a resource.
    pub fn free(&self, resource: &str) -> Quantity {
        let of = |amounts: &Amounts| amounts.get(resource).copied().unwrap_or_default();
        of(&self.allocatable) - of(&self.requested)
    }
}

/// All nodes by name.
#[derive(Default, Debug)]
pub struct Cluster {
    nodes: BTreeMap<String, NodeInfo>,
    placed: BTreeMap<Key, String>,
    /// Pods on nodes that have (anti-)affinity, which counts for later pods too.
    pub with_affinity: BTreeMap<Key, String>,
    /// Pods for which room is being made, with the node.
    pub nominated: BTreeMap<Key, (Arc<PodInfo>, String)>,
}

impl Cluster {
    /// The nodes whose object is known, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeInfo> {
        self.nodes.values().filter(|info| info.node.is_some())
    }

    /// One node.
    pub fn node(&self, name: &str) -> Option<&NodeInfo> {
        self.nodes.get(name).filter(|info| info.node.is_some())
    }

    /// Takes in a node's newest version or its absence.
    pub fn see_node(&mut self, name: &str, node: Option<&Arc<Object>>) {
        let info = self.entry(name);
        info.allocatable = amounts(node.and_then(|n| n.at(&["status", "allocatable"])));
        info.capacity = CpuMemory::of(&info.allocatable);
        info.node = node.cloned();
        if info.node.is_none() && info.pods.is_empty() {
            self.nodes.remove(name);
        }
    }

    /// Puts a pod on a node, off any other.
    pub fn place(&mut self, pod: Arc<PodInfo>, node: &str) {
        let key = pod.key().clone();
        self.remove(&key);
        let has = |kind| pod.object.at(&["spec", "affinity", kind]).is_some();
        if has("podAffinity") || has("podAntiAffinity") {
            self.with_affinity.insert(key.clone(), node.to_owned());
        }
        self.entry(node).add(pod);
        self.placed.insert(key, node.to_owned());
    }

    /// Takes a pod off its node.
    pub fn remove(&mut self, key: &Key) {
        self.with_affinity.remove(key);
        let Some(node) = self.placed.remove(key) else { return };
        if let Some(info) = self.nodes.get_mut(&node) {
            info.remove(key);
            if info.node.is_none() && info.pods.is_empty() {
                self.nodes.remove(&node);
            }
        }
    }

    /// The node as a pod finds it: with the pods for which room was made there, unless they
    /// matter less. `None` when there are none.
    pub fn reserved(&self, node: &NodeInfo, pod: &PodInfo) -> Option<NodeInfo> {
        let holds = |(other, at): &&(Arc<PodInfo>, String)| {
            at == node.name() && other.priority >= pod.priority && other.key() != pod.key()
        };
        let mut here = self.nominated.values().filter(holds).peekable();
        here.peek()?;
        let mut fuller = node.clone();
        here.for_each(|(other, _)| fuller.add(Arc::clone(other)));
        Some(fuller)
    }

    /// A pod as it was put on its node last.
    pub fn placed(&self, key: &Key) -> Option<&PodInfo> {
        let node = self.nodes.get(self.placed.get(key)?)?;
        node.pods.get(key).map(|pod| &**pod)
    }

    fn entry(&mut self, name: &str) -> &mut NodeInfo {
        self.nodes.entry(name.to_owned()).or_insert_with(|| NodeInfo::bare(None))
    }
}
