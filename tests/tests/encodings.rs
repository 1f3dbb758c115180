//! A served API server packs its answers as a real one does: large ones for clients that read
//! gzip, and refusals in the form that the client reads.

use std::io::Read as _;

use flate2::read::GzDecoder;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use maestro_sim::json::{Value, json};
use maestro_tests::script::{Running, Whole, client};

/// What is compared of an answer: its status, its encoding, its type, and what it says.
async fn ask(client: &kube::Client, path: &str, accept: &str, encoding: &str) -> String {
    let mut request = http::Request::get(path).header(ACCEPT, accept);
    if !encoding.is_empty() {
        request = request.header(ACCEPT_ENCODING, encoding);
    }
    let answer = client.send(request.body(Body::empty()).expect("a request")).await;
    let (parts, body) = answer.expect("an answer").into_parts();
    let body = body.collect_bytes().await.expect("a body");
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let packed = header(CONTENT_ENCODING);
    let mut text = Vec::new();
    match packed {
        "gzip" => drop(GzDecoder::new(&*body).read_to_end(&mut text).expect("gzip")),
        _ => text = body.to_vec(),
    }
    let said = match text.len() {
        // The sizes of objects differ by the digits of their versions.
        size if size > 1_000 => format!("{} KiB", size >> 10),
        _ => match serde_json::from_slice::<Value>(&text) {
            Ok(value) => value.to_string(),
            Err(_) => String::from_utf8_lossy(&text).replace([' ', '\n'], ""),
        },
    };
    let (status, media) = (parts.status.as_u16(), header(CONTENT_TYPE));
    format!("{path} {accept} {encoding:?}: {status} {packed:?} {media} {said}")
}

/// A client of the same server whose token nobody knows.
async fn nobody(cluster: &Running) -> kube::Client {
    let mut kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).expect("a kubeconfig");
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        *user = maestro_sim::json::from_value(json!({"token": "nobody"})).expect("a user");
    }
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    kube::Client::try_from(config.expect("a kubeconfig")).expect("a client")
}

async fn told(cluster: &Running) -> Vec<String> {
    let admin = client(cluster.kubeconfig()).await;
    let maps = "/api/v1/namespaces/default/configmaps";
    for (name, size) in [("small", 100_000), ("large", 140_000)] {
        let object: Value = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name}, "data": {"text": "a".repeat(size)}});
        let request = http::Request::post(maps).header(CONTENT_TYPE, "application/json");
        let request = request.body(object.to_string().into_bytes()).expect("a request");
        admin.request_text(request).await.expect("created");
    }
    let mut all = Vec::new();
    let [json, yaml, protobuf] =
        ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
    let (small, large) = (format!("{maps}/small"), format!("{maps}/large"));
    let second = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    for (path, accept, encoding) in [
        (&*small, json, "gzip"),
        (&large, json, "gzip"),
        (&large, json, ""),
        (&large, json, "deflate, gzip"),
        (&large, json, "gzip;q=0.5"),
        (&large, json, "*"),
        (&large, json, "br"),
        (&large, yaml, "gzip"),
        (&large, protobuf, "gzip"),
        (&format!("{maps}?fieldSelector=metadata.name=large"), json, "gzip"),
        (&format!("{maps}?fieldSelector=metadata.name=small"), json, "gzip"),
        ("/apis", json, "gzip"),
    ] {
        all.push(ask(&admin, path, accept, encoding).await);
    }
    for (path, accept) in [("/openapi/v2", json), ("/openapi/v2", second), ("/openapi/v3", json)] {
        let line = ask(&admin, path, accept, "gzip").await;
        // What they hold is compared by another test.
        all.push(line.rsplit_once(' ').map_or("", |(line, _)| line).replace(char::is_numeric, ""));
    }
    let nobody = nobody(cluster).await;
    for accept in [json, yaml, protobuf, "text/plain", "*/*"] {
        all.push(ask(&nobody, "/api/v1/pods", accept, "gzip").await);
        all.push(ask(&nobody, "/version", accept, "").await);
    }
    all
}

#[test]
fn answers_are_packed_as_a_real_server_packs_them() {
    let Some([real, simulated]) = Running::both(Whole::ApiServer, "encodings") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let [real, simulated] = runtime
        .expect("a runtime")
        .block_on(async { [told(&real).await.join("\n"), told(&simulated).await.join("\n")] });
    println!("encodings: {} answers", real.lines().count());
    let diff = similar::TextDiff::from_lines(&real, &simulated);
    assert!(real == simulated, "{}", diff.unified_diff().context_radius(0));
}
