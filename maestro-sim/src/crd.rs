//! CustomResourceDefinitions: what the server fills in, and the conditions it writes.
//!
//! Source: <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/>.

mod check;
mod extras;
mod field_path;
mod fields;
mod mistyped;
mod preset;
mod printed;
mod rules;
mod schema;
mod shape;
mod surplus;
mod told;

pub use check::check;
pub use mistyped::mistyped;
pub use surplus::surplus;
pub use told::warnings;

use crate::json::{Value, json};
use crate::object::{at, map_at};

/// Holds a definition until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Fills in what a definition leaves out: singular and list kind, conversion.
pub fn complete(crd: &mut Value) {
    let kind = at(crd, &["spec", "names", "kind"]).and_then(Value::as_str).unwrap_or("").to_owned();
    let names = map_at(crd, &["spec", "names"]);
    let absent = |v: Option<&Value>| v.and_then(Value::as_str).is_none_or(str::is_empty);
    if absent(names.get("singular")) {
        names.insert("singular", kind.to_lowercase().into());
    }
    if absent(names.get("listKind")) && !kind.is_empty() {
        names.insert("listKind", format!("{kind}List").into());
    }
    let spec = map_at(crd, &["spec"]);
    let conversion = spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    let service = conversion
        .get_mut("webhook")
        .and_then(|webhook| webhook.get_mut("clientConfig")?.get_mut("service")?.as_object_mut());
    if let Some(service) = service.filter(|service| service.get("port").is_none_or(Value::is_null))
    {
        service.insert("port", 443.into());
    }
}

/// The definition with its names accepted and established.
///
/// Already established definitions keep their transition times.
pub fn accepted(crd: &Value, now: &str) -> Value {
    let mut out = crd.clone();
    let names = at(crd, &["spec", "names"]).cloned().unwrap_or_default();
    let status = map_at(&mut out, &["status"]);
    status.insert("acceptedNames", names);
    let accepted = ("NamesAccepted", "NoConflicts", "no conflicts found");
    let established =
        ("Established", "InitialNamesAccepted", "the initial names have been accepted");
    for condition in [accepted, established] {
        set(status, condition, now);
    }
    out
}

/// The definition as its deletion begins: its objects go first.
pub fn terminating(crd: &mut Value, now: &str) {
    let meta = map_at(crd, &["metadata"]);
    meta.insert("deletionTimestamp", now.into());
    let finalizers = meta.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut()
        && !list.iter().any(|f| f == CLEANUP)
    {
        list.push(CLEANUP.into());
    }
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will \
                   begin soon";
    set(map_at(crd, &["status"]), ("Terminating", "InstanceDeletionPending", message), now);
}

fn set(status: &mut crate::json::Map, (kind, reason, message): (&str, &str, &str), now: &str) {
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    if conditions.is_null() {
        *conditions = json!([]);
    }
    let Some(list) = conditions.as_array_mut() else { return };
    if list.iter().any(|c| c["type"] == kind && c["status"] == "True") {
        return;
    }
    list.retain(|c| c["type"] != kind);
    let condition = json!({"type": kind, "status": "True", "lastTransitionTime": now,
                               "reason": reason, "message": message});
    list.push(condition);
}
