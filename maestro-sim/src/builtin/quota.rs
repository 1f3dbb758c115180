//! ResourceQuotas.
//!
//! Source: `ValidateResourceQuota` of `k8s.io/kubernetes/pkg/apis/core/validation`.

use super::field::{self, Path, list, part};
use super::text as form;
use crate::api::Cause;
use crate::json::Value;
use crate::quantity::Quantity;

/// What a quota can limit besides what is written with a domain.
pub(super) const KNOWN: &[&str] = &[
    "configmaps",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

/// What is counted in whole numbers.
const COUNTED: &[&str] = &[
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

/// What scopes of pods can be combined with.
const OF_PODS: &[&str] =
    &["pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];

const SCOPES: &[&str] = &[
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];

/// A quota, whose scopes stay what they were.
pub(super) fn quota(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let null = Value::Null;
    let spec = part(object, "spec");
    amounts(spec, "hard", &path, causes);
    let shown = spec.get("scopes").filter(|scopes| !scopes.is_null()).unwrap_or(&null);
    let place = path.field("scopes");
    for scope in list(spec, "scopes").iter().filter_map(Value::as_str) {
        if !SCOPES.contains(&scope) {
            causes.push(field::invalid(&place, shown, "unsupported scope"));
        }
        if is_beside(spec, scope) {
            let detail = "unsupported scope applied to resource";
            causes.push(field::invalid(&place, shown, detail));
        }
    }
    let both =
        |a: &str, b: &str| [a, b].iter().all(|s| list(spec, "scopes").iter().any(|x| x == s));
    if both("BestEffort", "NotBestEffort") || both("Terminating", "NotTerminating") {
        causes.push(field::invalid(&place, shown, "conflicting scopes"));
    }
    let selector = path.field("scopeSelector");
    let here = selector.field("matchExpressions");
    let rules = part(spec, "scopeSelector");
    for rule in list(rules, "matchExpressions") {
        let (name, operator) = (field::text(rule, "scopeName"), field::text(rule, "operator"));
        if !SCOPES.contains(&name) {
            let place = here.field("scopeName");
            causes.push(field::invalid(&place, &name.into(), "unsupported scope"));
        }
        if is_beside(spec, name) {
            let detail = "unsupported scope applied to resource";
            causes.push(field::invalid_shown(&here, &as_go(rules), detail));
        }
        let values = list(rule, "values");
        match operator {
            "In" | "NotIn" if values.is_empty() => {
                let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for \
                              scope selector";
                causes.push(field::required(&here.field("values"), detail));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for \
                              scope selector";
                let shown = Value::from(values.to_vec());
                causes.push(field::invalid(&here.field("values"), &shown, detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                let detail = "not a valid selector operator";
                causes.push(field::invalid(&here.field("operator"), &other.into(), detail));
            }
        }
    }
    if let Some(old) = old {
        let sorted = |quota: &Value| {
            let scopes = quota.pointer("/spec/scopes").and_then(Value::as_array);
            let mut all: Vec<String> =
                scopes.into_iter().flatten().map(ToString::to_string).collect();
            all.sort();
            all
        };
        if sorted(old) != sorted(object) {
            causes.push(field::invalid(&place, shown, "field is immutable"));
        }
    }
}

/// Whether a quota limits something that a scope is not about.
fn is_beside(spec: &Value, scope: &str) -> bool {
    let fits = |name: &str| match scope {
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        _ => OF_PODS.contains(&name) || !SCOPES.contains(&scope),
    };
    let hard = spec.get("hard").and_then(Value::as_object).into_iter().flatten();
    let mut names = hard.map(|(name, _)| name.as_str()).filter(|name| KNOWN.contains(name));
    names.any(|name| !fits(name))
}

/// A selector of scopes as Go writes its own struct.
fn as_go(selector: &Value) -> String {
    let rules = list(selector, "matchExpressions").iter().map(|rule| {
        let of = |field: &str| rule.get(field).map_or_else(|| "null".to_owned(), Value::to_string);
        let (scope, operator, values) = (of("scopeName"), of("operator"), of("values"));
        format!("{{\"ScopeName\":{scope},\"Operator\":{operator},\"Values\":{values}}}")
    });
    format!("{{\"MatchExpressions\":[{}]}}", rules.collect::<Vec<_>>().join(","))
}

/// The status of a quota.
pub(super) fn status(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let status = part(object, "status");
    let path = root.field("status");
    amounts(status, "hard", &path, causes);
    amounts(status, "used", &path, causes);
}

fn amounts(holder: &Value, name: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let all = path.field(name);
    let amounts = holder.get(name).and_then(Value::as_object);
    for (name, amount) in amounts.into_iter().flatten() {
        let place = all.key(name);
        let problems = form::key(name);
        field::each(&place, name, &problems, causes);
        if !name.contains('/') && !KNOWN.contains(&name.as_str()) {
            let of_name = "must be a standard resource type or fully qualified";
            for detail in [of_name, "must be a standard resource for quota"] {
                let huge = name.contains("hugepages-");
                if !huge && (problems.is_empty() || detail != of_name) {
                    causes.push(field::invalid(&place, &name.as_str().into(), detail));
                }
            }
        }
        if amount.as_str().is_some_and(|amount| amount.starts_with('-')) {
            causes.push(field::invalid(&place, amount, "must be greater than or equal to 0"));
        }
        let parsed = amount.as_str().and_then(|text| text.parse::<Quantity>().ok());
        if COUNTED.contains(&name.as_str())
            && parsed.is_some_and(|amount| amount.milli_value() % 1000 != 0)
        {
            causes.push(field::invalid(&place, amount, "must be an integer"));
        }
    }
}
