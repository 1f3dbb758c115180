//! The scheduler: picks a node for each pending pod, and says why when there is none.
//!
//! Filters and scores are plugins, one file each under `scheduler/`, registered in [`plugins`].
//! To add one: a file with a type that implements [`Plugin`], and one line in that list.
//! Source of behaviour and words: `pkg/scheduler` of Kubernetes.

mod agent;
pub(crate) mod cluster;
mod images;
pub(crate) mod in_use;
pub(crate) mod node_affinity;
mod pick;
pub(crate) mod pod;
mod pod_affinity;
pub(crate) mod ports;
mod preempt;
mod resources;
mod selector;
mod spread;
pub(crate) mod taints;
mod volumes;
mod writes;

pub use agent::Scheduler;

use cluster::{Cluster, NodeInfo};
use pod::PodInfo;

use crate::controller::View;
use crate::facts::Version;

/// The most that a plugin gives a node.
const BEST: i64 = 100;

/// What a plugin looks at.
struct Sight<'a> {
    /// The pod to place.
    pod: &'a PodInfo,
    /// All nodes with what runs on them.
    cluster: &'a Cluster,
    /// The scheduler's cache, for claims, volumes and storage classes.
    view: &'a View,
    /// As which version of Kubernetes it schedules.
    version: Version,
}

/// Why a node cannot take a pod.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Refusal {
    /// In the scheduler's words, for example `Insufficient cpu`.
    reasons: Vec<String>,
    /// Whether evicting pods might help.
    preemptible: bool,
}

impl Refusal {
    fn lasting(reason: &str) -> Self {
        Self { reasons: vec![reason.to_owned()], preemptible: false }
    }

    fn passing(reason: &str) -> Self {
        Self { reasons: vec![reason.to_owned()], preemptible: true }
    }
}

/// One rule of placement.
trait Plugin: Sync {
    /// Before any node: an error refuses the pod everywhere, with this message.
    fn prefilter(&self, _sight: &Sight<'_>) -> Result<(), String> {
        Ok(())
    }

    /// Whether the node can take the pod.
    fn filter(&self, _sight: &Sight<'_>, _node: &NodeInfo) -> Result<(), Refusal> {
        Ok(())
    }

    /// How well each node that passed suits, from 0 to [`BEST`]; `None` when the plugin has no
    /// view. A plugin brings its own scores to that scale, and where it does not stretch them,
    /// small differences stay small.
    fn score(&self, _sight: &Sight<'_>, _nodes: &[&NodeInfo]) -> Option<Vec<i64>> {
        None
    }

    /// The weight of its score, as in the default profile of the real scheduler.
    fn weight(&self) -> i64 {
        1
    }
}

/// All plugins, in the order in which the real scheduler runs its filters, and those that score
/// alone.
fn plugins() -> &'static [&'static dyn Plugin] {
    &[
        &node_affinity::Unschedulable,
        &node_affinity::NodeName,
        &taints::Taints,
        &node_affinity::NodeAffinity,
        &ports::Ports,
        &resources::Fit,
        &volumes::Volumes,
        &spread::Spread,
        &pod_affinity::PodAffinity,
        &resources::Balanced,
        &images::Images,
    ]
}

#[cfg(test)]
mod tests;
