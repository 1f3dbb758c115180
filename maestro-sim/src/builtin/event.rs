//! Events. The core's own are checked as of old; those of `events.k8s.io` are new ones, and do
//! not change. Errors name the fields as the core does, whichever group was asked.
//!
//! Source: `ValidateEventCreate` and `ValidateEventUpdate` of
//! `k8s.io/kubernetes/pkg/apis/core/validation/events.go`.

use super::field::{self, Path, text};
use super::text as form;
use crate::api::Cause;
use crate::json::Value;
use crate::object::at;

/// The most bytes of a reason, an action or a reporting instance.
const MOST_BYTES: usize = 128;
/// The most bytes of a message.
const MOST_MESSAGE: usize = 1024;

/// What an Event calls its fields, in the version that was written.
struct Names {
    new: bool,
    object: &'static str,
    message: &'static str,
    reporter: &'static str,
    source: &'static str,
    first: &'static str,
    last: &'static str,
    count: &'static str,
}

const CORE: Names = Names {
    new: false,
    object: "involvedObject",
    message: "message",
    reporter: "reportingComponent",
    source: "source",
    first: "firstTimestamp",
    last: "lastTimestamp",
    count: "count",
};

const NEW: Names = Names {
    new: true,
    object: "regarding",
    message: "note",
    reporter: "reportingController",
    source: "deprecatedSource",
    first: "deprecatedFirstTimestamp",
    last: "deprecatedLastTimestamp",
    count: "deprecatedCount",
};

/// An Event.
pub(super) fn event(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let names = if text(object, "apiVersion") == "v1" { &CORE } else { &NEW };
    as_ever(object, names, causes);
    if !names.new {
        return;
    }
    if old.is_none() {
        series(object, causes);
    }
    match old {
        None => created(object, names, causes),
        Some(old) => unchanged(object, old, names, causes),
    }
}

/// What is told of an Event that happened again and again.
fn series(event: &Value, causes: &mut Vec<Cause>) {
    let Some(series) = event.get("series").filter(|series| !series.is_null()) else { return };
    if field::int(series, "count").unwrap_or(0) < 2 {
        causes.push(field::invalid(&"series.count", &"".into(), "should be at least 2"));
    }
    if !is_set(series, "lastObservedTime") {
        causes.push(field::required(&"series.lastObservedTime", ""));
    }
}

fn is_set(event: &Value, name: &str) -> bool {
    event.get(name).is_some_and(|value| !value.is_null())
}

fn as_ever(event: &Value, names: &Names, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let namespace = at(event, &["metadata", "namespace"]).and_then(Value::as_str).unwrap_or("");
    let of = at(event, &[names.object, "namespace"]).and_then(Value::as_str).unwrap_or("");
    let fits = match (is_set(event, "eventTime"), of) {
        (false, "") => matches!(namespace, "" | "default"),
        (false, of) => namespace == of,
        (true, "") => matches!(namespace, "default" | "kube-system"),
        (true, _) => true,
    };
    if !fits {
        let path = root.field("involvedObject");
        let detail = "does not match event.namespace";
        causes.push(field::invalid(&path.field("namespace"), &of.into(), detail));
    }
    if !is_set(event, "eventTime") {
        return;
    }
    let told = if names.new { "reportingController" } else { "reportingComponent" };
    let reporter = text(event, names.reporter);
    if reporter.is_empty() {
        causes.push(field::required(&root.field(told), ""));
    }
    field::each(&root.field(told), reporter, &form::key(reporter), causes);
    for name in ["reportingInstance", "action", "reason"] {
        let value = text(event, name);
        if value.is_empty() {
            causes.push(field::required(&root.field(name), ""));
        }
        at_most(value, MOST_BYTES, &root.field(name), causes);
    }
    at_most(text(event, names.message), MOST_MESSAGE, &root.field("message"), causes);
}

fn at_most(value: &str, most: usize, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if value.len() > most {
        let detail = format!("can have at most {most} characters");
        causes.push(field::invalid(path, &"".into(), &detail));
    }
}

fn created(event: &Value, names: &Names, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    if !is_set(event, "eventTime") {
        causes.push(field::required(&root.field("eventTime"), ""));
    }
    let kind = text(event, "type");
    if !matches!(kind, "Normal" | "Warning") {
        let detail = format!("has invalid value: {kind}");
        causes.push(field::invalid(&root.field("type"), &"".into(), &detail));
    }
    let counted = event.get(names.count).and_then(Value::as_i64).unwrap_or(0) != 0;
    let source = event.get(names.source).unwrap_or(&Value::Null);
    let sourced = !text(source, "component").is_empty() || !text(source, "host").is_empty();
    for (set, name) in [
        (is_set(event, names.first), "firstTimestamp"),
        (is_set(event, names.last), "lastTimestamp"),
        (counted, "count"),
        (sourced, "source"),
    ] {
        if set {
            causes.push(field::invalid(&root.field(name), &"".into(), "needs to be unset"));
        }
    }
}

/// Nothing of an Event changes but its metadata and its series.
fn unchanged(event: &Value, old: &Value, names: &Names, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    for (name, told) in [
        (names.object, "involvedObject"),
        ("reason", "reason"),
        (names.message, "message"),
        (names.source, "source"),
        (names.first, "firstTimestamp"),
        (names.last, "lastTimestamp"),
        (names.count, "count"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        (names.reporter, "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ] {
        let none = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Object(map)) => map.is_empty(),
            other => other.is_none_or(Value::is_null),
        };
        let (before, now) = (old.get(name), event.get(name));
        if before != now && !(none(before) && none(now)) {
            let shown = now.map_or_else(|| "null".to_owned(), shown);
            causes.push(field::invalid_shown(&root.field(told), &shown, "field is immutable"));
        }
    }
}

/// A value as Go shows it: references and sources by the names of their fields in Go.
fn shown(value: &Value) -> String {
    const NAMES: [(&str, &str); 9] = [
        ("kind", "Kind"),
        ("namespace", "Namespace"),
        ("name", "Name"),
        ("uid", "UID"),
        ("apiVersion", "APIVersion"),
        ("resourceVersion", "ResourceVersion"),
        ("fieldPath", "FieldPath"),
        ("component", "Component"),
        ("host", "Host"),
    ];
    let Value::Object(map) = value else { return value.to_string() };
    let source = map.contains_key("component") || map.contains_key("host");
    let names = if source { &NAMES[7..] } else { &NAMES[..7] };
    let fields =
        names.iter().map(|(name, told)| format!("\"{told}\":{}", Value::from(text(value, name))));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}
