//! ReplicaSet: as many replicas as asked for, all available.

use serde_json::Value;

use super::{Health, condition, number, short, told, unseen};

pub(super) fn check(object: &Value) -> Health {
    if let Some(waits) = unseen(object) {
        return waits;
    }
    let wanted = number(object, "/spec/replicas", 1);
    let available = number(object, "/status/availableReplicas", 0);
    let all = number(object, "/status/replicas", 0);
    if all > wanted {
        return Health::Progressing(format!("{} replicas too many", all - wanted));
    }
    match (short(available, wanted, "replicas available"), condition(object, "ReplicaFailure")) {
        (Some(_), Some(failure)) if failure["status"] == "True" => {
            Health::Progressing(told(failure))
        }
        (Some(waits), _) => waits,
        (None, _) => Health::Healthy,
    }
}
