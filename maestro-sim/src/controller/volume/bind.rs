//! One pass over a claim or a volume.

use std::sync::Arc;

use crate::api::Status;
use crate::controller::kinds::{CLAIMS, NODES, PERSISTENT_VOLUMES, STORAGE_CLASSES};
use crate::controller::labels::Labels;
use crate::controller::own::absent_is_fine;
use crate::controller::volume::{VOLUME_PROTECTION, claim_key, protect};
use crate::controller::{Context, garbage, shape};
use crate::json::{Value, json};
use crate::object::{Key, Object, map_at};

const COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
pub(super) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const PROVISIONERS: [&str; 2] =
    ["volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner"];
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Binds a claim: to the volume it names, to one that fits, or to a new one.
pub fn sync_claim(cx: &mut dyn Context, claim: &Object) -> Result<(), Box<Status>> {
    let named = claim.text(&["spec", "volumeName"]);
    if !named.is_empty() {
        let volume = cx.view().get(&PERSISTENT_VOLUMES, &Key::new("", named)).cloned();
        return match volume {
            Some(volume) if is_for(&volume, claim) => bind(cx, claim, &volume),
            None if claim.annotation(COMPLETED).is_none() => set_phase(cx, claim, "Pending", None),
            _ => lose(cx, claim),
        };
    }
    if let Some(volume) = reserved(cx, claim).or_else(|| fitting(cx, claim)) {
        return bind(cx, claim, &volume);
    }
    set_phase(cx, claim, "Pending", None)?;
    let Some(class) = class_of(cx, claim) else {
        let message = "no persistent volumes available for this claim and no storage class is set";
        cx.event(claim, "Normal", "FailedBinding", message);
        return Ok(());
    };
    let waits = class.text(&["volumeBindingMode"]) == "WaitForFirstConsumer";
    if waits && claim.annotation(SELECTED_NODE).is_none() {
        let message = "waiting for first consumer to be created before binding";
        cx.event(claim, "Normal", "WaitForFirstConsumer", message);
        return Ok(());
    }
    if class.text(&["provisioner"]) == "kubernetes.io/no-provisioner" {
        return Ok(());
    }
    let provisioner = class.text(&["provisioner"]);
    if PROVISIONERS.iter().any(|name| claim.annotation(name) != Some(provisioner)) {
        // The claim says who is to make its volume before it is made.
        let told = PROVISIONERS.map(|name| (name, provisioner));
        let mut body = claim.value().clone();
        map_at(&mut body, &["metadata", "annotations"]).extend(told);
        return cx.update(&CLAIMS, body).map(drop);
    }
    provision(cx, claim, &class)
}

/// Keeps a volume's phase, and reclaims it when its claim is gone.
pub fn sync_volume(cx: &mut dyn Context, volume: &Object) -> Result<(), Box<Status>> {
    let reference = volume.at(&["spec", "claimRef"]);
    let holder = reference.map(claim_key);
    let uid = reference.map_or("", |r| shape::text(r, &["uid"]));
    let claim = holder.as_ref().and_then(|k| cx.view().get(&CLAIMS, k).cloned());
    let claim = claim.filter(|c| c.uid() == uid);
    if volume.is_deleting() {
        if volume.text(&["status", "phase"]) != "Bound" || claim.is_none() {
            garbage::refs::drop_finalizer(cx, &PERSISTENT_VOLUMES, volume, VOLUME_PROTECTION)?;
        }
        return Ok(());
    }
    if protect(cx, &PERSISTENT_VOLUMES, volume, VOLUME_PROTECTION)? {
        return Ok(());
    }
    let phase = match (&holder, &claim) {
        (None, _) => "Available",
        (Some(_), _) if uid.is_empty() => "Available",
        (Some(_), Some(_)) => "Bound",
        (Some(key), None) => {
            // The view may be behind: a claim is believed gone only after a live look.
            let live = absent_is_fine(cx.get(&CLAIMS, key))?;
            if live.is_some_and(|c| c.uid() == uid) { "Bound" } else { "Released" }
        }
    };
    let mut status = volume.at(&["status"]).cloned().unwrap_or_else(|| json!({}));
    if status["phase"] != phase {
        status["phase"] = phase.into();
        status["lastPhaseTransitionTime"] = cx.timestamp().into();
        shape::write_status(cx, &PERSISTENT_VOLUMES, volume, status).transpose()?;
    }
    let policy = volume.text(&["spec", "persistentVolumeReclaimPolicy"]);
    if phase == "Released" && policy == "Delete" {
        let options = shape::only_uid(volume.uid());
        absent_is_fine(cx.delete(&PERSISTENT_VOLUMES, volume.key(), options))?;
    }
    Ok(())
}

fn is_for(volume: &Object, claim: &Object) -> bool {
    volume.at(&["spec", "claimRef"]).is_none_or(|r| {
        let uid = shape::text(r, &["uid"]);
        claim_key(r) == *claim.key() && (uid.is_empty() || uid == claim.uid())
    })
}

/// The volume that already names this claim.
fn reserved(cx: &dyn Context, claim: &Object) -> Option<Arc<Object>> {
    let made = Key::new("", &format!("pvc-{}", claim.uid()));
    let made = cx.view().get(&PERSISTENT_VOLUMES, &made).cloned();
    made.or_else(|| {
        let all = cx.view().list(&PERSISTENT_VOLUMES, "");
        all.filter(|v| v.at(&["spec", "claimRef"]).is_some_and(|r| claim_key(r) == *claim.key()))
            .find(|v| is_for(v, claim))
            .cloned()
    })
}

/// The smallest free volume that satisfies the claim.
fn fitting(cx: &dyn Context, claim: &Object) -> Option<Arc<Object>> {
    let class = claim.text(&["spec", "storageClassName"]);
    let wanted = quantity(claim.text(&["spec", "resources", "requests", "storage"]));
    let modes = claim.items(&["spec", "accessModes"]);
    let selector = claim.at(&["spec", "selector"]).map(|s| Labels::of(Some(s)));
    let mode = |o: &Object| match o.text(&["spec", "volumeMode"]) {
        "Block" => "Block",
        _ => "Filesystem",
    };
    let all = cx.view().list(&PERSISTENT_VOLUMES, "").filter(|v| {
        v.at(&["spec", "claimRef"]).is_none()
            && !v.is_deleting()
            && v.text(&["spec", "storageClassName"]) == class
            && mode(v) == mode(claim)
            && capacity(v) >= wanted
            && modes.iter().all(|m| v.items(&["spec", "accessModes"]).contains(m))
            && selector.as_ref().is_none_or(|s| s.matches(v.labels()))
    });
    all.min_by_key(|v| (capacity(v), v.name().to_owned())).cloned()
}

fn capacity(volume: &Object) -> i128 {
    quantity(volume.text(&["spec", "capacity", "storage"]))
}

/// A storage quantity in thousandths of a byte, 0 when malformed.
fn quantity(text: &str) -> i128 {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let thousandths: String = part.chars().chain("000".chars()).take(3).collect();
    let units = ["", "K", "M", "G", "T", "P", "E"];
    let (base, letter) = match suffix.strip_suffix('i') {
        Some(letter) => (1024_i128, letter),
        None => (1000, suffix),
    };
    let letter = if letter == "k" { "K" } else { letter };
    let Some(power) = units.iter().position(|u| *u == letter) else { return 0 };
    let whole: i128 = whole.parse().unwrap_or(0);
    let value = whole.saturating_mul(1000) + thousandths.parse::<i128>().unwrap_or(0);
    value.saturating_mul(base.pow(u32::try_from(power).unwrap_or(0)))
}

/// The claim's class; a claim that names none takes the default one.
pub(super) fn class_of(cx: &dyn Context, claim: &Object) -> Option<Arc<Object>> {
    if let Some(name) = claim.at(&["spec", "storageClassName"]).and_then(Value::as_str) {
        return cx.view().get(&STORAGE_CLASSES, &Key::new("", name)).cloned();
    }
    let all = cx.view().list(&STORAGE_CLASSES, "");
    all.filter(|c| c.annotation(DEFAULT_CLASS) == Some("true"))
        .max_by_key(|c| c.text(&["metadata", "creationTimestamp"]).to_owned())
        .cloned()
}

/// Both ends name each other, the volume first; then the claim is Bound.
fn bind(cx: &mut dyn Context, claim: &Object, volume: &Object) -> Result<(), Box<Status>> {
    if shape::text(volume.value(), &["spec", "claimRef", "uid"]) != claim.uid() {
        let reference = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claim.namespace(),
            "name": claim.name(), "uid": claim.uid(),
        });
        let mut body = volume.value().clone();
        map_at(&mut body, &["spec"]).insert("claimRef", reference);
        map_at(&mut body, &["metadata", "annotations"]).insert(BY_CONTROLLER, "yes".into());
        cx.update(&PERSISTENT_VOLUMES, body)?;
    }
    let mut body = claim.value().clone();
    if claim.text(&["spec", "volumeName"]).is_empty() {
        map_at(&mut body, &["spec"]).insert("volumeName", volume.name().into());
        map_at(&mut body, &["metadata", "annotations"]).insert(BY_CONTROLLER, "yes".into());
    }
    map_at(&mut body, &["metadata", "annotations"]).insert(COMPLETED, "yes".into());
    if body == *claim.value() {
        return set_phase(cx, claim, "Bound", Some(volume));
    }
    let written = cx.update(&CLAIMS, body)?;
    set_phase(cx, &written, "Bound", Some(volume))
}

fn set_phase(
    cx: &mut dyn Context,
    claim: &Object,
    phase: &str,
    volume: Option<&Object>,
) -> Result<(), Box<Status>> {
    let mut status = claim.at(&["status"]).cloned().unwrap_or_else(|| json!({}));
    status["phase"] = phase.into();
    if let Some(volume) = volume {
        for field in ["accessModes", "capacity"] {
            if let Some(value) = volume.at(&["spec", field]) {
                status[field] = value.clone();
            }
        }
    }
    shape::write_status(cx, &CLAIMS, claim, status).transpose().map(drop::<Option<Arc<_>>>)
}

fn lose(cx: &mut dyn Context, claim: &Object) -> Result<(), Box<Status>> {
    if claim.text(&["status", "phase"]) != "Lost" {
        let message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!";
        cx.event(claim, "Warning", "ClaimLost", message);
    }
    set_phase(cx, claim, "Lost", None)
}

/// Makes a volume for the claim, as an external provisioner would.
pub(super) fn provision(
    cx: &mut dyn Context,
    claim: &Object,
    class: &Object,
) -> Result<(), Box<Status>> {
    let name = format!("pvc-{}", claim.uid());
    let provisioner = class.text(&["provisioner"]);
    let policy = match class.text(&["reclaimPolicy"]) {
        "" => "Delete",
        other => other,
    };
    let mut volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {
            "name": name, "annotations": {"pv.kubernetes.io/provisioned-by": provisioner},
        },
        "spec": {
            "accessModes": claim.items(&["spec", "accessModes"]),
            "capacity": {"storage": claim.text(&["spec", "resources", "requests", "storage"])},
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace(), "name": claim.name(), "uid": claim.uid(),
            },
            "csi": {"driver": provisioner, "volumeHandle": name},
            "persistentVolumeReclaimPolicy": policy,
            "storageClassName": class.name(),
            "volumeMode": match claim.text(&["spec", "volumeMode"]) {
                "" => "Filesystem", other => other,
            },
        },
    });
    if let Some(node) = claim.annotation(SELECTED_NODE) {
        let found = cx.view().get(&NODES, &Key::new("", node));
        let host = found.and_then(|n| n.label("kubernetes.io/hostname")).unwrap_or(node);
        volume["spec"]["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [
            {"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]},
            ]},
        ]}});
    }
    match cx.create(&PERSISTENT_VOLUMES, volume) {
        Ok(_) => {
            let message = format!("Successfully provisioned volume {name}");
            cx.event(claim, "Normal", "ProvisioningSucceeded", &message);
            Ok(())
        }
        Err(status) if status.reason == "AlreadyExists" => Ok(()),
        Err(status) => {
            cx.event(claim, "Warning", "ProvisioningFailed", &status.message);
            Err(status)
        }
    }
}
