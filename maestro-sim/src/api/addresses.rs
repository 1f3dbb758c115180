//! What Services are given out of the cluster's pools: addresses, node ports, and IP families.
//!
//! Source: `k8s.io/kubernetes/pkg/registry/core/service`, its allocators and its strategy. This
//! cluster has IPv4 alone.

pub(super) mod pool;

use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::service_spec::{families, forget, keep};
use crate::api::{Cause, Status};
use crate::builtin::field;
use crate::json::{Value, json};
use crate::object::{GroupResource, Object, at, map_at};

const SERVICES: GroupResource = GroupResource::new("", "services");
pub(super) fn spec_text<'v>(object: &'v Value, name: &str) -> &'v str {
    at(object, &["spec", name]).and_then(Value::as_str).unwrap_or("")
}

pub(super) fn is_external(object: &Value) -> bool {
    spec_text(object, "type") == "ExternalName"
}

/// Whether the nodes open ports for a Service.
pub(super) fn needs_ports(object: &Value) -> bool {
    matches!(spec_text(object, "type"), "NodePort" | "LoadBalancer")
}

/// Whether a new port of a Service gets a node port, too.
fn wants_ports(object: &Value) -> bool {
    needs_ports(object)
        && at(object, &["spec", "allocateLoadBalancerNodePorts"]) != Some(&Value::Bool(false))
}

pub(super) fn needs_health(object: &Value) -> bool {
    spec_text(object, "type") == "LoadBalancer"
        && spec_text(object, "externalTrafficPolicy") == "Local"
}

pub(super) fn ports(object: &Value) -> &[Value] {
    object.get("spec").map_or(&[], |spec| field::list(spec, "ports"))
}

/// Every node port that a Service holds.
pub(super) fn node_ports(object: &Value) -> Vec<u16> {
    let own = ports(object).iter().filter_map(|port| field::int(port, "nodePort"));
    let health = at(object, &["spec", "healthCheckNodePort"]).and_then(Value::as_i64);
    own.chain(health).filter_map(|port| u16::try_from(port).ok()).filter(|p| *p != 0).collect()
}

pub(super) fn refused(served: &Served, body: &Value, causes: &[Cause]) -> Box<Status> {
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
            let none =
                spec.get("clusterIPs").and_then(Value::as_array).is_none_or(|list| list.is_empty());
            if !single.is_empty() && none {
                spec.insert("clusterIPs", json!([single]));
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
        let ranges = self.address_ranges();
        let address = match asked.as_str() {
            "" if dry => self.settings.services.network(),
            "" => self.addresses.allocate(&ranges).ok_or_else(|| {
                let name = at(body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
                let told = format!(
                    "Internal error occurred: failed to allocate a serviceIP for Service {name:?}: \
                     range is full"
                );
                Box::new(Status::new(500, "InternalError", told))
            })?,
            wanted => {
                self.addresses.claim(wanted, &ranges, dry).map_err(|why| {
                    let shown = at(body, &["spec", "clusterIPs"]).cloned().unwrap_or_default();
                    let detail = format!("failed to allocate IP {wanted}: {why}");
                    refused(served, body, &[field::invalid(&"spec.clusterIPs", &shown, &detail)])
                })?;
                asked
            }
        };
        let spec = map_at(body, &["spec"]);
        spec.insert("clusterIP", address.as_str().into());
        spec.insert("clusterIPs", json!([address]));
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
                    (0, None) if dry => i64::from(self.addresses.first_port()),
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
            let first = self.addresses.first_port();
            let node = if dry { Some(first) } else { self.addresses.allocate_port() };
            if let Some(node) = node {
                map_at(body, &["spec"]).insert("healthCheckNodePort", node.into());
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
            self.addresses.release_port(port);
        }
    }

    /// Frees what a Service held and no longer holds.
    pub(super) fn let_go(&mut self, served: &Served, old: &Object, new: Option<&Value>) {
        if served.resource != SERVICES {
            return;
        }
        let address = old.text(&["spec", "clusterIP"]);
        if new.is_none_or(|new| spec_text(new, "clusterIP") != address) {
            self.forget_address(address);
        }
        let kept = new.map(node_ports).unwrap_or_default();
        for port in node_ports(old.value()).into_iter().filter(|port| !kept.contains(port)) {
            self.addresses.release_port(port);
        }
    }
}

fn set_port(body: &mut Value, index: usize, node: i64) {
    let spec = map_at(body, &["spec"]);
    let port = spec.get_mut("ports").and_then(|ports| ports.get_mut(index));
    if let Some(Value::Object(port)) = port {
        port.insert("nodePort", node.into());
    }
}
