//! Small readings and edits of object trees that several controllers share.

use crate::api::Answer;
use crate::controller::Context;
use crate::json::{Array, Map, Value, json};
pub use crate::object::text;
use crate::object::{GroupResource, Object, at, map_at};

/// An `IntOrString` against a total: percents round up or down as asked, plain numbers stay.
/// Malformed text counts as 0.
pub fn scaled(value: &Value, total: i64, round_up: bool) -> i64 {
    if let Some(number) = value.as_i64() {
        return number;
    }
    let text = value.as_str().unwrap_or("");
    let percent: i64 = text.strip_suffix('%').and_then(|t| t.parse().ok()).unwrap_or(0);
    let product = percent.saturating_mul(total);
    if round_up { (product + 99).div_euclid(100) } else { product.div_euclid(100) }
}

/// `spec.replicas`, 1 when absent.
pub fn replicas(object: &Object) -> i64 {
    object.int(&["spec", "replicas"]).unwrap_or(1)
}

/// `spec.minReadySeconds`, 0 when absent.
pub fn min_ready(object: &Object) -> i64 {
    object.int(&["spec", "minReadySeconds"]).unwrap_or(0)
}

/// The condition of a type in a list of conditions.
pub fn find<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions.iter().find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
}

/// A condition in the shape most kinds share; an empty reason or message is left out.
pub fn condition(kind: &str, status: &str, reason: &str, message: &str, now: &str) -> Value {
    let mut map = Map::new();
    map.insert("type", kind.into());
    map.insert("status", status.into());
    map.insert("lastTransitionTime", now.into());
    for (field, text) in [("reason", reason), ("message", message)] {
        if !text.is_empty() {
            map.insert(field, text.into());
        }
    }
    Value::Object(map)
}

/// Puts a condition in, in place of one of its type; the transition time stays while the status
/// stays. Returns whether anything but times changed.
pub fn set_condition(conditions: &mut Array, mut new: Value) -> bool {
    let kind = text(&new, &["type"]).to_owned();
    let Some(old) = conditions.iter_mut().find(|c| text(c, &["type"]) == kind) else {
        conditions.push(new);
        return true;
    };
    let same = |field: &str| old.get(field) == new.get(field);
    if same("status") && same("reason") && same("message") && same("observedGeneration") {
        return false;
    }
    if same("status")
        && let Some(since) = old.get("lastTransitionTime").cloned()
    {
        new["lastTransitionTime"] = since;
    }
    *old = new;
    true
}

/// Takes the condition of a type out.
pub fn drop_condition(conditions: &mut Array, kind: &str) {
    conditions.retain(|c| text(c, &["type"]) != kind);
}

/// Writes the whole status of an object unless it is the status it has.
///
/// The body carries the version that was read, so that a writer with an older view loses.
pub fn write_status(
    cx: &mut dyn Context,
    resource: &GroupResource,
    object: &Object,
    status: Value,
) -> Option<Answer> {
    if object.value().get("status") == Some(&status) {
        return None;
    }
    let mut body = object.value().clone();
    map_at(&mut body, &[]).insert("status", status);
    Some(cx.update_status(resource, body))
}

/// Sets a field, or takes it out when the value is null.
pub fn put(map: &mut Map, field: &str, value: Value) {
    if value.is_null() {
        map.remove(field);
    } else {
        map.insert(field, value);
    }
}

/// A pod of `spec.template`, owned and controlled by `owner`, without a name.
pub fn pod_from_template(template: &Value, namespace: &str, owner: Value) -> Value {
    let mut metadata = Map::new();
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = at(template, &["metadata", field]) {
            metadata.insert(field, value.clone());
        }
    }
    metadata.insert("namespace", namespace.into());
    metadata.insert("ownerReferences", json!([owner]));
    let spec = template.get("spec").cloned().unwrap_or_else(|| json!({}));
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

/// `DeleteOptions` that spare a later object of the same name.
pub fn only_uid(uid: &str) -> Value {
    json!({"preconditions": {"uid": uid}})
}
