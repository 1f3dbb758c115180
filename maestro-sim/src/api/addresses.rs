//! What Services are given out of the cluster's pools: addresses, node ports, and IP families.
//!
//! Source: `k8s.io/kubernetes/pkg/registry/core/service`, its allocators and its strategy. This
//! cluster has IPv4 alone.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::{Cause, Status};
use crate::builtin::{self, field};
use crate::object::{GroupResource, Object, at, map_at};

const SERVICES: GroupResource = GroupResource::new("", "services");
/// The first address of 10.96.0.0/12.
const BASE: u32 = 10 << 24 | 96 << 16;
/// Node ports.
const PORTS: std::ops::RangeInclusive<u16> = 30000..=32767;

/// The cluster IPs and node ports in use.
#[derive(Debug, Default)]
pub struct Addresses {
    taken: BTreeSet<u32>,
    next: u32,
    ports: BTreeSet<u16>,
    next_port: u16,
}

impl Addresses {
    fn allocate(&mut self) -> String {
        loop {
            // The first address is the `kubernetes` Service's.
            self.next = if self.next >= 0x000f_fffe { 2 } else { self.next.max(1) + 1 };
            if self.taken.insert(self.next) {
                return text(self.next);
            }
        }
    }

    fn release(&mut self, address: &str) {
        if let Some(offset) = offset(address) {
            self.taken.remove(&offset);
        }
    }

    /// Takes an address that was asked for, or says why it cannot be had.
    fn claim(&mut self, address: &str, dry: bool) -> Result<(), &'static str> {
        let Some(offset) = offset(address) else {
            return Err("the provided network does not match the current range");
        };
        let free = if dry { !self.taken.contains(&offset) } else { self.taken.insert(offset) };
        if free { Ok(()) } else { Err("provided IP is already allocated") }
    }

    fn allocate_port(&mut self) -> Option<u16> {
        for _ in PORTS {
            let next = self.next_port.max(*PORTS.start());
            self.next_port = if next == *PORTS.end() { *PORTS.start() } else { next + 1 };
            if self.ports.insert(next) {
                return Some(next);
            }
        }
        None
    }

    fn claim_port(&mut self, port: i64, dry: bool) -> Result<(), String> {
        let Some(port) = u16::try_from(port).ok().filter(|port| PORTS.contains(port)) else {
            return Err(format!(
                "provided port is not in the valid range. The range of valid ports is {}-{}",
                PORTS.start(),
                PORTS.end()
            ));
        };
        let free = if dry { !self.ports.contains(&port) } else { self.ports.insert(port) };
        if free { Ok(()) } else { Err("provided port is already allocated".to_owned()) }
    }
}

fn text(offset: u32) -> String {
    std::net::Ipv4Addr::from(BASE + offset).to_string()
}

fn offset(address: &str) -> Option<u32> {
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    u32::from(address).checked_sub(BASE).filter(|offset| *offset < 1 << 20)
}

fn spec_text<'v>(object: &'v Value, name: &str) -> &'v str {
    at(object, &["spec", name]).and_then(Value::as_str).unwrap_or("")
}

fn is_external(object: &Value) -> bool {
    spec_text(object, "type") == "ExternalName"
}

/// Whether the nodes open ports for a Service.
fn needs_ports(object: &Value) -> bool {
    matches!(spec_text(object, "type"), "NodePort" | "LoadBalancer")
}

/// Whether a new port of a Service gets a node port, too.
fn wants_ports(object: &Value) -> bool {
    needs_ports(object)
        && at(object, &["spec", "allocateLoadBalancerNodePorts"]) != Some(&Value::Bool(false))
}

fn needs_health(object: &Value) -> bool {
    spec_text(object, "type") == "LoadBalancer"
        && spec_text(object, "externalTrafficPolicy") == "Local"
}

fn ports(object: &Value) -> &[Value] {
    object.get("spec").map_or(&[], |spec| field::list(spec, "ports"))
}

/// Every node port that a Service holds.
fn node_ports(object: &Value) -> Vec<u16> {
    let own = ports(object).iter().filter_map(|port| field::int(port, "nodePort"));
    let health = at(object, &["spec", "healthCheckNodePort"]).and_then(Value::as_i64);
    own.chain(health).filter_map(|port| u16::try_from(port).ok()).filter(|p| *p != 0).collect()
}

fn refused(served: &Served, body: &Value, causes: &[Cause]) -> Box<Status> {
    let name = at(body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
    Box::new(Status::invalid("", &served.kind, name, causes))
}

impl Server {
    /// Gives a new Service what it needs.
    pub(super) fn new_service(
        &mut self,
        served: &Served,
        body: &mut Value,
        dry: bool,
    ) -> Result<(), Box<Status>> {
        if !is_external(body) {
            let spec = map_at(body, &["spec"]);
            let single = spec.get("clusterIP").and_then(Value::as_str).unwrap_or("").to_owned();
            let none = spec.get("clusterIPs").and_then(Value::as_array).is_none_or(Vec::is_empty);
            if !single.is_empty() && none {
                spec.insert("clusterIPs".into(), json!([single]));
            }
        }
        families(served, body, None)?;
        self.give_address(served, body, dry)?;
        self.give_ports(served, body, None, dry)
    }

    /// Keeps what a Service has, gives what a change makes it need.
    pub(super) fn changed_service(
        &mut self,
        served: &Served,
        live: &Object,
        body: &mut Value,
        dry: bool,
    ) -> Result<(), Box<Status>> {
        keep(live.value(), body);
        families(served, body, Some(live.value()))?;
        if is_external(live.value()) && !is_external(body) {
            self.give_address(served, body, dry)?;
        }
        self.give_ports(served, body, Some(live.value()), dry)?;
        forget(live.value(), body);
        Ok(())
    }

    fn give_address(
        &mut self,
        served: &Served,
        body: &mut Value,
        dry: bool,
    ) -> Result<(), Box<Status>> {
        let asked = spec_text(body, "clusterIP").to_owned();
        if is_external(body) || asked == "None" {
            return Ok(());
        }
        let address = match asked.as_str() {
            "" if dry => text(0),
            "" => self.addresses.allocate(),
            wanted => {
                self.addresses.claim(wanted, dry).map_err(|why| {
                    let shown = at(body, &["spec", "clusterIPs"]).cloned().unwrap_or_default();
                    let detail = format!("failed to allocate IP {wanted}: {why}");
                    refused(served, body, &[field::invalid(&"spec.clusterIPs", &shown, &detail)])
                })?;
                asked
            }
        };
        let spec = map_at(body, &["spec"]);
        spec.insert("clusterIP".into(), address.as_str().into());
        spec.insert("clusterIPs".into(), json!([address]));
        Ok(())
    }

    /// Node ports for the ports that have none; ports of one number share one.
    fn give_ports(
        &mut self,
        served: &Served,
        body: &mut Value,
        live: Option<&Value>,
        dry: bool,
    ) -> Result<(), Box<Status>> {
        let held = live.map(node_ports).unwrap_or_default();
        if needs_ports(body) {
            let wants = wants_ports(body);
            let mut given: Vec<(i64, i64)> = Vec::new();
            for index in 0..ports(body).len() {
                let port = &ports(body)[index];
                let number = field::int(port, "port").unwrap_or(0);
                let asked = field::int(port, "nodePort").unwrap_or(0);
                let shared = given.iter().find(|(port, _)| *port == number).map(|(_, node)| *node);
                let shared = shared.filter(|_| live.is_none());
                let node = match (asked, shared) {
                    (0, Some(node)) => node,
                    (0, None) if !wants => continue,
                    (0, None) if dry => i64::from(*PORTS.start()),
                    (0, None) => {
                        let port = self.addresses.allocate_port();
                        let full = "failed to allocate a nodePort: range is full";
                        i64::from(
                            port.ok_or_else(|| Box::new(Status::new(500, "InternalError", full)))?,
                        )
                    }
                    (node, _) => {
                        let known = held.iter().any(|held| i64::from(*held) == node)
                            || given.iter().any(|(_, given)| *given == node);
                        if !known {
                            self.addresses.claim_port(node, dry).map_err(|why| {
                                let place = format!("spec.ports[{index}].nodePort");
                                let cause = field::invalid(&place, &node.into(), &why);
                                refused(served, body, &[cause])
                            })?;
                        }
                        node
                    }
                };
                given.push((number, node));
                set_port(body, index, node);
            }
        }
        let has = at(body, &["spec", "healthCheckNodePort"]).and_then(Value::as_i64);
        if needs_health(body) && has.unwrap_or(0) == 0 {
            let node = if dry { Some(*PORTS.start()) } else { self.addresses.allocate_port() };
            if let Some(node) = node {
                map_at(body, &["spec"]).insert("healthCheckNodePort".into(), node.into());
            }
        }
        Ok(())
    }

    /// Frees what a Service that is not stored after all was given; what `live` holds stays.
    pub(super) fn give_back(&mut self, served: &Served, body: &Value, live: Option<&Object>) {
        if served.resource != SERVICES {
            return;
        }
        let address = spec_text(body, "clusterIP");
        if live.is_none_or(|live| live.text(&["spec", "clusterIP"]) != address) {
            self.addresses.release(address);
        }
        let held = live.map(|live| node_ports(live.value())).unwrap_or_default();
        for port in node_ports(body).into_iter().filter(|port| !held.contains(port)) {
            self.addresses.ports.remove(&port);
        }
    }

    /// Frees what a Service held and no longer holds.
    pub(super) fn let_go(&mut self, served: &Served, old: &Object, new: Option<&Value>) {
        if served.resource != SERVICES {
            return;
        }
        let address = old.text(&["spec", "clusterIP"]);
        if new.is_none_or(|new| spec_text(new, "clusterIP") != address) {
            self.addresses.release(address);
        }
        let kept = new.map(node_ports).unwrap_or_default();
        for port in node_ports(old.value()).into_iter().filter(|port| !kept.contains(port)) {
            self.addresses.ports.remove(&port);
        }
    }
}

fn set_port(body: &mut Value, index: usize, node: i64) {
    let spec = map_at(body, &["spec"]);
    let port = spec.get_mut("ports").and_then(|ports| ports.get_mut(index));
    if let Some(Value::Object(port)) = port {
        port.insert("nodePort".into(), node.into());
    }
}

/// Clients may leave out what was given to a Service: it stays what it was.
fn keep(live: &Value, body: &mut Value) {
    let both = !is_external(live) && !is_external(body);
    let old = map_or_empty(live);
    let before = spec_text(live, "clusterIP").to_owned();
    let both_ports = needs_ports(live) && needs_ports(body);
    let both_health = needs_health(live) && needs_health(body);
    let used: Vec<u16> = node_ports(body);
    let spec = map_at(body, &["spec"]);
    let lacks = |spec: &Map<String, Value>, name: &str| {
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
                spec.insert(name.into(), value.clone());
            }
        }
    }
    // An address that is asked for stands in the list, too.
    let asked = spec.get("clusterIP").and_then(Value::as_str).unwrap_or("").to_owned();
    if !asked.is_empty()
        && asked != before
        && (lacks(spec, "clusterIPs") || spec.get("clusterIPs") == old.get("clusterIPs"))
    {
        spec.insert("clusterIPs".into(), json!([asked]));
    }
    if both_health && lacks(spec, "healthCheckNodePort") {
        if let Some(port) = old.get("healthCheckNodePort") {
            spec.insert("healthCheckNodePort".into(), port.clone());
        }
    }
    if both_ports {
        keep_ports(live, spec, &used);
    }
}

fn map_or_empty(object: &Value) -> Map<String, Value> {
    object.get("spec").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Node ports stay with the names of their ports.
fn keep_ports(live: &Value, spec: &mut Map<String, Value>, used: &[u16]) {
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
            map.insert("nodePort".into(), node.into());
        }
    }
}

/// What no longer applies to a Service of another type goes, where the client left it alone.
fn forget(live: &Value, body: &mut Value) {
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
fn families(served: &Served, body: &mut Value, live: Option<&Value>) -> Result<(), Box<Status>> {
    if is_external(body) {
        return Ok(());
    }
    let headless = spec_text(body, "clusterIP") == "None";
    let selects = at(body, &["spec", "selector"])
        .and_then(Value::as_object)
        .is_some_and(|selector| !selector.is_empty());
    // A headless Service that selects nothing may be given endpoints of any family.
    let open = headless && !selects;
    if spec_text(body, "ipFamilyPolicy").is_empty() {
        let before = live.map_or("", |live| spec_text(live, "ipFamilyPolicy")).to_owned();
        let policy = match before.as_str() {
            "" if open => "RequireDualStack",
            "" => "SingleStack",
            before => before,
        };
        map_at(body, &["spec"]).insert("ipFamilyPolicy".into(), policy.into());
    }
    let mut causes = builtin::cluster_addresses(body);
    if !causes.is_empty() {
        return Err(refused(served, body, &causes));
    }
    let policy = spec_text(body, "ipFamilyPolicy").to_owned();
    let mut list: Vec<Value> =
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
    map_at(body, &["spec"]).insert("ipFamilies".into(), list.into());
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
