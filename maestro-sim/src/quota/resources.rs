//! What the containers of a pod ask for together, and what they are limited to.
//!
//! Source: `k8s.io/component-helpers/resource/helpers.go`.

use crate::json::Value;
use crate::object::at;
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

/// What a pod asks for, with its overhead or without.
pub fn requests(pod: &Value, overhead: bool) -> Amounts {
    let mut total = total(pod, "requests");
    if overhead {
        add(&mut total, &amounts(at(pod, &["spec", "overhead"])));
    }
    total
}

/// What a pod is limited to. Overhead counts where there is a limit at all.
pub fn limits(pod: &Value, overhead: bool) -> Amounts {
    let mut total = total(pod, "limits");
    if overhead {
        for (name, amount) in amounts(at(pod, &["spec", "overhead"])) {
            if let Some(limit) = total.get_mut(&name).filter(|limit| !limit.is_zero()) {
                *limit = *limit + amount;
            }
        }
    }
    total
}

fn total(pod: &Value, kind: &str) -> Amounts {
    let mut total = together(pod, |container| amounts(at(container, &["resources", kind])));
    let whole = amounts(at(pod, &["spec", "resources", kind]));
    total.extend(whole.into_iter().filter(|(name, _)| of_pods(name)));
    total
}
