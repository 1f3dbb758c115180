//! Policies of admission and their bindings.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/admissionregistration/validation`.

use serde_json::Value;

use super::field::{self, Path};
use super::webhooks;
use crate::api::Cause;
use crate::facts::Version;
use crate::structural::cel;

/// What the expressions of a policy may name, besides `variables`.
const NAMES: [&str; 7] =
    ["object", "oldObject", "request", "params", "namespaceObject", "authorizer", "variables"];
/// The reasons that a validation may give.
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];

fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    value.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A ValidatingAdmissionPolicy.
pub(super) fn policy(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let spec = root.field("spec");
    let null = Value::Null;
    let fields = object.get("spec").unwrap_or(&null);
    field::word(fields, "failurePolicy", &["Fail", "Ignore"], &spec, causes);
    let constraints = spec.field("matchConstraints");
    match field::set(fields, "matchConstraints") {
        None => causes.push(field::required(&constraints, "")),
        Some(criteria) => {
            if field::list(criteria, "resourceRules").is_empty() {
                causes.push(field::required(&constraints.field("resourceRules"), ""));
            }
            let allowed = ["Equivalent", "Exact"];
            field::word(criteria, "matchPolicy", &allowed, &constraints, causes);
            for name in ["resourceRules", "excludeResourceRules"] {
                let place = constraints.field(name);
                for (index, rule) in field::list(criteria, name).iter().enumerate() {
                    webhooks::rule(rule, &place.index(index), causes);
                }
            }
        }
    }
    let conditions = spec.field("matchConditions");
    for (index, condition) in list(object, "/spec/matchConditions").iter().enumerate() {
        expression(condition, "expression", &conditions.index(index), causes);
    }
    let variables = spec.field("variables");
    for (index, variable) in list(object, "/spec/variables").iter().enumerate() {
        expression(variable, "expression", &variables.index(index), causes);
    }
    let (validations, annotations) = (spec.field("validations"), spec.field("auditAnnotations"));
    let (checks, notes) = (list(object, "/spec/validations"), "/spec/auditAnnotations");
    if checks.is_empty() && list(object, notes).is_empty() {
        let detail = "validations or auditAnnotations must contain at least one item";
        causes.push(field::required(&validations, detail));
        causes.push(field::required(&annotations, detail));
    }
    for (index, check) in checks.iter().enumerate() {
        let path = validations.index(index);
        expression(check, "expression", &path, causes);
        if !field::text(check, "messageExpression").is_empty() {
            expression(check, "messageExpression", &path, causes);
        }
        let given = field::text(check, "reason");
        if !given.is_empty() && !REASONS.contains(&given) {
            causes.push(field::not_supported(&path.field("reason"), &given.into(), &REASONS));
        }
    }
    for (index, note) in list(object, notes).iter().enumerate() {
        expression(note, "valueExpression", &annotations.index(index), causes);
    }
}

fn expression(holder: &Value, name: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let place = path.field(name);
    let source = field::text(holder, name);
    if source.trim().is_empty() {
        causes.push(field::required(&place, &format!("{name} is not specified")));
    } else if let Some(why) = cel::undeclared(source, &NAMES) {
        let detail = format!("compilation failed: {why}");
        causes.push(field::invalid(&place, &source.into(), &detail));
    }
}

/// The binding of a ValidatingAdmissionPolicy.
pub(super) fn binding(version: Version, object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let spec = root.field("spec");
    let actions = list(object, "/spec/validationActions");
    let place = spec.field("validationActions");
    let name = object.pointer("/spec/policyName").and_then(Value::as_str).unwrap_or("");
    // What is declared to be required is said last, and in no words of its own.
    let declared = version.has("DeclarativeValidationBeta");
    let nameless = name.is_empty().then(|| field::required(&spec.field("policyName"), ""));
    if !declared {
        causes.extend(nameless.clone());
    }
    if actions.is_empty() {
        let detail = if declared { "" } else { "at least one validation action is required" };
        causes.push(field::required(&place, detail));
    }
    let has = |action: &str| actions.iter().any(|own| own == action);
    if has("Deny") && has("Warn") {
        let detail = "must not contain both Deny and Warn (repeating the same validation failure \
                      information in the API response and headers serves no purpose)";
        causes.push(field::invalid(&place, &Value::from(actions.to_vec()), detail));
    }
    if declared {
        causes.extend(nameless);
    }
}
