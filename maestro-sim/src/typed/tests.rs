//! Bodies before and after decoding, and what the decoder says of wrong ones.

use crate::facts::facts;
use crate::json::Value;

#[track_caller]
fn check(kind: &str, body: &str, expected: &str) {
    let name = kind.rsplit('.').next().unwrap();
    let mut body: Value = serde_yaml::from_str(body).unwrap();
    let shown = match super::decode(&facts().schema(kind), name, &mut body, None) {
        Ok(noticed) => format!("{body} {}", noticed.unknown.join(" ")),
        Err(error) => error,
    };
    assert_eq!(shown.trim(), expected);
}

#[test]
fn empty_values_come_and_go_as_their_tags_say() {
    check(
        "io.k8s.api.core.v1.ConfigMap",
        "{metadata: {name: a, labels: {}, annotations: null, creationTimestamp: null}, data: {a: null}}",
        r#"{"data":{"a":""},"metadata":{"name":"a"}}"#,
    );
    check(
        "io.k8s.api.apps.v1.StatefulSet",
        "{spec: {replicas: 0, serviceName: ''}}",
        "{\"metadata\":{},\"spec\":{\"replicas\":0,\"selector\":null,\"serviceName\":\"\",\"template\":{\"metadata\":{},\
         \"spec\":{\"containers\":null}},\"updateStrategy\":{}},\"status\":{\"availableReplicas\":0,\
         \"replicas\":0}}",
    );
    check(
        "io.k8s.api.core.v1.Pod",
        "{spec: {odd: 1, containers: [{name: a, odd: 2, resources: {limits: {memory: 1024Mi}}}]}}",
        "{\"metadata\":{},\"spec\":{\"containers\":[{\"name\":\"a\",\"resources\":{\"limits\":\
         {\"memory\":\"1Gi\"}}}]},\"status\":{}} spec.containers[0].odd spec.odd",
    );
}

#[test]
fn wrong_types_are_told_in_the_words_of_go() {
    let pod = "io.k8s.api.core.v1.Pod";
    let field = "json: cannot unmarshal";
    check(
        "io.k8s.api.core.v1.ConfigMap",
        "{data: {a: 1}}",
        &format!("{field} number into Go struct field ConfigMap.data of type string"),
    );
    check(
        "io.k8s.api.core.v1.ConfigMap",
        "{data: [a]}",
        &format!("{field} array into Go struct field ConfigMap.data of type map[string]string"),
    );
    check(
        "io.k8s.api.core.v1.ConfigMap",
        "{metadata: {name: 1}}",
        &format!("{field} number into Go struct field ObjectMeta.metadata.name of type string"),
    );
    check(
        pod,
        "{spec: {containers: [{image: 3}]}}",
        &format!(
            "{field} number into Go struct field Container.spec.containers.image of type string"
        ),
    );
    check(
        pod,
        "{spec: {containers: [a]}}",
        &format!(
            "{field} string into Go struct field PodSpec.spec.containers of type v1.Container"
        ),
    );
    check(
        pod,
        "{spec: {containers: {a: b}}}",
        &format!(
            "{field} object into Go struct field PodSpec.spec.containers of type []v1.Container"
        ),
    );
    check(
        pod,
        "{spec: {terminationGracePeriodSeconds: 3.5}}",
        &format!(
            "{field} number 3.5 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of \
             type int64"
        ),
    );
    check(
        pod,
        "{metadata: {creationTimestamp: yesterday}}",
        "parsing time \"yesterday\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"yesterday\" as \
         \"2006\"",
    );
    check("io.k8s.api.core.v1.Secret", "{data: {a: a?}}", "illegal base64 data at input byte 1");
}
