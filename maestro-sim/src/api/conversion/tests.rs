//! When a webhook is asked, and what becomes of its silence.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::api::server::{Handled, Response};
use crate::api::webhook::Trouble;
use crate::api::{Request, Verb};

const URL: &str = "https://hooks.example/convert";

fn definition() -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}});
    let version = |name: &str, stored: bool| json!({"name": name, "served": true, "storage": stored, "schema": schema});
    json!({"metadata": {"name": "gauges.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced",
        "names": {"kind": "Gauge", "plural": "gauges"},
        "conversion": {"strategy": "Webhook", "webhook": {
            "clientConfig": {"url": URL}, "conversionReviewVersions": ["v1"]}},
        "versions": [version("v1", true), version("v2", false)]}})
}

fn server() -> Server {
    let mut server = Server::new(1);
    for (group, resource, body) in [
        ("", "namespaces", json!({"metadata": {"name": "default"}})),
        ("apiextensions.k8s.io", "customresourcedefinitions", definition()),
    ] {
        let id = GroupResource::owned(group, resource);
        let create = Request { body, ..Request::new("test", Verb::Create, id, "", "") };
        server.handle(create).expect("it is created");
    }
    server
}

fn ask(server: &mut Server, verb: Verb, version: &str, name: &str) -> Handled {
    let id = GroupResource::owned("example.com", "gauges");
    let mut request = Request::new("test", verb, id, "default", name);
    if verb == Verb::Create {
        request.body = json!({"apiVersion": format!("example.com/{version}"), "kind": "Gauge",
                              "metadata": {"name": name}, "spec": {"size": 1}});
        request.name = String::new();
    }
    request.version = version.to_owned().into();
    server.handle(request)
}

/// One object in `v2` has a size ten times that in `v1`.
fn scaled(review: &Value) -> Value {
    let request = &review["request"];
    let mut objects = request["objects"].clone();
    for object in objects.as_array_mut().into_iter().flatten() {
        let size = object["spec"]["size"].as_i64().unwrap_or(0);
        let raised = request["desiredAPIVersion"] == "example.com/v2";
        object["spec"]["size"] = if raised { size * 10 } else { size / 10 }.into();
        object["apiVersion"] = request["desiredAPIVersion"].clone();
    }
    json!({"apiVersion": review["apiVersion"], "kind": "ConversionReview",
           "response": {"uid": request["uid"], "result": {"status": "Success"},
                        "convertedObjects": objects}})
}

#[test]
fn each_version_of_an_object_is_converted_once_but_for_reads_of_what_is_there_now() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let mut server = server();
    let handler = |review: &Value| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Ok(scaled(review))
    };
    server.webhooks.answer(URL, Box::new(handler));
    for (verb, version, name, calls) in [
        (Verb::Create, "v1", "a", 0),
        // To the store, and back for the answer.
        (Verb::Create, "v2", "b", 2),
        (Verb::Get, "v1", "a", 0),
        (Verb::Get, "v2", "a", 1),
        (Verb::Get, "v2", "a", 1),
        (Verb::List, "v2", "", 0),
        (Verb::Create, "v1", "c", 0),
        (Verb::List, "v1", "", 0),
        (Verb::List, "v2", "", 1),
        (Verb::Watch, "v2", "", 0),
        (Verb::Delete, "v2", "c", 0),
        (Verb::List, "v2", "", 0),
    ] {
        let before = CALLS.load(Ordering::Relaxed);
        ask(&mut server, verb, version, name).expect("it is answered");
        let made = CALLS.load(Ordering::Relaxed) - before;
        assert_eq!(made, calls, "{verb:?} {version} {name}");
    }
}

#[test]
fn who_is_not_there_is_waited_for() {
    let mut server = server();
    server.webhooks.answer(URL, Box::new(|review| Ok(scaled(review))));
    ask(&mut server, Verb::Create, "v1", "a").expect("it is created");
    ask(&mut server, Verb::List, "v2", "").expect("it is listed");
    for (trouble, told, waited) in [
        (Trouble::Refused, "dial tcp hooks.example: connect: connection refused", 0),
        (Trouble::Silent, "(Client.Timeout exceeded while awaiting headers)", 30),
        (Trouble::Erring, "an error on the server", 0),
    ] {
        let number = server.webhooks.trouble(Some("gauges.example.com"), trouble);
        let status = ask(&mut server, Verb::Get, "v2", "a").expect_err("it is not answered");
        assert_eq!((status.code, status.message.contains(told)), (500, true), "{status}");
        assert_eq!(server.webhooks.waited().as_secs(), waited, "{trouble:?}");
        // What was converted before needs nobody.
        ask(&mut server, Verb::List, "v2", "").expect("it is listed");
        ask(&mut server, Verb::Get, "v1", "a").expect("nothing is to be converted");
        server.webhooks.heal(number);
        ask(&mut server, Verb::Get, "v2", "a").expect("it is answered again");
    }
}

#[test]
fn one_that_obliges_changes_the_version_alone() {
    let mut server = server();
    server.webhooks.obliging = true;
    ask(&mut server, Verb::Create, "v2", "a").expect("it is created");
    let Ok(Response::Object { object, .. }) = ask(&mut server, Verb::Get, "v1", "a") else {
        panic!("it is there");
    };
    assert_eq!(object.value()["spec"], json!({"size": 1}));
    assert_eq!(object.value()["apiVersion"], "example.com/v1");
}
