//! The claims of a StatefulSet's pods: making them, and the retention policy's owner references.
//!
//! Source: `stateful_pod_control.go`, KEP-1847.

use crate::api::Status;
use crate::controller::kinds::{CLAIMS, PODS, STATEFUL_SETS};
use crate::controller::stateful_set::pod;
use crate::controller::{Context, own, shape};
use crate::json::{Value, json};
use crate::object::{Key, Object};

/// Makes the claims an ordinal lacks.
///
/// # Errors
/// What the API answered; a conflict when a claim is still being deleted.
pub fn ensure(cx: &mut dyn Context, set: &Object, ordinal: i64) -> Result<(), Box<Status>> {
    for (_, claim) in pod::claims(set, ordinal) {
        let name = shape::text(&claim, &["metadata", "name"]).to_owned();
        let key = Key::new(set.namespace(), &name);
        if let Some(existing) = cx.view().get(&CLAIMS, &key) {
            if existing.is_deleting() {
                let why = format!("pvc {name} is being deleted");
                return Err(Box::new(Status::conflict(&CLAIMS, &name, &why)));
            }
            continue;
        }
        let pod = pod::name(set, ordinal);
        let about = format!("Create Claim {name} Pod {pod} in StatefulSet {}", set.name());
        match cx.create(&CLAIMS, claim) {
            Ok(_) => {
                cx.event(set, "Normal", "SuccessfulCreate", &format!("{about} success"));
            }
            Err(status) if status.reason == "AlreadyExists" => return Err(status),
            Err(status) => {
                let message = format!("{about} failed error: {}", status.message);
                cx.event(set, "Warning", "FailedCreate", &message);
                return Err(status);
            }
        }
    }
    Ok(())
}

/// Whether a claim of this ordinal waits to be deleted together with an earlier pod of the name.
pub fn is_stale(cx: &dyn Context, set: &Object, ordinal: i64, uid: &str) -> bool {
    if !deletes_when(set, "whenScaled") {
        return false;
    }
    let name = pod::name(set, ordinal);
    existing(cx, set, ordinal).iter().any(|claim| {
        claim.owners().iter().any(|o| {
            is_pod(o) && shape::text(o, &["name"]) == name && shape::text(o, &["uid"]) != uid
        })
    })
}

/// Brings the owner references of a pod's claims to what the retention policy says.
pub fn apply_retention(
    cx: &mut dyn Context,
    set: &Object,
    ordinal: i64,
    pod: &Object,
    condemned: bool,
) -> Result<(), Box<Status>> {
    if set.at(&["spec", "persistentVolumeClaimRetentionPolicy"]).is_none() {
        return Ok(());
    }
    let by_set = deletes_when(set, "whenDeleted");
    let by_pod = deletes_when(set, "whenScaled") && condemned;
    for claim in existing(cx, set, ordinal) {
        let others = claim.owners().iter().filter(|o| {
            let uid = shape::text(o, &["uid"]);
            uid != set.uid() && !(is_pod(o) && shape::text(o, &["name"]) == pod.name())
        });
        let mut wanted: Vec<Value> = others.cloned().collect();
        if by_pod {
            wanted.push(json!({
                "apiVersion": "v1", "kind": "Pod", "name": pod.name(), "uid": pod.uid(),
                "controller": true, "blockOwnerDeletion": true,
            }));
        } else if by_set {
            wanted.push(own::controller_ref(&STATEFUL_SETS, set));
        }
        if claim.owners() != wanted.as_slice() {
            own::absent_is_fine(own::write_owners(cx, &CLAIMS, &claim, wanted))?;
        }
    }
    Ok(())
}

fn existing(cx: &dyn Context, set: &Object, ordinal: i64) -> Vec<std::sync::Arc<Object>> {
    let names = pod::claim_names(set, ordinal);
    names
        .filter_map(|name| cx.view().get(&CLAIMS, &Key::new(set.namespace(), &name)).cloned())
        .collect()
}

fn deletes_when(set: &Object, field: &str) -> bool {
    set.text(&["spec", "persistentVolumeClaimRetentionPolicy", field]) == "Delete"
}

fn is_pod(owner: &Value) -> bool {
    shape::text(owner, &["kind"]) == "Pod" && shape::text(owner, &["apiVersion"]) == "v1"
}

/// Keeps the collection of pods in one place for the event texts.
pub fn delete_pod(cx: &mut dyn Context, set: &Object, pod: &Object) -> Result<(), Box<Status>> {
    let about = format!("Delete Pod {} in StatefulSet {}", pod.name(), set.name());
    match cx.delete(&PODS, pod.key(), shape::only_uid(pod.uid())) {
        Ok(_) => {
            cx.event(set, "Normal", "SuccessfulDelete", &format!("{about} successful"));
            Ok(())
        }
        Err(status) => {
            let message = format!("{about} failed error: {}", status.message);
            cx.event(set, "Warning", "FailedDelete", &message);
            Err(status)
        }
    }
}
