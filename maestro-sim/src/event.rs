//! core/v1 Events, counted as client-go counts them.

use crate::controller::Context;
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object};
use crate::rng::fnv;

const EVENTS: GroupResource = GroupResource::new("", "events");

/// Creates an Event, or counts one up that says the same of the same object.
///
/// The name follows from what is said, so that a repetition finds the first.
pub fn record(cx: &mut dyn Context, component: &str, about: &Object, said: (&str, &str, &str)) {
    let (kind, reason, message) = said;
    let identity = format!("{component}|{}|{kind}|{reason}|{message}", about.uid());
    let name = format!("{}.{:016x}", about.name(), fnv(identity.as_bytes()));
    let namespace = if about.namespace().is_empty() { "default" } else { about.namespace() };
    let key = Key::new(namespace, &name);
    let now = cx.timestamp();
    if let Ok(earlier) = cx.get(&EVENTS, &key) {
        let count = earlier.int(&["count"]).unwrap_or(1) + 1;
        let _ = cx.patch(&EVENTS, &key, json!({"count": count, "lastTimestamp": now}));
        return;
    }
    let text = |field: &str| about.value().get(field).and_then(Value::as_str).unwrap_or("");
    let mut involved = json!({
        "kind": text("kind"), "apiVersion": text("apiVersion"), "name": about.name(),
        "uid": about.uid(), "resourceVersion": about.text(&["metadata", "resourceVersion"]),
    });
    if !about.namespace().is_empty() {
        involved["namespace"] = about.namespace().into();
    }
    let event = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": involved, "reason": reason, "message": message, "type": kind,
        "source": {"component": component}, "reportingComponent": component,
        "reportingInstance": "", "count": 1, "firstTimestamp": now, "lastTimestamp": now,
        "eventTime": null,
    });
    // A lost event is not an error: the real recorder drops them as well.
    let _ = cx.create(&EVENTS, event);
}
