//! The simulated control plane over TCP and TLS, in the wall's time: where an operator that is a
//! program meets the same API server, controllers and scheduler as in a simulation, and nothing
//! has to be installed.

use std::net::{Ipv4Addr, SocketAddr};

use maestro_sim::facts::Version;
use maestro_sim::serve::{Options, Parts, Server};
use tokio::task::JoinHandle;

/// A running one. Dropping it ends it.
pub struct Served {
    kubeconfig: String,
    serving: JoinHandle<()>,
}

impl Served {
    /// Serves one without nodes on a free local port.
    ///
    /// # Errors
    /// When no port is free, or certificates cannot be made.
    pub async fn start(version: Version, seed: u64) -> Result<Self, String> {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let parts = Parts::Cluster { nodes: 0, workloads: Vec::new() };
        let options = Options { version, seed, ..Options::new(anywhere, parts) };
        let server = Server::bind(options).await.map_err(|error| error.to_string())?;
        let kubeconfig = server.kubeconfig().ok_or("it has no administrator")?;
        let serving = tokio::spawn(server.run(std::future::pending()));
        Ok(Self { kubeconfig, serving })
    }

    /// A kubeconfig (v1 Config, as YAML) of its administrator.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// Whether it has ended though nobody asked it to.
    pub fn failure(&self) -> Option<String> {
        self.serving.is_finished().then(|| "the served cluster has ended".to_owned())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
