//! Deployment: rolled out when every replica is of the newest template and available.
//! Source: Kubernetes' "Deployment status" and what `kubectl rollout status` waits for.

use serde_json::Value;

use super::{Health, condition, number, short, told, unseen};

pub(super) fn check(object: &Value) -> Health {
    if let Some(waits) = unseen(object) {
        return waits;
    }
    if let Some(progress) = condition(object, "Progressing")
        && progress["reason"] == "ProgressDeadlineExceeded"
    {
        return Health::Failed(told(progress));
    }
    let wanted = number(object, "/spec/replicas", 1);
    let all = number(object, "/status/replicas", 0);
    let updated = number(object, "/status/updatedReplicas", 0);
    let available = number(object, "/status/availableReplicas", 0);
    if let Some(waits) = short(updated, wanted, "replicas updated") {
        return waits;
    }
    if all > updated {
        return Health::Progressing(format!("{} old replicas are left", all - updated));
    }
    short(available, updated, "replicas available").unwrap_or(Health::Healthy)
}
