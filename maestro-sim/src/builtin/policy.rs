//! Disruption budgets.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/policy/validation`.

use super::field::{self, Path, part, set};
use super::meta;
use super::rollout::{at_most_all, share};
use crate::api::Cause;
use crate::json::Value;

/// A disruption budget.
pub(super) fn budget(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    let (least, most) = (set(spec, "minAvailable"), set(spec, "maxUnavailable"));
    if let (Some(least), Some(most)) = (least, most) {
        let selector = set(spec, "selector").map_or("null".to_owned(), field::selector);
        let policy = part(spec, "unhealthyPodEvictionPolicy");
        let shown = format!(
            "{{\"MinAvailable\":{least},\"Selector\":{selector},\"MaxUnavailable\":{most},\
             \"UnhealthyPodEvictionPolicy\":{policy}}}"
        );
        let detail = "minAvailable and maxUnavailable cannot be both set";
        causes.push(field::invalid_shown(&path, &shown, detail));
    }
    for name in ["minAvailable", "maxUnavailable"] {
        let place = path.field(name);
        share(set(spec, name), &place, causes);
        at_most_all(set(spec, name), &place, causes);
    }
    if let Some(selector) = set(spec, "selector") {
        meta::label_selector(selector, &path.field("selector"), causes);
    }
    let allowed = ["AlwaysAllow", "IfHealthyBudget"];
    field::word(spec, "unhealthyPodEvictionPolicy", &allowed, &path, causes);
}
