//! Volumes of the cluster, their classes, and the drivers that make them.
//!
//! Source: `ValidatePersistentVolume` of `k8s.io/kubernetes/pkg/apis/core/validation`, and
//! `pkg/apis/storage/validation`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::field::{self, Path, int, list, part, set, text};
use super::pod;
use super::storage;
use super::text as form;
use crate::api::Cause;
use crate::facts::Version;
use crate::json::{Name, Value};
use crate::object::at;
use crate::quantity::Quantity;

/// The sources of volumes, in the order in which the server looks for them.
const SOURCES: [&str; 22] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

/// A volume, whose source, mode and nodes stay.
pub(super) fn volume(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    storage::access_modes(list(spec, "accessModes"), "", &path.field("accessModes"), causes);
    capacity(spec, &path.field("capacity"), causes);
    let policy = text(spec, "persistentVolumeReclaimPolicy");
    let at_policy = path.field("persistentVolumeReclaimPolicy");
    if !policy.is_empty() {
        field::one_of(&at_policy, policy, &["Delete", "Recycle", "Retain"], causes);
    }
    if let Some(affinity) = set(spec, "nodeAffinity") {
        let here = path.field("nodeAffinity");
        match set(affinity, "required") {
            Some(required) => pod::node_selector(required, &here.field("required"), causes),
            None => {
                let detail = "must specify required node constraints";
                causes.push(field::required(&here.field("required"), detail));
            }
        }
    }
    source(spec, &path, causes);
    if text(at(spec, &["hostPath"]).unwrap_or(&Value::Null), "path") == "/" && policy == "Recycle" {
        let detail = "may not be 'recycle' for a hostPath mount of '/'";
        causes.push(field::forbidden(&at_policy, detail));
    }
    storage::classes(spec, &path, causes);
    let class = set(spec, "volumeAttributesClassName");
    if class.is_some_and(|class| class == "") {
        let detail = "an empty string is disallowed";
        causes.push(field::required(&path.field("volumeAttributesClassName"), detail));
    }
    if class.is_some() && set(spec, "csi").is_none() {
        let detail = "has to be specified when using volumeAttributesClassName";
        causes.push(field::required(&path.field("csi"), detail));
    }
    if let Some(old) = old {
        fixed(spec, part(old, "spec"), causes);
    }
}

fn fixed(spec: &Value, old: &Value, causes: &mut Vec<Cause>) {
    // Which secrets a driver is given may change.
    let plain = |spec: &Value, name: &str| {
        let mut source = set(spec, name).cloned();
        if let Some(Value::Object(map)) = source.as_mut().filter(|_| name == "csi") {
            for secret in ["nodeExpandSecretRef", "controllerExpandSecretRef"] {
                map.remove(secret);
            }
        }
        source
    };
    if SOURCES.iter().any(|name| plain(spec, name) != plain(old, name)) {
        let detail = "spec.persistentvolumesource is immutable after creation";
        causes.push(field::forbidden(&"spec.persistentvolumesource", detail));
    }
    // The server names these without the spec that they are in.
    let null = Value::Null;
    let both = |name: &str| (set(spec, name).unwrap_or(&null), set(old, name).unwrap_or(&null));
    let (now, before) = both("volumeMode");
    if now != before {
        causes.push(field::invalid(&"volumeMode", now, "field is immutable"));
    }
    let (now, before) = both("nodeAffinity");
    if now != before && !before.is_null() {
        let detail = "field is immutable, except for updating from beta label to GA";
        causes.push(field::invalid(&"nodeAffinity", now, detail));
    }
}

fn capacity(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let amounts = spec.get("capacity").and_then(Value::as_object);
    let count = amounts.map_or(0, crate::json::Map::len);
    if count == 0 {
        causes.push(field::required(path, ""));
    }
    if count != 1 || amounts.is_some_and(|amounts| !amounts.contains_key("storage")) {
        let shown = part(spec, "capacity");
        causes.push(field::not_supported(path, shown, &["storage"]));
    }
    for (name, shown) in amounts.into_iter().flatten() {
        let here = path.key(name);
        let amount: Quantity = shown.as_str().and_then(|t| t.parse().ok()).unwrap_or_default();
        if amount < Quantity::default() {
            let shown = (amount.milli_value() / 1000).to_string();
            let detail = "must be a valid resource quantity";
            causes.push(field::invalid_shown(&here, &shown, detail));
        }
        if amount <= Quantity::default() {
            causes.push(field::invalid(&here, shown, "must be greater than zero"));
        }
    }
}

fn source(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mut found = SOURCES.iter().filter_map(|kind| Some((*kind, set(spec, kind)?)));
    let Some((kind, first)) = found.next() else {
        causes.push(field::required(path, "must specify a volume type"));
        return;
    };
    // The real server has an old name for this one.
    let here = path.field(if kind == "gcePersistentDisk" { "persistentDisk" } else { kind });
    match kind {
        "csi" => driven(first, &here, causes),
        "iscsi" => pod::iscsi(first, "must be valid format", &here, causes),
        "local" => {
            match text(first, "path") {
                "" => causes.push(field::required(&here.field("path"), "")),
                local => pod::no_backsteps(local, &here.field("path"), causes),
            }
            if set(spec, "nodeAffinity").is_none() {
                let detail = "Local volume requires node affinity";
                causes.push(field::required(&path.field("nodeAffinity"), detail));
            }
        }
        "cinder" | "storageos" => {
            pod::volume_source(kind, first, &here, causes);
            let reference = set(first, "secretRef");
            if reference.is_some_and(|reference| text(reference, "namespace").is_empty()) {
                let place = here.field("secretRef");
                causes.push(field::required(&place.field("namespace"), ""));
            }
        }
        _ => pod::volume_source(kind, first, &here, causes),
    }
    for (kind, source) in found {
        if kind == "flexVolume" {
            // The real server does not mind this one.
            pod::volume_source(kind, source, &path.field(kind), causes);
            continue;
        }
        // Misspelt so by the real server.
        let kind = if kind == "cephfs" { "cephFS" } else { kind };
        let detail = "may not specify more than 1 volume type";
        causes.push(field::forbidden(&path.field(kind), detail));
    }
}

fn driven(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    pod::driver_name(text(source, "driver"), &path.field("driver"), causes);
    if text(source, "volumeHandle").is_empty() {
        causes.push(field::required(&path.field("volumeHandle"), ""));
    }
    for secret in [
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ] {
        let Some(reference) = set(source, secret) else { continue };
        let here = path.field(secret);
        for name in ["name", "namespace"] {
            if text(reference, name).is_empty() {
                causes.push(field::required(&here.field(name), ""));
            }
        }
    }
}

/// The most parameters of a class, and the most bytes that they may have.
const MOST_PARAMETERS: usize = 512;
const MOST_BYTES: usize = 256 << 10;

/// A class of volumes, of which little may change.
pub(super) fn storage_class(
    version: Version,
    object: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let root = Path::Root;
    let (provisioner, place) = (text(object, "provisioner"), root.field("provisioner"));
    if provisioner.is_empty() {
        causes.push(field::required(&place, ""));
    } else {
        let lower = provisioner.to_lowercase();
        field::each(&place, &lower, &form::key(&lower), causes);
    }
    let parameters = object.get("parameters").and_then(Value::as_object);
    let place = root.field("parameters");
    if parameters.is_some_and(|all| all.len() > MOST_PARAMETERS) {
        causes.push(field::too_long(&"Provisioner Parameters exceeded max allowed", 512));
    }
    let size = |(key, value): (&Name, &Value)| key.len() + value.as_str().map_or(0, str::len);
    if parameters.is_some_and(|all| all.contains_key("")) {
        causes.push(field::invalid(&place, &"".into(), "field can not be empty."));
    }
    if parameters.into_iter().flatten().map(size).sum::<usize>() > MOST_BYTES {
        causes.push(field::too_long(&place, MOST_BYTES as u64));
    }
    let policy = text(object, "reclaimPolicy");
    if !policy.is_empty() {
        field::one_of(&root.field("reclaimPolicy"), policy, &["Delete", "Retain"], causes);
    }
    let allowed = ["Immediate", "WaitForFirstConsumer"];
    field::word(object, "volumeBindingMode", &allowed, &root, causes);
    topologies(list(object, "allowedTopologies"), &root.field("allowedTopologies"), causes);
    let Some(old) = old else { return };
    let declared = version.has("DeclarativeValidationBeta");
    for name in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
        let now = set(object, name).unwrap_or(&Value::Null);
        if now == set(old, name).unwrap_or(&Value::Null) {
            continue;
        }
        // What is declared says no value.
        let shown = if declared { &Value::Null } else { now };
        causes.push(field::invalid(&name, shown, "field is immutable"));
    }
}

fn topologies(terms: &[Value], path: &Path<'_>, causes: &mut Vec<Cause>) {
    // The server compares with an empty term for each one that it was given, too.
    let mut seen: Vec<BTreeMap<&str, BTreeSet<&str>>> = vec![BTreeMap::new(); terms.len()];
    for (index, term) in terms.iter().enumerate() {
        let here = path.index(index);
        let place = here.field("matchLabelExpressions");
        let mut rules: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (index, rule) in list(term, "matchLabelExpressions").iter().enumerate() {
            let here = place.index(index);
            let (key, at_values) = (text(rule, "key"), here.field("values"));
            let mut values = BTreeSet::new();
            if list(rule, "values").is_empty() {
                causes.push(field::required(&at_values, ""));
            }
            for (index, value) in list(rule, "values").iter().enumerate() {
                if !values.insert(value.as_str().unwrap_or("")) {
                    causes.push(field::duplicate(&at_values.index(index), value));
                }
            }
            field::each(&here.field("key"), key, &form::key(key), causes);
            if rules.insert(key, values).is_some() {
                causes.push(field::duplicate(&here.field("key"), &key.into()));
            }
        }
        for _ in seen.iter().filter(|other| **other == rules) {
            causes.push(field::duplicate(&place, &"".into()));
        }
        seen.push(rules);
    }
}

/// A driver of volumes.
pub(super) fn driver(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    if let Some(old) = old {
        for name in ["attachRequired", "volumeLifecycleModes"] {
            let now = set(spec, name).unwrap_or(&Value::Null);
            if now != at(old, &["spec", name]).unwrap_or(&Value::Null) {
                // Misspelt so by the real server.
                let name = if name == "attachRequired" { "attachedRequired" } else { name };
                causes.push(field::invalid(&path.field(name), now, "field is immutable"));
            }
        }
    }
    let allowed = ["File", "None", "ReadWriteOnceWithFSType"];
    field::word(spec, "fsGroupPolicy", &allowed, &path, causes);
    let place = path.field("tokenRequests");
    let mut audiences = BTreeSet::new();
    for (index, request) in list(spec, "tokenRequests").iter().enumerate() {
        let here = place.index(index);
        let audience = text(request, "audience");
        if !audiences.insert(audience) {
            causes.push(field::duplicate(&here.field("audience"), &audience.into()));
        }
        if let Some(seconds) = int(request, "expirationSeconds") {
            pod::token_lifetime(seconds, &here.field("expirationSeconds"), causes);
        }
    }
    let place = path.field("volumeLifecycleModes");
    for mode in list(spec, "volumeLifecycleModes") {
        let allowed = ["Persistent", "Ephemeral"];
        if !mode.as_str().is_some_and(|mode| allowed.contains(&mode)) {
            causes.push(field::not_supported(&place, mode, &allowed));
        }
    }
    let period = int(spec, "nodeAllocatableUpdatePeriodSeconds");
    if let Some(seconds) = period.filter(|seconds| *seconds < 10) {
        let detail = "must be greater than or equal to 10 seconds";
        let place = path.field("nodeAllocatableUpdatePeriodSeconds");
        causes.push(field::invalid(&place, &seconds.into(), detail));
    }
}
