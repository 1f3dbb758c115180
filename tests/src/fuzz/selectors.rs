//! Selectors: of lists, watches and deletions, in text; and in the specs of objects.

use maestro_sim::json::{Value, json};
use maestro_sim::selector::{FieldSelector, LabelSelector};

use super::message::{Message, parts};
use super::server::Server;

/// The first part is a label selector, the second a field selector, the third a `LabelSelector`.
pub(super) fn selector(input: &[u8]) {
    let parts = parts(input);
    let text = |at: usize| {
        let part = parts.get(at).copied().unwrap_or_default();
        String::from_utf8_lossy(part).trim_end_matches('\n').to_owned()
    };
    let (labels, fields) = (text(0), text(1));
    let structured: Option<Value> = serde_json::from_str(&text(2)).ok();
    check_labels(&labels);
    check_fields(&fields);
    if let Some(value) = &structured {
        let _ = LabelSelector::from_value(value).map(|parsed| parsed.matches(None));
    }
    Server::with(|server| served(server, &labels, &fields, structured));
}

/// Objects that selectors tell apart.
fn samples() -> [Value; 4] {
    [
        json!({"metadata": {"name": "a", "namespace": "fuzz", "labels": {"app": "a"}}}),
        json!({"metadata": {"name": "b", "namespace": "fuzz", "labels": {"app": "b", "n": "7"}}}),
        json!({"metadata": {"name": "c", "namespace": "x", "labels": {"tier/x": "", "n": "-3"}}}),
        json!({"metadata": {"name": "d"}, "spec": {"nodeName": "n"}, "status": {"phase": "Failed"}}),
    ]
}

/// A selector matches what all of its requirements match.
fn check_labels(text: &str) {
    let Ok(selector) = LabelSelector::parse(text) else { return };
    for object in samples() {
        let all = selector.matches_object(&object);
        assert!(!selector.is_nothing() || !all, "{text:?} is nothing and matches {object}");
        assert!(!selector.is_everything() || all, "{text:?} is everything, but not {object}");
        // With a requirement that nothing meets, nothing is left.
        let never = format!("{text}{}!name.of/nobody,name.of/nobody", comma(text));
        if let Ok(never) = LabelSelector::parse(&never) {
            assert!(!never.matches_object(&object), "{text:?}");
        }
    }
}

fn comma(text: &str) -> &'static str {
    if text.trim().is_empty() { "" } else { "," }
}

fn check_fields(text: &str) {
    let Ok(selector) = FieldSelector::parse(text) else { return };
    for object in samples() {
        let found = selector.matches_object(&object);
        assert!(!selector.is_everything() || found, "{text:?} is everything, but not {object}");
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn names(value: &Value) -> Vec<&str> {
    let items = value["items"].as_array().map_or(&[][..], |list| list.as_slice());
    items.iter().filter_map(|item| item.pointer("/metadata/name")?.as_str()).collect()
}

/// What is listed, by pages too, is what is deleted, and a part of all.
fn served(server: &mut Server, labels: &str, fields: &str, structured: Option<Value>) {
    let all = server.ask(&Message::new("GET", "/api/v1/pods", ""));
    let query = format!("labelSelector={}&fieldSelector={}", encoded(labels), encoded(fields));
    let list = server.ask(&Message::new("GET", &format!("/api/v1/pods?{query}"), ""));
    let watch = format!("/api/v1/pods?watch=1&{query}");
    let watch = server.ask(&Message::new("GET", &watch, ""));
    assert_eq!(list.code, watch.code, "{query}: {} and {}", list.value, watch.value);
    let dry = format!("/api/v1/namespaces/fuzz/pods?dryRun=All&{query}");
    let gone = server.ask(&Message::new("DELETE", &dry, ""));
    if list.is_success() {
        let (some, every) = (names(&list.value), names(&all.value));
        assert!(some.iter().all(|name| every.contains(name)), "{some:?} of {every:?}");
        if gone.is_success() && !names(&gone.value).is_empty() {
            assert_eq!(some, names(&gone.value), "{query}");
        }
        paged(server, &query, &some);
    }
    if let Some(selector) = structured {
        let spec = json!({"spec": {"minAvailable": 1, "selector": selector},
                          "metadata": {"name": "two"}});
        let path = "/apis/policy/v1/namespaces/fuzz/poddisruptionbudgets";
        server.ask(&Message::new("POST", path, spec.to_string()));
    }
}

fn paged(server: &mut Server, query: &str, whole: &[&str]) {
    let mut found = Vec::new();
    let mut next = String::new();
    for _ in 0..=whole.len() {
        let path = format!("/api/v1/pods?limit=1&continue={next}&{query}");
        let page = server.ask(&Message::new("GET", &path, ""));
        found.extend(names(&page.value).into_iter().map(str::to_owned));
        let token = page.value.pointer("/metadata/continue").and_then(Value::as_str);
        match token {
            Some(token) if !token.is_empty() => next = encoded(token),
            _ => break,
        }
    }
    assert_eq!(found, whole, "by pages of one: {query}");
}
