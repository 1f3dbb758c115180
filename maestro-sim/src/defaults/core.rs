//! Namespaces, Nodes, Secrets, bindings of roles, autoscalers.

use super::fill::{each, get, inside, made, set, spec, text};
use crate::json::{Map, Value, json};

/// A Namespace: its name as a label.
pub(super) fn namespace(object: &mut Value) {
    let Some(meta) = object.as_object_mut().and_then(|root| made(root, "metadata")) else { return };
    let name = get(meta, "name").to_owned();
    if !name.is_empty()
        && let Some(labels) = made(meta, "labels")
    {
        labels.insert("kubernetes.io/metadata.name", name.into());
    }
}

/// A Node: what can be allocated is its capacity unless it says otherwise.
pub(super) fn node(object: &mut Value) {
    let Some(root) = object.as_object_mut() else { return };
    set(root, "spec", Map::new());
    if let Some(spec) = inside(root, "spec") {
        let first = spec.get("podCIDRs").and_then(|list| list.get(0)).cloned();
        match spec.get("podCIDR").cloned() {
            Some(range) if first.as_ref() != Some(&range) => {
                spec.insert("podCIDRs", Value::from(vec![range]));
            }
            Some(_) => {}
            None => {
                if let Some(first) = first {
                    spec.insert("podCIDR", first);
                }
            }
        }
    }
    let Some(status) = inside(root, "status") else { return };
    if let Some(capacity) = status.get("capacity").cloned() {
        set(status, "allocatable", capacity);
    }
}

/// A Secret: `stringData` becomes `data`.
pub(super) fn secret(object: &mut Value) {
    let Some(root) = object.as_object_mut() else { return };
    text(root, "type", "Opaque");
    let Some(plain) = root.remove("stringData") else { return };
    let (Value::Object(plain), Some(data)) = (plain, made(root, "data")) else { return };
    for (name, value) in plain {
        if let Value::String(value) = value {
            data.insert(name, base64(value.as_bytes()).into());
        }
    }
}

/// Standard base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place) & 63) as usize;
            let shown = if place <= chunk.len() { DIGITS[digit] } else { b'=' };
            out.push(char::from(shown));
        }
    }
    out
}

/// A RoleBinding or ClusterRoleBinding.
pub(super) fn role_binding(object: &mut Value) {
    let Some(root) = object.as_object_mut() else { return };
    let group = "rbac.authorization.k8s.io";
    if let Some(role) = inside(root, "roleRef") {
        text(role, "apiGroup", group);
    }
    for subject in each(root, "subjects") {
        if matches!(get(subject, "kind"), "User" | "Group") {
            text(subject, "apiGroup", group);
        }
    }
}

/// A HorizontalPodAutoscaler.
pub(super) fn autoscaler(object: &mut Value) {
    let first = object.get("apiVersion").and_then(Value::as_str) == Some("autoscaling/v1");
    let Some(spec) = spec(object) else { return };
    set(spec, "minReplicas", 1);
    if first {
        set(spec, "targetCPUUtilizationPercentage", 80);
        return;
    }
    let empty = spec.get("metrics").and_then(Value::as_array).is_none_or(|list| list.is_empty());
    if empty {
        let target = json!({"type": "Utilization", "averageUtilization": 80});
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
        spec.insert("metrics", Value::from(vec![metric]));
    }
    if let Some(behavior) = inside(spec, "behavior") {
        scaling(behavior);
    }
}

/// How fast an autoscaler scales, where it says so at all.
///
/// Source: `GenerateHPAScaleUpRules` and `GenerateHPAScaleDownRules` of
/// `k8s.io/kubernetes/pkg/apis/autoscaling/v2`.
fn scaling(behavior: &mut Map) {
    let policy =
        |kind: &str, value: i64| json!({"type": kind, "value": value, "periodSeconds": 15});
    if let Some(up) = made(behavior, "scaleUp") {
        set(up, "stabilizationWindowSeconds", 0);
        set(up, "selectPolicy", "Max");
        set(up, "policies", vec![policy("Pods", 4), policy("Percent", 100)]);
    }
    if let Some(down) = made(behavior, "scaleDown") {
        set(down, "selectPolicy", "Max");
        set(down, "policies", vec![policy("Percent", 100)]);
    }
}

/// A PriorityClass.
pub(super) fn priority_class(object: &mut Value) {
    if let Some(root) = object.as_object_mut() {
        set(root, "preemptionPolicy", "PreemptLowerPriority");
    }
}

/// A FlowSchema.
pub(super) fn flow_schema(object: &mut Value) {
    let Some(spec) = spec(object) else { return };
    if spec.get("matchingPrecedence").and_then(Value::as_i64).unwrap_or(0) == 0 {
        spec.insert("matchingPrecedence", 1000.into());
    }
}

/// A LimitRange: a maximum of a container is its default, a default its default request.
pub(super) fn limit_range(object: &mut Value) {
    let Some(spec) = spec(object) else { return };
    for item in each(spec, "limits").filter(|item| get(item, "type") == "Container") {
        follow(item, "max", "default");
        follow(item, "default", "defaultRequest");
        follow(item, "min", "defaultRequest");
    }
}

/// Copies the amounts of one list that another lacks.
fn follow(item: &mut Map, from: &str, to: &str) {
    let Some(Value::Object(known)) = item.get(from).cloned() else { return };
    let Some(target) = made(item, to) else { return };
    for (name, amount) in known {
        target.entry(name).or_insert(amount);
    }
}

/// Claims of devices: a request is for one, unless it says otherwise.
pub(super) fn resource_claim(object: &mut Value) {
    if let Some(devices) = spec(object).and_then(|spec| inside(spec, "devices")) {
        each(devices, "requests").for_each(device_request);
    }
}

/// Templates of such claims.
pub(super) fn resource_claim_template(object: &mut Value) {
    if let Some(claim) = spec(object).and_then(|spec| spec.get_mut("spec"))
        && let Some(devices) = claim.as_object_mut().and_then(|claim| inside(claim, "devices"))
    {
        each(devices, "requests").for_each(device_request);
    }
}

/// The form of newer versions, whose exact request stands by itself, and that of older ones.
fn device_request(request: &mut Map) {
    each(request, "firstAvailable").for_each(device_count);
    if request.contains_key("deviceClassName") {
        device_count(request);
    } else if let Some(exactly) = inside(request, "exactly") {
        device_count(exactly);
    }
}

fn device_count(request: &mut Map) {
    text(request, "allocationMode", "ExactCount");
    let none = request.get("count").is_none_or(|count| count.is_null() || *count == 0);
    if none && get(request, "allocationMode") == "ExactCount" {
        request.insert("count", 1.into());
    }
}
