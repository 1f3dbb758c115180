//! A Service's spec as it is stored: what stays, what goes and which families it has.
//!
//! Source: `k8s.io/kubernetes/pkg/registry/core/service`, its strategy.

use crate::api::Status;
use crate::api::addresses::{
    is_external, needs_health, needs_ports, node_ports, ports, refused, spec_text,
};
use crate::api::registry::Served;
use crate::builtin::{self, field};
use crate::json::{Map, Value, json};
use crate::object::{at, map_at};

/// Clients may leave out what was given to a Service: it stays what it was.
pub(super) fn keep(live: &Value, body: &mut Value) {
    let both = !is_external(live) && !is_external(body);
    let old = map_or_empty(live);
    let before = spec_text(live, "clusterIP").to_owned();
    let both_ports = needs_ports(live) && needs_ports(body);
    let both_health = needs_health(live) && needs_health(body);
    let used: Vec<u16> = node_ports(body);
    let spec = map_at(body, &["spec"]);
    let lacks = |spec: &Map, name: &str| {
        spec.get(name).is_none_or(|value| match value {
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Number(number) => number.as_i64() == Some(0),
            other => other.is_null(),
        })
    };
    if both {
        for name in ["clusterIP", "clusterIPs"] {
            if let (true, Some(value)) = (lacks(spec, name), old.get(name)) {
                spec.insert(name, value.clone());
            }
        }
    }
    // An address that is asked for stands in the list, too.
    let asked = spec.get("clusterIP").and_then(Value::as_str).unwrap_or("").to_owned();
    if !asked.is_empty()
        && asked != before
        && (lacks(spec, "clusterIPs") || spec.get("clusterIPs") == old.get("clusterIPs"))
    {
        spec.insert("clusterIPs", json!([asked]));
    }
    if both_health
        && lacks(spec, "healthCheckNodePort")
        && let Some(port) = old.get("healthCheckNodePort")
    {
        spec.insert("healthCheckNodePort", port.clone());
    }
    if both_ports {
        keep_ports(live, spec, &used);
    }
}

fn map_or_empty(object: &Value) -> Map {
    object.get("spec").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Node ports stay with the names of their ports.
fn keep_ports(live: &Value, spec: &mut Map, used: &[u16]) {
    let old: Vec<(String, i64)> = ports(live)
        .iter()
        .map(|port| {
            (field::text(port, "name").to_owned(), field::int(port, "nodePort").unwrap_or(0))
        })
        .collect();
    let list = spec.get_mut("ports").and_then(Value::as_array_mut);
    for port in list.into_iter().flatten() {
        if field::int(port, "nodePort").unwrap_or(0) != 0 {
            continue;
        }
        let name = field::text(port, "name");
        let node = old.iter().rev().find(|(known, _)| known == name).map_or(0, |(_, node)| *node);
        let taken = used.iter().any(|used| i64::from(*used) == node);
        if let (true, Some(map)) = (node != 0 && !taken, port.as_object_mut()) {
            map.insert("nodePort", node.into());
        }
    }
}

/// What no longer applies to a Service of another type goes, where the client left it alone.
pub(super) fn forget(live: &Value, body: &mut Value) {
    let old = map_or_empty(live);
    let no_address = !is_external(live) && is_external(body);
    let external = is_external(body);
    let no_ports = needs_ports(live) && !needs_ports(body);
    let no_health = needs_health(live) && !needs_health(body);
    let balancer = |object: &Value| spec_text(object, "type") == "LoadBalancer";
    let no_balancer = balancer(live) && !balancer(body);
    let outside = |object: &Value| {
        let external = at(object, &["spec", "externalIPs"]).and_then(Value::as_array);
        needs_ports(object)
            || (spec_text(object, "type") == "ClusterIP"
                && external.is_some_and(|list| !list.is_empty()))
    };
    let not_outside = outside(live) && !outside(body);
    let same_ports = {
        let (old, new) = (ports(live), ports(body));
        old.iter().zip(new).all(|(a, b)| a.get("nodePort") == b.get("nodePort"))
            && old.len() == new.len()
    };
    let spec = map_at(body, &["spec"]);
    let mut drop = |name: &str| {
        if spec.get(name) == old.get(name) {
            spec.remove(name);
        }
    };
    if no_address {
        ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"].iter().for_each(|n| drop(n));
    }
    if no_health {
        drop("healthCheckNodePort");
    }
    if no_balancer {
        drop("allocateLoadBalancerNodePorts");
        drop("loadBalancerClass");
    }
    if not_outside {
        drop("externalTrafficPolicy");
    }
    if external {
        // It is stored and never shown.
        spec.remove("internalTrafficPolicy");
    }
    if no_ports && same_ports {
        let list = spec.get_mut("ports").and_then(Value::as_array_mut);
        for port in list.into_iter().flatten().filter_map(Value::as_object_mut) {
            port.remove("nodePort");
        }
    }
    if !balancer(body)
        && let Some(status) = body.get_mut("status")
    {
        *status = json!({"loadBalancer": {}});
    }
}

/// The policy and the families of a Service, and what is wrong with what was asked for.
pub(super) fn families(
    served: &Served,
    body: &mut Value,
    live: Option<&Value>,
) -> Result<(), Box<Status>> {
    if is_external(body) {
        return Ok(());
    }
    let headless = spec_text(body, "clusterIP") == "None";
    let selects = at(body, &["spec", "selector"])
        .and_then(Value::as_object)
        .is_some_and(|selector| !selector.is_empty());
    // A headless Service that selects nothing may be given endpoints of any family.
    let open = headless && !selects;
    if at(body, &["spec", "ipFamilyPolicy"]).is_none() {
        let before = live.map_or("", |live| spec_text(live, "ipFamilyPolicy")).to_owned();
        let policy = match before.as_str() {
            "" if open => "RequireDualStack",
            "" => "SingleStack",
            before => before,
        };
        map_at(body, &["spec"]).insert("ipFamilyPolicy", policy.into());
    }
    let mut causes = builtin::cluster_addresses(body);
    if !causes.is_empty() {
        return Err(refused(served, body, &causes));
    }
    let policy = spec_text(body, "ipFamilyPolicy").to_owned();
    let mut list =
        at(body, &["spec", "ipFamilies"]).and_then(Value::as_array).cloned().unwrap_or_default();
    if open {
        if list.is_empty() {
            list.push("IPv4".into());
        }
        if list.len() < 2 && policy != "SingleStack" {
            let other = if list[0] == "IPv4" { "IPv6" } else { "IPv4" };
            list.push(other.into());
        }
    } else {
        if policy == "RequireDualStack" {
            let detail = "this cluster is not configured for dual-stack services";
            let place = "spec.ipFamilyPolicy";
            causes.push(field::invalid(&place, &policy.as_str().into(), detail));
        }
        for (index, family) in list.iter().enumerate().filter(|(_, family)| **family != "IPv4") {
            let place = format!("spec.ipFamilies[{index}]");
            causes.push(field::invalid(&place, family, "not configured on this cluster"));
        }
        if list.is_empty() {
            list.push("IPv4".into());
        }
    }
    if !causes.is_empty() {
        return Err(refused(served, body, &causes));
    }
    map_at(body, &["spec"]).insert("ipFamilies", list.into());
    Ok(())
}

/// What the server warns of in a Service.
///
/// Source: `GetWarningsForService` of `k8s.io/kubernetes/pkg/api/service`.
pub(super) fn warnings(body: &Value, out: &mut Vec<String>) {
    let Some(spec) = body.get("spec") else { return };
    let kind = field::text(spec, "type");
    let external = !field::list(spec, "externalIPs").is_empty();
    let headless = kind == "ClusterIP" && field::text(spec, "clusterIP") == "None";
    if headless {
        if !field::text(spec, "loadBalancerIP").is_empty() {
            out.push("spec.loadBalancerIP is ignored for headless services".into());
        }
        if external {
            out.push("spec.externalIPs is ignored for headless services".into());
        }
        if field::text(spec, "sessionAffinity") != "None" {
            out.push("spec.SessionAffinity is ignored for headless services".into());
        }
    }
    if external && !headless && kind != "ExternalName" {
        let told = "spec.externalIPs is deprecated and may no longer be implemented in some \
                    clusters";
        out.push(told.into());
    }
    if kind == "ExternalName" && external {
        out.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".into());
    }
    if kind != "ExternalName" && !field::text(spec, "externalName").is_empty() {
        out.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".into());
    }
    if field::text(spec, "trafficDistribution") == "PreferClose" {
        let told = "spec.trafficDistribution: \"PreferClose\" is deprecated; use \
                    \"PreferSameZone\"";
        out.push(told.into());
    }
}
