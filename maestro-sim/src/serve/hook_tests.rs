//! Webhooks outside of a served cluster: asked for clients and for the cluster's own controllers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use super::tests::{Served, start};
use super::*;
use crate::json::{Value, json};

/// What the webhook says: pods get a label, and nothing may be called `no`.
fn answer(review: &Value) -> Value {
    let request = &review["request"];
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
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("made");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocols")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
        .expect("a certificate");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/hook", listener.local_addr().expect("an address"));
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
    json!({"url": url, "caBundle": STANDARD.encode(made.cert.pem())})
}

async fn post(served: &Served, path: &str, body: &Value) -> String {
    let head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/json\r\n");
    served.ask(true, &head, body.to_string().as_bytes()).await
}

#[tokio::test]
async fn webhooks_outside_are_asked() {
    let served = start(Limits::default()).await;
    let client = listen().await;
    for (kind, resource) in [
        ("validatingwebhookconfigurations", "configmaps"),
        ("mutatingwebhookconfigurations", "pods"),
    ] {
        let hook = json!({"name": "hook.example.com", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "clientConfig": client, "rules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": [resource]}]});
        let body = json!({"metadata": {"name": "hook"}, "webhooks": [hook]});
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
