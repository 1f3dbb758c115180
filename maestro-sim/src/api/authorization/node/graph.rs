//! Which objects belong to a node, or are needed by a pod on it.
//!
//! Source: `graph.go` of `k8s.io/kubernetes/plugin/pkg/auth/authorizer/node`, `VisitPodSecretNames`
//! of `k8s.io/kubernetes/pkg/api/v1/pod`, `VisitPVSecretNames` of
//! `k8s.io/kubernetes/pkg/api/v1/persistentvolume`.

use std::sync::Arc;

use crate::api::authorization::Attributes;
use crate::builtin::MIRROR;
use crate::json::Value;
use crate::object::{GroupResource, Key, Object, items, text};
use crate::store::Store;

const PODS: GroupResource = GroupResource::new("", "pods");
const VOLUMES: GroupResource = GroupResource::new("", "persistentvolumes");

/// Whether what is asked for is related to a node.
pub(super) fn is_related(store: &Store, node: &str, asked: &Attributes) -> bool {
    let (namespace, name) = (asked.namespace.as_str(), asked.name.as_str());
    let needed = |test: &dyn Fn(&Object) -> bool| pods_of(store, node, namespace).any(test);
    match &*asked.resource {
        "secrets" => {
            needed(&|pod| secrets(pod).contains(&name))
                || volumes(store)
                    .any(|pv| has_secret(pv, namespace, name) && is_claimed(store, node, pv))
        }
        "configmaps" => needed(&|pod| maps(pod).contains(&name)),
        "serviceaccounts" => needed(&|pod| pod.text(&["spec", "serviceAccountName"]) == name),
        "persistentvolumeclaims" => claims(store, node, namespace, name),
        "persistentvolumes" => {
            let volume = store.named(&VOLUMES, "", name);
            volume.is_some_and(|volume| is_claimed(store, node, volume))
        }
        "resourceclaims" => needed(&|pod| resource_claims(pod).contains(&name)),
        resource => {
            let id = GroupResource::owned(&asked.group, resource);
            let object = store.named(&id, namespace, name);
            object.is_some_and(|object| object.text(&["spec", "nodeName"]) == node)
        }
    }
}

/// The pods of a namespace that a node runs, and that may give it rights on what they need.
fn pods_of<'s>(
    store: &'s Store,
    node: &'s str,
    namespace: &'s str,
) -> impl Iterator<Item = &'s Object> {
    let objects = store.find(&PODS).into_iter().flat_map(move |table| {
        let from = table.objects.range(Key::new(namespace, "")..);
        from.take_while(move |(key, _)| &*key.namespace == namespace)
    });
    objects.map(|(_, pod)| pod.as_ref()).filter(move |pod| {
        pod.text(&["spec", "nodeName"]) == node && pod.annotation(MIRROR).is_none()
    })
}

fn volumes(store: &Store) -> impl Iterator<Item = &Arc<Object>> {
    store.find(&VOLUMES).into_iter().flat_map(|table| table.objects.values())
}

/// Whether the claim that a volume is bound to is used on a node.
fn is_claimed(store: &Store, node: &str, volume: &Object) -> bool {
    let of = |field: &str| volume.text(&["spec", "claimRef", field]);
    !of("name").is_empty() && claims(store, node, of("namespace"), of("name"))
}

/// Whether a pod on a node uses a claim.
fn claims(store: &Store, node: &str, namespace: &str, name: &str) -> bool {
    pods_of(store, node, namespace).any(|pod| {
        pod.items(&["spec", "volumes"]).iter().any(|volume| {
            let own = || format!("{}-{}", pod.name(), text(volume, &["name"]));
            text(volume, &["persistentVolumeClaim", "claimName"]) == name
                || (volume.get("ephemeral").is_some() && own() == name)
        })
    })
}

fn containers(pod: &Object) -> impl Iterator<Item = &Value> {
    let kinds = ["initContainers", "containers", "ephemeralContainers"];
    kinds.into_iter().flat_map(|kind| pod.items(&["spec", kind]))
}

/// What the environments of a pod's containers name, by key and as a whole.
fn from_environments<'p>(pod: &'p Object, key: &str, whole: &str) -> Vec<&'p str> {
    let mut found = Vec::new();
    for container in containers(pod) {
        let env = items(container, &["env"]).iter();
        found.extend(env.map(|one| text(one, &["valueFrom", key, "name"])));
        let from = items(container, &["envFrom"]).iter();
        found.extend(from.map(|one| text(one, &[whole, "name"])));
    }
    found
}

/// The volumes whose secret stands in a `secretRef`.
const WITH_REFERENCE: [&str; 7] =
    ["cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"];

pub(in crate::api) fn secrets(pod: &Object) -> Vec<&str> {
    let mut found = from_environments(pod, "secretKeyRef", "secretRef");
    let pulls = pod.items(&["spec", "imagePullSecrets"]).iter();
    found.extend(pulls.map(|secret| text(secret, &["name"])));
    for volume in pod.items(&["spec", "volumes"]) {
        found.push(text(volume, &["secret", "secretName"]));
        found.push(text(volume, &["azureFile", "secretName"]));
        found.push(text(volume, &["csi", "nodePublishSecretRef", "name"]));
        found.extend(WITH_REFERENCE.map(|kind| text(volume, &[kind, "secretRef", "name"])));
        let sources = items(volume, &["projected", "sources"]).iter();
        found.extend(sources.map(|source| text(source, &["secret", "name"])));
    }
    found.retain(|name| !name.is_empty());
    found
}

pub(in crate::api) fn maps(pod: &Object) -> Vec<&str> {
    let mut found = from_environments(pod, "configMapKeyRef", "configMapRef");
    for volume in pod.items(&["spec", "volumes"]) {
        found.push(text(volume, &["configMap", "name"]));
        let sources = items(volume, &["projected", "sources"]).iter();
        found.extend(sources.map(|source| text(source, &["configMap", "name"])));
    }
    found.retain(|name| !name.is_empty());
    found
}

fn resource_claims(pod: &Object) -> Vec<&str> {
    let named = pod.items(&["spec", "resourceClaims"]).iter();
    let made = pod.items(&["status", "resourceClaimStatuses"]).iter();
    let mut found: Vec<&str> =
        named.chain(made).map(|claim| text(claim, &["resourceClaimName"])).collect();
    found.push(pod.text(&["status", "extendedResourceClaimStatus", "resourceClaimName"]));
    found.retain(|name| !name.is_empty());
    found
}

/// Whether a node that mounts a volume needs a secret: what only controllers use does not count.
fn has_secret(volume: &Object, namespace: &str, name: &str) -> bool {
    let claim = volume.text(&["spec", "claimRef", "namespace"]);
    let is = |path: &[&str], field: &str, place: &str| {
        let of = |field: &str| volume.at(path).map_or("", |found| text(found, &[field]));
        let own = of(place);
        of(field) == name && (if own.is_empty() { claim } else { own }) == namespace
    };
    is(&["spec", "azureFile"], "secretName", "secretNamespace")
        || WITH_REFERENCE.iter().any(|kind| is(&["spec", kind, "secretRef"], "name", "namespace"))
        || ["nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"]
            .iter()
            .any(|which| is(&["spec", "csi", which], "name", "namespace"))
}
