//! Services: ports, addresses, affinity, and what hangs together with the type.
//!
//! Source: `validateService` of `k8s.io/kubernetes/pkg/apis/core/validation`.

use std::collections::BTreeSet;

use super::field::{self, Path, int, list, part, set, text};
use super::pod::port;
use super::{address, meta, text as form};
use crate::api::Cause;
use crate::facts::Version;
use crate::json::Value;
use crate::object::at;

/// A service.
pub(super) fn service(
    version: Version,
    object: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let spec = part(object, "spec");
    if let Some(old) = old {
        same_addresses(object, old, causes);
        same_class(object, old, causes);
    }
    let root = Path::Root;
    let path = root.field("spec");
    let kind = text(spec, "type");
    let headless = is_headless(spec);
    if list(spec, "ports").is_empty() && !headless && kind != "ExternalName" {
        causes.push(field::required(&path.field("ports"), ""));
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            causes.push(field::invalid(&"spec.clusterIPs[0]", &"None".into(), &detail));
        }
        "ExternalName" => external(spec, &path, causes),
        _ => {}
    }
    ports(spec, &path.field("ports"), causes);
    if let Some(selector) = spec.get("selector").and_then(Value::as_object) {
        meta::check_labels(selector, &path.field("selector"), causes);
    }
    affinity(spec, &path, causes);
    let place = path.field("externalIPs");
    for (index, ip) in list(spec, "externalIPs").iter().enumerate() {
        let (ip, here) = (ip.as_str().unwrap_or(""), place.index(index));
        address::legacy(version, ip, &here, causes);
        if address::is_address(ip) {
            address::reachable(ip, &here, causes);
        }
    }
    if kind != "ExternalName" {
        causes.extend(addresses(object));
    }
    field::one_of(
        &path.field("type"),
        kind,
        &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        causes,
    );
    twice(spec, kind, &path.field("ports"), causes);
    by_type(version, spec, kind, &path, causes);
}

fn is_headless(spec: &Value) -> bool {
    matches!(list(spec, "clusterIPs"), [only] if only == "None")
}

fn external(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for name in ["clusterIPs", "ipFamilies"] {
        if !list(spec, name).is_empty() {
            let detail = "may not be set for ExternalName services";
            causes.push(field::forbidden(&path.field(name), detail));
        }
    }
    if set(spec, "ipFamilyPolicy").is_some() {
        let detail = "may not be set for ExternalName services";
        causes.push(field::forbidden(&path.field("ipFamilyPolicy"), detail));
    }
    let name = text(spec, "externalName");
    let name = name.strip_suffix('.').unwrap_or(name);
    let place = path.field("externalName");
    if name.is_empty() {
        causes.push(field::required(&place, ""));
    } else {
        field::each(&place, name, &form::subdomain(name), causes);
    }
}

fn ports(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let ports = list(spec, "ports");
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (index, item) in ports.iter().enumerate() {
        let here = path.index(index);
        let name = text(item, "name");
        if name.is_empty() {
            if ports.len() > 1 {
                causes.push(field::required(&here.field("name"), ""));
            }
        } else {
            field::each(&here.field("name"), name, &form::label(name), causes);
            if !names.insert(name) {
                causes.push(field::duplicate(&here.field("name"), &name.into()));
            }
        }
        let number = int(item, "port").unwrap_or(0);
        field::in_range(&here.field("port"), Some(number), (1, 65535), causes);
        let protocol = item.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        field::one_of(&here.field("protocol"), protocol, &["SCTP", "TCP", "UDP"], causes);
        port(item.get("targetPort").or(item.get("port")), &here.field("targetPort"), causes);
        if let Some(protocol) = set(item, "appProtocol").and_then(Value::as_str) {
            field::each(&here.field("appProtocol"), protocol, &form::key(protocol), causes);
        }
    }
}

fn affinity(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let kind = spec.get("sessionAffinity").and_then(Value::as_str).unwrap_or("None");
    field::one_of(&path.field("sessionAffinity"), kind, &["ClientIP", "None"], causes);
    let config = set(spec, "sessionAffinityConfig");
    let place = path.field("sessionAffinityConfig");
    match (kind, config) {
        ("None", Some(_)) => {
            let detail = "must not be set when session affinity is None";
            causes.push(field::forbidden(&place, detail));
        }
        ("ClientIP", config) => {
            let seconds = config.and_then(|c| at(c, &["clientIP", "timeoutSeconds"]));
            if let Some(seconds) = seconds
                && !seconds.as_i64().is_some_and(|seconds| (1..=86400).contains(&seconds))
            {
                let client = place.field("clientIP");
                let detail = "must be greater than 0 and less than 86400";
                causes.push(field::invalid(&client.field("timeoutSeconds"), seconds, detail));
            }
        }
        _ => {}
    }
}

/// What is wrong with the addresses and families of a Service, whatever the cluster has.
pub(crate) fn addresses(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = part(object, "spec");
    let root = Path::Root;
    let path = root.field("spec");
    let (at_list, at_families) = (path.field("clusterIPs"), path.field("ipFamilies"));
    let addresses = list(spec, "clusterIPs");
    let shown = || spec.get("clusterIPs").cloned().unwrap_or_default();
    let single = text(spec, "clusterIP");
    match (single, addresses) {
        ("", []) => {}
        ("", _) => {
            let detail = "must be empty when `clusterIP` is not specified";
            causes.push(field::invalid(&at_list, &shown(), detail));
        }
        (_, []) => causes.push(field::required(&at_list, "")),
        (single, [first, ..]) if first != single => {
            let detail = "first value must match `clusterIP`";
            causes.push(field::invalid(&at_list, &shown(), detail));
        }
        _ => {}
    }
    let families = list(spec, "ipFamilies");
    for (index, family) in families.iter().enumerate() {
        if !matches!(family.as_str(), Some("IPv4" | "IPv6")) {
            let allowed = ["IPv4", "IPv6"];
            causes.push(field::not_supported(&at_families.index(index), family, &allowed));
        }
        if families[..index].contains(family) {
            causes.push(field::duplicate(&at_families.index(index), family));
        }
    }
    let allowed = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    field::word(spec, "ipFamilyPolicy", &allowed, &path, &mut causes);
    for (index, address) in addresses.iter().enumerate() {
        let address = address.as_str().unwrap_or("");
        if index == 0 && address == "None" {
            if addresses.len() > 1 {
                let detail = "'None' must be the first and only value";
                causes.push(field::invalid(&at_list, &shown(), detail));
            }
            continue;
        }
        address::plain(address, &at_list.index(index), &mut causes);
    }
    causes
}

/// A cluster IP stays, unless the name is another's.
fn same_addresses(object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    let (now, before) = (object.get("spec").unwrap_or(&empty), old.get("spec").unwrap_or(&empty));
    let external = |spec: &Value| text(spec, "type") == "ExternalName";
    if external(now) || external(before) || (is_headless(now) && is_headless(before)) {
        return;
    }
    let (new_list, old_list) = (list(now, "clusterIPs"), list(before, "clusterIPs"));
    for (index, address) in old_list.iter().enumerate() {
        if new_list.get(index).is_some_and(|new| new != address) {
            let place = format!("spec.clusterIPs[{index}]");
            let shown = Value::from(new_list.to_vec());
            causes.push(field::invalid(&place, &shown, "may not change once set"));
        }
    }
}

/// Who balances the load of a Service that has it balanced stays who it is.
fn same_class(object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let balancer = |service| at(service, &["spec", "type"]).is_some_and(|t| t == "LoadBalancer");
    let class = |service| at(service, &["spec", "loadBalancerClass"]).filter(|c| !c.is_null());
    if balancer(object) && balancer(old) && class(object) != class(old) {
        let shown = class(object).unwrap_or(&Value::Null);
        causes.push(field::invalid(&"spec.loadBalancerClass", shown, "may not change once set"));
    }
}

/// Ports that are there twice.
fn twice(spec: &Value, kind: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let ports = list(spec, "ports");
    let same = |a: &Value, b: &Value, name: &str| {
        text(a, "protocol") == text(b, "protocol") && a.get(name) == b.get(name)
    };
    let node = |port: &Value| int(port, "nodePort").unwrap_or(0);
    if kind == "ClusterIP" {
        for (index, _) in ports.iter().enumerate().filter(|(_, port)| node(port) != 0) {
            let detail = "may not be used when `type` is 'ClusterIP'";
            let here = path.index(index);
            causes.push(field::forbidden(&here.field("nodePort"), detail));
        }
    }
    for (index, port) in ports.iter().enumerate().filter(|(_, port)| node(port) != 0) {
        if ports[..index].iter().any(|other| same(other, port, "nodePort")) {
            let here = path.index(index);
            causes.push(field::duplicate(&here.field("nodePort"), &node(port).into()));
        }
    }
    for (index, port) in ports.iter().enumerate() {
        if ports[..index].iter().any(|other| same(other, port, "port")) {
            // Printed as the server's own struct, with what does not count left out.
            let shown = format!(
                "{{\"Name\":\"\",\"Protocol\":{},\"AppProtocol\":null,\"Port\":{},\
                 \"TargetPort\":0,\"NodePort\":0}}",
                Value::from(text(port, "protocol")),
                int(port, "port").unwrap_or(0)
            );
            causes.push(field::duplicate_shown(&path.index(index), &shown));
        }
    }
}

/// Fields that only some types have.
fn by_type(version: Version, spec: &Value, kind: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let balancer = kind == "LoadBalancer";
    let only = "may only be used when `type` is 'LoadBalancer'";
    // The real server spells it so.
    let (ranges, place) = (list(spec, "loadBalancerSourceRanges"), "LoadBalancerSourceRanges");
    let place = path.field(place);
    if !balancer && !ranges.is_empty() {
        causes.push(field::forbidden(&place, only));
    }
    for (index, range) in ranges.iter().enumerate() {
        let range = range.as_str().unwrap_or("").trim();
        address::network(version, range, &place.index(index), causes);
    }
    for name in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
        if !balancer && set(spec, name).is_some() {
            causes.push(field::forbidden(&path.field(name), only));
        }
    }
    let class = text(spec, "loadBalancerClass");
    if balancer && !class.is_empty() {
        field::each(&path.field("loadBalancerClass"), class, &form::key(class), causes);
    }
    let outside = matches!(kind, "NodePort" | "LoadBalancer")
        || (kind == "ClusterIP" && !list(spec, "externalIPs").is_empty());
    let policy = text(spec, "externalTrafficPolicy");
    let place = path.field("externalTrafficPolicy");
    if outside {
        field::one_of(&place, policy, &["Cluster", "Local"], causes);
    } else if !policy.is_empty() {
        let detail = "may only be set for externally-accessible services";
        causes.push(field::invalid(&place, &policy.into(), detail));
    }
    let health = int(spec, "healthCheckNodePort").unwrap_or(0);
    if !(balancer && policy == "Local") && health != 0 {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` \
                      is 'Local'";
        causes.push(field::invalid(&path.field("healthCheckNodePort"), &health.into(), detail));
    }
    field::word(spec, "internalTrafficPolicy", &["Cluster", "Local"], path, causes);
    let allowed = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    field::word(spec, "trafficDistribution", &allowed, path, causes);
}
