//! An API server as controller-runtime's envtest starts one: with the certificates that envtest
//! makes, its flags, and nothing beside it but an etcd.
//!
//! Source: `sigs.k8s.io/controller-runtime/pkg/internal/testing/controlplane`.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::{Client, Config};
use maestro_sim::serve::flags::Program;
use maestro_sim::serve::{Etcd, Server, command};
use maestro_test::cluster::control_plane::process::Process;
use maestro_test::cluster::control_plane::programs::Programs;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use tempfile::TempDir;

/// How long envtest waits for a program, and how often it asks.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);

/// What envtest makes before it starts anything.
struct Credentials {
    serving: CertifiedIssuer<'static, KeyPair>,
    clients: CertifiedIssuer<'static, KeyPair>,
}

/// A pair of programs, real or simulated; dropping it ends them.
pub struct Plane {
    port: u16,
    etcd: u16,
    credentials: Credentials,
    /// How long it took until both said that they are well.
    pub start: Duration,
    processes: Vec<Process>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    folder: TempDir,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "envtest");
    params.distinguished_name.push(DnType::CommonName, "envtest-environment");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

impl Credentials {
    fn write(folder: &Path) -> Self {
        let all = Self { serving: authority(), clients: authority() };
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &all.serving).expect("a certificate");
        let tokens = authority();
        for (name, text) in [
            ("apiserver.crt", certificate.pem()),
            ("apiserver.key", key.serialize_pem()),
            ("sa-signer.crt", tokens.pem()),
            ("sa-signer.key", tokens.key().serialize_pem()),
            ("client-cert-auth-ca.crt", all.clients.pem()),
        ] {
            std::fs::write(folder.join(name), text).expect("a folder of our own");
        }
        all
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// The flags of both, as envtest passes them by itself; `more` are those of whoever configures it.
fn flags(folder: &Path, etcd: u16, port: u16, more: &[&str]) -> [Vec<String>; 2] {
    let file = |name: &str| folder.join(name).display().to_string();
    let client = format!("http://127.0.0.1:{etcd}");
    let etcd = vec![
        format!("--advertise-client-urls={client}"),
        format!("--data-dir={}", file("etcd")),
        format!("--listen-client-urls={client}"),
        format!("--listen-peer-urls=http://127.0.0.1:{}", free_port()),
        "--unsafe-no-fsync=true".to_owned(),
    ];
    let mut server = vec![
        "--allow-privileged=true".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--cert-dir={}", folder.display()),
        format!("--client-ca-file={}", file("client-cert-auth-ca.crt")),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        format!("--etcd-servers={client}"),
        format!("--secure-port={port}"),
        format!("--service-account-issuer=https://127.0.0.1:{port}/"),
        format!("--service-account-key-file={}", file("sa-signer.crt")),
        format!("--service-account-signing-key-file={}", file("sa-signer.key")),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
    ];
    server.extend(more.iter().map(|flag| (*flag).to_owned()));
    [etcd, server]
}

impl Plane {
    /// Starts the real programs.
    ///
    /// # Errors
    /// When a program is missing, with how to come by it.
    pub async fn real(more: &[&str]) -> Result<Self, String> {
        let programs = Programs::find()?;
        let mut plane = Self::prepared();
        let folder = plane.folder.path();
        let [etcd, server] = flags(folder, plane.etcd, plane.port, more);
        let begun = Instant::now();
        for (program, flags, log) in
            [(&programs.etcd, etcd, "etcd.log"), (&programs.api_server, server, "server.log")]
        {
            let started = Process::start(program, &flags, &folder.join(log));
            plane.processes.push(started.expect("a program that can be run"));
            plane.healthy().await;
        }
        plane.start = begun.elapsed();
        Ok(plane)
    }

    /// Starts what stands in for them.
    pub async fn simulated(more: &[&str]) -> Self {
        let mut plane = Self::prepared();
        let [etcd, server] = flags(plane.folder.path(), plane.etcd, plane.port, more);
        let begun = Instant::now();
        let read = |program: Program, flags: &[String]| program.parse(flags).expect("its flags");
        let etcd = Etcd::bind(&read(Program::Etcd, &etcd)).await.expect("a free port");
        plane.tasks.push(tokio::spawn(etcd.run(std::future::pending())));
        let asked = command::api_server(&read(Program::ApiServer, &server)).expect("right flags");
        let server = Server::bind(asked.options).await.expect("a free port");
        plane.tasks.push(tokio::spawn(server.run(std::future::pending())));
        plane.healthy().await;
        plane.start = begun.elapsed();
        plane
    }

    fn prepared() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let credentials = Credentials::write(folder.path());
        let (processes, tasks, start) = (Vec::new(), Vec::new(), Duration::ZERO);
        let (port, etcd) = (free_port(), free_port());
        Self { port, etcd, credentials, start, processes, tasks, folder }
    }

    /// Waits as envtest does: for etcd's health, and for the API server's without a certificate.
    async fn healthy(&self) {
        let etcd = Config::new(format!("http://127.0.0.1:{}", self.etcd).parse().expect("a URL"));
        let etcd = Client::try_from(etcd).expect("a client");
        let mut both = vec![(etcd, "/health")];
        // The real one is started when etcd is well.
        if self.processes.len() != 1 {
            both.push((self.client(None), "/healthz"));
        }
        let begun = Instant::now();
        for (client, path) in both {
            while ask(&client, "GET", path, "").await.0 != 200 {
                assert!(begun.elapsed() < PATIENCE, "{path} does not answer");
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// A client with a certificate of the authority of clients for a user and its groups; nobody's
    /// without.
    pub fn client(&self, user: Option<(&str, &[&str])>) -> Client {
        self.client_of(user, &self.credentials.clients)
    }

    /// One whose certificate another authority signed, by which the server is not told to know
    /// clients.
    pub fn stranger(&self, user: &str, groups: &[&str]) -> Client {
        self.client_of(Some((user, groups)), &self.credentials.serving)
    }

    fn client_of(
        &self,
        user: Option<(&str, &[&str])>,
        authority: &CertifiedIssuer<'static, KeyPair>,
    ) -> Client {
        let server = format!("https://127.0.0.1:{}", self.port);
        let mut config = Config::new(server.parse().expect("a URL"));
        config.root_cert = Some(vec![self.credentials.serving.der().to_vec()]);
        if let Some((name, groups)) = user {
            let mut params = CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            for group in groups {
                params.distinguished_name.push(DnType::OrganizationName, *group);
            }
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, authority).expect("a certificate");
            let encoded = |pem: String| BASE64_STANDARD.encode(pem);
            config.auth_info.client_certificate_data = Some(encoded(certificate.pem()));
            config.auth_info.client_key_data = Some(encoded(key.serialize_pem()).into());
        }
        Client::try_from(config).expect("a client")
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Sends a request; its status and what is answered, 0 where nothing is.
pub async fn ask(client: &Client, method: &str, path: &str, body: &str) -> (u16, String) {
    use http_body_util::BodyExt as _;
    let request = http::Request::builder().method(method).uri(path);
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = request.header(http::header::CONTENT_TYPE, kind);
    let request = request.body(kube::client::Body::from(body.as_bytes().to_vec()));
    match client.send(request.expect("a request")).await {
        Ok(response) => {
            let code = response.status().as_u16();
            let body = response.into_body().collect().await.map(|body| body.to_bytes());
            (code, String::from_utf8_lossy(&body.unwrap_or_default()).into_owned())
        }
        Err(_) => (0, String::new()),
    }
}
