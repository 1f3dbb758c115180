//! Policies and webhooks of admission.

use super::fill::{each, inside, set, spec};
use crate::json::{Map, Value};

/// What a policy or a binding matches.
fn matching(parent: &mut Map, field: &str) {
    let Some(criteria) = inside(parent, field) else { return };
    set(criteria, "matchPolicy", "Equivalent");
    set(criteria, "namespaceSelector", Map::new());
    set(criteria, "objectSelector", Map::new());
    for list in ["resourceRules", "excludeResourceRules"] {
        each(criteria, list).for_each(|rule| set(rule, "scope", "*"));
    }
}

/// A ValidatingAdmissionPolicy or a MutatingAdmissionPolicy.
pub(super) fn policy(object: &mut Value) {
    let Some(fields) = spec(object) else { return };
    set(fields, "failurePolicy", "Fail");
    matching(fields, "matchConstraints");
}

/// The binding of a policy.
pub(super) fn binding(object: &mut Value) {
    if let Some(fields) = spec(object) {
        matching(fields, "matchResources");
    }
}

/// A configuration of webhooks.
pub(super) fn webhooks(object: &mut Value) {
    let mutates = object.get("kind").is_some_and(|kind| kind == "MutatingWebhookConfiguration");
    let Some(fields) = object.as_object_mut() else { return };
    for hook in each(fields, "webhooks") {
        set(hook, "failurePolicy", "Fail");
        set(hook, "matchPolicy", "Equivalent");
        set(hook, "namespaceSelector", Map::new());
        set(hook, "objectSelector", Map::new());
        set(hook, "timeoutSeconds", 10);
        if mutates {
            set(hook, "reinvocationPolicy", "Never");
        }
        each(hook, "rules").for_each(|rule| set(rule, "scope", "*"));
        if let Some(service) = inside(hook, "clientConfig").and_then(|c| inside(c, "service")) {
            set(service, "port", 443);
        }
    }
}
