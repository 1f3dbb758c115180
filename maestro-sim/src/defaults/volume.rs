//! Claims, volumes and their classes.

use super::fill::{inside, made, set, text};
use crate::json::{Map, Value};

/// A PersistentVolumeClaim, Pending until it is bound.
pub(super) fn claim(object: &mut Value) {
    let Some(root) = object.as_object_mut() else { return };
    if let Some(spec) = inside(root, "spec") {
        claim_spec(spec);
    }
    status(object);
}

/// The status of a claim.
pub(super) fn status(object: &mut Value) {
    if let Some(status) = object.as_object_mut().and_then(|root| made(root, "status")) {
        text(status, "phase", "Pending");
    }
}

/// The spec of a claim or of a claim template.
pub(super) fn claim_spec(spec: &mut Map) {
    set(spec, "volumeMode", "Filesystem");
    set(spec, "resources", Map::new());
}

/// A PersistentVolume.
pub(super) fn volume(object: &mut Value) {
    let Some(root) = object.as_object_mut() else { return };
    if let Some(spec) = inside(root, "spec") {
        text(spec, "persistentVolumeReclaimPolicy", "Retain");
        set(spec, "volumeMode", "Filesystem");
        if let Some(host) = inside(spec, "hostPath") {
            set(host, "type", "");
        }
        elsewhere(spec);
    }
    if let Some(status) = made(root, "status") {
        text(status, "phase", "Pending");
    }
}

/// The sources of volumes that others keep, of a pod or of a PersistentVolume.
pub(super) fn elsewhere(volume: &mut Map) {
    if let Some(target) = inside(volume, "iscsi") {
        text(target, "iscsiInterface", "default");
    }
    if let Some(image) = inside(volume, "rbd") {
        text(image, "pool", "rbd");
        text(image, "user", "admin");
        text(image, "keyring", "/etc/ceph/keyring");
    }
    if let Some(disk) = inside(volume, "azureDisk") {
        set(disk, "cachingMode", "ReadWrite");
        set(disk, "kind", "Shared");
        set(disk, "fsType", "ext4");
        set(disk, "readOnly", false);
    }
    if let Some(gateway) = inside(volume, "scaleIO") {
        text(gateway, "storageMode", "ThinProvisioned");
        text(gateway, "fsType", "xfs");
    }
}

/// A CSIDriver.
pub(super) fn driver(object: &mut Value) {
    let Some(spec) = object.as_object_mut().and_then(|root| made(root, "spec")) else { return };
    set(spec, "attachRequired", true);
    set(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    let off = [
        "podInfoOnMount",
        "preventPodSchedulingIfMissing",
        "requiresRepublish",
        "seLinuxMount",
        "storageCapacity",
    ];
    for name in off {
        set(spec, name, false);
    }
    let modes = spec.get("volumeLifecycleModes").and_then(Value::as_array);
    if modes.is_none_or(|list| list.is_empty()) {
        spec.insert("volumeLifecycleModes", crate::json!(["Persistent"]));
    }
}

/// A StorageClass.
pub(super) fn class(object: &mut Value) {
    let Some(root) = object.as_object_mut() else { return };
    set(root, "reclaimPolicy", "Delete");
    set(root, "volumeBindingMode", "Immediate");
}
