//! Webhooks outside of a served cluster: asked for clients and for the cluster's own controllers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use super::tests::{Served, start, start_with};
use super::*;
use crate::json::{Value, json};

/// What the webhook says: pods get a label, and nothing may be called `no`; what is converted to
/// `v2` says so.
fn answer(review: &Value) -> Value {
    let request = &review["request"];
    if review["kind"] == "ConversionReview" {
        let mut objects = request["objects"].clone();
        for object in objects.as_array_mut().into_iter().flatten() {
            object["apiVersion"] = request["desiredAPIVersion"].clone();
            let seen = request["desiredAPIVersion"] == "hooked.example.com/v2";
            object["spec"]["raised"] = seen.into();
        }
        let response = json!({"uid": request["uid"], "result": {"status": "Success"},
                              "convertedObjects": objects});
        return json!({"apiVersion": review["apiVersion"], "kind": "ConversionReview",
                      "response": response});
    }
    let mut response = json!({"uid": request["uid"], "allowed": request["name"] != "no"});
    if request["kind"]["kind"] == "Pod" {
        let patch = json!([{"op": "add", "path": "/metadata/labels/seen", "value": "yes"}]);
        response["patchType"] = "JSONPatch".into();
        response["patch"] = STANDARD.encode(patch.to_string()).into();
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}

/// Listens; the configuration of its clients (`clientConfig`).
async fn listen() -> Value {
    let (address, authority) = listen_as("127.0.0.1").await;
    json!({"url": format!("https://{address}/hook"), "caBundle": authority})
}

/// Listens with a certificate for a name; where, and the certificate.
async fn listen_as(name: &str) -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("made");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocols")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
        .expect("a certificate");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut text = Vec::new();
            let review = loop {
                let mut chunk = [0; 4096];
                let read = stream.read(&mut chunk).await.unwrap_or(0);
                text.extend_from_slice(&chunk[..read]);
                let whole = String::from_utf8_lossy(&text).into_owned();
                let body = whole.split_once("\r\n\r\n").map_or("", |(_, body)| body);
                match serde_json::from_str::<Value>(body) {
                    Ok(review) => break review,
                    Err(_) if read == 0 => return,
                    Err(_) => {}
                }
            };
            let answer = answer(&review).to_string();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
            let length = answer.len();
            let text = format!("{head}Content-Length: {length}\r\n\r\n{answer}");
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    (address, STANDARD.encode(made.cert.pem()))
}

async fn post(served: &Served, path: &str, body: &Value) -> String {
    let head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/json\r\n");
    served.ask(true, &head, body.to_string().as_bytes()).await
}

#[tokio::test]
async fn webhooks_outside_are_asked() {
    let served = start(Limits::default()).await;
    let client = listen().await;
    for (kind, group, resource) in [
        ("validatingwebhookconfigurations", "", "configmaps"),
        ("mutatingwebhookconfigurations", "", "pods"),
        ("validatingwebhookconfigurations", "batch", "jobs"),
    ] {
        let hook = json!({"name": "hook.example.com", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "clientConfig": client, "rules": [{
                "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": [resource]}]});
        let body = json!({"metadata": {"name": resource}, "webhooks": [hook]});
        let path = format!("/apis/admissionregistration.k8s.io/v1/{kind}");
        let answer = post(&served, &path, &body).await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    let maps = "/api/v1/namespaces/default/configmaps";
    for (name, code, said) in [
        ("yes", 201, "\"yes\""),
        ("no", 400, "admission webhook \\\"hook.example.com\\\" denied the request"),
    ] {
        let answer = post(&served, maps, &json!({"metadata": {"name": name}})).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{answer}");
        assert!(answer.contains(said), "{answer}");
    }
    // What a Job is selected by is drawn for it, and shown to those who are asked.
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [
        {"name": "a", "image": "a"}]}});
    let job = json!({"metadata": {"generateName": "yes-"}, "spec": {"template": pod}});
    let answer = post(&served, "/apis/batch/v1/namespaces/default/jobs", &job).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    // A controller's requests have nobody to wait for them; they are tried again.
    let template = json!({"metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "a", "image": "a"}]}});
    let set = json!({"metadata": {"name": "set"}, "spec": {"replicas": 2,
        "selector": {"matchLabels": {"a": "b"}}, "template": template}});
    let answer = post(&served, "/apis/apps/v1/namespaces/default/replicasets", &set).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let pods = "GET /api/v1/namespaces/default/pods?labelSelector=seen%3Dyes HTTP/1.1\r\n";
    for _ in 0..100 {
        let answer = served.ask(true, pods, b"").await;
        if answer.matches("\"generateName\"").count() == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the set's pods were not made: {}", served.ask(true, pods, b"").await);
}

#[tokio::test]
async fn webhooks_behind_services_are_asked_where_they_are_said_to_be() {
    let routed = listen_as("routed.default.svc").await;
    let away = listen_as("away.default.svc").await;
    let other = listen_as("other.example").await;
    let route = |name: &str, to: SocketAddr| {
        format!("default/{name}:8443={to}").parse::<Route>().expect("a route")
    };
    let routes = vec![route("routed", routed.0), route("misnamed", other.0)];
    let served = start_with(Limits::default(), routes).await;
    let external = json!({"metadata": {"name": "away"},
        "spec": {"type": "ExternalName", "externalName": "localhost"}});
    let answer = post(&served, "/api/v1/namespaces/default/services", &external).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    for (name, port, authority) in [
        ("routed", 8443, &routed.1),
        ("away", away.0.port(), &away.1),
        ("misnamed", 8443, &other.1),
        ("absent", 443, &other.1),
    ] {
        let service = json!({"name": name, "namespace": "default", "port": port, "path": "/x"});
        let hook = json!({"name": format!("{name}.example.com"), "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": service, "caBundle": authority},
            "objectSelector": {"matchLabels": {"by": name}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                       "resources": ["configmaps"]}]});
        let body = json!({"metadata": {"name": name}, "webhooks": [hook]});
        let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
        let answer = post(&served, path, &body).await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    let denied =
        |by: &str| format!("admission webhook \\\"{by}.example.com\\\" denied the request");
    for (name, by, code, said) in [
        ("yes", "routed", 201, "\"yes\"".to_owned()),
        ("no", "routed", 400, denied("routed")),
        ("no", "away", 400, denied("away")),
        ("yes", "misnamed", 500, "certificate not valid for name".to_owned()),
        ("yes", "absent", 500, "service \\\"absent\\\" not found".to_owned()),
    ] {
        let body = json!({"metadata": {"name": name, "labels": {"by": by}}});
        let answer = post(&served, "/api/v1/namespaces/default/configmaps", &body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{by}: {answer}");
        assert!(answer.contains(&said), "{by}: {answer}");
    }
}

#[tokio::test]
async fn objects_are_converted_outside() {
    let served = start(Limits::default()).await;
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {
        "type": "object", "properties": {"raised": {"type": "boolean"}}}}}});
    let version = |name: &str, stored: bool| json!({"name": name, "served": true, "storage": stored, "schema": schema});
    let webhook = json!({"clientConfig": listen().await, "conversionReviewVersions": ["v1"]});
    let body = json!({"metadata": {"name": "gauges.hooked.example.com"}, "spec": {
        "group": "hooked.example.com", "scope": "Namespaced",
        "names": {"kind": "Gauge", "plural": "gauges"},
        "conversion": {"strategy": "Webhook", "webhook": webhook},
        "versions": [version("v1", true), version("v2", false)]}});
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let answer = post(&served, path, &body).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let gauges =
        |version: &str| format!("/apis/hooked.example.com/{version}/namespaces/default/gauges");
    // Names and uids are drawn anew when a request is handled once more.
    for (version, meta, raised) in [
        ("v1", json!({"name": "a"}), false),
        ("v2", json!({"name": "b"}), true),
        ("v2", json!({"generateName": "c-"}), true),
    ] {
        let body = json!({"apiVersion": format!("hooked.example.com/{version}"),
                          "kind": "Gauge", "metadata": meta, "spec": {"raised": false}});
        let answer = post(&served, &gauges(version), &body).await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        assert!(answer.contains(&format!("\"raised\":{raised}")), "{answer}");
    }
    for (query, version, raised) in [
        ("", "v2", 3),
        ("", "v1", 0),
        ("?watch=1&timeoutSeconds=1", "v2", 3),
        ("?watch=1&timeoutSeconds=1&labelSelector=a%21%3Db", "v2", 3),
    ] {
        let head = format!("GET {}{query} HTTP/1.1\r\n", gauges(version));
        let answer = served.ask(true, &head, b"").await;
        assert_eq!(answer.matches("\"raised\":true").count(), raised, "{query}: {answer}");
        assert_eq!(answer.matches("\"kind\":\"Gauge\"").count(), 3, "{query}: {answer}");
    }
}
