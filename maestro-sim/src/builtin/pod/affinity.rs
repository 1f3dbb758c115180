//! Where pods may, should and should not run.

use super::super::field::{self, Path, int, list, part, set, text};
use super::super::{meta, text as form};
use crate::api::Cause;
use crate::json::Value;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// The affinity of a pod spec.
pub(super) fn affinity(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let Some(affinity) = set(spec, "affinity") else { return };
    if let Some(of_nodes) = set(affinity, "nodeAffinity") {
        let here = path.field("nodeAffinity");
        if let Some(selector) = set(of_nodes, REQUIRED) {
            node_selector(selector, &here.field(REQUIRED), causes);
        }
        let preferred = here.field(PREFERRED);
        for (index, term) in list(of_nodes, PREFERRED).iter().enumerate() {
            let place = preferred.index(index);
            weight(term, &place, causes);
            if let Some(preference) = set(term, "preference") {
                node_term(preference, false, &place.field("preference"), causes);
            }
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(of_pods) = set(affinity, kind) else { continue };
        let here = path.field(kind);
        let required = here.field(REQUIRED);
        for (index, term) in list(of_pods, REQUIRED).iter().enumerate() {
            pod_term(term, &required.index(index), causes);
        }
        let preferred = here.field(PREFERRED);
        for (index, weighted) in list(of_pods, PREFERRED).iter().enumerate() {
            let place = preferred.index(index);
            weight(weighted, &place, causes);
            let term = part(weighted, "podAffinityTerm");
            pod_term(term, &place.field("podAffinityTerm"), causes);
        }
    }
}

fn weight(term: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let weight = int(term, "weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        let detail = "must be in the range 1-100";
        causes.push(field::invalid(&path.field("weight"), &weight.into(), detail));
    }
}

/// A node selector, which has terms.
pub(in super::super) fn node_selector(selector: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let here = path.field("nodeSelectorTerms");
    let terms = list(selector, "nodeSelectorTerms");
    if terms.is_empty() {
        let detail = "must have at least one node selector term";
        causes.push(field::required(&here, detail));
    }
    for (index, term) in terms.iter().enumerate() {
        node_term(term, true, &here.index(index), causes);
    }
}

fn node_term(term: &Value, strict: bool, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let expressions = path.field("matchExpressions");
    for (index, rule) in list(term, "matchExpressions").iter().enumerate() {
        meta::requirement(rule, &["Gt", "Lt"], strict, &expressions.index(index), causes);
    }
    let fields = path.field("matchFields");
    for (index, rule) in list(term, "matchFields").iter().enumerate() {
        field_rule(rule, &fields.index(index), causes);
    }
}

fn field_rule(rule: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let (values, operator) = (list(rule, "values"), text(rule, "operator"));
    if !matches!(operator, "In" | "NotIn") {
        let detail = "not a valid selector operator";
        causes.push(field::invalid(&path.field("operator"), &operator.into(), detail));
    } else if values.len() != 1 {
        let detail =
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
        causes.push(field::required(&path.field("values"), detail));
    }
    let key = text(rule, "key");
    if key != "metadata.name" {
        let detail = "not a valid field selector key";
        causes.push(field::invalid(&path.field("key"), &key.into(), detail));
        return;
    }
    let place = path.field("values");
    for (index, value) in values.iter().enumerate() {
        let value = value.as_str().unwrap_or("");
        field::each(&place.index(index), value, &form::subdomain(value), causes);
    }
}

fn pod_term(term: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for name in ["labelSelector", "namespaceSelector"] {
        if let Some(selector) = set(term, name) {
            meta::label_selector(selector, &path.field(name), causes);
        }
    }
    for name in list(term, "namespaces") {
        let name = name.as_str().unwrap_or("");
        field::each(&path.field("namespace"), name, &form::label(name), causes);
    }
    label_keys(term, path, causes);
    let key = text(term, "topologyKey");
    let place = path.field("topologyKey");
    if key.is_empty() {
        causes.push(field::required(&place, "can not be empty"));
    }
    field::each(&place, key, &form::key(key), causes);
}

/// The keys of labels by whose values a selector is made narrower.
/// `matchLabelKeys` and `mismatchLabelKeys`, after the selector took over what they say.
fn label_keys(term: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let selector = set(term, "labelSelector");
    for name in ["matchLabelKeys", "mismatchLabelKeys"] {
        let (keys, place) = (list(term, name), path.field(name));
        if selector.is_none() && !keys.is_empty() {
            let detail = "must not be specified when labelSelector is not set";
            causes.push(field::forbidden(&place, detail));
            continue;
        }
        for (index, key) in keys.iter().enumerate() {
            let key = key.as_str().unwrap_or("");
            field::each(&place.index(index), key, &form::key(key), causes);
        }
    }
    let keys = list(term, "matchLabelKeys");
    let exact = selector.and_then(|s| set(s, "matchLabels")).and_then(Value::as_object);
    let mut selected: Vec<&str> =
        exact.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    for expression in selector.map_or(&[][..], |s| list(s, "matchExpressions")) {
        let key = text(expression, "key");
        let index = keys.iter().rposition(|k| k.as_str() == Some(key));
        if let Some(index) = index.filter(|_| selected.contains(&key)) {
            let detail = "exists in both matchLabelKeys and labelSelector";
            causes.push(field::invalid(&path.index(index), &key.into(), detail));
        }
        selected.push(key);
    }
    let apart = list(term, "mismatchLabelKeys");
    for (index, key) in keys.iter().enumerate().filter(|(_, key)| apart.contains(key)) {
        let place = path.field("matchLabelKeys");
        let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
        causes.push(field::invalid(&place.index(index), key, detail));
    }
}

/// The constraints on how pods spread.
pub(super) fn spread(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let constraints = list(spec, "topologySpreadConstraints");
    for (index, constraint) in constraints.iter().enumerate() {
        let here = path.index(index);
        positive(constraint, "maxSkew", &here, causes);
        let (key, otherwise) =
            (text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable"));
        if key.is_empty() {
            causes.push(field::required(&here.field("topologyKey"), "can not be empty"));
        }
        let allowed = ["DoNotSchedule", "ScheduleAnyway"];
        if !allowed.contains(&otherwise) {
            let place = here.field("whenUnsatisfiable");
            causes.push(field::not_supported(&place, &otherwise.into(), &allowed));
        }
        let same = |other: &Value| {
            text(other, "topologyKey") == key && text(other, "whenUnsatisfiable") == otherwise
        };
        if constraints[index + 1..].iter().any(same) {
            let shown = format!("{{{key}, {otherwise}}}");
            let place = here.field("{topologyKey, whenUnsatisfiable}");
            causes.push(field::duplicate(&place, &shown.into()));
        }
        if let Some(domains) = set(constraint, "minDomains") {
            positive(constraint, "minDomains", &here, causes);
            if otherwise != "DoNotSchedule" {
                let detail = format!(
                    "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {otherwise}"
                );
                causes.push(field::invalid(&here.field("minDomains"), domains, &detail));
            }
        }
        for name in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            field::word(constraint, name, &["Honor", "Ignore"], &here, causes);
        }
        label_keys(constraint, &here, causes);
        if let Some(selector) = set(constraint, "labelSelector") {
            meta::label_selector(selector, &here.field("labelSelector"), causes);
        }
    }
}

fn positive(value: &Value, name: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let number = int(value, name).unwrap_or(0);
    if number <= 0 {
        let detail = "must be greater than zero";
        causes.push(field::invalid(&path.field(name), &number.into(), detail));
    }
}
