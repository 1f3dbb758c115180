//! Deployments, StatefulSets, DaemonSets, ReplicaSets.

use super::fill::{each, get, inside, made, set, spec, text};
use super::{pod, volume};
use crate::json::{Map, Value};

/// A Deployment.
pub(super) fn deployment(object: &mut Value) {
    let Some(spec) = spec(object) else { return };
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    set(spec, "progressDeadlineSeconds", 600);
    if let Some(strategy) = made(spec, "strategy") {
        text(strategy, "type", "RollingUpdate");
        rolling(strategy, &[("maxSurge", "25%".into()), ("maxUnavailable", "25%".into())]);
    }
    pod::template(spec);
}

/// Fills in `rollingUpdate` where the strategy's type asks for it.
fn rolling(strategy: &mut Map, values: &[(&str, Value)]) {
    if strategy.get("type").and_then(Value::as_str) != Some("RollingUpdate") {
        return;
    }
    let Some(update) = made(strategy, "rollingUpdate") else { return };
    for (name, value) in values {
        set(update, name, value.clone());
    }
}

/// A StatefulSet.
pub(super) fn stateful_set(object: &mut Value) {
    let Some(spec) = spec(object) else { return };
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    text(spec, "podManagementPolicy", "OrderedReady");
    if let Some(strategy) = made(spec, "updateStrategy") {
        // Whoever names the type and nothing else gets nothing else.
        if get(strategy, "type").is_empty() {
            text(strategy, "type", "RollingUpdate");
            made(strategy, "rollingUpdate");
        }
        if inside(strategy, "rollingUpdate").is_some() {
            rolling(strategy, &[("partition", 0.into()), ("maxUnavailable", 1.into())]);
        }
    }
    if let Some(policy) = made(spec, "persistentVolumeClaimRetentionPolicy") {
        text(policy, "whenDeleted", "Retain");
        text(policy, "whenScaled", "Retain");
    }
    for claim in each(spec, "volumeClaimTemplates") {
        text(claim, "apiVersion", "v1");
        text(claim, "kind", "PersistentVolumeClaim");
        if let Some(spec) = inside(claim, "spec") {
            volume::claim_spec(spec);
        }
        if let Some(status) = made(claim, "status") {
            text(status, "phase", "Pending");
        }
    }
    pod::template(spec);
}

/// A DaemonSet.
pub(super) fn daemon_set(object: &mut Value) {
    let Some(spec) = spec(object) else { return };
    set(spec, "revisionHistoryLimit", 10);
    if let Some(strategy) = made(spec, "updateStrategy") {
        text(strategy, "type", "RollingUpdate");
        rolling(strategy, &[("maxSurge", 0.into()), ("maxUnavailable", 1.into())]);
        // Settings that do not count are numbers all the same.
        if let Some(settings) = inside(strategy, "rollingUpdate") {
            set(settings, "maxSurge", 0);
            set(settings, "maxUnavailable", 0);
        }
    }
    pod::template(spec);
    // The count of a template's versions is kept in an annotation, and so it is owned.
    let meta = object.as_object_mut().and_then(|root| made(root, "metadata"));
    if let Some(notes) = meta.and_then(|meta| made(meta, "annotations")) {
        text(notes, "deprecated.daemonset.template.generation", "0");
    }
}

/// A ReplicaSet.
pub(super) fn replica_set(object: &mut Value) {
    let Some(spec) = spec(object) else { return };
    set(spec, "replicas", 1);
    pod::template(spec);
}

/// A ReplicationController, whose selector and labels follow its template's labels.
pub(super) fn replication_controller(object: &mut Value) {
    replica_set(object);
    let labels = object.pointer("/spec/template/metadata/labels").cloned();
    let (Some(labels), Some(root)) = (labels, object.as_object_mut()) else { return };
    if let Some(spec) = inside(root, "spec") {
        set(spec, "selector", labels.clone());
    }
    if let Some(meta) = made(root, "metadata") {
        set(meta, "labels", labels);
    }
}
