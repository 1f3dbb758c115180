//! Clients over TCP and TLS: who is answered, what is cut off, and how it ends.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::*;
use crate::json::json;

/// A served cluster of one node.
pub(super) struct Served {
    address: SocketAddr,
    authority: String,
    admin: (String, String),
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

pub(super) async fn start(limits: Limits) -> Served {
    start_with(limits, Vec::new()).await
}

pub(super) async fn start_with(limits: Limits, services: Vec<Route>) -> Served {
    let mut users = Users::default();
    let user = |name: &str, groups: &[&str]| User {
        name: name.into(),
        uid: String::new(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    users.add_token("secret", user("alice", &["system:masters"]));
    users.add_token("weak", user("bob", &[]));
    let listen = "127.0.0.1:0".parse().expect("an address");
    let parts = Parts::Cluster { nodes: 1, workloads: Vec::new() };
    let usual = Options::new(listen, parts);
    let options = Options { seed: 1, users, limits, services, ..usual };
    let server = Server::bind(options).await.expect("a free port");
    let (stop, stopped) = oneshot::channel();
    let (address, tls) = (server.address(), &server.tls);
    let authority = tls.authority_pem().to_owned();
    let admin = tls.admin().expect("one of its own");
    let admin = (admin.certificate_pem.clone(), admin.key_pem.clone());
    let task = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Served { address, authority, admin, stop: Some(stop), task }
}

impl Served {
    async fn connect(&self, as_admin: bool) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.authority.as_bytes()).expect("PEM");
        roots.add(authority).expect("a certificate");
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocols")
            .with_root_certificates(roots);
        let config = match as_admin {
            true => {
                let (certificate, key) = &self.admin;
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                config.with_client_auth_cert(vec![certificate.expect("PEM")], key).expect("both")
            }
            false => config.with_no_client_auth(),
        };
        let stream = TcpStream::connect(self.address).await.expect("it listens");
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake")
    }

    /// The whole answer to one request.
    pub(super) async fn ask(&self, as_admin: bool, head: &str, body: &[u8]) -> String {
        let mut stream = self.connect(as_admin).await;
        let length = body.len();
        let head =
            format!("{head}Host: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("it reads");
        // A server that refuses a body need not read it.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Begins a watch and reads the head of its answer.
    async fn watch(&self) -> (TlsStream<TcpStream>, String) {
        let mut stream = self.connect(true).await;
        let head = "GET /api/v1/nodes?watch=true HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("it reads");
        let mut head = vec![0; 12];
        stream.read_exact(&mut head).await.expect("an answer");
        (stream, String::from_utf8_lossy(&head).into_owned())
    }
}

#[tokio::test]
async fn those_who_are_known_are_answered() {
    let served = start(Limits { body: 1000, ..Limits::default() }).await;
    let nodes = "GET /api/v1/nodes HTTP/1.1\r\n";
    let with = |token: &str| format!("{nodes}Authorization: {token}\r\n");
    for (as_admin, head, code) in [
        (true, nodes.to_owned(), 200),
        (false, nodes.to_owned(), 401),
        (false, "GET /healthz HTTP/1.1\r\n".to_owned(), 401),
        (false, with("Bearer secret"), 200),
        (false, with("Bearer weak"), 403),
        (false, "GET /version HTTP/1.1\r\nAuthorization: Bearer weak\r\n".to_owned(), 200),
        (false, with("Bearer secret\r\nImpersonate-User: bob"), 403),
        (false, with("Bearer weak\r\nImpersonate-User: alice"), 403),
        (false, with("Bearer other"), 401),
        (true, "GET /nothing HTTP/1.1\r\n".to_owned(), 404),
        (true, "GET /openapi/v3/apis/apps/v1 HTTP/1.1\r\n".to_owned(), 200),
    ] {
        let answer = served.ask(as_admin, &head, b"").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{head} {answer}");
        if code == 200 && head.contains("nodes") {
            assert!(answer.contains("\"node-1\""), "{answer}");
        }
    }
    let post = "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\n";
    let small = br#"{"metadata":{"name":"a"},"data":{"a":"b"}}"#;
    let answer = served.ask(true, post, small).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let answer = served.ask(true, post, &[b' '; 2000]).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("Request entity too large: limit is 1000"), "{answer}");
}

#[tokio::test]
async fn namespaces_are_told_by_what_the_server_is_known() {
    let served = start(Limits::default()).await;
    let mut stream = served.connect(true).await;
    let path = "/api/v1/namespaces/default/configmaps?watch=true";
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    while !answer.contains("kube-root-ca.crt") {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).await.expect("it goes on");
        answer.push_str(&String::from_utf8_lossy(&some[..count]));
    }
    let told = json!({"ca.crt": served.authority}).to_string();
    assert!(answer.contains(&told), "{told} {answer}");
}

#[tokio::test]
async fn watches_are_counted_and_end_with_the_server() {
    let mut served = start(Limits { watches: 1, ..Limits::default() }).await;
    let (mut first, head) = served.watch().await;
    assert_eq!(head, "HTTP/1.1 200");
    let (_, head) = served.watch().await;
    assert_eq!(head, "HTTP/1.1 429");
    served.stop.take().expect("it runs").send(()).expect("it runs");
    served.task.await.expect("it ends");
    // What was open is closed, after what was sent.
    let mut rest = Vec::new();
    let _ = first.read_to_end(&mut rest).await;
    assert!(String::from_utf8_lossy(&rest).contains("node-1"));
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn whoever_says_nothing_is_cut_off() {
    let limits = Limits { sending: Duration::from_millis(100), ..Limits::default() };
    let served = start(limits).await;
    let mut rest = Vec::new();
    // No handshake.
    let mut stream = TcpStream::connect(served.address).await.expect("it listens");
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    // Half a header.
    let mut stream = served.connect(true).await;
    stream.write_all(b"GET /api HTTP/1.1\r\nHo").await.expect("it reads");
    let _ = stream.read_to_end(&mut rest).await;
    // Half a body.
    let head = "POST /api/v1/namespaces HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{";
    let mut stream = served.connect(true).await;
    stream.write_all(head.as_bytes()).await.expect("it reads");
    let _ = stream.read_to_end(&mut rest).await;
    assert!(String::from_utf8_lossy(&rest).contains("HTTP/1.1 408 "));
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_read_is_given_up() {
    let (near, far) = tokio::io::duplex(16);
    let mut patient = patience::Patient::new(near, Duration::from_secs(60));
    let error = patient.write_all(&[0; 1000]).await.expect_err("nobody reads");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    drop(far);
}

#[tokio::test(start_paused = true)]
async fn time_may_run_faster_than_the_walls() {
    let options = sim::Options { seed: 1, trace: TraceLevel::Digest };
    let cluster = Cluster::new(&options, Duration::from_secs(1000), 60.0);
    assert_eq!(cluster.now(), Duration::from_secs(1000));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(cluster.now(), Duration::from_secs(1120));
    let wait = cluster.wait(Duration::from_secs(60));
    assert!(wait >= Duration::from_secs(1) && wait < Duration::from_millis(1001), "{wait:?}");
}
