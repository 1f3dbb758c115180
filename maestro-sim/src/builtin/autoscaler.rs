//! Autoscalers, as `autoscaling/v2` writes them.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/autoscaling/validation`.

use super::field::{self, Path, int, list, part, set, text};
use super::text as form;
use crate::api::Cause;
use crate::facts::Version;
use crate::json::{Text, Value};
use crate::quantity::Quantity;

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
    let spec = part(object, "spec");
    let (least, most) = (int(spec, "minReplicas"), int(spec, "maxReplicas").unwrap_or(0));
    let place = path.field("maxReplicas");
    let mut last = Vec::new();
    bounds(version, spec, &path, if declared { &mut last } else { causes });
    if least.is_some_and(|least| most < least) {
        let detail = "must be greater than or equal to `minReplicas`";
        causes.push(field::invalid(&place, &most.into(), detail));
    }
    let target = part(spec, "scaleTargetRef");
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
    behavior(spec, &path.field("behavior"), causes);
    causes.extend(last);
}

/// What is wrong with the version of what is scaled; what was wrong before may stay so.
fn odd_version(target: &Value) -> Option<String> {
    let version = text(target, "apiVersion");
    // Of what can be scaled, only this has a group without a name.
    if (text(target, "kind"), version) == ("ReplicationController", "v1") {
        return None;
    }
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

/// The longest stabilization window and the longest period of a policy, in seconds.
const LONGEST_WINDOW: i64 = 3600;
const LONGEST_PERIOD: i64 = 1800;

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
        for name in ["object", "pods", "resource", "containerResource", "external"] {
            if let Some(source) = set(metric, name) {
                self::source(name, source, &here.field(name), causes);
            } else if name.eq_ignore_ascii_case(kind) {
                let detail = "must populate information for the given metric source";
                causes.push(field::required(&here.field(name), detail));
            }
        }
    }
    let elsewhere = |metric: &Value| matches!(text(metric, "type"), "Object" | "External");
    if int(spec, "minReplicas") == Some(0) && !list(spec, "metrics").iter().any(elsewhere) {
        let detail = "must specify at least one Object or External metric to support scaling to \
                      zero replicas";
        causes.push(field::forbidden(path, detail));
    }
}

/// What one metric is read from.
fn source(name: &str, source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let goal = part(source, "target");
    let place = path.field("target");
    let has = |name: &str| set(goal, name).is_some();
    match name {
        "resource" | "containerResource" => {
            if text(source, "name").is_empty() {
                let detail = "must specify a resource name";
                causes.push(field::required(&path.field("name"), detail));
            }
            let named = text(source, "name");
            if !named.is_empty() && name == "containerResource" {
                super::pod::resource_name(named, &path.field("name"), causes);
            }
            if name == "containerResource" {
                match text(source, "container") {
                    "" => {
                        let detail = "must specify a container";
                        causes.push(field::required(&path.field("container"), detail));
                    }
                    name => {
                        field::each(&path.field("container"), name, &form::label(name), causes);
                    }
                }
            }
            target(goal, &place, causes);
            if !has("averageUtilization") && !has("averageValue") {
                let detail = "must set either a target raw value or a target utilization";
                causes.push(field::required(&place.field("averageUtilization"), detail));
            }
            if has("averageUtilization") && has("averageValue") {
                let detail = "may not set both a target raw value and a target utilization";
                causes.push(field::forbidden(&place.field("averageValue"), detail));
            }
        }
        "pods" => {
            metric_name(source, path, causes);
            target(goal, &place, causes);
            if !has("averageValue") {
                let detail = "must specify a positive target averageValue";
                causes.push(field::required(&place.field("averageValue"), detail));
            }
        }
        _ => {
            if name == "object" {
                let described = part(source, "describedObject");
                for name in ["kind", "name"] {
                    let place = path.field("describedObject");
                    match text(described, name) {
                        "" => causes.push(field::required(&place.field(name), "")),
                        value => {
                            field::each(&place.field(name), value, &form::segment(value), causes);
                        }
                    }
                }
            }
            metric_name(source, path, causes);
            target(goal, &place, causes);
            if !has("value") && !has("averageValue") {
                let detail = match name {
                    "object" => "must set either a target value or averageValue",
                    _ => "must set either a target value for metric or a per-pod target",
                };
                causes.push(field::required(&place.field("averageValue"), detail));
            }
            if name == "external" && has("value") && has("averageValue") {
                let detail = "may not set both a target value for metric and a per-pod target";
                causes.push(field::forbidden(&place.field("value"), detail));
            }
        }
    }
}

fn metric_name(source: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let metric = part(source, "metric");
    let place = path.field("metric");
    let name = text(metric, "name");
    if name.is_empty() {
        causes.push(field::required(&place.field("name"), "must specify a metric name"));
    } else {
        field::each(&place.field("name"), name, &form::segment(name), causes);
    }
}

fn target(goal: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let kind = text(goal, "type");
    if kind.is_empty() {
        causes.push(field::required(&path.field("type"), "must specify a metric target type"));
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        let detail = "must be either Utilization, Value, or AverageValue";
        causes.push(field::invalid(&path.field("type"), &kind.into(), detail));
    }
    for name in ["value", "averageValue"] {
        let amount = set(goal, name).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string().into(),
        });
        let least = |text: &Text| text.parse::<Quantity>().is_ok_and(|q| q <= Quantity::default());
        if let Some(amount) = amount.filter(least) {
            causes.push(field::invalid(&path.field(name), &amount.into(), "must be positive"));
        }
    }
    if let Some(share) = int(goal, "averageUtilization").filter(|share| *share < 1) {
        let detail = "must be greater than 0";
        causes.push(field::invalid(&path.field("averageUtilization"), &share.into(), detail));
    }
}

/// How fast replicas come and go.
fn behavior(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let Some(behavior) = set(spec, "behavior") else { return };
    for direction in ["scaleUp", "scaleDown"] {
        let Some(rules) = set(behavior, direction) else { continue };
        let here = path.field(direction);
        let window = int(rules, "stabilizationWindowSeconds");
        let place = here.field("stabilizationWindowSeconds");
        between(window, 0, LONGEST_WINDOW, "greater than or equal to zero", &place, causes);
        let tolerance = set(rules, "tolerance").map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string().into(),
        });
        if let Some(below) = tolerance.filter(|text| text.starts_with('-')) {
            let detail = "must be greater than or equal to 0";
            causes.push(field::invalid(&here.field("tolerance"), &below.into(), detail));
        }
        if let Some(policy) = set(rules, "selectPolicy") {
            let allowed = ["Disabled", "Max", "Min"];
            let name = policy.as_str().unwrap_or("");
            if !allowed.contains(&name) {
                causes.push(field::not_supported(&here.field("selectPolicy"), policy, &allowed));
            }
        }
        let place = here.field("policies");
        if list(rules, "policies").is_empty() {
            causes.push(field::required(&place, "must specify at least one Policy"));
        }
        for (index, policy) in list(rules, "policies").iter().enumerate() {
            let here = place.index(index);
            let kind = part(policy, "type");
            let allowed = ["Percent", "Pods"];
            if !allowed.contains(&kind.as_str().unwrap_or("")) {
                causes.push(field::not_supported(&here.field("type"), kind, &allowed));
            }
            if let Some(value) = int(policy, "value").filter(|value| *value <= 0) {
                let detail = "must be greater than zero";
                causes.push(field::invalid(&here.field("value"), &value.into(), detail));
            }
            let period = int(policy, "periodSeconds");
            let place = here.field("periodSeconds");
            between(period, 1, LONGEST_PERIOD, "greater than zero", &place, causes);
        }
    }
}

fn between(
    value: Option<i64>,
    least: i64,
    most: i64,
    above: &str,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    let Some(value) = value else { return };
    if value < least {
        let detail = format!("must be {above}");
        causes.push(field::invalid(path, &value.into(), &detail));
    }
    if value > most {
        let detail = format!("must be less than or equal to {most}");
        causes.push(field::invalid(path, &value.into(), &detail));
    }
}
