//! What a ResourceQuota counts: the usage of one object, and which quotas are about it.
//!
//! Read by admission, which charges what is new, and by the controller, which counts again.
//! Source: <https://kubernetes.io/docs/concepts/policy/resource-quotas/>,
//! `k8s.io/kubernetes/pkg/quota/v1/evaluator/core`, `k8s.io/apiserver/pkg/quota/v1`.

pub mod resources;
mod scope;

pub use scope::{is_terminating, matches as matches_scopes};

use crate::json::Value;
use crate::object::{GroupResource, Object, at, items};
use crate::quantity::Quantity;
use crate::scheduler::pod::Amounts;
use crate::time::unix_seconds;
use resources::{limits_in_use, requests_in_use};

/// The collection of quotas.
pub const QUOTAS: GroupResource = GroupResource::new("", "resourcequotas");

/// What precedes a storage class's own share in the name of a resource.
const CLASS: &str = ".storageclass.storage.k8s.io/";
/// What follows a device class's name in that of the resource that counts its devices.
const DEVICES: &str = ".deviceclass.resource.k8s.io/devices";
/// The devices that one request is given at most.
const MOST_DEVICES: i64 = 32;
/// Claims of devices.
const DEVICE_CLAIMS: GroupResource = GroupResource::new("resource.k8s.io", "resourceclaims");
/// Resources of which every container must say how much it wants, once a quota counts them.
const DEMANDED: [&str; 6] =
    ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
const POD: [&str; 10] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
];
const SERVICE: [&str; 3] = ["services", "services.nodeports", "services.loadbalancers"];
const CLAIM: [&str; 2] = ["persistentvolumeclaims", "requests.storage"];

/// The resource that counts the objects of a collection.
pub fn count_name(resource: &GroupResource) -> String {
    format!("count/{resource}")
}

/// Whether a collection has the older name of its count, which is its own.
fn has_alias(resource: &GroupResource) -> bool {
    let old = ["configmaps", "resourcequotas", "replicationcontrollers", "secrets"];
    resource.group.is_empty() && old.contains(&&*resource.resource)
}

/// Whether a resource of a quota is about the objects of a collection.
pub fn is_about(resource: &GroupResource, name: &str) -> bool {
    if name == count_name(resource) {
        return true;
    }
    match (&*resource.group, &*resource.resource) {
        ("", "pods") => {
            POD.contains(&name)
                || name.starts_with("hugepages-")
                || name.starts_with("requests.hugepages-")
                || is_extended(name)
        }
        ("", "services") => SERVICE.contains(&name),
        ("", "persistentvolumeclaims") => {
            let of_class = |own: &&str| name.strip_suffix(*own).is_some_and(|n| n.ends_with(CLASS));
            CLAIM.contains(&name) || CLAIM.iter().any(of_class)
        }
        ("resource.k8s.io", "resourceclaims") => name.ends_with(DEVICES),
        _ => has_alias(resource) && name == resource.resource,
    }
}

/// Whether a quota counts requests of a resource that Kubernetes does not know itself.
fn is_extended(name: &str) -> bool {
    let Some(inner) = name.strip_prefix("requests.") else { return false };
    let native = |name: &str| !name.contains('/') || name.contains("kubernetes.io/");
    !native(name) || inner.starts_with("deviceclass.resource.kubernetes.io/")
}

/// The collection that a resource of a quota is about, for the controller's watches.
pub fn collection_of(name: &str) -> GroupResource {
    if let Some(counted) = name.strip_prefix("count/") {
        let (resource, group) = counted.split_once('.').unwrap_or((counted, ""));
        return GroupResource::owned(group, resource);
    }
    if is_about(&DEVICE_CLAIMS, name) {
        return DEVICE_CLAIMS;
    }
    let known = ["services", "persistentvolumeclaims"].map(|plural| GroupResource::new("", plural));
    if let Some(resource) = known.into_iter().find(|resource| is_about(resource, name)) {
        return resource;
    }
    let alias = GroupResource::owned("", name);
    if has_alias(&alias) { alias } else { GroupResource::new("", "pods") }
}

pub use crate::scheduler::pod::add;

/// What one object uses. `now` is in seconds since the epoch: a pod whose end is overdue uses
/// nothing but its place.
pub fn usage(resource: &GroupResource, object: &Value, now: i64) -> Amounts {
    let one = Quantity::units(1);
    let mut used = Amounts::from([(count_name(resource), one)]);
    match (&*resource.group, &*resource.resource) {
        ("", "pods") if counts(object, now) => {
            used.extend(compute(&requests_in_use(object), &limits_in_use(object)));
        }
        ("", "pods") => {}
        ("", "services") => service(object, &mut used),
        ("", "persistentvolumeclaims") => claim(object, &mut used),
        ("resource.k8s.io", "resourceclaims") => add(&mut used, &devices(object)),
        _ if has_alias(resource) => {
            used.insert(resource.resource.to_string(), one);
        }
        _ => {}
    }
    used
}

/// Whether a pod is not at its end.
pub fn counts(pod: &Value, now: i64) -> bool {
    let phase = at(pod, &["status", "phase"]).and_then(Value::as_str).unwrap_or("");
    let deleted = at(pod, &["metadata", "deletionTimestamp"]).and_then(Value::as_str);
    let grace = at(pod, &["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64);
    let overdue = match (deleted.and_then(unix_seconds), grace) {
        (Some(end), Some(grace)) => now > end + grace,
        _ => false,
    };
    !matches!(phase, "Failed" | "Succeeded") && !overdue
}

/// Requests and limits under the names that quotas have for them.
fn compute(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut used = Amounts::from([("pods".to_owned(), Quantity::units(1))]);
    for (name, amount) in requests {
        let native = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        if native || name.starts_with("hugepages-") {
            used.insert(name.clone(), *amount);
        }
        if native || name.starts_with("hugepages-") || name.contains('/') {
            used.insert(format!("requests.{name}"), *amount);
        }
    }
    for (name, amount) in limits {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            used.insert(format!("limits.{name}"), *amount);
        }
    }
    used
}

fn service(object: &Value, used: &mut Amounts) {
    let text = |field: &str| at(object, &["spec", field]).and_then(Value::as_str).unwrap_or("");
    let ports = at(object, &["spec", "ports"]).and_then(Value::as_array);
    let ports = ports.map_or(&[][..], |list| list.as_slice());
    let units = |count: usize| Quantity::units(i64::try_from(count).unwrap_or(i64::MAX));
    let (mut balanced, mut open) = (0, 0);
    match text("type") {
        "NodePort" => open = ports.len(),
        "LoadBalancer" => {
            balanced = 1;
            let allocates = at(object, &["spec", "allocateLoadBalancerNodePorts"]);
            let has_port = |port: &&Value| port["nodePort"].as_i64().unwrap_or(0) != 0;
            open = match allocates.and_then(Value::as_bool) {
                Some(false) => ports.iter().filter(has_port).count(),
                _ => ports.len(),
            };
        }
        _ => {}
    }
    for (name, count) in SERVICE.into_iter().zip([1, open, balanced]) {
        used.insert(name.to_owned(), units(count));
    }
}

/// Whole bytes, rounded up.
fn rounded(amount: Quantity) -> Quantity {
    match amount.milli_value() % 1000 {
        0 => amount,
        _ => Quantity::units(amount.value()),
    }
}

fn claim(object: &Value, used: &mut Amounts) {
    let amount = |path: &[&str]| {
        let text = at(object, path).and_then(Value::as_str)?;
        text.parse::<Quantity>().ok().map(rounded)
    };
    let asked = amount(&["spec", "resources", "requests", "storage"]);
    let given = amount(&["status", "allocatedResources", "storage"]);
    let storage = asked.map(|asked| given.filter(|given| *given > asked).unwrap_or(asked));
    let beta = ["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"];
    let class = at(object, &beta).or_else(|| at(object, &["spec", "storageClassName"]));
    let class = class.and_then(Value::as_str).filter(|class| !class.is_empty());
    for (name, amount) in CLAIM.into_iter().zip([Some(Quantity::units(1)), storage]) {
        let Some(amount) = amount else { continue };
        used.insert(name.to_owned(), amount);
        if let Some(class) = class {
            used.insert(format!("{class}{CLASS}{name}"), amount);
        }
    }
}

/// The devices of each class that a claim is given at most. Of alternatives the largest counts.
fn devices(claim: &Value) -> Amounts {
    let count = |request: &Value| {
        let text = |field: &str| request.get(field).and_then(Value::as_str).unwrap_or("");
        let number = match text("allocationMode") {
            "ExactCount" => request.get("count").and_then(Value::as_i64).unwrap_or(0),
            // Nobody knows how many there are.
            "All" => MOST_DEVICES,
            _ => 0,
        };
        (format!("{}{DEVICES}", text("deviceClassName")), Quantity::units(number))
    };
    let mut used = Amounts::new();
    for request in items(claim, &["spec", "devices", "requests"]) {
        let mut of_request = Amounts::new();
        for alternative in items(request, &["firstAvailable"]) {
            let (class, number) = count(alternative);
            let most = of_request.entry(class).or_default();
            *most = number.max(*most);
        }
        if let Some(exactly) = request.get("exactly").filter(|_| of_request.is_empty()) {
            of_request.extend([count(exactly)]);
        }
        add(&mut used, &of_request);
    }
    used
}

/// What the containers of a pod do not say though a quota demands it, as it is told.
pub fn unsaid<'n>(pod: &Value, names: impl Iterator<Item = &'n str>) -> Option<String> {
    if at(pod, &["spec", "resources"]).is_some_and(resources::is_set) {
        return None;
    }
    let mut demanded: Vec<&str> = names.filter(|name| DEMANDED.contains(name)).collect();
    demanded.sort_unstable();
    let told: Vec<String> = demanded
        .into_iter()
        .filter_map(|name| {
            let silent = |container: &&Value| {
                let of = |kind: &str| resources::amounts(at(container, &["resources", kind]));
                !compute(&of("requests"), &of("limits")).contains_key(name)
            };
            let mut without: Vec<&str> = resources::containers(pod)
                .filter(silent)
                .filter_map(|container| container.get("name")?.as_str())
                .collect();
            without.sort_unstable();
            without.dedup();
            (!without.is_empty()).then(|| format!("{name} for: {}", without.join(",")))
        })
        .collect();
    (!told.is_empty()).then(|| format!("must specify {}", told.join("; ")))
}

/// The amounts of a quota at a place of its status or spec.
pub fn amounts(quota: &Object, path: &[&str]) -> Amounts {
    resources::amounts(quota.at(path))
}
