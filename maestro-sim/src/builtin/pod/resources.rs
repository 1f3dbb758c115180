//! What containers ask for and are limited to.

use super::super::field::{self, Path};
use super::super::quota;
use super::super::text as form;
use crate::api::Cause;
use crate::json::{Map, Value};
use crate::quantity::Quantity;

/// Those that a container may have.
const OF_CONTAINERS: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Whether the resource needs no domain.
pub(in super::super) fn is_standard(name: &str) -> bool {
    name == "storage" || quota::KNOWN.contains(&name)
}

fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether the resource is Kubernetes' own, as those without a domain are.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && form::key(&format!("requests.{name}")).is_empty()
}

/// Whether there is no part of one.
pub(in super::super) fn is_whole(name: &str) -> bool {
    is_extended(name) || name == "pods"
}

/// The devices that a container claims, of those that its pod has.
pub(super) fn claims(resources: &Value, known: &[&str], path: &Path<'_>, causes: &mut Vec<Cause>) {
    let place = path.field("claims");
    let claims = field::list(resources, "claims");
    for (index, claim) in claims.iter().enumerate() {
        let (name, here) = (field::text(claim, "name"), place.index(index));
        if name.is_empty() {
            causes.push(field::required(&here, ""));
            continue;
        }
        if claims[..index].contains(claim) {
            causes.push(field::duplicate(&here, &name.into()));
        }
        if !known.contains(&name) {
            let shown = match known {
                [] => "empty".to_owned(),
                all => format!("{all:?}"),
            };
            let detail =
                format!("must be one of the names in pod.spec.resourceClaims which is {shown}");
            causes.push(field::not_found_because(&here, &name.into(), &detail));
        }
    }
}

/// The `resources` of a pod as a whole, which may be of a few sorts only.
pub(super) fn pod(resources: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let before = causes.len();
    for list in ["limits", "requests"] {
        let place = path.field(list);
        for name in resources.get(list).and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            let (here, problems) = (place.key(name), form::key(name));
            if !problems.is_empty() {
                field::each(&here, name, &problems, causes);
            } else if !matches!(name.as_str(), "cpu" | "memory") && !is_huge_pages(name) {
                let allowed = ["cpu", "hugepages-", "memory"];
                causes.push(field::not_supported(&here, &name.as_str().into(), &allowed));
            }
        }
    }
    if causes.len() == before {
        container(resources, path, causes);
    }
}

/// The `resources` of a container.
pub(super) fn container(resources: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let empty = Map::new();
    let of = |name: &str| resources.get(name).and_then(Value::as_object).unwrap_or(&empty);
    let (limits, requests) = (of("limits"), of("requests"));
    let (at_limits, at_requests) = (path.field("limits"), path.field("requests"));
    let mut huge = false;
    for (name, amount) in limits {
        one(name, amount, &at_limits.key(name), causes);
        huge |= is_huge_pages(name);
    }
    for (name, amount) in requests {
        one(name, amount, &at_requests.key(name), causes);
        huge |= is_huge_pages(name);
        let overcommit = is_native(name) && !is_huge_pages(name);
        match limits.get(name) {
            Some(limit) => compare(name, amount, limit, overcommit, &at_requests, causes),
            None if overcommit => {}
            None => {
                let detail = "Limit must be set for non overcommitable resources";
                causes.push(field::required(&at_limits, detail));
            }
        }
    }
    let plain = |map: &Map| map.contains_key("cpu") || map.contains_key("memory");
    if huge && !plain(limits) && !plain(requests) {
        causes.push(field::forbidden(path, "HugePages require cpu or memory"));
    }
}

fn compare(
    name: &str,
    request: &Value,
    limit: &Value,
    overcommit: bool,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    if request == limit {
        return;
    }
    let (Some(asked), Some(most)) = (amount(request), amount(limit)) else { return };
    let shown = limit.as_str().unwrap_or("");
    if asked != most && !overcommit {
        let detail = format!("must be equal to {name} limit of {shown}");
        causes.push(field::invalid(path, request, &detail));
    } else if asked > most {
        let detail = format!("must be less than or equal to {name} limit of {shown}");
        causes.push(field::invalid(path, request, &detail));
    }
}

fn amount(value: &Value) -> Option<Quantity> {
    value.as_str()?.parse().ok()
}

/// One amount under its name, in a list of resources.
pub(in super::super) fn one(name: &str, value: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    resource_name(name, path, causes);
    let negative = value.as_str().is_some_and(|text| text.starts_with('-'));
    if negative {
        causes.push(field::invalid(path, value, "must be greater than or equal to 0"));
    }
    if is_extended(name) && amount(value).is_some_and(|amount| amount.milli_value() % 1000 != 0) {
        causes.push(field::invalid(path, value, "must be an integer"));
    }
}

/// The name of something that containers can be given.
pub(in super::super) fn resource_name(name: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if OF_CONTAINERS.contains(&name) {
        return;
    }
    let problems = form::key(name);
    if !problems.is_empty() {
        field::each(path, name, &problems, causes);
    } else if !name.contains('/')
        && !is_standard(name)
        && !is_huge_pages(name.trim_start_matches("requests."))
    {
        let detail = "must be a standard resource type or fully qualified";
        causes.push(field::invalid(path, &name.into(), detail));
    }
    if !name.contains('/') {
        if !is_huge_pages(name) {
            let detail = "must be a standard resource for containers";
            causes.push(field::invalid(path, &name.into(), detail));
        }
    } else if !is_native(name) && !is_extended(name) {
        let detail = "doesn't follow extended resource name standard";
        causes.push(field::invalid(path, &name.into(), detail));
    }
}
