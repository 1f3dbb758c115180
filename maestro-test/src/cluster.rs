//! The clusters that scenarios run on, and what a run needs of any of them.
//!
//! [`sim`] is the simulation. The others (feature `clusters`) are API servers of the wall's time:
//! the simulated one over TCP, and real ones. What stands before them is the same set of links, so
//! the same faults strike there. What a cluster lacks is said by [`Cluster::lacks`], and what needs
//! it is reported as skipped, by name.

pub mod account;
#[cfg(feature = "containers")]
pub mod container;
#[cfg(feature = "clusters")]
pub mod control_plane;
#[cfg(feature = "clusters")]
mod keeper;
#[cfg(feature = "containers")]
pub mod kind;
#[cfg(feature = "clusters")]
pub mod live;
#[cfg(feature = "clusters")]
pub mod served;
pub mod sim;
pub mod target;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use maestro_sim::api::webhook;
use maestro_sim::api::{Request, Status};
use maestro_sim::link::{LinkId, Trouble};
use maestro_sim::links::Links;
use maestro_sim::object::{GroupResource, Key, Object};
use maestro_sim::observe::RequestSummary;
use maestro_sim::rng::Stream;
use maestro_sim::workload::Wake;

use crate::event::Write;

/// A cluster, shared by everything in a run.
pub type Shared = Arc<dyn Cluster>;

/// Why a simulation runs no program.
pub const NO_PROGRAM: &str = "its operator is a program, which cannot live in virtual time: run it \
                              in the wall's, as --cluster served or control-plane do";

/// Why a cluster with an installed operator runs no program.
pub const NO_OTHER: &str = "its operator is a program, and here Maestro's own is installed: run it \
                            on another real cluster, as --cluster control-plane does";

/// Where what happens on a real cluster is told, as an observer is told of a simulation.
pub trait Sink: Send + Sync {
    /// One write, in the order in which they were stored.
    fn wrote(&self, at: Duration, write: Write);

    /// One request of the operator under test, after it was answered.
    fn requested(&self, _now: Duration, _summary: &RequestSummary<'_>) {}

    /// A crash that a fault made.
    fn noted(&self, _now: Duration, _what: &str, _details: &maestro_sim::json::Value) {}
}

/// A collection as the API server serves it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Served {
    /// The collection.
    pub resource: GroupResource,
    /// The version to ask for it in.
    pub version: Cow<'static, str>,
    /// Whether its objects have a namespace.
    pub namespaced: bool,
}

/// What faults may need that not every cluster has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Nodes whose kubelet is Maestro's own.
    Kubelets,
    /// Controllers and scheduler on links of their own.
    Controllers,
    /// An operator on links of its own, outside the cluster.
    Links,
    /// A way between API server and webhooks that can be cut.
    Webhooks,
}

/// An operator that is a program: it finds the API server through `KUBECONFIG`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// The file, or a name to look for in `PATH`.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// A running program. Dropping it kills it.
pub trait Running: Send {
    /// How it ended, if it did.
    fn ended(&mut self) -> Option<Ended>;
}

/// How a program ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The end of what it printed.
    pub output: String,
}

impl Ended {
    /// Whether it ended as a panic does: by a signal, or with the code that Rust (101) or Go (2)
    /// gives it.
    pub fn is_panic(&self) -> bool {
        self.code.is_none_or(|code| matches!(code, 2 | 101 | 128..))
    }
}

/// What a run needs of a cluster. Requests are answered before these functions return.
pub trait Cluster: Send + Sync {
    /// Time since the run began: virtual in a simulation, the wall's elsewhere.
    fn now(&self) -> Duration;

    /// How long something takes here that the scenario declares to take this long.
    fn paced(&self, declared: Duration) -> Duration {
        declared
    }

    /// The seed's stream of this name.
    fn stream(&self, name: &str) -> Stream;

    /// Why the cluster lacks something, if it does.
    fn lacks(&self, _need: Need) -> Option<&'static str> {
        None
    }

    /// The collection of a kind, of a group if that is said; `None` when nothing serves it.
    fn served(&self, kind: &str, group: Option<&str>) -> Option<Served>;

    /// Makes a request that no fault touches.
    ///
    /// # Errors
    /// What the API server answers.
    fn send(&self, request: Request) -> Result<(), Box<Status>>;

    /// An object as it is stored now; `None` when there is none.
    fn find(&self, served: &Served, key: &Key) -> Option<Arc<Object>>;

    /// A client on a link.
    fn client(&self, link: LinkId) -> kube::Client;

    /// Starts a program whose way to the API server is a link.
    ///
    /// # Errors
    /// When programs cannot live here, or this one cannot be started.
    fn program(&self, _link: LinkId, _program: &Program) -> Result<Box<dyn Running>, String> {
        Err(NO_PROGRAM.to_owned())
    }

    /// Looks at the links, or changes them.
    fn links(&self, act: &mut dyn FnMut(&mut Links));

    /// Kills the process behind a link.
    fn crash(&self, link: LinkId);

    /// Lets kubelets feel what was just set on the control of workloads.
    fn wake(&self, wakes: &[Wake]);

    /// Lets something go wrong with the webhooks of a configuration of this name, or of all; the
    /// number heals it. `None` where [`Need::Webhooks`] is lacking.
    fn trouble_webhooks(&self, _of: Option<&str>, _trouble: webhook::Trouble) -> Option<u64> {
        None
    }

    /// One trouble with webhooks is over.
    fn heal_webhooks(&self, _number: u64) {}

    /// The run is over: `stop` ends its operators. Where the cluster outlives it, what the run made
    /// is taken out again.
    ///
    /// # Errors
    /// What could not be removed.
    fn leave(&self, stop: Box<dyn FnOnce() + '_>) -> Result<(), String> {
        stop();
        Ok(())
    }

    /// Forgets the events of the past, so that a watch that goes on from there meets 410 Gone.
    fn compact(&self);
}

impl dyn Cluster {
    /// Looks at the links, or changes them, and returns what is found.
    pub fn with_links<T>(&self, act: impl FnOnce(&mut Links) -> T) -> T {
        let mut act = Some(act);
        let mut found = None;
        self.links(&mut |links| found = act.take().map(|act| act(links)));
        match found {
            Some(found) => found,
            None => unreachable!("a cluster shows its links"),
        }
    }

    /// Waits until a link's client is dead.
    pub async fn fenced(&self, link: LinkId) {
        std::future::poll_fn(|cx| {
            self.with_links(|links| {
                if links.get(link).fenced {
                    return Poll::Ready(());
                }
                links.wake_on(link, cx.waker());
                Poll::Pending
            })
        })
        .await;
    }

    /// Something goes wrong with links; the number heals it.
    pub fn trouble(&self, links: &[LinkId], trouble: &Trouble) -> u64 {
        self.with_links(|all| all.trouble(links, trouble))
    }

    /// One trouble is over.
    pub fn heal(&self, number: u64) {
        self.with_links(|links| links.heal(number));
    }
}
