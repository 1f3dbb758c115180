//! Volumes that others than Kubernetes keep, and what they have to be told; certificates as files.

use std::collections::BTreeMap;

use super::super::field::{self, Path, int, list, set, text};
use super::super::{meta, text as form};
use super::container::no_backsteps;
use super::volume;
use crate::api::Cause;
use crate::json::{Map, Value};

/// What a kind of volume cannot do without.
const NEEDED: &[(&str, &[&str])] = &[
    ("awsElasticBlockStore", &["volumeID"]),
    ("azureFile", &["secretName", "shareName"]),
    ("cinder", &["volumeID"]),
    ("flexVolume", &["driver"]),
    ("gcePersistentDisk", &["pdName"]),
    ("gitRepo", &["repository"]),
    ("glusterfs", &["endpoints", "path"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("storageos", &["volumeName"]),
    ("vsphereVolume", &["volumePath"]),
];

/// A volume of a kind that is not the cluster's own.
pub(super) fn one(kind: &str, source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let needed = NEEDED.iter().find(|(known, _)| *known == kind).map_or(&[][..], |(_, all)| all);
    for name in needed.iter().filter(|name| text(source, name).is_empty()) {
        causes.push(field::required(&path.field(name), ""));
    }
    match kind {
        "awsElasticBlockStore" | "gcePersistentDisk" => {
            let number = int(source, "partition").filter(|number| *number != 0);
            field::in_range(&path.field("partition"), number, (1, 255), causes);
        }
        "azureDisk" => disk(source, path, causes),
        "cephfs" => monitors(source, path, causes),
        "cinder" => secret(source, path, causes),
        "flexVolume" => options(source, &path.field("options"), causes),
        "flocker" => flocker(source, path, causes),
        "gitRepo" => {
            let (directory, place) = (text(source, "directory"), path.field("directory"));
            if directory.starts_with('/') {
                let detail = "must be a relative path";
                causes.push(field::invalid(&place, &directory.into(), detail));
            }
            no_backsteps(directory, &place, causes);
        }
        "quobyte" => quobyte(source, path, causes),
        "rbd" => {
            monitors(source, path, causes);
            if text(source, "image").is_empty() {
                causes.push(field::required(&path.field("image"), ""));
            }
        }
        "storageos" => {
            for name in ["volumeName", "volumeNamespace"] {
                let value = text(source, name);
                if !value.is_empty() {
                    field::each(&path.field(name), value, &form::label(value), causes);
                }
            }
            secret(source, path, causes);
        }
        _ => {}
    }
}

/// A target of iSCSI; `nameless` is said of names that do not say what they are.
pub(in super::super) fn iscsi(
    source: &Value,
    nameless: &str,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    if text(source, "targetPortal").is_empty() {
        causes.push(field::required(&path.field("targetPortal"), ""));
    }
    let (name, place) = (text(source, "iqn"), path.field("iqn"));
    if name.is_empty() {
        causes.push(field::required(&place, ""));
    } else if !["iqn", "eui", "naa"].iter().any(|form| name.starts_with(form)) {
        causes.push(field::invalid(&place, &name.into(), nameless));
    } else if !qualified(name) {
        causes.push(field::invalid(&place, &name.into(), "must be valid format"));
    }
    field::in_range(&path.field("lun"), int(source, "lun"), (0, 255), causes);
    let asks = ["chapAuthDiscovery", "chapAuthSession"].iter().any(|name| field::on(source, name));
    if asks && set(source, "secretRef").is_none() {
        causes.push(field::required(&path.field("secretRef"), ""));
    }
    if let Some(name) = set(source, "initiatorName").and_then(Value::as_str) {
        let place = path.field("initiatorname");
        if !["iqn", "eui", "naa"].iter().any(|form| name.starts_with(form)) {
            causes.push(field::invalid(&place, &name.into(), nameless));
        } else if !qualified(name) {
            causes.push(field::invalid(&place, &name.into(), "must be valid format"));
        }
    }
}

/// Whether an iSCSI name is complete (RFC 3720, section 3.2.6.3).
fn qualified(name: &str) -> bool {
    let hexadecimal = |rest: &str, lengths: &[usize]| {
        lengths.contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_hexdigit())
    };
    match name.split_once('.') {
        Some(("eui", rest)) => hexadecimal(rest, &[16]),
        Some(("naa", rest)) => hexadecimal(rest, &[16, 32]),
        Some(("iqn", rest)) => {
            let date = rest.split_once('.').map_or("", |(date, _)| date);
            let (year, month) = date.split_once('-').unwrap_or_default();
            let number =
                |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
            number(year, 4) && number(month, 2) && rest.len() > date.len() + 1
        }
        _ => false,
    }
}

/// A target of Fibre Channel.
pub(super) fn fibre_channel(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let place = path.field("targetWWNs");
    match (list(source, "targetWWNs"), list(source, "wwids")) {
        ([], []) => {
            let detail = "must specify either targetWWNs or wwids, but not both";
            causes.push(field::required(&place, detail));
        }
        ([], _) => {}
        (_, []) => {
            let place = path.field("lun");
            match int(source, "lun") {
                None => {
                    let detail = "lun is required if targetWWNs is specified";
                    causes.push(field::required(&place, detail));
                }
                number => field::in_range(&place, number, (0, 255), causes),
            }
        }
        (names, _) => {
            let shown = Value::from(names.to_vec());
            let detail = "targetWWNs and wwids can not be specified simultaneously";
            causes.push(field::invalid(&place, &shown, detail));
        }
    }
}

fn monitors(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if list(source, "monitors").is_empty() {
        causes.push(field::required(&path.field("monitors"), ""));
    }
}

fn secret(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let Some(secret) = set(source, "secretRef") else { return };
    if text(secret, "name").is_empty() {
        let place = path.field("secretRef");
        causes.push(field::required(&place.field("name"), ""));
    }
}

fn disk(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for name in ["diskName", "diskURI"] {
        if text(source, name).is_empty() {
            causes.push(field::required(&path.field(name), ""));
        }
    }
    let allowed = ["None", "ReadOnly", "ReadWrite"];
    field::word(source, "cachingMode", &allowed, path, causes);
    field::word(source, "kind", &["Dedicated", "Managed", "Shared"], path, causes);
    let (uri, place) = (text(source, "diskURI"), path.field("diskURI"));
    let managed = text(source, "kind") == "Managed";
    if managed && !uri.starts_with("/subscriptions/") {
        let form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/\
                    microsoft.compute/disks/{disk-id}";
        causes.push(field::not_supported(&place, &uri.into(), &[form]));
    }
    if !managed && !uri.starts_with("https://") && !uri.starts_with("/subscriptions/") {
        let form = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
        causes.push(field::not_supported(&place, &uri.into(), &[form]));
    }
}

/// What a driver is told, but for names that are Kubernetes' own.
fn options(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let options = source.get("options").and_then(Value::as_object);
    for (name, _) in options.into_iter().flatten() {
        let namespace = name.split_once('/').map_or(name.as_str(), |(namespace, _)| namespace);
        let namespace = format!(".{}", namespace.to_lowercase());
        if namespace.ends_with(".kubernetes.io") || namespace.ends_with(".k8s.io") {
            let detail = "kubernetes.io and k8s.io namespaces are reserved";
            causes.push(field::invalid(&path.key(name), &name.as_str().into(), detail));
        }
    }
}

fn flocker(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let (name, id) = (text(source, "datasetName"), text(source, "datasetUUID"));
    if name.is_empty() == id.is_empty() {
        let detail = "one of datasetName and datasetUUID is required";
        causes.push(match name {
            "" => field::required(path, detail),
            _ => {
                let detail = "datasetName and datasetUUID can not be specified simultaneously";
                field::invalid(path, &"resource".into(), detail)
            }
        });
    }
    if name.contains('/') {
        let place = path.field("datasetName");
        causes.push(field::invalid(&place, &name.into(), "must not contain '/'"));
    }
}

fn quobyte(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let (registry, place) = (text(source, "registry"), path.field("registry"));
    let detail = "must be a host:port pair or multiple pairs separated by commas";
    let pair = |text: &str| {
        text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && !port.is_empty())
    };
    if registry.is_empty() {
        causes.push(field::required(&place, detail));
    } else if text(source, "tenant").len() >= 65 {
        let detail = "must be a UUID and may not exceed a length of 64 characters";
        causes.push(field::required(&path.field("tenant"), detail));
    } else if registry.len() >= 65 || !registry.split(',').all(pair) {
        causes.push(field::invalid(&place, &registry.into(), detail));
    }
    if text(source, "volume").is_empty() {
        causes.push(field::required(&path.field("volume"), ""));
    }
}

/// The authorities that are trusted, as a file.
pub(super) fn trust(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let of = |name: &str| set(source, name).and_then(Value::as_str);
    let at_name = path.field("name");
    match (of("name"), of("signerName")) {
        (Some(_), Some(_)) => {
            let detail = "only one of name and signerName may be used";
            causes.push(field::invalid_shown(path, "", detail));
        }
        (None, None) => {
            causes.push(field::required(path, "either name or signerName must be specified"));
        }
        (Some(name), None) => {
            if name.is_empty() {
                causes.push(field::required(&at_name, "must be a valid object name"));
            }
            for problem in form::subdomain(name) {
                let detail = format!("not a valid clustertrustbundlename: {problem}");
                causes.push(field::invalid(&at_name, &name.into(), &detail));
            }
            if set(source, "labelSelector").is_some() {
                let place = path.field("labelSelector");
                let detail = "labelSelector must be unset if name is specified";
                causes.push(field::invalid_shown(&place, "", detail));
            }
        }
        (None, Some(signer)) => {
            let place = path.field("signerName");
            if signer.is_empty() {
                causes.push(field::required(&place, "must be a valid signer name"));
            }
            signer_name(signer, &place, causes);
            if let Some(selector) = set(source, "labelSelector") {
                meta::label_selector(selector, &path.field("labelSelector"), causes);
            }
        }
    }
    match text(source, "path") {
        "" => causes.push(field::required(&path.field("path"), "")),
        file => volume::reserved(file, &path.field("path"), causes),
    }
}

/// The name of whoever signs: a domain and a path.
fn signer_name(name: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if name.is_empty() {
        causes.push(field::required(path, ""));
        return;
    }
    let Some((domain, rest)) = name.split_once('/').filter(|(_, rest)| !rest.contains('/')) else {
        let detail = "must be a fully qualified domain and path of the form \
                      'example.com/signer-name'";
        causes.push(field::invalid(path, &name.into(), detail));
        return;
    };
    let mut wrong = |part: &str, detail: &str| {
        causes.push(field::invalid(path, &part.into(), detail));
    };
    for label in domain.split('.') {
        for problem in form::label(label) {
            wrong(domain, &format!("validating label {label:?}: {problem}"));
        }
    }
    if !domain.contains('.') {
        wrong(domain, "should be a domain with at least two segments separated by dots");
    }
    for problem in form::subdomain(rest) {
        wrong(rest, &format!("validating label {rest:?}: {problem}"));
    }
}

const KEYS: [&str; 6] = ["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];

/// A certificate of the pod's own, as files.
pub(super) fn certificate(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    signer_name(text(source, "signerName"), &path.field("signerName"), causes);
    let empty = Map::new();
    let notes = source.get("userAnnotations").and_then(Value::as_object).unwrap_or(&empty);
    meta::annotations(notes, &path.field("userAnnotations"), causes);
    let key = text(source, "keyType");
    if !KEYS.contains(&key) {
        causes.push(field::not_supported(&path.field("keyType"), &key.into(), &KEYS));
    }
    let place = path.field("maxExpirationSeconds");
    if let Some(seconds) = int(source, "maxExpirationSeconds") {
        if seconds < 3600 {
            let detail = "if provided, maxExpirationSeconds must be >= 3600";
            causes.push(field::invalid(&place, &seconds.into(), detail));
        }
        if seconds > 91 * 24 * 3600 {
            let detail = "if provided, maxExpirationSeconds must be <= 7862400";
            causes.push(field::invalid(&place, &seconds.into(), detail));
        }
    }
    let mut files = BTreeMap::new();
    for name in ["credentialBundlePath", "keyPath", "certificateChainPath"] {
        let file = text(source, name);
        if !file.is_empty() {
            volume::reserved(file, &path.field(name), causes);
            files.insert(name, file);
        }
    }
    if files.is_empty() {
        let detail = "specify at least one of credentialBundlePath, keyPath, and \
                      certificateChainPath";
        causes.push(field::required(path, detail));
    }
}
