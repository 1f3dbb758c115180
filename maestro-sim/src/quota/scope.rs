//! The scopes of a quota: which objects it is about at all.
//!
//! Source: <https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-scopes>.

use crate::json::Value;
use crate::kubelet::needs::qos_class;
use crate::object::{GroupResource, Object, at};

/// One demand: a scope, an operator, and values.
struct Demand<'q> {
    scope: &'q str,
    operator: &'q str,
    values: Vec<&'q str>,
}

fn demands(quota: &Object) -> impl Iterator<Item = Demand<'_>> {
    let plain = quota.items(&["spec", "scopes"]).iter().filter_map(Value::as_str);
    let plain = plain.map(|scope| Demand { scope, operator: "Exists", values: Vec::new() });
    let chosen = quota.items(&["spec", "scopeSelector", "matchExpressions"]).iter().map(|one| {
        let text = |field: &str| one.get(field).and_then(Value::as_str).unwrap_or("");
        let values = one.get("values").and_then(Value::as_array).into_iter().flatten();
        let values = values.filter_map(Value::as_str).collect();
        Demand { scope: text("scopeName"), operator: text("operator"), values }
    });
    plain.chain(chosen)
}

impl Demand<'_> {
    /// Whether one of the names fits, or none being there does.
    fn fits(&self, names: &[&str]) -> bool {
        let one_of = || names.iter().any(|name| self.values.contains(name));
        match self.operator {
            "Exists" => !names.is_empty(),
            "DoesNotExist" => names.is_empty(),
            "In" => one_of(),
            "NotIn" => names.is_empty() || names.iter().any(|name| !self.values.contains(name)),
            _ => false,
        }
    }
}

/// Whether all scopes of a quota hold for an object.
pub fn matches(quota: &Object, resource: &GroupResource, object: &Value) -> bool {
    let is = |plural: &str| resource.group.is_empty() && resource.resource == plural;
    let (pod, claim) = (is("pods"), is("persistentvolumeclaims"));
    demands(quota).all(|demand| match demand.scope {
        "Terminating" => pod && is_terminating(object),
        "NotTerminating" => pod && !is_terminating(object),
        "BestEffort" => pod && qos_class(object) == "BestEffort",
        "NotBestEffort" => pod && qos_class(object) != "BestEffort",
        "PriorityClass" => pod && demand.fits(&named(object, &[&["spec", "priorityClassName"]])),
        "CrossNamespacePodAffinity" => pod && reaches_out(object),
        "VolumeAttributesClass" => {
            let names = [
                &["spec", "volumeAttributesClassName"][..],
                &["status", "currentVolumeAttributesClassName"],
                &["status", "modifyVolumeStatus", "targetVolumeAttributesClassName"],
            ];
            claim && demand.fits(&named(object, &names))
        }
        _ => false,
    })
}

fn named<'o>(object: &'o Value, paths: &[&[&str]]) -> Vec<&'o str> {
    let texts = paths.iter().filter_map(|path| at(object, path).and_then(Value::as_str));
    texts.filter(|text| !text.is_empty()).collect()
}

/// Whether a pod ends by itself.
pub fn is_terminating(pod: &Value) -> bool {
    let deadline = at(pod, &["spec", "activeDeadlineSeconds"]).and_then(Value::as_i64);
    deadline.is_some_and(|seconds| seconds >= 0)
}

/// Whether a pod's affinity looks at pods of other namespaces.
fn reaches_out(pod: &Value) -> bool {
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let list = |when: &str| {
            let terms = at(pod, &["spec", "affinity", kind, when]).and_then(Value::as_array);
            terms.into_iter().flatten()
        };
        let required = list("requiredDuringSchedulingIgnoredDuringExecution");
        let preferred = list("preferredDuringSchedulingIgnoredDuringExecution");
        let preferred = preferred.filter_map(|term| term.get("podAffinityTerm"));
        required.chain(preferred).any(|term| {
            let names = term.get("namespaces").and_then(Value::as_array);
            names.is_some_and(|names| !names.is_empty()) || term.get("namespaceSelector").is_some()
        })
    })
}
