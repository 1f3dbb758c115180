//! Objects, and the first words of what the server says of them.

use super::validate;
use crate::facts::Version;
use crate::json::{Value, json};
use crate::object::GroupResource;

#[track_caller]
fn check(
    (group, resource): (&'static str, &'static str),
    old: Option<Value>,
    object: Value,
    expected: &[&str],
) {
    let causes = validate(
        Version::default(),
        &GroupResource::new(group, resource),
        None,
        &object,
        old.as_ref(),
    );
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

#[test]
fn networks() {
    let of = |resource| ("networking.k8s.io", resource);
    let named = |spec: Value| json!({"metadata": {"name": "n"}, "spec": spec});
    let ingress = |path: Value| {
        named(json!({"rules": [{"host": "*.example.com", "http": {"paths": [path]}}]}))
    };
    let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
    check(
        of("ingresses"),
        None,
        ingress(json!({"path": "/a", "pathType": "Prefix", "backend": backend})),
        &[],
    );
    check(
        of("ingresses"),
        None,
        ingress(json!({"path": "a//b", "pathType": "Exact", "backend": {}})),
        &[
            "spec.rules[0].http.paths[0].path: Invalid value: \"a//b\": must be an absolute path",
            "spec.rules[0].http.paths[0].path: Invalid value: \"a//b\": must not contain '//'",
            "spec.rules[0].http.paths[0].backend: Invalid value: \"\": resource or service backend",
        ],
    );
    check(of("ingresses"), None, named(json!({})), &["spec: Invalid value: null: either"]);
    check(
        of("networkpolicies"),
        None,
        named(json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock":
            {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "11.0.0.0/16"]}}]}]})),
        &["spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: \"11.0.0.0/16\": must be a"],
    );
    check(
        of("ingressclasses"),
        Some(named(json!({"controller": "example.com/a"}))),
        named(json!({"controller": "example.com/b"})),
        &["spec.controller: Invalid value: \"example.com/b\": field is immutable"],
    );
}

#[test]
fn the_rest_of_what_a_cluster_has() {
    check(
        ("coordination.k8s.io", "leases"),
        None,
        json!({"metadata": {"name": "l"}, "spec": {"leaseDurationSeconds": 0}}),
        &["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
    );
    check(
        ("", "podtemplates"),
        None,
        json!({"metadata": {"name": "t"}}),
        &["template.spec.containers: Required value"],
    );
    check(
        ("scheduling.k8s.io", "priorityclasses"),
        None,
        json!({"metadata": {"name": "system-mine"}, "value": 1}),
        &["metadata.name: Forbidden: priority class names with 'system-' prefix"],
    );
    check(
        ("", "persistentvolumes"),
        None,
        json!({"metadata": {"name": "v"}, "spec": {"capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"], "local": {"path": "/x"}}}),
        &["spec.nodeAffinity: Required value: Local volume requires node affinity"],
    );
    check(
        ("discovery.k8s.io", "endpointslices"),
        None,
        json!({"metadata": {"name": "s"}, "addressType": "IPv4",
            "endpoints": [{"addresses": ["127.0.0.1"]}]}),
        &["endpoints[0].addresses[0]: Invalid value: \"127.0.0.1\": may not be in the loopback"],
    );
}
