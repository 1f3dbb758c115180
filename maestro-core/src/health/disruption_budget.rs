//! PodDisruptionBudget: its controller has seen it. How many disruptions it allows at the moment
//! is no matter of its own health: a budget that allows none does its work.

use serde_json::Value;

use super::{Health, condition, told, unseen};

pub(super) fn check(object: &Value) -> Health {
    if let Some(waits) = unseen(object) {
        return waits;
    }
    match condition(object, "DisruptionAllowed") {
        Some(allowed) if allowed["reason"] == "SyncFailed" => Health::Progressing(told(allowed)),
        _ => Health::Healthy,
    }
}
