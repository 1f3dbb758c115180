//! A real Kubernetes control plane of one's own: etcd and kube-apiserver on free local ports, and
//! where it is to be a cluster, kube-controller-manager and kube-scheduler.
//!
//! It ends with whoever started it, also when that is killed. Which programs are run says
//! [`programs`].

pub mod credentials;
pub mod process;
pub mod programs;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use maestro_sim::facts::Version;
use tempfile::TempDir;

use super::keeper::Keeper;
use credentials::Credentials;
use process::Process;
use programs::{Managers, Programs};

/// The user that its kubeconfig is of, a member of `system:masters`.
pub const USER: &str = "maestro";
/// Its token.
pub const TOKEN: &str = "maestro-token";

/// The file of its kubeconfig, beside the [`credentials`].
pub const KUBECONFIG: &str = "kubeconfig";

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
    version: Version,
    port: u16,
    certificate: Vec<u8>,
    // In the order of their end: the API server goes before what it stores in.
    managers: Vec<Process>,
    server: Process,
    etcd: Process,
    folder: TempDir,
    _keeper: Keeper,
}

impl ControlPlane {
    /// Starts etcd and kube-apiserver and waits until the server says that it is ready.
    ///
    /// # Errors
    /// When a program cannot be started or does not become ready, with what it printed.
    pub async fn start(programs: &Programs) -> Result<Self, Error> {
        Self::start_as(programs, Version::default()).await
    }

    /// The same with a server that acts as one of a version; so do its managers.
    ///
    /// # Errors
    /// When a program cannot be started or does not become ready, with what it printed.
    pub async fn start_as(programs: &Programs, version: Version) -> Result<Self, Error> {
        let mut tries = 1;
        loop {
            match Self::start_once(programs, version).await {
                Err(Error::NotReady { .. }) if tries < TRIES => tries += 1,
                other => return other,
            }
        }
    }

    async fn start_once(programs: &Programs, version: Version) -> Result<Self, Error> {
        let folder = TempDir::with_prefix("maestro-control-plane-").map_err(prepare)?;
        let _keeper = Keeper::of_folder(folder.path()).map_err(prepare)?;
        let credentials =
            Credentials::write(folder.path(), &NAMES, USER, TOKEN).map_err(prepare)?;
        let [client, peer, secure] = free_ports()?;
        let etcd_url = format!("http://127.0.0.1:{client}");
        let peers = format!("http://127.0.0.1:{peer}");
        let log = |name: &str| folder.path().join(name);
        let arguments = etcd_arguments(&folder.path().join("etcd"), &etcd_url, &peers);
        let etcd = Process::start(&programs.etcd, &arguments, &log("etcd.log")).map_err(prepare)?;
        let mut arguments = server_arguments(folder.path(), &etcd_url, "127.0.0.1", secure);
        arguments.extend(emulation(version));
        let server = Process::start(&programs.api_server, &arguments, &log("kube-apiserver.log"));
        let mut server = server.map_err(prepare)?;
        match tokio::time::timeout(START, ready(secure, &credentials, || server.ended())).await {
            Ok(Ok(())) => {
                let certificate = credentials.certificate;
                let managers = Vec::new();
                let port = secure;
                Ok(Self { version, port, certificate, managers, server, etcd, folder, _keeper })
            }
            Ok(Err(why)) => Err(not_ready(why, &etcd, &server)),
            Err(_) => Err(not_ready(format!("no answer in {START:?}"), &etcd, &server)),
        }
    }

    /// Starts kube-controller-manager and kube-scheduler. They wait for nobody: what they do is
    /// seen in the cluster.
    ///
    /// # Errors
    /// When a program cannot be started.
    pub fn manage(&mut self, programs: &Managers) -> Result<(), Error> {
        let folder = self.folder.path();
        std::fs::write(folder.join(KUBECONFIG), self.kubeconfig()).map_err(prepare)?;
        let [controllers, scheduler] = manager_arguments(folder);
        let start = |program: &Path, mut arguments: Vec<String>, log: &str| {
            arguments.extend(emulation(self.version));
            Process::start(program, &arguments, &folder.join(log)).map_err(prepare)
        };
        let controllers = start(&programs.controllers, controllers, "controllers.log")?;
        let scheduler = start(&programs.scheduler, scheduler, "scheduler.log")?;
        self.managers = vec![controllers, scheduler];
        Ok(())
    }

    /// The end of what a program printed that has ended though nobody asked it to.
    pub fn failure(&mut self) -> Option<String> {
        let mut all = self.managers.iter_mut().chain([&mut self.server, &mut self.etcd]);
        all.find_map(|process| {
            process.ended().map(|status| format!("{status}: {}", process.output()))
        })
    }

    /// Bytes of memory that its processes hold (`VmRSS`).
    pub fn resident(&self) -> u64 {
        self.server.resident() + self.etcd.resident()
    }

    /// A kubeconfig (v1 Config, as YAML) of a member of `system:masters`.
    pub fn kubeconfig(&self) -> String {
        kubeconfig(&format!("127.0.0.1:{}", self.port), self.folder.path())
    }

    /// Where its kubeconfig stands, once somebody has written it.
    pub fn kubeconfig_file(&self) -> PathBuf {
        self.folder.path().join(KUBECONFIG)
    }

    /// The port of its API on the loopback interface.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The token of [`USER`].
    pub const fn token(&self) -> &'static str {
        TOKEN
    }

    /// The certificate that its API server shows, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }
}

fn prepare(error: impl std::fmt::Display) -> Error {
    Error::Prepare(error.to_string())
}

fn not_ready(why: String, etcd: &Process, server: &Process) -> Error {
    let output = format!("{}\n{}", etcd.output(), server.output());
    Error::NotReady { program: "kube-apiserver", why, output }
}

/// The names by which the server is known.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

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

/// A kubeconfig of [`USER`] for a server whose credentials stand in a folder.
pub fn kubeconfig(server: &str, folder: &Path) -> String {
    let authority = folder.join(credentials::CERTIFICATE);
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: real\n\
         clusters: [{{name: real, cluster: {{server: 'https://{server}', \
         certificate-authority: '{}'}}}}]\n\
         users: [{{name: {USER}, user: {{token: {TOKEN}}}}}]\n\
         contexts: [{{name: real, context: {{cluster: real, user: {USER}}}}}]\n",
        authority.display()
    )
}

/// The command line of an etcd of one member.
pub fn etcd_arguments(data: &Path, clients: &str, peers: &str) -> Vec<String> {
    vec![
        "--unsafe-no-fsync".to_owned(),
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=default={peers}"),
    ]
}

/// The command line of an API server whose credentials stand in a folder.
pub fn server_arguments(folder: &Path, etcd: &str, address: &str, port: u16) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    let key = file(credentials::KEY);
    vec![
        format!("--etcd-servers={etcd}"),
        format!("--bind-address={address}"),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", file(credentials::CERTIFICATE)),
        format!("--tls-private-key-file={key}"),
        format!("--service-account-key-file={}", file(credentials::PUBLIC_KEY)),
        format!("--service-account-signing-key-file={key}"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/12".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--token-auth-file={}", file(credentials::TOKENS)),
        // Whoever runs it asks as fast as it can: no fair share of a server of one's own.
        "--enable-priority-and-fairness=false".to_owned(),
        "--max-requests-inflight=0".to_owned(),
        "--max-mutating-requests-inflight=0".to_owned(),
    ]
}

/// What makes a Kubernetes program act as one of an older version: its own is the newest.
///
/// Source: KEP-4330, compatibility versions.
pub fn emulation(version: Version) -> Option<String> {
    (version != Version::default()).then(|| format!("--emulated-version=kube={version}"))
}

/// The command lines of kube-controller-manager and kube-scheduler, whose kubeconfig and
/// credentials stand in a folder.
pub fn manager_arguments(folder: &Path) -> [Vec<String>; 2] {
    let file = |name: &str| folder.join(name).display().to_string();
    let usual = [
        format!("--kubeconfig={}", file(KUBECONFIG)),
        "--leader-elect=false".to_owned(),
        // They serve nothing: their usual ports would be everybody's.
        "--secure-port=0".to_owned(),
    ];
    let mut controllers = usual.to_vec();
    controllers.extend([
        format!("--service-account-private-key-file={}", file(credentials::KEY)),
        format!("--root-ca-file={}", file(credentials::CERTIFICATE)),
        "--use-service-account-credentials=true".to_owned(),
    ]);
    [controllers, usual.to_vec()]
}

/// Waits until `/readyz` says so, or the server has ended.
///
/// # Errors
/// With how it ended.
pub async fn ready(
    port: u16,
    known: &Credentials,
    mut ended: impl FnMut() -> Option<ExitStatus>,
) -> Result<(), String> {
    let client = client(port, known).map_err(|error| error.to_string())?;
    loop {
        if let Some(status) = ended() {
            return Err(format!("it ended with {status}"));
        }
        let asked = http::Request::get("/readyz").body(Vec::new());
        let asked = asked.map_err(|error| error.to_string())?;
        if client.request_text(asked).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

fn client(port: u16, known: &Credentials) -> Result<kube::Client, Box<dyn std::error::Error>> {
    let mut config = kube::Config::new(format!("https://127.0.0.1:{port}").parse()?);
    config.root_cert = Some(vec![known.certificate.clone()]);
    config.auth_info.token = Some(TOKEN.to_owned().into());
    Ok(kube::Client::try_from(config)?)
}
