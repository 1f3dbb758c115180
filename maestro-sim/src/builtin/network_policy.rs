//! Who may reach pods, and whom they may reach.
//!
//! Source: `ValidateNetworkPolicySpec` of `k8s.io/kubernetes/pkg/apis/networking/validation`.

use super::address::network;
use super::field::{self, Path, int, list, part, set, text};
use super::{meta, text as form};
use crate::api::Cause;
use crate::facts::Version;
use crate::json::Value;

/// A network policy.
pub(super) fn policy(version: Version, object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    if let Some(selector) = set(spec, "podSelector") {
        meta::label_selector(selector, &path.field("podSelector"), causes);
    }
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        let rules = path.field(direction);
        for (index, rule) in list(spec, direction).iter().enumerate() {
            let here = rules.index(index);
            let place = here.field("ports");
            for (index, one) in list(rule, "ports").iter().enumerate() {
                port(one, &place.index(index), causes);
            }
            let place = here.field(peers);
            for (index, one) in list(rule, peers).iter().enumerate() {
                peer(version, one, &place.index(index), causes);
            }
        }
    }
    let (kinds, place) = (list(spec, "policyTypes"), path.field("policyTypes"));
    if kinds.len() > 2 {
        let shown = Value::from(kinds.to_vec());
        let detail = "may not specify more than two policyTypes";
        causes.push(field::invalid(&place, &shown, detail));
        return;
    }
    for (index, kind) in kinds.iter().enumerate() {
        let allowed = ["Ingress", "Egress"];
        if !kind.as_str().is_some_and(|kind| allowed.contains(&kind)) {
            causes.push(field::not_supported(&place.index(index), kind, &allowed));
        }
    }
}

fn port(rule: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if let Some(protocol) = set(rule, "protocol") {
        let allowed = ["TCP", "UDP", "SCTP"];
        if !allowed.contains(&protocol.as_str().unwrap_or("")) {
            causes.push(field::not_supported(&path.field("protocol"), protocol, &allowed));
        }
    }
    let (place, at_end) = (path.field("port"), path.field("endPort"));
    let end = int(rule, "endPort");
    let mut misplaced = |end: i64, detail: &str| {
        causes.push(field::invalid(&at_end, &end.into(), detail));
    };
    match set(rule, "port") {
        None => {
            if let Some(end) = end {
                misplaced(end, "may not be specified when `port` is not specified");
            }
        }
        Some(Value::String(name)) => {
            if let Some(end) = end {
                misplaced(end, "may not be specified when `port` is non-numeric");
            }
            field::each(&place, name, &form::port_name(name), causes);
        }
        Some(number) => {
            let number = number.as_i64().unwrap_or(0);
            field::in_range(&place, Some(number), (1, 65535), causes);
            if let Some(end) = end.filter(|end| *end < number) {
                let detail = "must be greater than or equal to `port`";
                causes.push(field::invalid(&at_end, &end.into(), detail));
            }
            field::in_range(&at_end, end, (1, 65535), causes);
        }
    }
}

fn peer(version: Version, peer: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mut count = 0;
    for name in ["podSelector", "namespaceSelector"] {
        if let Some(selector) = set(peer, name) {
            count += 1;
            meta::label_selector(selector, &path.field(name), causes);
        }
    }
    if let Some(block) = set(peer, "ipBlock") {
        self::block(version, block, &path.field("ipBlock"), causes);
        if count > 0 {
            let detail = "may not specify both ipBlock and another peer";
            causes.push(field::forbidden(path, detail));
        }
    } else if count == 0 {
        causes.push(field::required(path, "must specify a peer"));
    }
}

fn block(version: Version, block: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let (whole, place) = (text(block, "cidr"), path.field("cidr"));
    if whole.is_empty() {
        causes.push(field::required(&place, ""));
        return;
    }
    let Some(whole) = network(version, whole, &place, causes) else { return };
    let place = path.field("except");
    for (index, part) in list(block, "except").iter().enumerate() {
        let (part, here) = (part.as_str().unwrap_or(""), place.index(index));
        if network(version, part, &here, causes).is_some_and(|part| !whole.has(part)) {
            let detail = "must be a strict subset of `cidr`";
            causes.push(field::invalid(&here, &part.into(), detail));
        }
    }
}
