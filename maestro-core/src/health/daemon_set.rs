//! DaemonSet: one pod of the newest template available on every node it is meant for.

use serde_json::Value;

use super::{Health, number, short, unseen};

pub(super) fn check(object: &Value) -> Health {
    if let Some(waits) = unseen(object) {
        return waits;
    }
    let wanted = number(object, "/status/desiredNumberScheduled", 0);
    let rolling = object["spec"]["updateStrategy"]["type"] != "OnDelete";
    let updated = number(object, "/status/updatedNumberScheduled", 0);
    if rolling && let Some(waits) = short(updated, wanted, "pods updated") {
        return waits;
    }
    let available = number(object, "/status/numberAvailable", 0);
    short(available, wanted, "pods available").unwrap_or(Health::Healthy)
}
