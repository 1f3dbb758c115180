//! Nodes, namespaces, leases, and the classes that pods may be of.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/{core,coordination,node,scheduling}/validation`.

use std::collections::BTreeSet;

use super::address::network;
use super::field::{self, Path, int, list, on, part, set, text};
use super::{meta, pod, text as form};
use crate::api::Cause;
use crate::facts::Version;
use crate::json::{Map, Value};
use crate::object::at;
use crate::quantity::Quantity;

/// A node.
pub(super) fn node(version: Version, object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    // The server says that taints were metadata.
    let meta = root.field("metadata");
    taints(list(spec, "taints"), &meta.field("taints"), causes);
    let (ranges, place) = (list(spec, "podCIDRs"), path.field("podCIDRs"));
    let mut families = Vec::new();
    for (index, range) in ranges.iter().enumerate() {
        let range = range.as_str().unwrap_or("");
        let found = network(version, range, &place.index(index), causes);
        families.extend(found.map(|network| network.is_v4()));
    }
    if ranges.len() > 2 || matches!(families[..], [one, other] if one == other) {
        let shown = Value::from(ranges.to_vec());
        let detail = "may specify no more than one CIDR for each IP family";
        causes.push(field::invalid(&place, &shown, detail));
    }
    let Some(old) = old else { return };
    let before = at(old, &["spec", "podCIDRs"]).and_then(Value::as_array);
    if before.is_some_and(|before| !before.is_empty() && before != ranges) {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        causes.push(field::forbidden(&place, detail));
    }
    let external = |node| at(node, &["spec", "externalID"]).and_then(Value::as_str).unwrap_or("");
    if external(object) != external(old) {
        causes.push(field::forbidden(&path.field("externalID"), "may not be updated"));
    }
    let known = at(old, &["spec", "providerID"]).and_then(Value::as_str).unwrap_or("");
    if !known.is_empty() && known != text(spec, "providerID") {
        let place = path.field("providerID");
        causes.push(field::invalid(&place, &Value::Null, "field cannot be modified once set"));
    }
}

fn taints(taints: &[Value], path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mut seen = BTreeSet::new();
    for (index, taint) in taints.iter().enumerate() {
        let here = path.index(index);
        let (key, value, effect) =
            (text(taint, "key"), text(taint, "value"), text(taint, "effect"));
        field::each(&here.field("key"), key, &form::key(key), causes);
        field::each(&here.field("value"), value, &form::label_value(value), causes);
        pod::taint_effect(effect, &here.field("effect"), causes);
        if !seen.insert((key, effect)) {
            let shown = format!(
                "{{\"Key\":{key:?},\"Value\":{value:?},\"Effect\":{effect:?},\"TimeAdded\":{}}}: \
                 taints must be unique by key and effect pair",
                part(taint, "timeAdded")
            );
            causes.push(field::duplicate_shown(&here, &shown));
        }
    }
}

/// The status of a node.
pub(super) fn node_status(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("status");
    let status = part(object, "status");
    let mut seen = BTreeSet::new();
    let place = path.field("addresses");
    for (index, address) in list(status, "addresses").iter().enumerate() {
        let known = (text(address, "type"), text(address, "address"));
        if !seen.insert(known) {
            let shown = format!("{{\"Type\":{:?},\"Address\":{:?}}}", known.0, known.1);
            causes.push(field::duplicate_shown(&place.index(index), &shown));
        }
    }
    for name in ["capacity", "allocatable"] {
        let place = path.field(name);
        let amounts = status.get(name).and_then(Value::as_object);
        for (resource, shown) in amounts.into_iter().flatten() {
            let here = place.field(resource);
            let Some(amount) = shown.as_str().and_then(|text| text.parse::<Quantity>().ok()) else {
                continue;
            };
            if amount < Quantity::default() {
                let detail = "must be greater than or equal to 0";
                causes.push(field::invalid(&here, shown, detail));
            }
            if pod::is_whole(resource) && amount.milli_value() % 1000 != 0 {
                causes.push(field::invalid(&here, shown, "must be an integer"));
            }
        }
    }
}

/// The finalizers of a namespace, which are its own.
pub(super) fn namespace(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let place = path.field("finalizers");
    for name in list(part(object, "spec"), "finalizers") {
        let name = name.as_str().unwrap_or("");
        field::each(&place, name, &form::key(name), causes);
        if !name.contains('/') && !meta::STANDARD.contains(&name) {
            causes.push(field::invalid(&place, &name.into(), meta::NO_FINALIZER));
        }
    }
}

/// A lease.
pub(super) fn lease(object: &Value, causes: &mut Vec<Cause>) {
    let Some(spec) = set(object, "spec") else { return };
    if let Some(seconds) = int(spec, "leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
        let detail = "must be greater than 0";
        causes.push(field::invalid(&"spec.leaseDurationSeconds", &seconds.into(), detail));
    }
    field::not_negative(&"spec.leaseTransitions", int(spec, "leaseTransitions"), causes);
}

/// The highest priority that is not the system's own.
const HIGHEST: i64 = 1_000_000_000;
/// The classes that every cluster has.
const SYSTEM: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

/// A priority class, of which only the words may change.
pub(super) fn priority_class(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let value = int(object, "value").unwrap_or(0);
    let policy = set(object, "preemptionPolicy");
    if let Some(old) = old {
        if int(old, "value").unwrap_or(0) != value {
            causes.push(field::forbidden(&"value", "may not be changed in an update."));
        }
        if set(old, "preemptionPolicy") != policy {
            let shown = policy.unwrap_or(&Value::Null);
            causes.push(field::invalid(&"preemptionPolicy", shown, "field is immutable"));
        }
        return;
    }
    let name = at(object, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
    if name.starts_with("system-") {
        let why = match SYSTEM.iter().find(|(known, _)| *known == name) {
            None => Some(format!("{name} is not a known system priority class")),
            Some((_, wanted)) if *wanted != value => {
                Some(format!("value of {name} PriorityClass must be {wanted}"))
            }
            Some(_) if on(object, "globalDefault") => {
                Some(format!("globalDefault of {name} PriorityClass must be false"))
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            let detail = format!(
                "priority class names with 'system-' prefix are reserved for system use only. \
                 error: {why}"
            );
            causes.push(field::forbidden(&"metadata.name", &detail));
        }
    } else if value > HIGHEST {
        let detail = format!("maximum allowed value of a user defined priority is {HIGHEST}");
        causes.push(field::forbidden(&"value", &detail));
    }
    if let Some(policy) = policy {
        let allowed = ["PreemptLowerPriority", "Never"];
        field::one_of(&"preemptionPolicy", policy.as_str().unwrap_or(""), &allowed, causes);
    }
}

/// A runtime class, whose handler stays.
pub(super) fn runtime_class(
    version: Version,
    object: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let root = Path::Root;
    let (handler, place) = (text(object, "handler"), root.field("handler"));
    if old.is_some_and(|old| text(old, "handler") != handler) {
        let declared = version.has("DeclarativeValidationBeta");
        let shown = if declared { Value::Null } else { handler.into() };
        causes.push(field::invalid(&place, &shown, "field is immutable"));
    }
    if handler.is_empty() {
        causes.push(field::required(&place, ""));
    } else {
        field::each(&place, handler, &form::label(handler), causes);
    }
    let empty = Map::new();
    let overhead = at(object, &["overhead", "podFixed"]).and_then(Value::as_object);
    let place = root.field("overhead");
    let limits = place.field("limits");
    for (name, amount) in overhead.unwrap_or(&empty) {
        pod::resource(name, amount, &limits.key(name), causes);
    }
    let Some(scheduling) = set(object, "scheduling") else { return };
    let here = root.field("scheduling");
    if let Some(selector) = scheduling.get("nodeSelector").and_then(Value::as_object) {
        meta::check_labels(selector, &here.field("nodeSelector"), causes);
    }
    let place = here.field("tolerations");
    pod::tolerations(scheduling, &place, causes);
    let tolerations = list(scheduling, "tolerations");
    for (index, one) in tolerations.iter().enumerate() {
        if tolerations[..index].contains(one) {
            let of = |name: &str| Value::from(text(one, name));
            let shown = format!(
                "{{\"Key\":{},\"Operator\":{},\"Value\":{},\"Effect\":{},\"TolerationSeconds\":{}}}",
                of("key"),
                of("operator"),
                of("value"),
                of("effect"),
                part(one, "tolerationSeconds")
            );
            causes.push(field::duplicate_shown(&place.index(index), &shown));
        }
    }
}
