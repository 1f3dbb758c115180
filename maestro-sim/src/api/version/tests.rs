//! One object in several versions, without a server beside it to compare with.

use crate::api::server::{Response, Server};
use crate::api::{PatchType, Request, Verb};
use crate::json::{Value, json};
use crate::object::GroupResource;

/// A server with a namespace and a kind of two versions, which are stored as `v1alpha1`.
fn server() -> Server {
    let mut server = Server::new(1);
    let schema = |fields: Value| {
        json!({"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": fields}}}})
    };
    let text = json!({"type": "string"});
    let definition = json!({"metadata": {"name": "widgets.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [
            {"name": "v1alpha1", "served": true, "storage": true,
             "schema": schema(json!({"size": text, "old": text}))},
            {"name": "v1", "served": true, "storage": false,
             "schema": schema(json!({"size": text, "new": text}))}]}});
    for (group, resource, body) in [
        ("", "namespaces", json!({"metadata": {"name": "default"}})),
        ("apiextensions.k8s.io", "customresourcedefinitions", definition),
    ] {
        let id = GroupResource::owned(group, resource);
        let create = Request { body, ..Request::new("test", Verb::Create, id, "", "") };
        server.handle(create).expect("it is created");
    }
    server
}

fn ask(server: &mut Server, verb: Verb, path: &str, name: &str, body: Value) -> Value {
    let (group_version, resource) = path.rsplit_once('/').expect("a version and a resource");
    let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
    let id = GroupResource::owned(group, resource);
    let mut request = Request { body, ..Request::new("test", verb, id, "default", name) };
    request.version = version.to_owned().into();
    request.patch = (verb == Verb::Patch).then_some(PatchType::Merge);
    match server.handle(request).expect("it is answered") {
        Response::Object { object, .. } => object.value().clone(),
        Response::Value { value, .. } => value,
        Response::List(list) => list.items.iter().map(|item| item.value().clone()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_custom_kind_is_read_in_any_version_without_what_that_one_lacks() {
    let mut server = server();
    let (first, second) = ("example.com/v1alpha1/widgets", "example.com/v1/widgets");
    let spec = |all: &str| json!({"size": "3", "old": "x", "new": "y", "version": all});
    for (path, name) in [(first, "a"), (second, "b")] {
        let (version, _) = path.rsplit_once('/').expect("a version");
        let body = json!({"apiVersion": version, "kind": "Widget",
                          "metadata": {"name": name}, "spec": spec(version)});
        ask(&mut server, Verb::Create, path, "", body);
    }
    let mut check = |path: &str, name: &str, expected: Value| {
        let found = ask(&mut server, Verb::Get, path, name, Value::Null);
        assert_eq!(found["apiVersion"], path.trim_end_matches("/widgets"), "{path} {name}");
        assert_eq!(found["spec"], expected, "{path} {name}");
    };
    check(first, "a", json!({"size": "3", "old": "x"}));
    check(second, "a", json!({"size": "3"}));
    // What the stored version has no field for is lost on the way.
    check(second, "b", json!({"size": "3"}));
    check(first, "b", json!({"size": "3"}));
    let listed = ask(&mut server, Verb::List, second, "", Value::Null);
    let versions: Vec<&Value> =
        listed.as_array().expect("items").iter().map(|item| &item["apiVersion"]).collect();
    assert_eq!(versions, ["example.com/v1", "example.com/v1"]);
}

#[test]
fn an_event_is_one_in_both_of_its_groups() {
    let mut server = server();
    let body = json!({"metadata": {"name": "e"}, "regarding": {"kind": "Pod", "namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "reason": "Scaled", "note": "n",
        "action": "Scaling", "reportingController": "example.com/c", "reportingInstance": "c-0"});
    ask(&mut server, Verb::Create, "events.k8s.io/v1/events", "", body);
    let old = ask(&mut server, Verb::Get, "v1/events", "e", Value::Null);
    let told = (&old["apiVersion"], &old["message"], &old["involvedObject"]["kind"]);
    assert_eq!(told, (&json!("v1"), &json!("n"), &json!("Pod")));
    assert_eq!(old["reportingComponent"], "example.com/c");
    let new = ask(&mut server, Verb::List, "events.k8s.io/v1/events", "", Value::Null);
    assert_eq!((&new[0]["note"], &new[0]["message"]), (&json!("n"), &Value::Null));
    ask(&mut server, Verb::Delete, "v1/events", "e", Value::Null);
    let left = ask(&mut server, Verb::List, "events.k8s.io/v1/events", "", Value::Null);
    assert_eq!(left, json!([]));
}

#[test]
fn an_autoscaler_keeps_in_notes_what_the_first_version_has_no_field_for() {
    let mut server = server();
    let (first, second) =
        ("autoscaling/v1/horizontalpodautoscalers", "autoscaling/v2/horizontalpodautoscalers");
    let metric = |name: &str, share: i64| {
        json!({"type": "Resource", "resource": {"name": name,
               "target": {"type": "Utilization", "averageUtilization": share}}})
    };
    let metrics = json!([metric("memory", 60), metric("cpu", 70)]);
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"});
    let body = json!({"metadata": {"name": "h"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": target, "metrics": metrics}});
    ask(&mut server, Verb::Create, second, "", body);
    let shown = ask(&mut server, Verb::Get, first, "h", Value::Null);
    assert_eq!(shown["spec"]["targetCPUUtilizationPercentage"], 70);
    let notes = &shown["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"];
    let expected =
        r#"[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":60}}]"#;
    assert_eq!(notes, expected);
    ask(&mut server, Verb::Patch, first, "h", json!({"spec": {"maxReplicas": 4}}));
    let back = ask(&mut server, Verb::Get, second, "h", Value::Null);
    assert_eq!(back["spec"]["maxReplicas"], 4);
    assert_eq!(back["spec"]["metrics"], metrics);
    assert_eq!(back["metadata"]["annotations"], Value::Null);
}
