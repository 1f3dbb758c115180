//! Objects as people write them, and as the server has them.

use crate::json::Value;
use crate::object::GroupResource;

/// `after` lists fields that must be there with that value, by JSON pointer.
#[track_caller]
fn check(group: &'static str, resource: &'static str, before: &str, after: &[(&str, &str)]) {
    let mut object: Value = serde_yaml::from_str(before).unwrap();
    super::apply(&GroupResource::new(group, resource), &mut object);
    for (pointer, value) in after {
        let wanted: Value = serde_yaml::from_str(value).unwrap();
        let found = object.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(found, &wanted, "{pointer} in {object:#}");
    }
    let once = object.clone();
    super::apply(&GroupResource::new(group, resource), &mut object);
    assert_eq!(object, once, "a second time changes nothing");
}

#[test]
fn pods() {
    check(
        "",
        "pods",
        "{spec: {serviceAccountName: a, volumes: [{name: v}, {name: c, configMap: {name: c}}],
          containers: [{name: a, image: 'reg:5000/a', livenessProbe: {httpGet: {port: 1}},
          ports: [{containerPort: 1}], resources: {limits: {cpu: 1, memory: 1}}}]}}",
        &[
            ("/spec/restartPolicy", "Always"),
            ("/spec/serviceAccount", "a"),
            ("/spec/enableServiceLinks", "true"),
            ("/spec/volumes/0/emptyDir", "{}"),
            ("/spec/volumes/1/configMap/defaultMode", "420"),
            ("/spec/containers/0/imagePullPolicy", "Always"),
            ("/spec/containers/0/livenessProbe/httpGet/scheme", "HTTP"),
            ("/spec/containers/0/livenessProbe/failureThreshold", "3"),
            ("/spec/containers/0/ports/0/protocol", "TCP"),
            ("/spec/containers/0/resources/requests", "{cpu: 1, memory: 1}"),
            ("/status", "{phase: Pending, qosClass: Guaranteed}"),
        ],
    );
    let pinned = "{spec: {containers: [{name: a, image: 'a:1'}]}}";
    check(
        "",
        "pods",
        pinned,
        &[
            ("/spec/containers/0/imagePullPolicy", "IfNotPresent"),
            ("/status/qosClass", "BestEffort"),
        ],
    );
}

#[test]
fn workloads() {
    let template = "{template: {spec: {containers: [{name: a, image: a}]}}}";
    let object = format!("{{spec: {template}}}");
    check(
        "apps",
        "deployments",
        &object,
        &[
            ("/spec/replicas", "1"),
            ("/spec/strategy/rollingUpdate", "{maxSurge: 25%, maxUnavailable: 25%}"),
            ("/spec/template/spec/dnsPolicy", "ClusterFirst"),
            ("/spec/template/spec/enableServiceLinks", "null"),
        ],
    );
    check(
        "apps",
        "statefulsets",
        &object,
        &[
            (
                "/spec/updateStrategy",
                "{type: RollingUpdate, rollingUpdate: {partition: 0, maxUnavailable: 1}}",
            ),
            ("/spec/podManagementPolicy", "OrderedReady"),
        ],
    );
    check("apps", "daemonsets", &object, &[("/spec/updateStrategy/rollingUpdate/maxSurge", "0")]);
    check(
        "batch",
        "jobs",
        "{metadata: {name: n, uid: u}, spec: {template: {spec: {}}}}",
        &[("/spec/completions", "1"), ("/spec/backoffLimit", "6")],
    );
    check("batch", "cronjobs", "{spec: {}}", &[("/spec/concurrencyPolicy", "Allow")]);
}

#[test]
fn others() {
    check(
        "",
        "services",
        "{spec: {ports: [{port: 80}]}}",
        &[
            ("/spec/type", "ClusterIP"),
            ("/spec/ports/0", "{port: 80, protocol: TCP, targetPort: 80}"),
        ],
    );
    check(
        "",
        "secrets",
        "{stringData: {a: x, b: xy, c: xyz}, data: {a: old}}",
        &[("/data", "{a: eA==, b: eHk=, c: eHl6}"), ("/stringData", "null"), ("/type", "Opaque")],
    );
    check(
        "",
        "namespaces",
        "{metadata: {name: n}}",
        &[("/metadata/labels", "{kubernetes.io/metadata.name: n}")],
    );
    check("", "persistentvolumeclaims", "{spec: {}}", &[("/status/phase", "Pending")]);
}
