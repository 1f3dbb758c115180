//! Services, Ingresses, NetworkPolicies.

use super::fill::{each, get, inside, made, set, spec, text};
use crate::json::{Map, Value, json};

/// A Service. Its addresses are given out elsewhere.
pub(super) fn service(object: &mut Value) {
    let Some(root) = object.as_object_mut() else { return };
    let balanced = root
        .get("spec")
        .and_then(|spec| spec.get("type"))
        .is_some_and(|kind| kind == "LoadBalancer");
    if let (true, Some(status)) = (balanced, inside(root, "status"))
        && let Some(balancer) = inside(status, "loadBalancer")
    {
        for address in each(balancer, "ingress").filter(|entry| !get(entry, "ip").is_empty()) {
            set(address, "ipMode", "VIP");
        }
    }
    let Some(fields) = made(root, "spec") else { return };
    text(fields, "type", "ClusterIP");
    text(fields, "sessionAffinity", "None");
    match get(fields, "sessionAffinity") {
        "ClientIP" => {
            set(fields, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10800}}));
        }
        "None" => {
            fields.remove("sessionAffinityConfig");
        }
        _ => {}
    }
    for port in each(fields, "ports") {
        text(port, "protocol", "TCP");
        let number = port.get("port").cloned().unwrap_or(Value::Null);
        let unset = matches!(port.get("targetPort"), None | Some(Value::Null))
            || port.get("targetPort").and_then(Value::as_str) == Some("")
            || port.get("targetPort").and_then(Value::as_i64) == Some(0);
        // A headless Service's port may be absent; then there is nothing to copy.
        if unset && !number.is_null() {
            port.insert("targetPort", number);
        }
    }
    families(fields);
    set(root, "status", json!({"loadBalancer": {}}));
}

fn families(spec: &mut Map) {
    let kind = get(spec, "type").to_owned();
    if kind == "ExternalName" {
        return;
    }
    set(spec, "internalTrafficPolicy", "Cluster");
    let outside = spec.get("externalIPs").and_then(Value::as_array);
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer")
        || (kind == "ClusterIP" && outside.is_some_and(|list| !list.is_empty()))
    {
        text(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", true);
    }
}

/// Endpoints.
pub(super) fn endpoints(object: &mut Value) {
    let Some(root) = object.as_object_mut() else { return };
    for port in each(root, "subsets").flat_map(|subset| each(subset, "ports")) {
        text(port, "protocol", "TCP");
    }
}

/// An EndpointSlice.
pub(super) fn endpoint_slice(object: &mut Value) {
    let Some(root) = object.as_object_mut() else { return };
    for port in each(root, "ports") {
        set(port, "name", "");
        set(port, "protocol", "TCP");
    }
}

/// An Ingress.
pub(super) fn ingress(object: &mut Value) {
    if let Some(root) = object.as_object_mut() {
        set(root, "status", json!({"loadBalancer": {}}));
    }
}

/// An IngressClass.
pub(super) fn ingress_class(object: &mut Value) {
    let Some(spec) = spec(object) else { return };
    if let Some(parameters) = inside(spec, "parameters") {
        set(parameters, "scope", "Cluster");
    }
}

/// A NetworkPolicy: ingress always, egress where it has rules for it.
pub(super) fn policy(object: &mut Value) {
    let Some(spec) = spec(object) else { return };
    let has_egress = spec.get("egress").and_then(Value::as_array).is_some_and(|l| !l.is_empty());
    let types = if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    set(spec, "policyTypes", types);
    for direction in ["ingress", "egress"] {
        for port in each(spec, direction).flat_map(|rule| each(rule, "ports")) {
            set(port, "protocol", "TCP");
        }
    }
}
