//! Where a Service's connections end: Endpoints and EndpointSlices.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/discovery/validation` and `ValidateEndpoints` of
//! `pkg/apis/core/validation`.

use std::collections::BTreeSet;

use super::address::{canonical, legacy, reachable};
use super::field::{self, Path, int, list, set, text};
use super::text as form;
use crate::api::Cause;
use crate::facts::Version;
use crate::json::Value;
use crate::object::at;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
/// What a slice may hold, and each of its endpoints.
const MOST_ENDPOINTS: usize = 1000;
const MOST_ADDRESSES: usize = 100;
const MOST_PORTS: usize = 20_000;
const MOST_HINTS: usize = 8;

/// A slice, whose addresses stay of one type.
pub(super) fn slice(
    version: Version,
    object: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let declared = version.has("DeclarativeValidationBeta");
    let root = Path::Root;
    let (kind, place) = (text(object, "addressType"), root.field("addressType"));
    if old.is_some_and(|old| text(old, "addressType") != kind) {
        let shown = if declared { Value::Null } else { kind.into() };
        causes.push(field::invalid(&place, &shown, "field is immutable"));
        return;
    }
    field::one_of(&place, kind, &["FQDN", "IPv4", "IPv6"], causes);
    let (endpoints, place) = (list(object, "endpoints"), root.field("endpoints"));
    field::at_most(&place, endpoints.len(), MOST_ENDPOINTS, causes);
    for (index, one) in endpoints.iter().enumerate() {
        endpoint(version, kind, one, &place.index(index), causes);
    }
    let (ports, place) = (list(object, "ports"), root.field("ports"));
    field::at_most(&place, ports.len(), MOST_PORTS, causes);
    let mut names = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let here = place.index(index);
        let name = text(port, "name");
        if !name.is_empty() {
            field::each(&here.field("name"), name, &form::label(name), causes);
        }
        if !names.insert(name) {
            causes.push(field::duplicate(&here.field("name"), &name.into()));
        }
        field::word(port, "protocol", &PROTOCOLS, &here, causes);
        protocols(port, &here, causes);
    }
}

fn protocols(port: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if let Some(protocol) = set(port, "appProtocol").and_then(Value::as_str) {
        field::each(&path.field("appProtocol"), protocol, &form::key(protocol), causes);
    }
}

fn endpoint(
    version: Version,
    kind: &str,
    endpoint: &Value,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    let (addresses, place) = (list(endpoint, "addresses"), path.field("addresses"));
    if addresses.is_empty() {
        let declared = version.has("DeclarativeValidationBeta");
        let detail = if declared { "" } else { "must contain at least 1 address" };
        causes.push(field::required(&place, detail));
    }
    field::at_most(&place, addresses.len(), MOST_ADDRESSES, causes);
    for (index, address) in addresses.iter().enumerate() {
        let (address, here) = (address.as_str().unwrap_or(""), place.index(index));
        match kind {
            "IPv4" | "IPv6" => ip(version, (kind, address), &here, &place, causes),
            "FQDN" => field::each(&here, address, &form::subdomain(address), causes),
            _ => {}
        }
    }
    if set(endpoint, "hostname").is_some_and(|host| host == "") {
        field::each(&path.field("hostname"), "", &form::label(""), causes);
    }
    location(endpoint, path, causes);
    let Some(hints) = set(endpoint, "hints") else { return };
    let here = path.field("hints");
    for (list_name, check) in [
        ("forZones", form::label_value as fn(&str) -> form::Problems),
        ("forNodes", form::subdomain),
    ] {
        let (hints, place) = (list(hints, list_name), here.field(list_name));
        field::at_most(&place, hints.len(), MOST_HINTS, causes);
        let mut names = BTreeSet::new();
        for (index, hint) in hints.iter().enumerate() {
            let (name, here) = (text(hint, "name"), place.index(index));
            if !names.insert(name) {
                causes.push(field::duplicate(&here.field("name"), &name.into()));
            }
            field::each(&here.field("name"), name, &check(name), causes);
        }
    }
}

fn ip(
    version: Version,
    (kind, address): (&str, &str),
    path: &Path<'_>,
    of_all: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    let before = causes.len();
    match kind {
        "IPv4" => legacy(version, address, path, causes),
        _ => canonical(address, path, causes),
    }
    if causes.len() > before {
        return;
    }
    let is_v6 = address.contains(':');
    if is_v6 != (kind == "IPv6") {
        let detail = format!("must be an {kind} address");
        causes.push(field::invalid(of_all, &address.into(), &detail));
    } else {
        reachable(address, path, causes);
    }
}

/// On which machine an endpoint is, and how that is called.
fn location(endpoint: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let host = text(endpoint, "hostname");
    if !host.is_empty() {
        field::each(&path.field("hostname"), host, &form::label(host), causes);
    }
    if let Some(node) = set(endpoint, "nodeName").and_then(Value::as_str) {
        field::each(&path.field("nodeName"), node, &form::subdomain(node), causes);
    }
}

/// Endpoints, as they were before slices.
pub(super) fn endpoints(version: Version, object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("subsets");
    let subsets = at(object, &["subsets"]).and_then(Value::as_array);
    for (index, subset) in subsets.into_iter().flatten().enumerate() {
        let here = path.index(index);
        let lists = ["addresses", "notReadyAddresses"];
        if lists.iter().all(|name| list(subset, name).is_empty()) {
            let detail = "must specify `addresses` or `notReadyAddresses`";
            causes.push(field::required(&here, detail));
        }
        for name in lists {
            let place = here.field(name);
            for (index, address) in list(subset, name).iter().enumerate() {
                let (ip, here) = (text(address, "ip"), place.index(index));
                legacy(version, ip, &here.field("ip"), causes);
                location(address, &here, causes);
                reachable(ip, &here.field("ip"), causes);
            }
        }
        let (ports, place) = (list(subset, "ports"), here.field("ports"));
        for (index, port) in ports.iter().enumerate() {
            let (name, here) = (text(port, "name"), place.index(index));
            if !name.is_empty() {
                field::each(&here.field("name"), name, &form::label(name), causes);
            } else if ports.len() > 1 {
                causes.push(field::required(&here.field("name"), ""));
            }
            let number = int(port, "port").or(Some(0));
            field::in_range(&here.field("port"), number, (1, 65535), causes);
            field::one_of(&here.field("protocol"), text(port, "protocol"), &PROTOCOLS, causes);
            protocols(port, &here, causes);
        }
    }
}
