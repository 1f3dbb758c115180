//! A real Kubernetes control plane for one test: etcd and kube-apiserver on free local ports.
//!
//! It is started by the test that needs it and ends with it, also when the test is killed. Which
//! programs are run says [`programs`].

mod credentials;
pub mod process;
pub mod programs;
pub mod wire;

use std::net::TcpListener;
use std::time::Duration;

use tempfile::TempDir;

use credentials::Credentials;
use process::Process;
use programs::Programs;
use wire::{Connection, Endpoint, Failure, Question};

/// The user that the test acts as, a member of `system:masters`.
pub const USER: &str = "conformance";
const TOKEN: &str = "conformance-token";

/// How long a start may take before it counts as failed.
const START: Duration = Duration::from_secs(60);
/// Between two questions whether the server is ready.
const POLL: Duration = Duration::from_millis(50);
/// A free port may be taken by another before the server listens: then all starts again.
const TRIES: u32 = 3;

/// Why there is no control plane.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder, the keys or a program could not be made.
    #[error("cannot prepare a control plane: {0}")]
    Prepare(String),
    /// A program ended, or did not become ready; with the end of what it printed.
    #[error("{program} is not ready: {why}\n{output}")]
    NotReady {
        /// Which program.
        program: &'static str,
        /// What was seen of it.
        why: String,
        /// The last lines it printed.
        output: String,
    },
}

/// A running control plane. Dropping it ends its processes and removes its data.
pub struct ControlPlane {
    endpoint: Endpoint,
    port: u16,
    // In the order of their end: the API server goes before what it stores in.
    server: Process,
    etcd: Process,
    folder: TempDir,
}

impl ControlPlane {
    /// Starts etcd and kube-apiserver and waits until the server says that it is ready.
    ///
    /// # Errors
    /// When a program cannot be started or does not become ready, with what it printed.
    pub async fn start(programs: &Programs) -> Result<Self, Error> {
        let mut tries = 1;
        loop {
            match Self::start_once(programs).await {
                Err(Error::NotReady { .. }) if tries < TRIES => tries += 1,
                other => return other,
            }
        }
    }

    async fn start_once(programs: &Programs) -> Result<Self, Error> {
        let folder = TempDir::with_prefix("maestro-control-plane-").map_err(prepare)?;
        let credentials = Credentials::write(folder.path(), USER, TOKEN).map_err(prepare)?;
        let [client, peer, secure] = free_ports()?;
        let etcd = etcd(programs, &folder, client, peer)?;
        let mut server = api_server(programs, &folder, client, secure)?;
        let endpoint = Endpoint::new(secure, TOKEN, &credentials.certificate).map_err(prepare)?;
        match tokio::time::timeout(START, ready(&endpoint, &mut server)).await {
            Ok(Ok(())) => Ok(Self { endpoint, port: secure, server, etcd, folder }),
            Ok(Err(why)) => Err(not_ready(why, &etcd, &server)),
            Err(_) => Err(not_ready(format!("no answer in {START:?}"), &etcd, &server)),
        }
    }

    /// Bytes of memory that its processes hold (`VmRSS`).
    pub fn resident(&self) -> u64 {
        self.server.resident() + self.etcd.resident()
    }

    /// A kubeconfig (v1 Config, as YAML) of a member of `system:masters`.
    pub fn kubeconfig(&self) -> String {
        let authority = self.folder.path().join(credentials::CERTIFICATE);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: real\n\
             clusters: [{{name: real, cluster: {{server: 'https://127.0.0.1:{}', \
             certificate-authority: '{}'}}}}]\n\
             users: [{{name: {USER}, user: {{token: {TOKEN}}}}}]\n\
             contexts: [{{name: real, context: {{cluster: real, user: {USER}}}}}]\n",
            self.port,
            authority.display()
        )
    }

    /// Where its API is, and how one gets in.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

fn prepare(error: impl std::fmt::Display) -> Error {
    Error::Prepare(error.to_string())
}

fn not_ready(why: String, etcd: &Process, server: &Process) -> Error {
    let output = format!("{}\n{}", etcd.output(), server.output());
    Error::NotReady { program: "kube-apiserver", why, output }
}

/// Three ports that nobody listens on.
fn free_ports() -> Result<[u16; 3], Error> {
    let listener = || TcpListener::bind("127.0.0.1:0").map_err(prepare);
    let held = [listener()?, listener()?, listener()?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr().map_err(prepare)?.port();
    }
    Ok(ports)
}

fn etcd(programs: &Programs, folder: &TempDir, client: u16, peer: u16) -> Result<Process, Error> {
    let client = format!("http://127.0.0.1:{client}");
    let peer = format!("http://127.0.0.1:{peer}");
    let arguments = [
        "--unsafe-no-fsync".to_owned(),
        format!("--data-dir={}", folder.path().join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ];
    Process::start(&programs.etcd, &arguments, &folder.path().join("etcd.log")).map_err(prepare)
}

fn api_server(
    programs: &Programs,
    folder: &TempDir,
    etcd: u16,
    secure: u16,
) -> Result<Process, Error> {
    let file = |name: &str| folder.path().join(name).display().to_string();
    let key = file(credentials::KEY);
    let arguments = [
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={secure}"),
        format!("--tls-cert-file={}", file(credentials::CERTIFICATE)),
        format!("--tls-private-key-file={key}"),
        format!("--service-account-key-file={}", file(credentials::PUBLIC_KEY)),
        format!("--service-account-signing-key-file={key}"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/12".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--token-auth-file={}", file(credentials::TOKENS)),
        // The test asks as fast as it can: no fair share of a server that it has to itself.
        "--enable-priority-and-fairness=false".to_owned(),
        "--max-requests-inflight=0".to_owned(),
        "--max-mutating-requests-inflight=0".to_owned(),
    ];
    let log = folder.path().join("kube-apiserver.log");
    Process::start(&programs.api_server, &arguments, &log).map_err(prepare)
}

/// Waits until `/readyz` says so, or the server has ended.
async fn ready(endpoint: &Endpoint, server: &mut Process) -> Result<(), String> {
    loop {
        if let Some(status) = server.ended() {
            return Err(format!("it ended with {status}"));
        }
        let asked = async {
            let mut connection = Connection::open(endpoint).await?;
            connection.ask(&Question::get("/readyz")).await
        };
        let answer: Result<wire::Answer, Failure> = asked.await;
        if answer.is_ok_and(|answer| answer.code == 200) {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}
