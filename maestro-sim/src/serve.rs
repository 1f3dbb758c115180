//! A simulated cluster over TCP and TLS, for operators and tools in any language.
//!
//! The same API server, controllers, scheduler and kubelets as in a simulation, whose time is the
//! wall's or runs faster by a factor. Clients are known by a certificate of the cluster's own
//! authority or by a bearer token; nobody else is answered. What they may do is what the roles in
//! the cluster say; members of `system:masters`, as its administrator, may do everything.
//!
//! The API server alone also stands in for the programs that controller-runtime's envtest starts:
//! [`command`] reads their command lines, and [`assets`] writes the folder where it finds them.
//! There nobody in particular may ask for health, as with a real server.
//!
//! Nothing a client does may take the server from others: bodies, headers, connections and open
//! watches are bounded ([`Limits`]), and whoever neither sends nor reads is cut off.

mod access;
pub mod assets;
mod certificate;
pub mod command;
mod connection;
mod etcd;
pub mod flags;
mod gzip;
mod identity;
mod kubeconfig;
mod outside;
mod patience;
mod route;
mod tls;
mod trust;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;

use crate::api::settings::Settings;
use crate::api::token::Secret;
use crate::boot::{self, ClusterSpec};
use crate::entropy::EPOCH_SECS;
use crate::facts::Version;
use crate::link::LinkId;
use crate::sim::{self, Cluster};
use crate::trace::TraceLevel;
use crate::workload::Rule;

pub use etcd::Etcd;
pub use identity::{User, Users, UsersError};
pub use route::{Route, RouteError};
pub use tls::Given;

/// What is served, where and to whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on; port 0 for any that is free.
    pub listen: SocketAddr,
    /// What runs besides the API server.
    pub parts: Parts,
    /// The version of Kubernetes that the cluster is of.
    pub version: Version,
    /// Decides everything that is drawn: names, UIDs, the behaviour of workloads.
    pub seed: u64,
    /// Seconds of the cluster in one second of the wall; 1 for the wall's own time.
    pub speed: f64,
    /// Who may come with a token.
    pub users: Users,
    /// What one client may take.
    pub limits: Limits,
    /// Where Services of the cluster are answered, for the webhooks behind them.
    pub services: Vec<Route>,
    /// What the API server is told at its start.
    pub settings: Settings,
    /// Its certificates; without, it makes its own.
    pub given: Option<Given>,
    /// Whether who proves nothing is somebody, `system:anonymous`; else nobody answers them.
    pub anonymous: bool,
}

impl Options {
    /// What is commonly served there: the newest version, in the wall's time, to nobody but those
    /// whom the cluster's own authority vouches for.
    pub fn new(listen: SocketAddr, parts: Parts) -> Self {
        Self {
            listen,
            parts,
            version: Version::default(),
            seed: 0,
            speed: 1.0,
            users: Users::default(),
            limits: Limits::default(),
            services: Vec::new(),
            settings: Settings::default(),
            given: None,
            anonymous: false,
        }
    }
}

/// What runs besides the API server.
#[derive(Clone, Debug)]
pub enum Parts {
    /// Nothing, as in controller-runtime's envtest: no controller, no scheduler and no node.
    ApiServer,
    /// The controllers, the scheduler and this many nodes.
    Cluster {
        /// The number of nodes, in three zones.
        nodes: u32,
        /// How workloads behave; what no rule selects starts at once and runs.
        workloads: Vec<Rule>,
    },
}

/// What the server gives at most.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request's body; a real API server takes 3 MiB.
    pub body: usize,
    /// Bytes of a request's line and headers.
    pub headers: usize,
    /// Open connections; more wait to be accepted.
    pub connections: usize,
    /// Open watches; more are answered with 429.
    pub watches: usize,
    /// How long a client may take for a handshake, for its headers, and for its body.
    pub sending: Duration,
    /// How long a client may leave unread what was written for it.
    pub reading: Duration,
    /// How long open requests may go on after a shutdown.
    pub ending: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 3 << 20,
            headers: 64 << 10,
            connections: 1_000,
            watches: 10_000,
            sending: Duration::from_secs(30),
            reading: Duration::from_secs(60),
            ending: Duration::from_secs(3),
        }
    }
}

/// Why a cluster cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or is not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Keys and certificates could not be made.
    #[error("cannot make the cluster's certificates: {0}")]
    Certificates(String),
    /// A key or a certificate that was given cannot be used.
    #[error("cannot use {}: {why}", path.display())]
    Given {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A kubeconfig could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A cluster that listens and is not yet served.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    cluster: Cluster,
    link: LinkId,
    tls: tls::Tls,
    users: Arc<Users>,
    limits: Limits,
}

impl Server {
    /// Makes a cluster and listens; clients that connect from now on are served by
    /// [`Server::run`].
    ///
    /// # Errors
    /// When the address cannot be had, or no certificates can be made.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let listen = |source| Error::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let tls = match &options.given {
            Some(given) => tls::Tls::given(given, address.ip())?,
            None => tls::Tls::new(address.ip())?,
        };
        let mut users = options.users;
        users.anonymous = options.anonymous;
        if let Some(admin) = tls.admin() {
            users.admit(&admin.certificate, User::admin());
        }
        let world = sim::Options { seed: options.seed, trace: TraceLevel::Digest };
        let cluster = Cluster::new(&world, since_epoch(), options.speed);
        let secret = Secret::new(tls.token_key());
        let link = cluster.with(|world| {
            world.server.set_up(options.settings);
            world.server.tokens = secret;
            world.server.authority = tls.authority_pem().to_owned();
            world.server.webhooks.outside = true;
            world.server.kept.reach(address);
            for Route { namespace, name, port, to } in &options.services {
                world.server.webhooks.route(namespace, name, *port, to);
            }
            boot::be(world, options.version);
            match options.parts {
                Parts::ApiServer => boot::bootstrap(world),
                Parts::Cluster { nodes, workloads } => {
                    boot::cluster(world, &ClusterSpec { nodes, workloads });
                }
            }
            // What a client waits for is its own network.
            world.links.add_direct("tcp")
        });
        Ok(Self {
            listener,
            address,
            cluster,
            link,
            tls,
            users: users.into(),
            limits: options.limits,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The cluster that is served.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// A kubeconfig (v1 Config, as YAML) for its administrator; none where others gave it its
    /// certificates, who also make those of its users.
    pub fn kubeconfig(&self) -> Option<String> {
        kubeconfig::text(self.address, &self.tls)
    }

    /// The certificate (DER) of the authority that signed the server's own.
    pub fn authority(&self) -> Vec<u8> {
        self.tls.authority_der().to_vec()
    }

    /// Writes the kubeconfig, if there is one, readable by its owner alone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_kubeconfig(&self, path: &std::path::Path) -> Result<(), Error> {
        let Some(text) = self.kubeconfig() else { return Ok(()) };
        kubeconfig::write(path, &text)
            .map_err(|source| Error::Kubeconfig { path: path.to_owned(), source })
    }

    /// Serves until `shutdown`; then open requests may end, and the rest is cut.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let engine = tokio::spawn(self.cluster.clone().drive());
        let hooks = tokio::spawn(outside::ask_for_controllers(self.cluster.clone()));
        let door = access::Door::new(&self.cluster, self.link, &self.users, &self.limits);
        connection::accept(self.listener, &self.tls, door, &self.limits, shutdown).await;
        engine.abort();
        hooks.abort();
    }
}

/// The wall's time as the world counts it.
#[expect(clippy::disallowed_methods, reason = "a served cluster is no simulation: it begins now")]
fn since_epoch() -> Duration {
    let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH_SECS.unsigned_abs());
    SystemTime::now().duration_since(epoch).unwrap_or_default()
}

#[cfg(test)]
mod hook_tests;
#[cfg(test)]
mod tests;
