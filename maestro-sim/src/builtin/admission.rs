//! Policies of admission and their bindings.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/admissionregistration/validation`.

use super::field::{self, Path, part};
use super::{meta, text as form, webhooks};
use crate::api::Cause;
use crate::facts::Version;
use crate::json::Value;
use crate::structural::cel::{Kind, Seen};

/// The reasons that a validation may give.
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];

fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    value.pointer(path).and_then(Value::as_array).map_or(&[], |list| list.as_slice())
}

/// A ValidatingAdmissionPolicy.
pub(super) fn policy(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let spec = root.field("spec");
    let fields = part(object, "spec");
    field::word(fields, "failurePolicy", &["Fail", "Ignore"], &spec, causes);
    let constraints = spec.field("matchConstraints");
    match field::set(fields, "matchConstraints") {
        None => causes.push(field::required(&constraints, "")),
        Some(criteria) => {
            if field::list(criteria, "resourceRules").is_empty() {
                causes.push(field::required(&constraints.field("resourceRules"), ""));
            }
            matched(criteria, &constraints, causes);
        }
    }
    let has_params = field::set(fields, "paramKind").is_some();
    let before = Seen::by_conditions(has_params);
    let mut seen = Seen::by_policies(has_params);
    let conditions = spec.field("matchConditions");
    for (index, condition) in list(object, "/spec/matchConditions").iter().enumerate() {
        let path = conditions.index(index);
        if field::text(condition, "expression").trim().is_empty() {
            causes.push(field::required(&path.field("expression"), ""));
        } else {
            expression(condition, "expression", &before, &["bool"], &path, causes);
        }
        match field::text(condition, "name") {
            "" => causes.push(field::required(&path.field("name"), "")),
            name => field::each(&path.field("name"), name, &form::key(name), causes),
        }
    }
    if let Some(kind) = field::set(fields, "paramKind") {
        parameters(kind, &spec.field("paramKind"), causes);
    }
    let variables = spec.field("variables");
    for (index, variable) in list(object, "/spec/variables").iter().enumerate() {
        let path = variables.index(index);
        match field::text(variable, "name") {
            "" => causes.push(field::required(&path.field("name"), "name is not specified")),
            name if !is_identifier(name) => {
                let detail = "must be a valid CEL identifier";
                causes.push(field::invalid(&path.field("name"), &name.into(), detail));
            }
            _ => {}
        }
        if let Some(kind) = expression(variable, "expression", &seen, &[], &path, causes) {
            seen.add_variable(field::text(variable, "name"), kind);
        }
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
        expression(check, "expression", &seen, &["bool"], &path, causes);
        if !field::text(check, "messageExpression").is_empty() {
            expression(check, "messageExpression", &seen, &["string"], &path, causes);
        }
        field::word(check, "reason", &REASONS, &path, causes);
    }
    for (index, note) in list(object, notes).iter().enumerate() {
        let path = annotations.index(index);
        let policy = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("");
        let key = format!("{policy}/{}", field::text(note, "key"));
        field::each(&path.field("key"), &key, &form::key(&key), causes);
        expression(note, "valueExpression", &seen, &["string", "null_type"], &path, causes);
    }
}

fn is_identifier(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    name.bytes().all(inner) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Which requests a policy is about.
fn matched(criteria: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    field::word(criteria, "matchPolicy", &["Equivalent", "Exact"], path, causes);
    for name in ["namespaceSelector", "objectSelector"] {
        if let Some(selector) = field::set(criteria, name) {
            meta::label_selector(selector, &path.field(name), causes);
        }
    }
    for name in ["resourceRules", "excludeResourceRules"] {
        let place = path.field(name);
        for (index, rule) in field::list(criteria, name).iter().enumerate() {
            let here = place.index(index);
            let names = here.field("resourceNames");
            for (index, name) in field::list(rule, "resourceNames").iter().enumerate() {
                let name = name.as_str().unwrap_or("");
                field::each(&names.index(index), name, &form::segment(name), causes);
            }
            webhooks::rule(rule, &here, causes);
        }
    }
}

/// The kind of the parameters that a policy takes.
fn parameters(kind: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let (whole, place) = (field::text(kind, "apiVersion"), path.field("apiVersion"));
    if whole.is_empty() {
        causes.push(field::required(&place, ""));
    } else {
        let (group, version) = whole.split_once('/').unwrap_or(("", whole));
        if whole.matches('/').count() > 1 {
            let detail = format!("unexpected GroupVersion string: {whole}");
            causes.push(field::invalid(&place, &whole.into(), &detail));
        } else {
            if !group.is_empty() {
                field::each(&place, group, &form::subdomain(group), causes);
            }
            field::each(&place, version, &form::label_1035(version), causes);
        }
    }
    let (name, place) = (field::text(kind, "kind"), path.field("kind"));
    if name.is_empty() {
        causes.push(field::required(&place, ""));
    } else {
        let problems = form::label_1035(&name.to_lowercase());
        if !problems.is_empty() {
            let detail =
                format!("may have mixed case, but should otherwise match: {}", problems.join(","));
            causes.push(field::invalid(&place, &name.into(), &detail));
        }
    }
}

/// The type of an expression, which has to be one of some; nothing where it is wrong.
fn expression(
    holder: &Value,
    name: &str,
    seen: &Seen,
    wanted: &[&str],
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) -> Option<Kind> {
    let place = path.field(name);
    let source = field::text(holder, name);
    if source.trim().is_empty() {
        causes.push(field::required(&place, &format!("{name} is not specified")));
        return None;
    }
    match seen.check(source, wanted) {
        Ok(kind) => Some(kind),
        Err(why) => {
            causes.push(field::invalid(&place, &source.into(), &why));
            None
        }
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
    if actions.is_empty() && !declared {
        causes.push(field::required(&place, "at least one validation action is required"));
    }
    if !name.is_empty() {
        field::each(&spec.field("policyName"), name, &form::subdomain(name), causes);
    }
    if let Some(reference) = object.pointer("/spec/paramRef").filter(|r| !r.is_null()) {
        parameter(reference, &spec.field("paramRef"), causes);
    }
    for (index, action) in actions.iter().enumerate() {
        let allowed = ["Audit", "Deny", "Warn"];
        if !action.as_str().is_some_and(|action| allowed.contains(&action)) {
            causes.push(field::not_supported(&place.index(index), action, &allowed));
        }
    }
    if let Some(criteria) = object.pointer("/spec/matchResources").filter(|c| !c.is_null()) {
        matched(criteria, &spec.field("matchResources"), causes);
    }
    let has = |action: &str| actions.iter().any(|own| own == action);
    if has("Deny") && has("Warn") {
        let detail = "must not contain both Deny and Warn (repeating the same validation failure \
                      information in the API response and headers serves no purpose)";
        causes.push(field::invalid(&place, &Value::from(actions.to_vec()), detail));
    }
    if declared {
        causes.extend(nameless);
        if actions.is_empty() {
            causes.push(field::required(&place, ""));
        }
    }
}

/// Which parameters a binding gives to its policy.
fn parameter(reference: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let (name, place) = (field::text(reference, "name"), path.field("name"));
    let selector = field::set(reference, "selector");
    if !name.is_empty() {
        field::each(&place, name, &form::segment(name), causes);
        if selector.is_some() {
            causes.push(field::forbidden(&place, "name and selector are mutually exclusive"));
        }
    }
    if let Some(selector) = selector {
        meta::label_selector(selector, &path.field("selector"), causes);
    } else if name.is_empty() {
        causes.push(field::required(path, "one of name or selector must be specified"));
    }
    let (action, place) =
        (field::text(reference, "parameterNotFoundAction"), path.field("parameterNotFoundAction"));
    field::one_of(&place, action, &["Deny", "Allow"], causes);
}
