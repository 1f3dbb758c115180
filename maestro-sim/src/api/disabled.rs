//! Fields of features that a version has switched off: what is written loses them, unless the
//! object had one of them before.
//!
//! Source: the `dropDisabledFields` functions of `k8s.io/kubernetes/pkg/registry` and
//! `pkg/api/pod`. Which features are off says [`Version::has`].

use crate::api::registry::Served;
use crate::facts::Version;
use crate::json::Value;

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
];

/// What a feature gives to containers, below each.
const OF_CONTAINERS: &[(&str, Path)] = &[("EnvFiles", &["env", "*", "valueFrom", "fileKeyRef"])];

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

/// What no version takes any more, or yet.
const NEVER: &[(&str, &str, Path)] = &[
    ("coordination.k8s.io", "leases", &["spec", "strategy"]),
    ("coordination.k8s.io", "leases", &["spec", "preferredHolder"]),
    ("", "nodes", &["spec", "configSource"]),
    ("", "nodes", &["spec", "podPreemptionPolicy"]),
    ("", "pods", &["spec", "evictionResponders"]),
    ("", "pods", &["spec", "schedulingGroup"]),
    ("batch", "jobs", &["spec", "scheduling"]),
    ("batch", "cronjobs", &["spec", "jobTemplate", "spec", "scheduling"]),
    ("discovery.k8s.io", "endpointslices", &["endpoints", "*", "deprecatedTopology"]),
];

/// Which of those have defaults, which belong to the feature, too.
const DEFAULTS: &[(&str, Path)] = &[
    ("MaxUnavailableStatefulSet", &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"]),
    ("VolumeLimitScaling", &["spec", "preventPodSchedulingIfMissing"]),
];
const DEFAULTS_OF_PODS: &[(&str, Path)] =
    &[("ImageVolume", &["volumes", "*", "image", "pullPolicy"])];

/// Where a collection's objects hold the spec of pods.
pub(super) fn pod_spec(served: &Served) -> Option<Path> {
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

/// Takes back the defaults of features that are off: `before` is the object before it had them.
pub(super) fn forget_defaults(served: &Served, before: &Value, object: &mut Value) {
    let off = |feature: &str| !served.release.has(feature);
    let id = (&*served.resource.group, &*served.resource.resource);
    for (feature, path) in DEFAULTS.iter().filter(|(feature, _)| off(feature)) {
        if OF_OTHERS.iter().any(|of| (of.0, of.1) == id && of.2 == *feature) {
            restore(Some(before), object, path);
        }
    }
    let Some(place) = pod_spec(served) else { return };
    for (_, path) in DEFAULTS_OF_PODS.iter().filter(|(feature, _)| off(feature)) {
        let path: Vec<&str> = place.iter().chain(path.iter()).copied().collect();
        restore(Some(before), object, &path);
    }
}

/// Removes a field that was not there before. A tree that has none of it stays shared.
fn restore(before: Option<&Value>, value: &mut Value, path: &[&str]) {
    if !stands(value, path) {
        return;
    }
    match path {
        [] => {}
        [name] => {
            if before.is_none_or(|before| before.get(*name).is_none()) {
                remove(value, path);
            }
        }
        ["*", rest @ ..] => {
            for (index, one) in value.as_array_mut().into_iter().flatten().enumerate() {
                restore(before.and_then(|before| before.get(index)), one, rest);
            }
        }
        [name, rest @ ..] => {
            if let Some(inner) = value.get_mut(*name) {
                restore(before.and_then(|before| before.get(*name)), inner, rest);
            }
        }
    }
}

/// Takes out of an object what its version has switched off and `old` does not use.
pub(super) fn drop_fields(served: &Served, object: &mut Value, old: Option<&Value>) {
    let version = served.release;
    let id = (&*served.resource.group, &*served.resource.resource);
    for (_, _, path) in NEVER.iter().filter(|of| (of.0, of.1) == id) {
        restore(old, object, path);
    }
    if served.is_custom() {
        return;
    }
    drop_signals(served, object);
    if version == Version::default() {
        return;
    }
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
    if !version.has("ImageVolume") && !old.is_some_and(|old| uses(old, IMAGE_VOLUMES)) {
        drop_image_volumes(spec);
    }
    if !version.has(RULES) && !old.is_some_and(restarts) {
        drop_restarts(spec);
    }
    for (feature, path) in OF_CONTAINERS {
        for list in CONTAINERS {
            let path: Vec<&str> = [list, "*"].into_iter().chain(path.iter().copied()).collect();
            drop_field(version, feature, &path, spec, old);
        }
    }
}

/// No version takes signals yet by which containers want to be stopped.
fn drop_signals(served: &Served, object: &mut Value) {
    let Some(place) = pod_spec(served) else { return };
    let spec = place.iter().try_fold(&*object, |value, step| value.get(*step));
    let signals = |list: &&str| {
        spec.is_some_and(|spec| stands(spec, &[list, "*", "lifecycle", "stopSignal"]))
    };
    if !CONTAINERS.iter().any(signals) {
        return;
    }
    let spec = place.iter().try_fold(object, |value, step| value.get_mut(*step));
    let Some(spec) = spec else { return };
    for container in containers(spec, &CONTAINERS) {
        let Some(hooks) = container.get_mut("lifecycle").and_then(Value::as_object_mut) else {
            continue;
        };
        if hooks.remove("stopSignal").is_some() && hooks.is_empty() {
            remove(container, &["lifecycle"]);
        }
    }
}

const IMAGE_VOLUMES: Path = &["volumes", "*", "image"];

/// Volumes of images go as a whole, and what mounts them.
fn drop_image_volumes(spec: &mut Value) {
    let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) else { return };
    let mut gone = Vec::new();
    volumes.retain(|volume| {
        let image = volume.get("image").is_some_and(|image| !image.is_null());
        gone.extend(volume.get("name").cloned().filter(|_| image));
        !image
    });
    if gone.is_empty() {
        return;
    }
    let none_left = volumes.is_empty();
    for container in containers(spec, &CONTAINERS) {
        let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) else {
            continue;
        };
        mounts.retain(|mount| mount.get("name").is_none_or(|name| !gone.contains(name)));
        if mounts.is_empty() {
            remove(container, &["volumeMounts"]);
        }
    }
    if none_left {
        remove(spec, &["volumes"]);
    }
}

/// The feature by which each container has a policy and rules of its own for its restarts.
const RULES: &str = "ContainerRestartRules";

/// A policy that only initial containers had before.
fn is_always(container: &Value) -> bool {
    container.get("restartPolicy").is_none_or(|policy| policy == "Always")
}

/// Whether a spec of pods uses the rules of that feature.
fn restarts(spec: &Value) -> bool {
    let has = |list: &str| spec.get(list).and_then(Value::as_array).into_iter().flatten();
    has("initContainers").any(|c| !is_always(c) || uses(c, &["restartPolicyRules"]))
        || has("containers").any(|c| uses(c, &["restartPolicy"]))
}

fn drop_restarts(spec: &mut Value) {
    for container in containers(spec, &CONTAINERS) {
        remove(container, &["restartPolicyRules"]);
    }
    for container in containers(spec, &["containers", "ephemeralContainers"]) {
        remove(container, &["restartPolicy"]);
    }
    for container in containers(spec, &["initContainers"]).filter(|c| !is_always(c)) {
        remove(container, &["restartPolicy"]);
    }
}

/// The containers in some lists of a spec of pods.
fn containers<'s>(spec: &'s mut Value, lists: &[&str]) -> impl Iterator<Item = &'s mut Value> {
    let all = spec.as_object_mut().into_iter().flatten();
    let lists: Vec<String> = lists.iter().map(|list| (*list).to_owned()).collect();
    all.filter(move |(name, _)| lists.iter().any(|list| *name == list))
        .flat_map(|(_, list)| list.as_array_mut().into_iter().flatten())
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
    found(value, path, |field| !field.is_null())
}

/// Whether a field is there at all.
fn stands(value: &Value, path: &[&str]) -> bool {
    found(value, path, |_| true)
}

fn found(value: &Value, path: &[&str], counts: fn(&Value) -> bool) -> bool {
    match path {
        [] => counts(value),
        ["*", rest @ ..] => {
            value.as_array().is_some_and(|all| all.iter().any(|one| found(one, rest, counts)))
        }
        [name, rest @ ..] => value.get(*name).is_some_and(|inner| found(inner, rest, counts)),
    }
}

/// Takes a field out. A tree that has none of it stays shared.
fn remove(value: &mut Value, path: &[&str]) {
    if !stands(value, path) {
        return;
    }
    match path {
        [] => {}
        [name] => {
            if let Some(map) = value.as_object_mut() {
                map.remove(name);
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

#[cfg(test)]
mod tests {
    use crate::json::json;

    use super::*;
    use crate::api::registry::Registry;
    use crate::object::GroupResource;

    /// What is left of a spec in a version.
    #[track_caller]
    fn check(
        (version, resource): (Version, (&'static str, &'static str)),
        old: Option<Value>,
        spec: Value,
        left: Value,
    ) {
        let registry = Registry::of(version);
        let resource = GroupResource::new(resource.0, resource.1);
        let served = registry.find(&resource, &registry.preferred(&resource)).expect("a kind");
        let mut object = json!({"spec": spec});
        drop_fields(&served, &mut object, old.map(|spec| json!({"spec": spec})).as_ref());
        assert_eq!(object["spec"], left);
    }

    #[test]
    fn fields_of_features_go() {
        let (pods, old, new) = (("", "pods"), Version::V1_34, Version::default());
        let host = json!({"hostnameOverride": "a"});
        check((new, pods), None, host.clone(), host.clone());
        check((old, pods), None, host.clone(), json!({}));
        check((old, pods), Some(json!({"hostnameOverride": "b"})), host.clone(), host);
        check(
            (old, pods),
            None,
            json!({"volumes": [{"name": "v", "image": {}}, {"name": "w"}], "containers": [
                {"volumeMounts": [{"name": "v"}]}, {"volumeMounts": [{"name": "v"}, {"name": "w"}]}]}),
            json!({"volumes": [{"name": "w"}],
                   "containers": [{}, {"volumeMounts": [{"name": "w"}]}]}),
        );
        check(
            (old, pods),
            None,
            json!({"containers": [{"restartPolicy": "Never", "restartPolicyRules": []}],
                   "initContainers": [{"restartPolicy": "Always", "restartPolicyRules": []}]}),
            json!({"containers": [{}], "initContainers": [{"restartPolicy": "Always"}]}),
        );
        let rolling = json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}});
        let none = json!({"updateStrategy": {"rollingUpdate": {}}});
        check((old, ("apps", "statefulsets")), None, rolling.clone(), none);
        check((new, ("apps", "statefulsets")), None, rolling.clone(), rolling);
    }
}
