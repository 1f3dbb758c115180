//! What a pod takes of its node while it is resized: the most of what it asks for, was given and
//! has. A resize that can never be had counts as if it were not asked for.
//!
//! Source: `AggregateContainerRequests` of `k8s.io/component-helpers/resource`, KEP-1287.

use crate::json::Value;
use crate::kubelet::resize::PENDING;
use crate::object::{at, items, text};
use crate::scheduler::pod::{Amounts, amounts, raise, together};

/// `requests` or `limits` of the containers together, for a pod whose status tells of others than
/// its spec. `None` for any other pod: there they are what the spec says.
///
/// `complete` fills into what one container has what it does not say.
pub fn of_containers(
    pod: &Value,
    kind: &str,
    complete: impl Fn(Amounts) -> Amounts,
) -> Option<Amounts> {
    let told = |container: &Value| {
        let name = text(container, &["name"]);
        let lists = ["containerStatuses", "initContainerStatuses"].into_iter();
        let mut all = lists.flat_map(|list| items(pod, &["status", list]));
        let status = all.find(|status| text(status, &["name"]) == name)?;
        let given = status.get("allocatedResources").filter(|_| kind == "requests");
        Some((given, at(status, &["resources", kind])))
    };
    let lists = ["containers", "initContainers"].into_iter();
    let differs = lists.flat_map(|list| items(pod, &["spec", list])).any(|container| {
        let asked = at(container, &["resources", kind]);
        let differs = |told: Option<&Value>| told.is_some() && told != asked;
        told(container).is_some_and(|(given, has)| differs(given) || differs(has))
    });
    if !differs {
        return None;
    }
    let asked = |container: &Value| at(container, &["resources", kind]).cloned();
    let given = |container: &Value| told(container)?.0.cloned();
    let has = |container: &Value| told(container)?.1.cloned();
    let hopeless = is_infeasible(pod);
    let rest = |container: &Value| asked(container).filter(|_| !hopeless);
    let sum = |of: &dyn Fn(&Value) -> Option<Value>| {
        together(pod, |container| complete(amounts(of(container).as_ref())))
    };
    let mut total = if hopeless { Amounts::new() } else { sum(&asked) };
    if kind == "requests" {
        raise(&mut total, &sum(&|container| given(container).or_else(|| rest(container))));
    }
    let actual =
        |container: &Value| has(container).or_else(|| given(container)).or_else(|| rest(container));
    raise(&mut total, &sum(&actual));
    Some(total)
}

/// Whether the node can never give what the pod asks for.
fn is_infeasible(pod: &Value) -> bool {
    let mut all = items(pod, &["status", "conditions"]).iter();
    let pending = all.find(|condition| text(condition, &["type"]) == PENDING);
    pending.is_some_and(|condition| text(condition, &["reason"]) == "Infeasible")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_counts() {
        let check = |asked: &str, given: &str, has: &str, reason: &str, cpu: Option<&str>| {
            let pod = crate::json::json!({
                "spec": {"containers": [
                    {"name": "a", "resources": {"requests": {"cpu": asked}}},
                    {"name": "b", "resources": {"requests": {"cpu": "1"}}},
                ]},
                "status": {
                    "containerStatuses": [{"name": "a", "allocatedResources": {"cpu": given},
                        "resources": {"requests": {"cpu": has}}}],
                    "conditions": [{"type": "PodResizePending", "reason": reason}],
                },
            });
            let total = of_containers(&pod, "requests", |amounts| amounts);
            let found = total.map(|total| total["cpu"].to_string());
            assert_eq!(found.as_deref(), cpu, "{asked} {given} {has} {reason}");
        };
        check("1", "1", "1", "", None);
        check("2", "1", "1", "Deferred", Some("3"));
        check("2", "2", "1", "", Some("3"));
        check("1", "1", "3", "", Some("4"));
        check("9", "1", "1", "Infeasible", Some("1"));
    }
}
