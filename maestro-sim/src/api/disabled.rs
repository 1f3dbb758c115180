//! Fields of features that a version has switched off: what is written loses them, unless the
//! object had one of them before.
//!
//! Source: the `dropDisabledFields` functions of `k8s.io/kubernetes/pkg/registry` and
//! `pkg/api/pod`. Which features are off says [`Version::has`].

use serde_json::Value;

use crate::api::registry::Served;
use crate::facts::Version;

/// A field by its steps; `*` is every item of a list.
type Path = &'static [&'static str];

/// The containers of a pod, by their lists.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// What a feature gives to the specs of pods, below the spec.
const OF_PODS: &[(&str, Path)] = &[
    ("HostnameOverride", &["hostnameOverride"]),
    (
        "ClusterTrustBundleProjection",
        &["volumes", "*", "projected", "sources", "*", "clusterTrustBundle"],
    ),
    ("PodCertificateRequest", &["volumes", "*", "projected", "sources", "*", "podCertificate"]),
    ("ImageVolume", &["volumes", "*", "image"]),
];

/// What a feature gives to containers, below each.
const OF_CONTAINERS: &[(&str, Path)] = &[
    ("ContainerRestartRules", &["restartPolicyRules"]),
    ("EnvFiles", &["env", "*", "valueFrom", "fileKeyRef"]),
];

/// What a feature gives to other objects: group, collection, feature, field.
const OF_OTHERS: &[(&str, &str, &str, Path)] = &[
    (
        "apps",
        "statefulsets",
        "MaxUnavailableStatefulSet",
        &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"],
    ),
    (
        "storage.k8s.io",
        "csidrivers",
        "VolumeLimitScaling",
        &["spec", "preventPodSchedulingIfMissing"],
    ),
    (
        "storage.k8s.io",
        "csidrivers",
        "CSIServiceAccountTokenSecrets",
        &["spec", "serviceAccountTokenInSecrets"],
    ),
    (
        "storage.k8s.io",
        "csidrivers",
        "MutableCSINodeAllocatableCount",
        &["spec", "nodeAllocatableUpdatePeriodSeconds"],
    ),
    (
        "autoscaling",
        "horizontalpodautoscalers",
        "HPAConfigurableTolerance",
        &["spec", "behavior", "scaleUp", "tolerance"],
    ),
    (
        "autoscaling",
        "horizontalpodautoscalers",
        "HPAConfigurableTolerance",
        &["spec", "behavior", "scaleDown", "tolerance"],
    ),
    (
        "apps",
        "deployments",
        "DeploymentReplicaSetTerminatingReplicas",
        &["status", "terminatingReplicas"],
    ),
    (
        "apps",
        "replicasets",
        "DeploymentReplicaSetTerminatingReplicas",
        &["status", "terminatingReplicas"],
    ),
];

/// Where a collection's objects hold the spec of pods.
fn pod_spec(served: &Served) -> Option<Path> {
    Some(match (&*served.resource.group, &*served.resource.resource) {
        ("", "pods") => &["spec"],
        ("", "podtemplates") => &["template", "spec"],
        ("", "replicationcontrollers")
        | ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets")
        | ("batch", "jobs") => &["spec", "template", "spec"],
        ("batch", "cronjobs") => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => return None,
    })
}

/// Takes out of an object what its version has switched off and `old` does not use.
pub(super) fn drop_fields(served: &Served, object: &mut Value, old: Option<&Value>) {
    let version = served.release;
    if version == Version::default() || served.is_custom() {
        return;
    }
    let id = (&*served.resource.group, &*served.resource.resource);
    for (_, _, feature, path) in OF_OTHERS.iter().filter(|of| (of.0, of.1) == id) {
        drop_field(version, feature, path, object, old);
    }
    let Some(place) = pod_spec(served) else { return };
    let mut spec = object;
    for step in place {
        let Some(inner) = spec.get_mut(*step) else { return };
        spec = inner;
    }
    let old = old.and_then(|old| place.iter().try_fold(old, |value, step| value.get(*step)));
    for (feature, path) in OF_PODS {
        drop_field(version, feature, path, spec, old);
    }
    for (feature, path) in OF_CONTAINERS {
        for list in CONTAINERS {
            let path: Vec<&str> = [list, "*"].into_iter().chain(path.iter().copied()).collect();
            drop_field(version, feature, &path, spec, old);
        }
    }
}

fn drop_field(
    version: Version,
    feature: &str,
    path: &[&str],
    object: &mut Value,
    old: Option<&Value>,
) {
    if !version.has(feature) && !old.is_some_and(|old| uses(old, path)) {
        remove(object, path);
    }
}

/// Whether a field is set anywhere.
fn uses(value: &Value, path: &[&str]) -> bool {
    match path {
        [] => !value.is_null(),
        ["*", rest @ ..] => {
            value.as_array().is_some_and(|all| all.iter().any(|one| uses(one, rest)))
        }
        [name, rest @ ..] => value.get(*name).is_some_and(|inner| uses(inner, rest)),
    }
}

fn remove(value: &mut Value, path: &[&str]) {
    match path {
        [] => {}
        [name] => {
            if let Some(map) = value.as_object_mut() {
                map.remove(*name);
            }
        }
        ["*", rest @ ..] => {
            value.as_array_mut().into_iter().flatten().for_each(|one| remove(one, rest));
        }
        [name, rest @ ..] => {
            if let Some(inner) = value.get_mut(*name) {
                remove(inner, rest);
            }
        }
    }
}
