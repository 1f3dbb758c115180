//! The pods that a node may make: those that stand for what it runs by itself.

use super::{No, Write, no, unknown};
use crate::api::authorization::node::{maps, secrets};
use crate::builtin::MIRROR;
use crate::json::Value;
use crate::object::{Object, at, items, text};

impl Write<'_> {
    /// A node makes no pods but those that stand for what it runs by itself.
    pub(super) fn mirror(&self, own: Option<&Object>) -> Result<(), No> {
        let node = self.node;
        let notes = at(self.new, &["metadata", "annotations"]);
        if notes.and_then(|notes| notes.get(MIRROR)).is_none() {
            return no(format!(
                "pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods"
            ));
        }
        if text(self.new, &["spec", "nodeName"]) != node {
            return no(format!(
                "node {node:?} can only create pods with spec.nodeName set to itself"
            ));
        }
        let owned = |what: &str| {
            no(format!("node {node:?} can only create pods with {what} set to itself"))
        };
        let owner = match items(self.new, &["metadata", "ownerReferences"]) {
            [] => return owned("an owner reference"),
            [one] => one,
            _ => return owned("a single owner reference"),
        };
        let of = |field: &str| text(owner, &[field]);
        if (of("apiVersion"), of("kind"), of("name")) != ("v1", "Node", node) {
            return owned("an owner reference");
        }
        if owner.get("controller") != Some(&Value::Bool(true)) {
            return owned("a controller owner reference");
        }
        if owner.get("blockOwnerDeletion") == Some(&Value::Bool(true)) {
            return no(format!(
                "node {node:?} must not set blockOwnerDeletion on an owner reference"
            ));
        }
        let Some(own) = own else {
            return Err(unknown("node", node));
        };
        if own.uid() != of("uid") {
            let (sent, is) = (of("uid"), own.uid());
            return no(format!("node {node} UID mismatch: expected {sent} got {is}"));
        }
        match referenced(&Object::new(self.new.clone())) {
            None => Ok(()),
            Some(what) => no(format!("node {node:?} can not create pods that reference {what}")),
        }
    }
}

/// What of the API a pod needs, which no mirror pod may (`HasAPIObjectReference` of
/// `k8s.io/kubernetes/pkg/api/pod`).
fn referenced(pod: &Object) -> Option<&'static str> {
    if !pod.text(&["spec", "serviceAccountName"]).is_empty() {
        return Some("serviceaccounts");
    }
    if !secrets(pod).is_empty() {
        return Some("secrets");
    }
    if !maps(pod).is_empty() {
        return Some("configmaps");
    }
    if !pod.items(&["spec", "resourceClaims"]).is_empty() {
        return Some("resourceclaims");
    }
    pod.items(&["spec", "volumes"]).iter().find_map(|volume| {
        let has = |kind: &str| volume.get(kind).is_some_and(|source| !source.is_null());
        let kinds = [
            ("configMap", "configmaps (via configmap volumes)"),
            ("secret", "secrets (via secret volumes)"),
            ("csi", "csidrivers (via CSI volumes)"),
            ("glusterfs", "endpoints (via glusterFS volumes)"),
            ("persistentVolumeClaim", "persistentvolumeclaims"),
            ("ephemeral", "persistentvolumeclaims (via ephemeral volumes)"),
            ("azureFile", "secrets (via azureFile volumes)"),
        ];
        let direct = kinds.into_iter().find(|(kind, _)| has(kind)).map(|(_, told)| told);
        direct.or_else(|| items(volume, &["projected", "sources"]).iter().find_map(projected))
    })
}

fn projected(source: &Value) -> Option<&'static str> {
    let kinds = [
        ("configMap", "configmaps (via projected volumes)"),
        ("secret", "secrets (via projected volumes)"),
        ("serviceAccountToken", "serviceaccounts (via projected volumes)"),
        ("clusterTrustBundle", "clustertrustbundles"),
        ("podCertificate", "podcertificates"),
    ];
    kinds.into_iter().find(|(kind, _)| source.get(kind).is_some()).map(|(_, told)| told)
}
