//! Webhooks that both servers ask: over HTTPS the real one, by a closure the simulated.
//!
//! What a webhook of admission does stands in the path of its URL; what the one that converts does,
//! in the objects. `$HOOKS` in a sequence is where they are,
//! `$CA` the certificate that is trusted there.

mod conversion;

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maestro_sim::api::webhook::Webhooks;
use maestro_sim::json::{Value, json};
use maestro_test::cluster::control_plane::USER;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What there is to ask.
const PATHS: [&str; 14] = [
    "allow",
    "deny",
    "deny-plain",
    "deny-code",
    "deny-reason",
    "echo",
    "warn",
    "label",
    "count",
    "break",
    "wrong-uid",
    "absent",
    "patchless",
    "convert",
];

/// Where the webhooks are.
pub struct Hooks {
    /// Such as `https://127.0.0.1:41234`.
    pub url: String,
    /// The certificate to trust (PEM), in base64.
    pub authority: String,
}

/// The webhooks of this process, which listen from the first time that somebody asks for them.
pub fn hooks() -> &'static Hooks {
    static HOOKS: OnceLock<Hooks> = OnceLock::new();
    HOOKS.get_or_init(|| {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocols")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
            .expect("a certificate and its key");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        std::thread::spawn(move || listen(listener, &acceptor));
        let authority = STANDARD.encode(made.cert.pem());
        Hooks { url: format!("https://127.0.0.1:{port}"), authority }
    })
}

fn listen(listener: std::net::TcpListener, acceptor: &TlsAcceptor) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        listener.set_nonblocking(true).expect("a socket");
        let listener = TcpListener::from_std(listener).expect("a socket");
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, acceptor.clone()));
        }
    });
}

/// Answers the one request of a connection.
async fn serve(stream: TcpStream, acceptor: TlsAcceptor) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut text = Vec::new();
    let (head, body) = loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        text.extend_from_slice(&chunk[..read]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.and_then(|length| length.trim().parse::<usize>().ok()).unwrap_or(0);
        if body.len() >= length {
            break (head.to_owned(), body.to_owned());
        }
    };
    let target = head.split(' ').nth(1)?;
    let path = target.split('?').next()?.trim_matches('/').to_owned();
    let review = serde_json::from_str(&body).ok()?;
    let answer = answer(&path, &review).to_string();
    let length = answer.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{answer}"
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

/// Lets the closures of a simulated server answer in the same way.
pub fn register(webhooks: &mut Webhooks) {
    for path in PATHS {
        let handler = move |review: &Value| Ok(answer(path, review));
        webhooks.answer(&format!("{}/{path}", hooks().url), Box::new(handler));
    }
}

/// A review's request without what is drawn or counted.
fn told(request: &Value) -> String {
    let mut request = request.clone();
    request["uid"] = Value::Null;
    if [USER, "kubernetes-admin"].map(Some).contains(&request["userInfo"]["username"].as_str()) {
        // Whoever asks is another one on each side.
        request["userInfo"] = "the administrator".into();
    }
    for object in ["object", "oldObject"] {
        if let Some(meta) = request[object]["metadata"].as_object_mut() {
            meta.remove("managedFields");
            meta.remove("resourceVersion");
        }
    }
    request.to_string()
}

/// Adds a label, or counts in it how often this was done.
fn labelled(request: &Value, key: &str) -> Value {
    let labels = &request["object"]["metadata"]["labels"];
    let count = labels[key].as_str().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    let path = format!("/metadata/labels/{key}");
    let mut patch = Vec::new();
    if !labels.is_object() {
        patch.push(json!({"op": "add", "path": "/metadata/labels", "value": {}}));
    }
    let value = if key == "count" { (count + 1).to_string() } else { "yes".to_owned() };
    patch.push(json!({"op": "add", "path": path, "value": value}));
    let encoded = STANDARD.encode(Value::from(patch).to_string());
    json!({"allowed": true, "patchType": "JSONPatch", "patch": encoded})
}

/// What a webhook answers to a review.
pub fn answer(path: &str, review: &Value) -> Value {
    if path == "convert" {
        return conversion::answer(review);
    }
    let request = &review["request"];
    let mut response = match path {
        "deny" => json!({"allowed": false, "status": {"message": "no", "code": 403}}),
        "deny-plain" => json!({"allowed": false}),
        "deny-code" => json!({"allowed": false, "status": {"code": 200, "status": "Success"}}),
        "deny-reason" => json!({"allowed": false, "status": {"reason": "TooHot", "code": 409,
            "details": {"name": "n", "causes": [{"message": "m", "field": "f"}]}}}),
        "echo" => json!({"allowed": false, "status": {"message": told(request)}}),
        "warn" => json!({"allowed": true, "warnings": ["mind this", "and \"that\""]}),
        "label" => labelled(request, "seen"),
        "count" => labelled(request, "count"),
        "break" => json!({"allowed": true, "patchType": "JSONPatch",
                          "patch": STANDARD.encode("[{\"op\": \"remove\", \"path\": \"/absent\"}]")}),
        "patchless" => json!({"allowed": true, "patchType": "JSONPatch"}),
        _ => json!({"allowed": true}),
    };
    response["uid"] = match path {
        "wrong-uid" => "other".into(),
        _ => request["uid"].clone(),
    };
    let mut answer = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"});
    if path != "absent" {
        answer["response"] = response;
    }
    answer
}
