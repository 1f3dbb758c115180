//! The universal operator: the one shell that performs IO, around the pure parts of this crate.
//!
//! [`run`] is all of it: leader election, the Framework controller, one controller for every
//! package's kind, and the optional listener for metrics and probes. It asks for nothing but a
//! client and a future that ends it, so the same function runs anywhere.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::{BoxFuture, Either, Shared, select};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use serde_json::Value;

use crate::framework::FrameworkVersionSpec;
use crate::task::ObjectKey;

mod advance;
mod clock;
mod drift;
mod effects;
mod ending;
mod events;
mod frameworks;
mod history;
mod instance;
mod instances;
mod journal;
mod kinds;
mod lease;
mod listener;
mod live;
mod memory;
mod metrics;
mod objects;
mod pods;
mod render;
mod status;
mod triggers;
mod world;

pub use lease::LeaseTimings;

use metrics::Metrics;
use world::World;

/// The field manager of everything the operator writes.
pub const FIELD_MANAGER: &str = "maestro";
/// The finalizer of instances, held until their cleanup is complete.
pub const CLEANUP_FINALIZER: &str = "maestro.dev/cleanup";
/// The finalizer of Frameworks, held until their kind has no instance left.
pub const FRAMEWORK_FINALIZER: &str = "maestro.dev/framework";

/// A future that ends the operator gracefully when it is ready.
pub type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How the operator runs.
pub struct OperatorOptions {
    /// The name of this replica; different for every replica.
    pub identity: String,
    /// The namespace to watch; none for all of them.
    pub namespace: Option<String>,
    /// The Lease that elects one replica; none to lead without one.
    pub lease: Option<LeaseOptions>,
    /// How many instances of one kind are reconciled at the same time.
    pub concurrency: u16,
    /// Ends the operator gracefully.
    pub shutdown: Shutdown,
    /// Where `/metrics`, `/healthz` and `/readyz` are served; none to serve nothing.
    pub listen: Option<SocketAddr>,
}

/// The Lease that elects one replica.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How it is kept.
    pub timings: LeaseTimings,
}

impl Default for LeaseOptions {
    fn default() -> Self {
        Self {
            namespace: "maestro-system".to_owned(),
            name: "maestro-operator".to_owned(),
            timings: LeaseTimings::default(),
        }
    }
}

impl Default for OperatorOptions {
    /// One replica for all namespaces, without a Lease and without a listener, never ending.
    fn default() -> Self {
        Self {
            identity: FIELD_MANAGER.to_owned(),
            namespace: None,
            lease: None,
            concurrency: 4,
            shutdown: Box::pin(std::future::pending()),
            listen: None,
        }
    }
}

/// Why the operator, or one reconcile of it, came to an end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or could not be reached.
    #[error(transparent)]
    Api(Box<kube::Error>),
    /// An object is not what its kind says.
    #[error("an object cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A new watch did not list everything in time.
    #[error("the watch of {0} has not synced")]
    NotSynced(String),
    /// Another replica took the lease, or it could not be renewed.
    #[error("the lease was lost")]
    LeaseLost,
    /// The listener's address cannot be bound.
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// Somebody wrote in between; what was decided is void.
    #[error("{0} was changed in between")]
    Changed(String),
    /// The controller of Frameworks or of a kind ended of itself.
    #[error("a controller ended")]
    Ended,
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

/// What all controllers share.
struct Core {
    client: Client,
    world: Arc<World>,
    metrics: Arc<Metrics>,
    events: events::Events,
    concurrency: u16,
    snapshots: Mutex<BTreeMap<ObjectKey, Snapshot>>,
}

/// A FrameworkVersion's object and what was read from it.
type Snapshot = (Arc<Value>, Arc<FrameworkVersionSpec>);

/// Runs the operator until `options.shutdown` is ready.
///
/// Boxed, so that this crate holds the whole of its machine code: what is not is compiled again in
/// every crate that runs it.
///
/// # Errors
/// When the lease is lost (a replica that lost it must not go on with what it remembers: start it
/// anew) or the listener cannot be bound. Errors of single requests are retried inside.
pub fn run(client: Client, options: OperatorOptions) -> BoxFuture<'static, Result<(), Error>> {
    Box::pin(operate(client, options))
}

async fn operate(client: Client, options: OperatorOptions) -> Result<(), Error> {
    let metrics = Arc::new(Metrics::default());
    let shutdown = options.shutdown.shared();
    let _listener = match options.listen {
        Some(address) => Some(listener::spawn(address, metrics.clone()).await?),
        None => None,
    };
    let world = World::new(client.clone(), options.namespace.clone());
    let shared = Arc::new(Core {
        events: events::Events::new(client.clone(), &options.identity),
        world: world.clone(),
        metrics: metrics.clone(),
        concurrency: options.concurrency,
        client: client.clone(),
        snapshots: Mutex::default(),
    });
    let result = match options.lease {
        None => {
            metrics.lead(true);
            frameworks::run(shared, shutdown).await
        }
        Some(lease) => {
            let api = Api::<Lease>::namespaced(client, &lease.namespace);
            let mut candidate =
                lease::Candidate::new(api, &lease.name, &options.identity, lease.timings);
            lead(&mut candidate, shared, shutdown).await
        }
    };
    metrics.lead(false);
    world.close();
    result
}

async fn lead(
    candidate: &mut lease::Candidate,
    shared: Arc<Core>,
    shutdown: Shared<Shutdown>,
) -> Result<(), Error> {
    let acquire = Box::pin(candidate.acquire());
    if let Either::Right(_) = select(acquire, shutdown.clone()).await {
        return Ok(());
    }
    tracing::info!("leading");
    shared.metrics.lead(true);
    let result = {
        let work = Box::pin(frameworks::run(shared, shutdown));
        let keep = Box::pin(candidate.keep());
        match select(work, keep).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => return Err(Error::LeaseLost),
        }
    };
    // Only after the last reconcile has ended may another replica begin.
    candidate.release().await;
    result
}
