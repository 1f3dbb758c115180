//! Objects, and the first words of what the server says of them.

use serde_json::{Value, json};

use super::validate;
use crate::facts::Version;
use crate::object::GroupResource;

#[track_caller]
fn check(
    (group, resource): (&'static str, &'static str),
    old: Option<Value>,
    object: Value,
    expected: &[&str],
) {
    let causes =
        validate(Version::default(), &GroupResource::new(group, resource), &object, old.as_ref());
    let found: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} does not start with {expected}");
    }
}

fn stateful_set() -> Value {
    json!({"metadata": {"name": "s"}, "spec": {"replicas": 1, "serviceName": "s",
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Always",
            "containers": [{"name": "c", "image": "i"}]}}}})
}

fn changed(mut object: Value, path: &str, value: Value) -> Value {
    if let Some(found) = object.pointer_mut(path) {
        *found = value;
    }
    object
}

#[test]
fn workloads() {
    let (of, set) = (("apps", "statefulsets"), stateful_set);
    check(of, None, set(), &[]);
    check(of, Some(set()), changed(set(), "/spec/replicas", json!(3)), &[]);
    check(
        of,
        Some(set()),
        changed(set(), "/spec/serviceName", json!("t")),
        &["spec.serviceName: Invalid value: \"t\": field is immutable"],
    );
    check(
        of,
        None,
        changed(set(), "/spec/replicas", json!(-1)),
        &["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
    );
    check(
        of,
        None,
        changed(set(), "/spec/template/metadata/labels/a", json!("c")),
        &["spec.template.metadata.labels: Invalid value: {\"a\":\"c\"}: `selector` does not match"],
    );
    check(
        ("batch", "jobs"),
        None,
        set(),
        &[
            "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"",
        ],
    );
}

#[test]
fn pods() {
    let pod =
        || json!({"metadata": {"name": "p"}, "spec": stateful_set()["spec"]["template"]["spec"]});
    check(("", "pods"), Some(pod()), changed(pod(), "/spec/containers/0/image", json!("j")), &[]);
    check(
        ("", "pods"),
        Some(pod()),
        changed(pod(), "/spec/restartPolicy", json!("Never")),
        &["spec: Forbidden: pod updates may not change fields other than"],
    );
    check(
        ("", "pods"),
        None,
        changed(pod(), "/spec/containers/0/name", json!("A_")),
        &["spec.containers[0].name: Invalid value: \"A_\": a lowercase RFC 1123 label"],
    );
    check(
        ("", "pods"),
        None,
        changed(pod(), "/metadata/name", json!("")),
        &["metadata.name: Required value: name or generateName is required"],
    );
}

#[test]
fn core() {
    let frozen = json!({"metadata": {"name": "c"}, "immutable": true, "data": {"a": "b"}});
    check(
        ("", "configmaps"),
        Some(frozen.clone()),
        changed(frozen, "/data/a", json!("c")),
        &["data: Forbidden: field is immutable when `immutable` is set"],
    );
    let service = json!({"metadata": {"name": "s"}, "spec": {"type": "ClusterIP",
        "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
        "ports": [{"port": 70000, "protocol": "TCP", "targetPort": 1},
                  {"name": "b", "port": 1, "protocol": "TCP", "targetPort": 1}]}});
    check(
        ("", "services"),
        None,
        service,
        &[
            "spec.ports[0].name: Required value",
            "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ],
    );
}
