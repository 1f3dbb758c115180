//! The Node and Lease objects by which a kubelet makes itself known.

use crate::json::{Map, Value, json};
use crate::object::GroupResource;
use crate::workload::draw::mix;

/// Nodes.
pub const NODES: GroupResource = GroupResource::new("", "nodes");
/// Leases.
pub const LEASES: GroupResource = GroupResource::new("coordination.k8s.io", "leases");
/// Where the leases of nodes live.
pub const LEASE_NAMESPACE: &str = "kube-node-lease";

/// What a node is.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Its name.
    pub name: String,
    /// Labels besides the well-known ones.
    pub labels: Map,
    /// `spec.taints`, an array.
    pub taints: Vec<Value>,
    /// `status.capacity` as quantities; also what is allocatable.
    pub capacity: Map,
    /// Its number in the cluster, from which its addresses follow.
    pub index: u32,
    /// `status.nodeInfo.kubeletVersion`, for example `v1.37.0`.
    pub version: String,
}

impl NodeSpec {
    /// A node with 8 cores, 32 Gi of memory and room for 110 pods.
    pub fn new(name: &str, index: u32, version: &str) -> Self {
        let capacity = json!({
            "cpu": "8", "memory": "32Gi", "ephemeral-storage": "100Gi", "pods": "110",
        });
        Self {
            name: name.to_owned(),
            labels: Map::new(),
            taints: Vec::new(),
            capacity: capacity.as_object().cloned().unwrap_or_default(),
            index,
            version: version.to_owned(),
        }
    }

    /// The node's own address, in 172.16.0.0/12.
    pub fn address(&self) -> String {
        let n = self.index.saturating_add(2);
        format!("172.{}.{}.{}", 16 + ((n >> 16) & 15), (n >> 8) & 255, n & 255)
    }

    /// The address of the n-th pod of the node: a /24 of 10.0.0.0/8 per node.
    pub fn pod_address(&self, n: u32) -> String {
        let net = self.index.wrapping_add(256);
        format!("10.{}.{}.{}", (net >> 8) & 255, net & 255, 2 + n % 253)
    }

    /// The number behind an address that [`Self::pod_address`] gave out.
    pub fn address_number(address: &str) -> Option<u32> {
        let last: u32 = address.rsplit('.').next()?.parse().ok()?;
        last.checked_sub(2)
    }

    /// How many distinct pod addresses the node has.
    pub const fn pod_addresses() -> u32 {
        253
    }

    /// The Node without its status.
    pub fn object(&self) -> Value {
        let mut labels = json!({
            "kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux",
            "beta.kubernetes.io/arch": "amd64",
        });
        if let Some(map) = labels.as_object_mut() {
            map.extend(self.labels.clone());
        }
        let mut spec = json!({"providerID": format!("maestro://{}", self.name)});
        if let Some(map) = spec.as_object_mut().filter(|_| !self.taints.is_empty()) {
            map.insert("taints", self.taints.clone().into());
        }
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": self.name, "labels": labels}, "spec": spec,
        })
    }

    /// The node's status; `since` is when the kubelet became ready, `now` the heartbeat.
    pub fn status(&self, since: &str, now: &str) -> Value {
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({"type": kind, "status": status, "reason": reason, "message": message,
                   "lastHeartbeatTime": now, "lastTransitionTime": since})
        };
        let machine = format!("{:016x}{:016x}", mix(1, &self.name), mix(2, &self.name));
        json!({
            "capacity": self.capacity, "allocatable": self.capacity,
            "addresses": [{"type": "InternalIP", "address": self.address()},
                          {"type": "Hostname", "address": self.name}],
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory",
                          "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure",
                          "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID",
                          "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": "amd64", "operatingSystem": "linux", "bootID": machine,
                "machineID": machine, "systemUUID": machine, "kernelVersion": "6.12.0",
                "osImage": "Maestro", "containerRuntimeVersion": "containerd://2.0.0",
                "kubeletVersion": self.version, "kubeProxyVersion": "",
            },
        })
    }

    /// The node's lease, renewed at `now` (with microseconds).
    pub fn lease(&self, node_uid: &str, now: &str) -> Value {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": self.name, "namespace": LEASE_NAMESPACE,
                "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": self.name,
                                     "uid": node_uid}],
            },
            "spec": {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": now},
        })
    }
}
