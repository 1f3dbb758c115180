//! One pass over a claim or a volume.

use std::sync::Arc;

use crate::api::Status;
use crate::controller::kinds::{CLAIMS, NODES, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES};
use crate::controller::own::absent_is_fine;
use crate::controller::volume::matching::{
    BY_CONTROLLER, NOTED_CLASS, SELECTED_NODE, Seeker, find, given, names, waits,
};
use crate::controller::volume::{VOLUME_PROTECTION, claim_key, protect, users};
use crate::controller::{Context, garbage, pods, shape};
use crate::json::{Value, json};
use crate::object::{Key, Object, map_at};

const COMPLETED: &str = "pv.kubernetes.io/bind-completed";
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
    let class = class_of(cx, claim);
    let waits = class.as_ref().is_some_and(|class| waits(class));
    let free = |claim| find(cx.view(), claim, &Seeker::Binder { waits });
    if let Some(volume) = made(cx, claim).or_else(|| free(claim)) {
        return bind(cx, claim, &volume);
    }
    if let Some(class) = class.as_ref().filter(|_| has_no_class(claim)) {
        // The default class came after the claim.
        let mut body = claim.value().clone();
        map_at(&mut body, &["spec"]).insert("storageClassName", class.name().into());
        return cx.update(&CLAIMS, body).map(drop);
    }
    set_phase(cx, claim, "Pending", None)?;
    let Some(class) = class else {
        let message = "no persistent volumes available for this claim and no storage class is set";
        cx.event(claim, "Normal", "FailedBinding", message);
        return Ok(());
    };
    if waits && claim.annotation(SELECTED_NODE).is_none() {
        tell_waiting(cx, claim);
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

/// The volume that was made for this claim.
fn made(cx: &dyn Context, claim: &Object) -> Option<Arc<Object>> {
    let made = cx.view().get(&PERSISTENT_VOLUMES, &Key::new("", &format!("pvc-{}", claim.uid())));
    made.filter(|volume| names(volume, claim)).cloned()
}

/// Says what a claim waits for: a pod, or that one is placed.
fn tell_waiting(cx: &mut dyn Context, claim: &Object) {
    let uses = |pod: &&Arc<Object>| {
        pod.text(&["spec", "nodeName"]).is_empty()
            && !pods::is_terminated(pod)
            && users::claims(pod).contains(claim.key())
    };
    let pods = cx.view().list(&PODS, claim.namespace()).filter(uses);
    let names: Vec<&str> = pods.map(|pod| pod.name()).collect();
    let (reason, message) = match names.as_slice() {
        [] => {
            let message = "waiting for first consumer to be created before binding".to_owned();
            ("WaitForFirstConsumer", message)
        }
        [pod] => ("WaitForPodScheduled", format!("waiting for pod {pod} to be scheduled")),
        pods => {
            let message = format!("waiting for pods {} to be scheduled", pods.join(","));
            ("WaitForPodScheduled", message)
        }
    };
    cx.event(claim, "Normal", reason, &message);
}

fn has_no_class(claim: &Object) -> bool {
    claim.at(&["spec", "storageClassName"]).is_none() && claim.annotation(NOTED_CLASS).is_none()
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
    if let Some(body) = given(volume, claim) {
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
    if let Some(attributes) = claim.at(&["spec", "volumeAttributesClassName"]) {
        volume["spec"]["volumeAttributesClassName"] = attributes.clone();
    }
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
