//! The simulated API server describes itself as a real one does.
//!
//! Compared are the documents of OpenAPI v2 and v3 with built-in kinds and a custom one: every
//! type, and every operation but those of [`left_out`].

use std::collections::BTreeMap;
use std::path::Path;

use http::header::{ACCEPT, CONTENT_TYPE};
use kube::client::Body;
use maestro_sim::api::openapi::gnostic;
use maestro_sim::json::Value;
use maestro_tests::script::{Running, Whole, client};

/// As clients in Go ask for v2.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// Operations that the simulator does not describe: connections, watches by a path of their own,
/// and what is no object of a kind.
fn left_out(path: &str) -> bool {
    let connections = ["/attach", "/exec", "/log", "/portforward", "/proxy", "/proxy/{path}"];
    path.contains("/watch/")
        || path.ends_with('/')
        || connections.iter().any(|name| path.ends_with(name))
        || path.starts_with("/openid") | path.starts_with("/logs")
}

/// A type of which each document says otherwise whose kind it is, for custom kinds by the groups
/// that the server was built with.
fn unsteady(name: &str) -> bool {
    name.ends_with(".v1.DeleteOptions")
}

async fn fetch(client: &kube::Client, path: &str, accept: &str) -> (String, Vec<u8>) {
    let request = http::Request::get(path).header(ACCEPT, accept).body(Body::empty());
    let answer = client.send(request.expect("a request")).await.expect("an answer");
    let media = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.unwrap_or_default().to_owned();
    let body = answer.into_body().collect_bytes().await.expect("a body");
    (media, body.to_vec())
}

async fn document(client: &kube::Client, path: &str) -> Value {
    let (media, body) = fetch(client, path, "application/json").await;
    // The index does not say what it is.
    let text = path == "/openapi/v3";
    assert_eq!(
        media,
        if text { "text/plain; charset=utf-8" } else { "application/json" },
        "{path}"
    );
    serde_json::from_slice(&body).expect("JSON")
}

/// Makes custom kinds and waits until the server describes them.
async fn define(client: &kube::Client) {
    for (file, kind) in [("custom.yaml", "v1.Ship"), ("open.yaml", "v2.Box")] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("kubectl").join(file);
        let text = std::fs::read(file).expect("a definition");
        let definition: Value = serde_yaml::from_slice(&text).expect("YAML");
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let request = http::Request::post(path).header(CONTENT_TYPE, "application/json");
        let request = request.body(definition.to_string().into_bytes()).expect("a request");
        client.request_text(request).await.expect("created");
        described(client, &format!("org.example.sea.{kind}")).await;
    }
}

/// Waits until the server describes a type.
async fn described(client: &kube::Client, name: &str) {
    for _ in 0..100 {
        let second = document(client, "/openapi/v2").await;
        if second["definitions"].get(name).is_some() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("{name} is not described");
}

/// What is compared of a document: its types, and its operations with references to parameters
/// resolved.
fn parts(document: &Value) -> BTreeMap<String, Value> {
    let mut parts = BTreeMap::new();
    let types = document.pointer("/components/schemas").or_else(|| document.get("definitions"));
    for (name, schema) in types.and_then(Value::as_object).into_iter().flatten() {
        parts.insert(format!("type {name}"), schema.clone());
    }
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, said) in item.as_object().into_iter().flatten() {
            let mut said = said.clone();
            let parameters = match said.is_array() {
                true => said.as_array_mut(),
                false => said["parameters"].as_array_mut(),
            };
            for one in parameters.into_iter().flatten() {
                let shared = one["$ref"].as_str().and_then(|name| document.pointer(&name[1..]));
                if let Some(shared) = shared.cloned() {
                    *one = shared;
                }
            }
            if let Some(said) = said.as_object_mut()
                && said.get("parameters").is_some_and(Value::is_null)
            {
                said.remove("parameters");
            }
            parts.insert(format!("path {path} {method}"), said);
        }
    }
    parts.retain(|name, _| !left_out(name.split(' ').nth(1).unwrap_or_default()));
    parts
}

/// Lines for what differs between two documents.
fn differences(place: &str, real: &Value, simulated: &Value) -> Vec<String> {
    let (wanted, found) = (parts(real), parts(simulated));
    let types = |name: &String| name.starts_with("type ");
    let mut out = Vec::new();
    for (name, wanted) in &wanted {
        // Types that only such operations name are left out with them.
        match found.get(name) {
            None if !types(name) => out.push(format!("{place}: {name} is missing")),
            Some(found) if found != wanted && !unsteady(name) => {
                let wanted = serde_json::to_string_pretty(wanted).unwrap_or_default();
                let found = serde_json::to_string_pretty(found).unwrap_or_default();
                let diff = similar::TextDiff::from_lines(&wanted, &found);
                out.push(format!("{place}: {name}\n{}", diff.unified_diff().context_radius(1)));
            }
            _ => {}
        }
    }
    let surplus = found.keys().filter(|name| !wanted.contains_key(*name));
    out.extend(surplus.map(|name| format!("{place}: {name} is too much")));
    out
}

#[test]
fn documents_say_what_those_of_a_real_server_say() {
    let Some([real, simulated]) = Running::both(Whole::ApiServer, "openapi") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (all, out) = runtime.expect("a runtime").block_on(async {
        let (real, simulated) =
            (client(real.kubeconfig()).await, client(simulated.kubeconfig()).await);
        define(&real).await;
        define(&simulated).await;
        let index = document(&simulated, "/openapi/v3").await;
        let groups = index["paths"].as_object().expect("an index").keys();
        let mut places: Vec<String> = groups.map(|group| format!("/openapi/v3/{group}")).collect();
        places.push("/openapi/v2".to_owned());
        let mut out = Vec::new();
        for place in &places {
            let [real, simulated] =
                [document(&real, place).await, document(&simulated, place).await];
            out.extend(differences(place, &real, &simulated));
        }
        (places.len(), out)
    });
    println!("openapi: {all} documents");
    assert!(out.is_empty(), "{} differences\n{}", out.len(), out.join("\n"));
}

#[test]
fn the_second_version_is_written_in_protobuf_as_a_real_server_writes_it() {
    let Some([real, simulated]) = Running::both(Whole::ApiServer, "openapi in protobuf") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let (real, simulated) =
            (client(real.kubeconfig()).await, client(simulated.kubeconfig()).await);
        define(&real).await;
        let said = document(&real, "/openapi/v2").await;
        let (media, bytes) = fetch(&real, "/openapi/v2", PROTOBUF).await;
        // The fields of what vendors add stand in no certain order.
        let order = r"(?-u)(version: [^\n]*\n *)(kind: [^\n]*\n)";
        let order = regex::bytes::Regex::new(order).expect("a pattern");
        let bytes = order.replace_all(&bytes, |found: &regex::bytes::Captures<'_>| {
            let margin = found[1].len() - found[1].trim_ascii_end().len() - 1;
            let version = &found[1][..found[1].len() - margin];
            [&found[2], &b" ".repeat(margin), version].concat()
        });
        let written = gnostic::encode(&said);
        let differs = bytes.iter().zip(&written).position(|(a, b)| a != b);
        let show = |bytes: &[u8]| {
            let at = differs.unwrap_or(0).saturating_sub(200);
            String::from_utf8_lossy(&bytes[at..(at + 400).min(bytes.len())]).into_owned()
        };
        assert!(
            bytes == written,
            "of {} and {} bytes, at {differs:?}\n{}\n----\n{}",
            bytes.len(),
            written.len(),
            show(&bytes),
            show(&written)
        );
        let own = document(&simulated, "/openapi/v2").await;
        let (own_media, own_bytes) = fetch(&simulated, "/openapi/v2", PROTOBUF).await;
        assert_eq!(own_media, media);
        assert!(own_bytes == gnostic::encode(&own), "the simulated server answers otherwise");
    });
}
