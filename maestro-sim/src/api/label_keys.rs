//! `matchLabelKeys` and `mismatchLabelKeys` of new pods: what they say of the pod's own labels is
//! written into the selectors beside them.
//!
//! Source: `mutatePodAffinity` and `mutateTopologySpreadConstraints` of
//! `k8s.io/kubernetes/pkg/registry/core/pod` (KEP-3633, KEP-3243).

use crate::json::{Map, Value, json};
use crate::object::at;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Completes the selectors of a pod's (anti-)affinity and spread constraints.
pub(super) fn settle(pod: &mut Value) {
    let has = |path: &[&str]| at(pod, path).is_some();
    if !has(&["spec", "affinity"]) && !has(&["spec", "topologySpreadConstraints"]) {
        return;
    }
    let labels = at(pod, &["metadata", "labels"]).and_then(Value::as_object).cloned();
    let (Some(labels), Some(spec)) = (labels, pod.get_mut("spec")) else { return };
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(kind) = spec.get_mut("affinity").and_then(|affinity| affinity.get_mut(kind))
        else {
            continue;
        };
        each(kind, REQUIRED, |term| complete(term, &labels));
        each(kind, PREFERRED, |weighted| {
            if let Some(term) = weighted.get_mut("podAffinityTerm") {
                complete(term, &labels);
            }
        });
    }
    each(spec, "topologySpreadConstraints", |constraint| complete(constraint, &labels));
}

fn each(of: &mut Value, list: &str, mut change: impl FnMut(&mut Value)) {
    let count = of.get(list).and_then(Value::as_array).map_or(0, |all| all.len());
    for index in 0..count {
        if let Some(element) = of.get_mut(list).and_then(|all| all.get_mut(index)) {
            change(element);
        }
    }
}

/// Adds to the selector of one term; a term without a selector takes no pods, and stays so.
fn complete(term: &mut Value, labels: &Map) {
    if term.get("labelSelector").is_none_or(Value::is_null) {
        return;
    }
    let told = [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")].into_iter();
    let told = told.flat_map(|(field, operator)| {
        let keys = term.get(field).and_then(Value::as_array).into_iter().flatten();
        keys.filter_map(Value::as_str).filter_map(move |key| {
            let value = labels.get(key)?;
            Some(json!({"key": key, "operator": operator, "values": [value]}))
        })
    });
    let told: Vec<Value> = told.collect();
    let Some(selector) = term.get_mut("labelSelector").and_then(Value::as_object_mut) else {
        return;
    };
    if told.is_empty() {
        return;
    }
    let all = selector.entry("matchExpressions").or_insert_with(|| json!([]));
    if !all.is_array() {
        *all = json!([]);
    }
    if let Some(all) = all.as_array_mut() {
        told.into_iter().for_each(|expression| all.push(expression));
    }
}
