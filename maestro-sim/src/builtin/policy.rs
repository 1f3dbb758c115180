//! Disruption budgets and autoscalers.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/policy/validation` and `pkg/apis/autoscaling/validation`.

use serde_json::Value;

use super::field::{self, Path, int, list, set, text};
use super::rollout::{at_most_all, share};
use super::{meta, text as form};
use crate::api::Cause;
use crate::facts::Version;

/// A disruption budget.
pub(super) fn budget(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let (least, most) = (set(spec, "minAvailable"), set(spec, "maxUnavailable"));
    if let (Some(least), Some(most)) = (least, most) {
        let selector = set(spec, "selector").map_or("null".to_owned(), field::selector);
        let policy = spec.get("unhealthyPodEvictionPolicy").unwrap_or(&Value::Null);
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
    let policy = text(spec, "unhealthyPodEvictionPolicy");
    if !policy.is_empty() {
        let allowed = ["AlwaysAllow", "IfHealthyBudget"];
        field::one_of(&path.field("unhealthyPodEvictionPolicy"), policy, &allowed, causes);
    }
}

/// An autoscaler. What the server checks by declaration it says last.
pub(super) fn autoscaler(
    version: Version,
    object: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let declared = version.has("DeclarativeValidationBeta");
    let root = Path::Root;
    let path = root.field("spec");
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let (least, most) = (int(spec, "minReplicas"), int(spec, "maxReplicas").unwrap_or(0));
    let place = path.field("maxReplicas");
    let mut last = Vec::new();
    bounds(version, spec, &path, if declared { &mut last } else { causes });
    if least.is_some_and(|least| most < least) {
        let detail = "must be greater than or equal to `minReplicas`";
        causes.push(field::invalid(&place, &most.into(), detail));
    }
    let target = spec.get("scaleTargetRef").unwrap_or(&Value::Null);
    let at_target = path.field("scaleTargetRef");
    for name in ["kind", "name"] {
        let value = text(target, name);
        if value.is_empty() {
            causes.push(field::required(&at_target.field(name), ""));
        } else {
            field::each(&at_target.field(name), value, &form::segment(value), causes);
        }
    }
    let before = old.and_then(|old| old.pointer("/spec/scaleTargetRef"));
    if let (None, Some(why)) = (before.and_then(odd_version), odd_version(target)) {
        let shown = text(target, "apiVersion").into();
        causes.push(field::invalid(&at_target.field("apiVersion"), &shown, &why));
    }
    metrics(spec, &path.field("metrics"), causes);
    causes.extend(last);
}

/// What is wrong with the version of what is scaled; what was wrong before may stay so.
fn odd_version(target: &Value) -> Option<String> {
    let version = text(target, "apiVersion");
    match version.matches('/').count() {
        0 => Some("apiVersion must specify API group".to_owned()),
        1 if version.starts_with('/') => Some("apiVersion must specify API group".to_owned()),
        1 => None,
        _ => Some(format!("unexpected GroupVersion string: {version}")),
    }
}

/// Between which numbers it scales.
fn bounds(version: Version, spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let (least, most) = (int(spec, "minReplicas"), int(spec, "maxReplicas").unwrap_or(0));
    let bound = i64::from(!version.has("HPAScaleToZero"));
    if let Some(least) = least.filter(|least| *least < bound) {
        let detail = format!("must be greater than or equal to {bound}");
        causes.push(field::invalid(&path.field("minReplicas"), &least.into(), &detail));
    }
    let place = path.field("maxReplicas");
    if most == 0 {
        let declared = version.has("DeclarativeValidationBeta");
        let detail = if declared { "" } else { "must be set and greater than 0" };
        causes.push(field::required(&place, detail));
    } else if most < 0 {
        let detail = "must be greater than or equal to 1";
        causes.push(field::invalid(&place, &most.into(), detail));
    }
}

fn metrics(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for (index, metric) in list(spec, "metrics").iter().enumerate() {
        let here = path.index(index);
        let kind = text(metric, "type");
        if kind.is_empty() {
            let detail = "must specify a metric source type";
            causes.push(field::required(&here.field("type"), detail));
        }
        let allowed = ["ContainerResource", "External", "Object", "Pods", "Resource"];
        if !allowed.contains(&kind) {
            causes.push(field::not_supported(&here.field("type"), &kind.into(), &allowed));
        }
    }
    let elsewhere = |metric: &Value| matches!(text(metric, "type"), "Object" | "External");
    if int(spec, "minReplicas") == Some(0) && !list(spec, "metrics").iter().any(elsewhere) {
        let detail = "must specify at least one Object or External metric to support scaling to \
                      zero replicas";
        causes.push(field::forbidden(path, detail));
    }
}
