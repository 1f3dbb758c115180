//! What the containers of a pod ask for together, and what they are limited to.
//!
//! Source: `k8s.io/component-helpers/resource/helpers.go`.

use crate::json::Value;
use crate::object::at;
use crate::scheduler::in_use;
pub use crate::scheduler::pod::amounts;
use crate::scheduler::pod::{Amounts, add, together};

/// The containers of a pod, then those that initialise it.
pub fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["containers", "initContainers"].into_iter();
    lists.filter_map(move |list| at(pod, &["spec", list])?.as_array()).flatten()
}

/// Whether the pod as a whole asks for, or is limited to, something that a pod as a whole can.
pub fn is_set(resources: &Value) -> bool {
    ["requests", "limits"].iter().any(|kind| {
        let list = resources.get(kind).and_then(Value::as_object);
        list.is_some_and(|list| list.keys().any(|name| of_pods(name)))
    })
}

/// Whether a pod as a whole may ask for it.
fn of_pods(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

/// What a pod asks for by its spec alone, without its overhead.
pub fn requests(pod: &Value) -> Amounts {
    let whole = together(pod, |container| amounts(at(container, &["resources", "requests"])));
    with_own(pod, "requests", whole)
}

/// What a pod is limited to by its spec alone, without its overhead.
pub fn limits(pod: &Value) -> Amounts {
    let whole = together(pod, |container| amounts(at(container, &["resources", "limits"])));
    with_own(pod, "limits", whole)
}

/// What a pod uses of requests, with its overhead, and with what it holds while it is resized.
pub fn requests_in_use(pod: &Value) -> Amounts {
    let resized = in_use::of_containers(pod, "requests", |amounts| amounts);
    let mut total = resized.map_or_else(|| requests(pod), |all| with_own(pod, "requests", all));
    add(&mut total, &amounts(at(pod, &["spec", "overhead"])));
    total
}

/// The same of limits. Overhead counts where there is a limit at all.
pub fn limits_in_use(pod: &Value) -> Amounts {
    let resized = in_use::of_containers(pod, "limits", |amounts| amounts);
    let mut total = resized.map_or_else(|| limits(pod), |all| with_own(pod, "limits", all));
    for (name, amount) in amounts(at(pod, &["spec", "overhead"])) {
        if let Some(limit) = total.get_mut(&name).filter(|limit| !limit.is_zero()) {
            *limit = *limit + amount;
        }
    }
    total
}

/// What the pod as a whole says replaces what its containers say.
fn with_own(pod: &Value, kind: &str, mut total: Amounts) -> Amounts {
    let whole = amounts(at(pod, &["spec", "resources", kind]));
    total.extend(whole.into_iter().filter(|(name, _)| of_pods(name)));
    total
}
