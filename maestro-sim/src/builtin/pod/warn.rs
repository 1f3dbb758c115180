//! What is odd about a pod, and yet stored.
//!
//! Source: `k8s.io/kubernetes/pkg/api/pod/warnings.go`.

use std::collections::{BTreeMap, BTreeSet};

use crate::builtin::field::{Path, int, list, part, text};
use crate::json::Value;

/// Labels of nodes that have other names by now.
const OLD_LABELS: &[(&str, &str)] = &[
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];

const OLD_NOTES: &[(&str, &str)] = &[
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];

const OLD_VOLUMES: &[(&str, &str)] = &[
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

const SECCOMP: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const USE_PROFILE: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
const NO_POD: &str = "a null labelSelector results in matching no pod";

fn old<'t>(table: &'t [(&str, &'t str)], key: &str) -> Option<&'t str> {
    table.iter().find(|(name, _)| *name == key).map(|(_, told)| *told)
}

/// What is odd about a pod, or a template at a path (empty for a pod).
pub(crate) fn warnings(pod: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let null = Value::Null;
    let spec = part(pod, "spec");
    let here = path.field("spec");
    let notes = pod.pointer("/metadata/annotations").unwrap_or(&null);
    let (meta, selector) = (path.field("metadata"), here.field("nodeSelector"));
    let noted = meta.field("annotations");
    let labels = spec.get("nodeSelector").and_then(Value::as_object);
    for key in labels.into_iter().flatten().map(|(key, _)| key) {
        if let Some(told) = old(OLD_LABELS, key) {
            out.push(format!("{}: {told}", selector.key(key)));
        }
    }
    let spread = here.field("topologySpreadConstraints");
    for (index, constraint) in list(spec, "topologySpreadConstraints").iter().enumerate() {
        let place = spread.index(index);
        let key = text(constraint, "topologyKey");
        if let Some(told) = old(OLD_LABELS, key) {
            out.push(format!("{}: {key} is {told}", place.field("topologyKey")));
        }
        if constraint.get("labelSelector").is_none_or(Value::is_null) {
            out.push(format!("{}: {NO_POD}", place.field("labelSelector")));
        }
    }
    for (key, told) in OLD_NOTES.iter().filter(|(key, _)| notes.get(key).is_some()) {
        out.push(format!("{}: {told}", noted.key(key)));
    }
    let volumes = here.field("volumes");
    for (index, volume) in list(spec, "volumes").iter().enumerate() {
        for (name, told) in OLD_VOLUMES.iter().filter(|(name, _)| volume.get(name).is_some()) {
            // Spelt otherwise than the field by the real server.
            let name = if *name == "storageos" { "storageOS" } else { name };
            out.push(format!("{}: {told}", volumes.index(index).field(name)));
        }
        let sources = volume.pointer("/projected/sources").and_then(Value::as_array);
        let empty = |source: &&Value| source.as_object().is_some_and(|map| map.is_empty());
        for _ in sources.into_iter().flatten().filter(empty) {
            let name = Value::from(text(volume, "name"));
            out.push(format!("volume {name} (Projected) has no sources provided"));
        }
    }
    twice(spec, &here, ("hostAliases", "ip"), out);
    let secrets = here.field("imagePullSecrets");
    for (index, secret) in list(spec, "imagePullSecrets").iter().enumerate() {
        if text(secret, "name").is_empty() {
            out.push(format!("{}: invalid empty name \"\"", secrets.index(index).field("name")));
        }
    }
    twice(spec, &here, ("imagePullSecrets", "name"), out);
    if spec.pointer("/securityContext/seccompProfile").is_none() && notes.get(SECCOMP).is_some() {
        out.push(format!("{}: {USE_PROFILE}", noted.key(SECCOMP)));
    }
    each(spec, &here, |container, place| {
        let key = format!("{SECCOMP_CONTAINER}{}", text(container, "name"));
        let profile = container.pointer("/securityContext/seccompProfile");
        if profile.is_none() && notes.get(&key).is_some() {
            out.push(format!("{}: {USE_PROFILE}", noted.key(&key)));
        }
        hidden(container, place, out);
    });
    ports(spec, &here, out);
    port_names(spec, &here, out);
    affinity(spec, &here, out);
}

/// Every container of a spec with its place, in the order in which they are visited.
fn each(spec: &Value, path: &Path<'_>, mut visit: impl FnMut(&Value, &Path<'_>)) {
    for name in ["initContainers", "containers", "ephemeralContainers"] {
        let all = path.field(name);
        for (index, container) in list(spec, name).iter().enumerate() {
            visit(container, &all.index(index));
        }
    }
}

fn twice(spec: &Value, path: &Path<'_>, (name, key): (&str, &str), out: &mut Vec<String>) {
    let all = path.field(name);
    let mut seen = BTreeSet::new();
    for (index, item) in list(spec, name).iter().enumerate() {
        let value = text(item, key);
        if !seen.insert(value) {
            out.push(format!("{}: duplicate {key} {value:?}", all.index(index).field(key)));
        }
    }
}

/// Variables that hide others of their name without a reference to them.
fn hidden(container: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let all = path.field("env");
    let mut seen = BTreeSet::new();
    for (index, item) in list(container, "env").iter().enumerate() {
        let name = text(item, "name");
        if seen.insert(name) {
            continue;
        }
        let (reference, value) = (format!("$({name})"), text(item, "value"));
        let kept = value.contains(&reference) && value != reference;
        if !kept || item.get("valueFrom").is_some() {
            out.push(format!(
                "{}: hides previous definition of {name:?}, which may be dropped when using apply",
                all.index(index)
            ));
        }
    }
}

fn ports(spec: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    // By number and protocol: where else, with which port and address of the host.
    type Others = Vec<(String, i64, String)>;
    let mut known: BTreeMap<(i64, String), Others> = BTreeMap::new();
    each(spec, path, |container, here| {
        let all = here.field("ports");
        for (index, port) in list(container, "ports").iter().enumerate() {
            let place = all.index(index).to_string();
            let address = text(port, "hostIP").to_owned();
            let host = int(port, "hostPort").unwrap_or(0);
            let key = (int(port, "containerPort").unwrap_or(0), text(port, "protocol").to_owned());
            let others = known.entry(key).or_default();
            for (other, other_host, other_address) in others.iter() {
                let told = if address == *other_address && host == *other_host {
                    "duplicate"
                } else if host == 0 || *other_host == 0 {
                    "overlapping"
                } else if host == *other_host && address.is_empty() != other_address.is_empty() {
                    "dangerously ambiguous"
                } else {
                    continue;
                };
                out.push(format!("{place}: {told} port definition with {other}"));
            }
            others.push((place, host, address));
        }
    });
}

fn port_names(spec: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    each(spec, path, |container, here| {
        let all = here.field("ports");
        for (index, port) in list(container, "ports").iter().enumerate() {
            let (name, place) = (text(port, "name"), all.index(index).to_string());
            match known.get(name) {
                _ if name.is_empty() => {}
                Some(other) => out.push(format!(
                    "{place}: duplicate port name {name:?} with {other}, services and probes that \
                     select ports by name will use {other}"
                )),
                None => {
                    known.insert(name.to_owned(), place);
                }
            }
        }
    });
}

fn affinity(spec: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let null = Value::Null;
    let all = path.field("affinity");
    for kind in ["podAffinity", "podAntiAffinity"] {
        let terms = spec.pointer(&format!("/affinity/{kind}")).unwrap_or(&null);
        let here = all.field(kind);
        let required = here.field(REQUIRED);
        for (index, term) in list(terms, REQUIRED).iter().enumerate() {
            if term.get("labelSelector").is_none_or(Value::is_null) {
                out.push(format!("{}: {NO_POD}", required.index(index).field("labelSelector")));
            }
        }
        let preferred = here.field(PREFERRED);
        for (index, term) in list(terms, PREFERRED).iter().enumerate() {
            if term.pointer("/podAffinityTerm/labelSelector").is_none_or(Value::is_null) {
                let place = preferred.index(index);
                let term = place.field("podAffinityTerm");
                out.push(format!("{}: {NO_POD}", term.field("labelSelector")));
            }
        }
    }
}
