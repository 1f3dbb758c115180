//! The volumes of a pod: each of one kind, and what that kind needs.

use std::collections::BTreeSet;

use super::super::field::{self, Path, int, list, part, set, text};
use super::super::storage;
use super::super::text as form;
use super::container::{descending, no_backsteps};
use super::elsewhere;
use super::env;
use crate::api::Cause;
use crate::json::Value;

/// The names of volumes that containers may mount: those with nothing wrong.
pub(super) type Volumes<'v> = BTreeSet<&'v str>;

/// Every kind of volume, in the order in which the server looks for them. What is found after the
/// first is too many.
const KINDS: [&str; 30] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];
/// What a variable or a file may hold of a pod.
const FIELDS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];
const MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

/// Checks the volumes of a pod spec and names those that are as they should be.
pub(super) fn volumes<'v>(
    spec: &'v Value,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) -> Volumes<'v> {
    let mut names = Volumes::new();
    for (index, volume) in list(spec, "volumes").iter().enumerate() {
        let here = path.index(index);
        let before = causes.len();
        source(volume, &here, causes);
        let (name, place) = (text(volume, "name"), here.field("name"));
        if name.is_empty() {
            causes.push(field::required(&place, ""));
        } else {
            field::each(&place, name, &form::label(name), causes);
        }
        if names.contains(name) {
            causes.push(field::duplicate(&place, &name.into()));
        }
        if causes.len() == before {
            names.insert(name);
        }
    }
    names
}

fn source(volume: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mut found = KINDS.iter().filter_map(|kind| Some((*kind, set(volume, kind)?)));
    let Some((kind, first)) = found.next() else {
        causes.push(field::required(path, "must specify a volume type"));
        return;
    };
    // The real server has a name of its own for this one.
    let shown = if kind == "gcePersistentDisk" { "persistentDisk" } else { kind };
    one(kind, first, &path.field(shown), causes);
    for (kind, _) in found {
        // Misspelt so by the real server.
        let kind = if kind == "downwardAPI" { "downwarAPI" } else { kind };
        let kind = if kind == "cephfs" { "cephFS" } else { kind };
        let detail = "may not specify more than 1 volume type";
        causes.push(field::forbidden(&path.field(kind), detail));
    }
}

/// What one kind of volume needs.
pub(in super::super) fn one(kind: &str, source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let needs = |name: &str, causes: &mut Vec<Cause>| {
        if text(source, name).is_empty() {
            causes.push(field::required(&path.field(name), ""));
        }
    };
    match kind {
        "emptyDir" if text(source, "sizeLimit").starts_with('-') => {
            let detail = "SizeLimit field must be a valid resource quantity";
            causes.push(field::forbidden(&path.field("sizeLimit"), detail));
        }
        "hostPath" => host_path(source, path, causes),
        "secret" => {
            needs("secretName", causes);
            files(source, path, causes);
        }
        "configMap" => {
            needs("name", causes);
            files(source, path, causes);
        }
        "persistentVolumeClaim" => needs("claimName", causes),
        "nfs" => {
            needs("server", causes);
            needs("path", causes);
            let place = text(source, "path");
            if !place.starts_with('/') {
                let detail = "must be an absolute path";
                causes.push(field::invalid(&path.field("path"), &place.into(), detail));
            }
        }
        "iscsi" => {
            elsewhere::iscsi(
                source,
                "must be valid format starting with iqn, eui, or naa",
                path,
                causes,
            );
        }
        "fc" => elsewhere::fibre_channel(source, path, causes),
        "csi" => driven(source, path, causes),
        "image" => {
            needs("reference", causes);
            field::word(source, "pullPolicy", &["Always", "IfNotPresent", "Never"], path, causes);
        }
        "downwardAPI" => {
            mode(source, "defaultMode", path, causes);
            downward_files(source, path, causes);
        }
        "projected" => projected(source, path, causes),
        "ephemeral" => {
            let here = path.field("volumeClaimTemplate");
            match set(source, "volumeClaimTemplate") {
                None => causes.push(field::required(&here, "")),
                Some(template) => {
                    let meta = template.get("metadata").and_then(Value::as_object);
                    let place = here.field("metadata");
                    for (name, value) in meta.into_iter().flatten() {
                        let own = matches!(name.as_str(), "labels" | "annotations");
                        if !own && !value.is_null() && value != "" {
                            causes.push(field::forbidden(&place.field(name), "cannot be set"));
                        }
                    }
                    let spec = part(template, "spec");
                    storage::claim_spec(spec, &here.field("spec"), causes);
                }
            }
        }
        _ => elsewhere::one(kind, source, path, causes),
    }
}

/// A volume that a driver makes for this pod alone.
fn driven(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    driver_name(text(source, "driver"), &path.field("driver"), causes);
    let Some(secret) = set(source, "nodePublishSecretRef") else { return };
    match text(secret, "name") {
        "" => {
            let place = path.field("nodePublishSecretRef");
            causes.push(field::required(&place.field("name"), ""));
        }
        // The real server names the source here.
        name => field::each(&path.field("name"), name, &form::subdomain(name), causes),
    }
}

/// The name of a driver.
pub(in super::super) fn driver_name(name: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    const LONGEST: usize = 63;
    if name.is_empty() {
        causes.push(field::required(path, ""));
        return;
    }
    if name.len() > LONGEST {
        causes.push(field::too_long(path, LONGEST as u64));
    }
    field::each(path, name, &form::subdomain(&name.to_lowercase()), causes);
}

fn host_path(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let place = path.field("path");
    let host = text(source, "path");
    if host.is_empty() {
        causes.push(field::required(&place, ""));
        return;
    }
    no_backsteps(host, &place, causes);
    let kind = text(source, "type");
    let allowed = [
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    ];
    if !allowed.contains(&kind) {
        causes.push(field::not_supported(&path.field("type"), &kind.into(), &allowed));
    }
}

/// The keys of a ConfigMap or Secret that become files.
fn files(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    mode(source, "defaultMode", path, causes);
    items(source, path, causes);
}

fn items(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let items = path.field("items");
    for (index, item) in list(source, "items").iter().enumerate() {
        let here = items.index(index);
        for name in ["key", "path"] {
            if text(item, name).is_empty() {
                causes.push(field::required(&here.field(name), ""));
            }
        }
        reserved(text(item, "path"), &here.field("path"), causes);
        mode(item, "mode", &here, causes);
    }
}

fn mode(source: &Value, name: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if let Some(bits) = int(source, name).filter(|bits| !(0..=0o777).contains(bits)) {
        causes.push(field::invalid(&path.field(name), &bits.into(), MODE));
    }
}

/// A relative path that neither climbs nor begins as the kubelet's own files do.
pub(super) fn reserved(file: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    descending(file, path, causes);
    if file.starts_with("..") && !file.starts_with("../") {
        causes.push(field::invalid(path, &file.into(), "must not start with '..'"));
    }
}

fn downward_files(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    // The real server names the source here, not the item.
    let here = path;
    for item in list(source, "items") {
        let file = text(item, "path");
        if file.is_empty() {
            causes.push(field::required(&here.field("path"), ""));
        }
        reserved(file, &here.field("path"), causes);
        let (of_pod, of_container) = (set(item, "fieldRef"), set(item, "resourceFieldRef"));
        match (of_pod, of_container) {
            (Some(reference), None) => {
                env::field_ref(reference, &here.field("fieldRef"), &FIELDS, causes);
            }
            (None, Some(reference)) => {
                env::resource_ref(reference, true, &here.field("resourceFieldRef"), causes);
            }
            (Some(_), Some(_)) => {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                causes.push(field::invalid(here, &"resource".into(), detail));
            }
            (None, None) => {
                causes.push(field::required(
                    here,
                    "one of fieldRef and resourceFieldRef is required",
                ));
            }
        }
        mode(item, "mode", here, causes);
    }
}

fn projected(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    mode(source, "defaultMode", path, causes);
    let sources = path.field("sources");
    for (index, part) in list(source, "sources").iter().enumerate() {
        let here = sources.index(index);
        let kinds = [
            "secret",
            "configMap",
            "downwardAPI",
            "serviceAccountToken",
            "clusterTrustBundle",
            "podCertificate",
        ];
        let mut count = 0;
        for kind in kinds {
            let Some(found) = set(part, kind) else { continue };
            let place = here.field(kind);
            count += 1;
            if count > 1 {
                let detail = "may not specify more than 1 volume type";
                causes.push(field::forbidden(&place, detail));
                continue;
            }
            match kind {
                "downwardAPI" => downward_files(found, &place, causes),
                // The real server names the volume here, not the source.
                "serviceAccountToken" => token(found, &place, path, causes),
                "clusterTrustBundle" => elsewhere::trust(found, &place, causes),
                "podCertificate" => elsewhere::certificate(found, &place, causes),
                _ => {
                    if text(found, "name").is_empty() {
                        causes.push(field::required(&place.field("name"), ""));
                    }
                    items(found, &place, causes);
                }
            }
        }
    }
}

/// How long a token may last.
pub(in super::super) fn token_lifetime(seconds: i64, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if seconds < 600 {
        let detail = "may not specify a duration less than 10 minutes";
        causes.push(field::invalid(path, &seconds.into(), detail));
    }
    if seconds > 1 << 32 {
        let detail = "may not specify a duration larger than 2^32 seconds";
        causes.push(field::invalid(path, &seconds.into(), detail));
    }
}

fn token(token: &Value, path: &Path<'_>, volume: &Path<'_>, causes: &mut Vec<Cause>) {
    let seconds = int(token, "expirationSeconds").unwrap_or(3600);
    token_lifetime(seconds, &path.field("expirationSeconds"), causes);
    if text(token, "path").is_empty() {
        causes.push(field::required(&volume.field("path"), ""));
    }
}
