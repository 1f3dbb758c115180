//! StatefulSet: every pod ready and of the newest revision, as far as its update strategy goes.
//!
//! With a partition, pods below it keep the old revision on purpose; with `OnDelete` the
//! controller replaces nothing, so revisions say nothing about being done.

use serde_json::Value;

use super::{Health, number, short, unseen};

pub(super) fn check(object: &Value) -> Health {
    if let Some(waits) = unseen(object) {
        return waits;
    }
    let wanted = number(object, "/spec/replicas", 1);
    let all = number(object, "/status/replicas", 0);
    if all > wanted {
        return Health::Progressing(format!("{} replicas too many", all - wanted));
    }
    if let Some(waits) = short(number(object, "/status/readyReplicas", 0), wanted, "replicas ready")
    {
        return waits;
    }
    if number(object, "/spec/minReadySeconds", 0) > 0 {
        let available = number(object, "/status/availableReplicas", 0);
        if let Some(waits) = short(available, wanted, "replicas available") {
            return waits;
        }
    }
    if object["spec"]["updateStrategy"]["type"] == "OnDelete" {
        return Health::Healthy;
    }
    rolled_out(object, wanted)
}

fn rolled_out(object: &Value, wanted: i64) -> Health {
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition", 0);
    let status = &object["status"];
    let same_revision = status["currentRevision"] == status["updateRevision"];
    if same_revision && partition == 0 {
        return Health::Healthy;
    }
    // Pods are numbered from `ordinals.start`, and the partition counts in those numbers.
    let first = number(object, "/spec/ordinals/start", 0);
    let to_update = (first + wanted - partition.max(first)).max(0);
    let updated = number(object, "/status/updatedReplicas", 0);
    if same_revision {
        return Health::Healthy;
    }
    short(updated, to_update, "replicas updated").unwrap_or({
        if partition > first || wanted == 0 {
            Health::Healthy
        } else {
            // The controller moves currentRevision on once every pod is updated and ready.
            Health::Progressing("the last replicas become current".to_owned())
        }
    })
}
