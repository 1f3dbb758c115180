//! What a node may write of itself, and of what is its own by its name.

use std::collections::BTreeSet;

use super::{No, Write, no};
use crate::api::admission::call::Operation;
use crate::api::authorization::node::LEASES;
use crate::api::certificate::subject::subject;
use crate::json::{Map, Value};
use crate::object::{at, items, text};

/// What a kubelet may say of its node.
const LABELS: [&str; 11] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];

impl Write<'_> {
    /// A node asks for its own certificates under its own name.
    pub(super) fn certificate(&self) -> Result<(), No> {
        const SIGNERS: [&str; 2] =
            ["kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"];
        let of = |field: &str| text(self.new, &["spec", field]);
        if self.operation != Operation::Create || !SIGNERS.contains(&of("signerName")) {
            return Ok(());
        }
        let node = self.node;
        match subject(of("request")) {
            Err(why) => no(format!("unable to parse csr: {why}")),
            Ok(subject) if subject.name == format!("system:node:{node}") => Ok(()),
            Ok(_) => no(format!("can only create a node CSR with CN=system:node:{node}")),
        }
    }

    pub(super) fn pod_status(&self) -> Result<(), No> {
        let node = self.node;
        if text(self.old, &["spec", "nodeName"]) != node {
            return no(format!(
                "node {node:?} can only update pod status for pods with spec.nodeName set to itself"
            ));
        }
        let labels = ["metadata", "labels"];
        if at(self.old, &labels) != at(self.new, &labels) {
            return no(format!("node {node:?} cannot update labels through pod status"));
        }
        for (field, told) in [
            ("resourceClaimStatuses", "resource claim statues"),
            ("extendedResourceClaimStatus", "extended resource claim status"),
        ] {
            let of = |pod| at(pod, &["status", field]).filter(|value| !value.is_null());
            if of(self.old) != of(self.new) {
                return no(format!("node {node:?} cannot update {told}"));
            }
        }
        Ok(())
    }

    pub(super) fn node(&self) -> Result<(), No> {
        let node = self.node;
        let name = match self.operation {
            Operation::Create => text(self.new, &["metadata", "name"]),
            _ => &self.request.name,
        };
        if name != node {
            return no(format!("node {node:?} is not allowed to modify node {name:?}"));
        }
        if self.operation == Operation::Delete {
            return Ok(());
        }
        let source = |object| at(object, &["spec", "configSource"]).filter(|v| !v.is_null());
        if self.operation == Operation::Create {
            if source(self.new).is_some() {
                return no(format!(
                    "node {node:?} is not allowed to create pods with a non-nil configSource"
                ));
            }
            let labels = self.forbidden_labels();
            return match labels.is_empty() {
                true => Ok(()),
                false => no(format!(
                    "node {node:?} is not allowed to set the following labels: {labels}"
                )),
            };
        }
        if source(self.new).is_some() && source(self.new) != source(self.old) {
            return no(format!(
                "node {node:?} is not allowed to update configSource to a new non-nil configSource"
            ));
        }
        for (path, told) in
            [(["spec", "taints"], "taints"), (["metadata", "ownerReferences"], "ownerReferences")]
        {
            if items(self.old, &path) != items(self.new, &path) {
                return no(format!("node {node:?} is not allowed to modify {told}"));
            }
        }
        let labels = self.forbidden_labels();
        match labels.is_empty() {
            true => Ok(()),
            false => no(format!("is not allowed to modify labels: {labels}")),
        }
    }

    /// The labels that differ and are not the node's to set.
    fn forbidden_labels(&self) -> String {
        let none = Map::new();
        let of = |object| at(object, &["metadata", "labels"]).and_then(Value::as_object);
        let (old, new) = (of(self.old).unwrap_or(&none), of(self.new).unwrap_or(&none));
        let all: BTreeSet<&str> = old.keys().chain(new.keys()).map(|key| key.as_str()).collect();
        let differs = |key: &&str| old.get(key) != new.get(key) && is_forbidden(key);
        all.into_iter().filter(differs).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn claim_status(&self) -> Result<(), No> {
        let bare = |claim: &Value| {
            let mut claim = claim.clone();
            if let Some(meta) = claim.get_mut("metadata").and_then(Value::as_object_mut) {
                meta.remove("resourceVersion");
                meta.remove("managedFields");
            }
            if let Some(status) = claim.get_mut("status").and_then(Value::as_object_mut) {
                let own =
                    ["capacity", "conditions", "allocatedResourceStatuses", "allocatedResources"];
                for field in own {
                    status.remove(field);
                }
            }
            claim
        };
        match bare(self.old) == bare(self.new) {
            true => Ok(()),
            false => no(format!(
                "node {:?} is not allowed to update fields other than status.quantity and \
                 status.conditions: ",
                self.node
            )),
        }
    }

    /// Whether it is about the object of the node's own name.
    pub(super) fn own(&self, why: &str) -> Result<(), No> {
        let name = match self.operation {
            Operation::Create => text(self.new, &["metadata", "name"]),
            _ => &self.request.name,
        };
        if name == self.node { Ok(()) } else { no(why) }
    }

    pub(super) fn lease(&self) -> Result<(), No> {
        if self.request.namespace != LEASES {
            return no(format!("can only access leases in the {LEASES:?} system namespace"));
        }
        self.own("can only access node lease with the same name as the requesting node")
    }

    pub(super) fn slice(&self) -> Result<(), No> {
        let (object, told) = match self.operation {
            Operation::Create => (self.new, "create"),
            Operation::Delete => (self.old, "delete"),
            Operation::Update => return Ok(()),
        };
        match text(object, &["spec", "nodeName"]) == self.node {
            true => Ok(()),
            false => no(format!(
                "can only {told} ResourceSlice with the same NodeName as the requesting node"
            )),
        }
    }
}

fn is_forbidden(label: &str) -> bool {
    let namespace = label.split_once('/').map_or("", |(namespace, _)| namespace);
    let within = |domain: &str| {
        namespace.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let is_kubelets = LABELS.contains(&label)
        || ["kubelet.kubernetes.io", "node.kubernetes.io"].into_iter().any(within);
    within("node-restriction.kubernetes.io")
        || ((within("kubernetes.io") || within("k8s.io")) && !is_kubelets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_are_not_the_nodes_to_set() {
        for (label, expected) in [
            ("app", false),
            ("example.com/app", false),
            ("kubernetes.io/hostname", false),
            ("kubernetes.io/odd", true),
            ("x.kubernetes.io/odd", true),
            ("k8s.io/odd", true),
            ("notk8s.io/odd", false),
            ("kubelet.kubernetes.io/a", false),
            ("x.node.kubernetes.io/a", false),
            ("node-restriction.kubernetes.io/a", true),
            ("x.node-restriction.kubernetes.io/a", true),
        ] {
            assert_eq!(is_forbidden(label), expected, "{label}");
        }
    }
}
