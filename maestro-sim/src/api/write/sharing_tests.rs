//! What a write leaves alone stays the very tree in memory that it was: it is neither copied nor
//! defaulted nor validated again.

use crate::api::server::{Response, Server};
use crate::api::{PatchType, Request, Verb};
use crate::json::{Value, json};
use crate::object::{GroupResource, at};

fn server() -> Server {
    let mut server = Server::new(1);
    for (resource, namespace, name) in
        [("namespaces", "", "default"), ("serviceaccounts", "default", "default")]
    {
        let id = GroupResource::new("", resource);
        let body = json!({"metadata": {"name": name}});
        let create = Request { body, ..Request::new("test", Verb::Create, id, namespace, "") };
        server.handle(create).expect("it is created");
    }
    let fields = json!({"size": {"type": "integer", "default": 1},
                        "parts": {"type": "array", "items": {"type": "object", "properties": {
                            "name": {"type": "string", "default": "a"}}}}});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {
        "spec": {"type": "object", "properties": fields},
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}}}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema,
                         "subresources": {"status": {}}});
    let body = json!({"metadata": {"name": "widgets.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced", "versions": [version],
        "names": {"kind": "Widget", "plural": "widgets"}}});
    let id = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
    let create = Request { body, ..Request::new("test", Verb::Create, id, "", "") };
    server.handle(create).expect("it is created");
    server
}

fn stored(server: &mut Server, request: Request) -> Value {
    let what = format!("{:?} {}", request.verb, request.resource);
    match server.handle(request) {
        Ok(Response::Object { object, .. }) => object.value().clone(),
        other => panic!("{what}: {other:?}"),
    }
}

/// Creates an object, changes it, and looks at which of its fields are the same tree still. A
/// change is a body as the client has read and sent it, or a patch.
fn check(path: &str, spec: &Value, change: (&str, Value), shared: &[&str]) {
    let mut server = server();
    let (group, resource) = path.rsplit_once('/').unwrap_or(("", path));
    let id = GroupResource::owned(group, resource);
    let ask = |verb, name| Request::new("test", verb, id.clone(), "default", name);
    let mut body =
        json!({"metadata": {"name": "one", "labels": {"app": "a"}}, "spec": spec.clone()});
    if group == "example.com" {
        body["apiVersion"] = "example.com/v1".into();
        body["kind"] = "Widget".into();
    }
    let before = stored(&mut server, Request { body, ..ask(Verb::Create, "") });

    let (how, change) = change;
    let (how, subresource) = how.split_once('/').unwrap_or((how, ""));
    let (verb, patch) = match how {
        "merge" => (Verb::Patch, Some(PatchType::Merge)),
        "strategic" => (Verb::Patch, Some(PatchType::Strategic)),
        "apply" => (Verb::Patch, Some(PatchType::Apply)),
        "update" => (Verb::Update, None),
        other => panic!("{other}"),
    };
    let mut body = change;
    match how {
        "update" => {
            // What comes over the wire is in memory anew.
            let mut sent: Value = serde_json::from_str(&before.to_string()).expect("JSON");
            crate::json::merge(&mut sent, &body);
            body = sent;
        }
        "apply" => {
            body["apiVersion"] = before["apiVersion"].clone();
            body["kind"] = before["kind"].clone();
            body["metadata"]["name"] = "one".into();
        }
        _ => {}
    }
    let mut request = Request { body, patch, ..ask(verb, "one") };
    request.subresource = subresource.to_owned().into();
    request.options.field_manager = Some("test".into());
    let after = stored(&mut server, request);
    assert_ne!(before, after, "{path}: {how} changes something");
    for field in shared {
        let steps: Vec<&str> = field.split('.').collect();
        let [old, new] = [&before, &after].map(|tree| at(tree, &steps).expect(field));
        assert!(new.is_same(old), "{path}: {how}/{subresource} leaves {field} in memory");
    }
}

#[test]
fn a_write_leaves_in_memory_what_it_does_not_change() {
    let template = json!({"metadata": {"labels": {"app": "a"}},
                          "spec": {"containers": [{"name": "main", "image": "a:1"}]}});
    let pod = template["spec"].clone();
    let claim = json!({"accessModes": ["ReadWriteOnce"],
                       "resources": {"requests": {"storage": "1Gi"}}});
    let selector = json!({"matchLabels": {"app": "a"}});
    let set = json!({"serviceName": "a", "selector": selector, "template": template,
                     "volumeClaimTemplates": [{"metadata": {"name": "data"},
                                               "spec": claim}]});
    let deployment = json!({"selector": selector, "template": template});
    let job = json!({"template": {"spec": {
        "restartPolicy": "Never", "containers": template["spec"]["containers"].clone()}}});
    let lease = json!({"holderIdentity": "a", "leaseDurationSeconds": 15});
    let widget = json!({"parts": [{"name": "b"}, {}]});
    let note = || json!({"metadata": {"annotations": {"note": "x"}}});
    let status = |status: Value| json!({"status": status});

    for how in ["merge", "strategic", "apply", "update"] {
        check("pods", &pod, (how, note()), &["spec", "status"]);
        check("apps/statefulsets", &set, (how, note()), &["spec", "status"]);
        check("apps/deployments", &deployment, (how, note()), &["spec", "status"]);
        check("batch/jobs", &job, (how, note()), &["spec", "status"]);
        check("coordination.k8s.io/leases", &lease, (how, note()), &["spec"]);
        check("persistentvolumeclaims", &claim, (how, note()), &["spec"]);
        // Custom objects know no strategic patches, and are not read with the stored ones at hand.
        if matches!(how, "merge" | "apply") {
            check("example.com/widgets", &widget, (how, note()), &["spec"]);
        }
    }
    for how in ["merge/status", "strategic/status", "update/status"] {
        let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        check("pods", &pod, (how, status(ready)), &["spec"]);
        let counts = || status(json!({"replicas": 1}));
        check("apps/statefulsets", &set, (how, counts()), &["spec"]);
        check("apps/deployments", &deployment, (how, counts()), &["spec"]);
        check("batch/jobs", &job, (how, status(json!({"active": 1}))), &["spec"]);
        let bound = status(json!({"phase": "Bound"}));
        check("persistentvolumeclaims", &claim, (how, bound), &["spec"]);
        if how != "strategic/status" {
            check("example.com/widgets", &widget, (how, counts()), &["spec"]);
        }
    }
}

/// What an apply says and the server puts back is no change, however much later it is said.
#[test]
fn a_write_that_would_change_times_alone_is_none() {
    let mut server = server();
    let pod = json!({"metadata": {"labels": {"a": "b"}},
                     "spec": {"containers": [{"name": "a", "image": "i:1"}]}});
    let body = json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "one", "annotations": {
            "deprecated.daemonset.template.generation": "7"}},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": pod}});
    let mut versions = Vec::new();
    for seconds in [1, 5, 9] {
        server.now = std::time::Duration::from_secs(seconds);
        let id = GroupResource::new("apps", "daemonsets");
        let mut apply = Request::new("test", Verb::Patch, id, "default", "one");
        apply.patch = Some(PatchType::Apply);
        apply.options.field_manager = Some("m".to_owned());
        apply.options.force = Some(true);
        let object = stored(&mut server, Request { body: body.clone(), ..apply });
        versions.push(at(&object, &["metadata", "resourceVersion"]).cloned());
    }
    assert_eq!(versions[1], versions[2], "{versions:?}");
    assert_eq!(versions[0], versions[1], "{versions:?}");
}
