//! What every author would forget once: labels, owners, and restarts when configuration changes.
//!
//! A pure function over rendered objects. An author's own labels and annotations always win.

use super::{PACKAGE_GROUP, VERSION, hash};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Label with the UID of the instance, on objects that cannot have it as an owner.
pub const OWNER_LABEL: &str = "maestro.dev/owner-uid";
/// Label with the instance's name on pods of Jobs, which do not carry the recommended labels.
pub const INSTANCE_LABEL: &str = "maestro.dev/instance";
/// Annotation on pod templates over the ConfigMaps and Secrets that they read.
pub const CONFIG_HASH: &str = "maestro.dev/config-hash";
/// Annotation on Jobs and Pods with the plan, phase and step that made them.
pub const STEP: &str = "maestro.dev/step";

/// Which instance the objects belong to.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Name of the Framework.
    pub framework: &'a str,
    /// Kind of the package.
    pub kind: &'a str,
    /// Name of the instance.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its UID; empty when there is no cluster (`maestro render`), and then nothing owns.
    pub uid: &'a str,
    /// The version of the software, for `app.kubernetes.io/version`.
    pub app_version: Option<&'a str>,
}

/// Which step renders them.
#[derive(Debug, Clone, Copy)]
pub struct StepInfo<'a> {
    /// The plan.
    pub plan: &'a str,
    /// The phase.
    pub phase: &'a str,
    /// The step.
    pub step: &'a str,
}

/// Makes rendered `objects` fit to apply.
///
/// `configs` are all ConfigMaps and Secrets that the Framework renders for the instance, also
/// those of other steps. `cluster_scoped` says of an `apiVersion` and `kind` whether it has no
/// namespace; [`is_cluster_scoped`] knows the built-in kinds.
pub fn enhance(
    objects: &mut [Value],
    identity: &Identity<'_>,
    step: &StepInfo<'_>,
    configs: &[Value],
    cluster_scoped: &dyn Fn(&str, &str) -> bool,
) {
    let hashes = config_hashes(configs, identity.namespace);
    for object in objects {
        let kind = text(object, "kind").to_owned();
        let scoped = cluster_scoped(text(object, "apiVersion"), &kind);
        let Some(metadata) = object_at(object, "metadata") else { continue };
        place(metadata, identity, scoped);
        add_labels(metadata, identity, true);
        if matches!(kind.as_str(), "Job" | "Pod") {
            let by = format!("{}/{}/{}", step.plan, step.phase, step.step);
            add(metadata, "annotations", STEP, &by);
        }
        enhance_pods(object, &kind, identity, &hashes);
    }
}

/// Namespace, and the owner: a controller reference where the API allows one, else a label.
fn place(metadata: &mut Map<String, Value>, identity: &Identity<'_>, cluster_scoped: bool) {
    if !cluster_scoped {
        metadata.entry("namespace").or_insert_with(|| json!(identity.namespace));
    }
    if identity.uid.is_empty() {
        return;
    }
    let elsewhere = metadata.get("namespace").is_some_and(|name| name != identity.namespace);
    if cluster_scoped || elsewhere {
        add(metadata, "labels", OWNER_LABEL, identity.uid);
        return;
    }
    let owners = metadata.entry("ownerReferences").or_insert_with(|| json!([]));
    let Some(owners) = owners.as_array_mut() else { return };
    if owners.iter().all(|owner| owner["uid"] != identity.uid) {
        let controlled = owners.iter().any(|owner| owner["controller"] == true);
        owners.push(json!({
            "apiVersion": format!("{PACKAGE_GROUP}/{VERSION}"),
            "kind": identity.kind,
            "name": identity.name,
            "uid": identity.uid,
            "controller": !controlled,
            "blockOwnerDeletion": true,
        }));
    }
}

/// The recommended labels. `with_version` is false where a change of the label would be refused
/// (claim templates are immutable).
fn add_labels(metadata: &mut Map<String, Value>, identity: &Identity<'_>, with_version: bool) {
    add(metadata, "labels", "app.kubernetes.io/name", &label_value(identity.framework));
    add(metadata, "labels", "app.kubernetes.io/instance", &label_value(identity.name));
    add(metadata, "labels", "app.kubernetes.io/managed-by", "maestro");
    if let (true, Some(version)) = (with_version, identity.app_version) {
        add(metadata, "labels", "app.kubernetes.io/version", &label_value(version));
    }
}

fn enhance_pods(
    object: &mut Value,
    kind: &str,
    identity: &Identity<'_>,
    hashes: &BTreeMap<(&str, String), String>,
) {
    let path = match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => "/spec/template",
        "CronJob" => "/spec/jobTemplate/spec/template",
        _ => return,
    };
    if let Some(template) = object.pointer_mut(path) {
        let used = configs_used(&template["spec"]);
        let sum: Vec<_> = used
            .iter()
            .filter_map(|key| hashes.get(key).map(|hash| format!("{}/{}={hash}", key.0, key.1)))
            .collect();
        if let Some(metadata) = object_at(template, "metadata") {
            if matches!(kind, "Job" | "CronJob") {
                // A Service or a budget that selects the instance must not find a Job's pods.
                add(metadata, "labels", INSTANCE_LABEL, &label_value(identity.name));
                add(metadata, "labels", "app.kubernetes.io/managed-by", "maestro");
            } else {
                add_labels(metadata, identity, true);
            }
            if !sum.is_empty() {
                add(metadata, "annotations", CONFIG_HASH, &hash(sum.join("\n").as_bytes()));
            }
        }
    }
    if let Some(Value::Array(claims)) = object.pointer_mut("/spec/volumeClaimTemplates") {
        for claim in claims {
            if let Some(metadata) = object_at(claim, "metadata") {
                add_labels(metadata, identity, false);
            }
        }
    }
}

fn config_hashes<'a>(configs: &'a [Value], namespace: &str) -> BTreeMap<(&'a str, String), String> {
    let mut hashes = BTreeMap::new();
    for config in configs {
        let kind = text(config, "kind");
        let metadata = &config["metadata"];
        let here = metadata["namespace"].as_str().is_none_or(|name| name == namespace);
        if let (true, "ConfigMap" | "Secret", Some(name)) = (here, kind, metadata["name"].as_str())
        {
            let content = [&config["data"], &config["binaryData"], &config["stringData"]];
            let content = json!(content).to_string();
            hashes.insert((kind, name.to_owned()), hash(content.as_bytes()));
        }
    }
    hashes
}

/// The ConfigMaps and Secrets that a pod mounts or reads into its environment, by kind and name.
fn configs_used(pod: &Value) -> BTreeSet<(&'static str, String)> {
    let mut used = BTreeSet::new();
    let mut note = |kind: &'static str, name: &Value| {
        if let Some(name) = name.as_str() {
            used.insert((kind, name.to_owned()));
        }
    };
    for volume in items(&pod["volumes"]) {
        note("ConfigMap", &volume["configMap"]["name"]);
        note("Secret", &volume["secret"]["secretName"]);
        for source in items(&volume["projected"]["sources"]) {
            note("ConfigMap", &source["configMap"]["name"]);
            note("Secret", &source["secret"]["name"]);
        }
    }
    for container in items(&pod["initContainers"]).chain(items(&pod["containers"])) {
        for variable in items(&container["env"]) {
            note("ConfigMap", &variable["valueFrom"]["configMapKeyRef"]["name"]);
            note("Secret", &variable["valueFrom"]["secretKeyRef"]["name"]);
        }
        for source in items(&container["envFrom"]) {
            note("ConfigMap", &source["configMapRef"]["name"]);
            note("Secret", &source["secretRef"]["name"]);
        }
    }
    used
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn object_at<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    object.as_object_mut()?.entry(field).or_insert_with(|| json!({})).as_object_mut()
}

fn add(metadata: &mut Map<String, Value>, section: &str, key: &str, value: &str) {
    let section = metadata.entry(section).or_insert_with(|| json!({}));
    if let Some(section) = section.as_object_mut() {
        section.entry(key).or_insert_with(|| json!(value));
    }
}

/// A value that a label may have: at most 63 characters of `[A-Za-z0-9._-]`, alphanumeric at both
/// ends. What must be cut gets a hash so that two long names stay apart.
#[must_use]
pub fn label_value(text: &str) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let mut value: String = text.chars().map(clean).collect();
    if value.len() > 63 {
        value = format!("{}-{}", &value[..46], hash(text.as_bytes()));
    }
    value.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// Whether a built-in kind (or one of ours) has no namespace.
#[must_use]
pub fn is_cluster_scoped(api_version: &str, kind: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match group {
        "" => matches!(kind, "Namespace" | "Node" | "PersistentVolume" | "ComponentStatus"),
        "rbac.authorization.k8s.io" => kind.starts_with("Cluster"),
        "storage.k8s.io" => kind != "CSIStorageCapacity",
        "certificates.k8s.io" => kind != "PodCertificateRequest",
        "resource.k8s.io" => matches!(kind, "DeviceClass" | "ResourceSlice"),
        "networking.k8s.io" => matches!(kind, "IngressClass" | "IPAddress" | "ServiceCIDR"),
        "apiextensions.k8s.io"
        | "apiregistration.k8s.io"
        | "admissionregistration.k8s.io"
        | "scheduling.k8s.io"
        | "node.k8s.io"
        | "flowcontrol.apiserver.k8s.io"
        | "internal.apiserver.k8s.io"
        | "storagemigration.k8s.io" => true,
        "maestro.dev" => matches!(kind, "Framework" | "FrameworkVersion"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity<'static> = Identity {
        framework: "zookeeper",
        kind: "ZooKeeper",
        name: "main",
        namespace: "prod",
        uid: "u-1",
        app_version: Some("3.9.3"),
    };
    const STEP_INFO: StepInfo<'static> = StepInfo { plan: "deploy", phase: "one", step: "two" };

    fn enhanced(object: Value, configs: &[Value]) -> Value {
        let mut objects = [object];
        enhance(&mut objects, &IDENTITY, &STEP_INFO, configs, &is_cluster_scoped);
        let [object] = objects;
        object
    }

    fn stateful_set() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "main", "labels": {"app.kubernetes.io/version": "mine"}},
            "spec": {
                "template": {"spec": {
                    "volumes": [{"name": "c", "configMap": {"name": "main"}}],
                    "containers": [{"envFrom": [{"secretRef": {"name": "keys"}}]}]}},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}})
    }

    #[test]
    fn labels_owns_and_places() {
        let object = enhanced(stateful_set(), &[]);
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/instance"], "main");
        assert_eq!(labels["app.kubernetes.io/version"], "mine", "the author's own label wins");
        assert_eq!(object["metadata"]["namespace"], "prod");
        assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], "u-1");
        assert_eq!(object["metadata"]["ownerReferences"][0]["controller"], true);
        let pod = &object["spec"]["template"]["metadata"]["labels"];
        assert_eq!(pod["app.kubernetes.io/version"], "3.9.3");
        let claim = &object["spec"]["volumeClaimTemplates"][0]["metadata"]["labels"];
        assert_eq!(claim["app.kubernetes.io/name"], "zookeeper");
        assert!(claim.get("app.kubernetes.io/version").is_none(), "claim templates are immutable");

        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "r"}});
        let role = enhanced(role, &[]);
        assert_eq!(role["metadata"]["labels"][OWNER_LABEL], "u-1");
        assert!(role["metadata"].get("ownerReferences").is_none());
        assert!(role["metadata"].get("namespace").is_none());
    }

    #[test]
    fn no_selector_of_the_instance_finds_the_pods_of_a_job() {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"},
            "spec": {"template": {"spec": {"containers": []}}}});
        let job = enhanced(job, &[]);
        assert_eq!(job["metadata"]["labels"]["app.kubernetes.io/instance"], "main");
        assert_eq!(job["metadata"]["annotations"][STEP], "deploy/one/two");
        let labels = &job["spec"]["template"]["metadata"]["labels"];
        let expected = json!({"app.kubernetes.io/managed-by": "maestro", INSTANCE_LABEL: "main"});
        assert_eq!(labels, &expected);
    }

    #[test]
    fn pods_restart_exactly_when_what_they_read_changes() {
        let config = |kind: &str, name: &str, value: &str| {
            json!({"kind": kind, "metadata": {"name": name, "labels": {"x": value}},
                   "data": {"k": if name == "label-only" { "" } else { value }}})
        };
        let sum = |configs: &[Value]| {
            let object = enhanced(stateful_set(), configs);
            object["spec"]["template"]["metadata"]["annotations"][CONFIG_HASH].clone()
        };
        let base = sum(&[config("ConfigMap", "main", "1"), config("Secret", "keys", "1")]);
        assert!(base.is_string());
        let check = |configs: &[Value], same: bool| assert_eq!(sum(configs) == base, same);
        check(&[config("Secret", "keys", "1"), config("ConfigMap", "main", "1")], true);
        check(&[config("ConfigMap", "main", "2"), config("Secret", "keys", "1")], false);
        check(&[config("ConfigMap", "main", "1"), config("Secret", "keys", "2")], false);
        let unrelated = config("ConfigMap", "other", "9");
        check(&[config("ConfigMap", "main", "1"), config("Secret", "keys", "1"), unrelated], true);
        assert_eq!(sum(&[]), Value::Null);
    }

    #[test]
    fn label_values_are_valid_and_distinct() {
        assert_eq!(label_value("3.9.3+build"), "3.9.3-build");
        let (one, two) = (label_value(&"a".repeat(70)), label_value(&"a".repeat(71)));
        assert!(one.len() <= 63 && two.len() <= 63 && one != two);
    }
}
