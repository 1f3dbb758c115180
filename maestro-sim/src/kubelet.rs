//! The kubelet: runs the pods of one node, as a pure step and as a controller around it.
//!
//! [`step`] turns a pod, what is known of it and the time into its next state, status and wake
//! time; it reads nothing else, so the same kubelet serves the simulation and a real API server.
//! Time is the duration since the Unix epoch. Nothing polls: every state knows its next change.

pub mod agent;
mod container;
pub(crate) mod needs;
mod node;
mod outline;
mod pod;
mod probe;
pub(crate) mod resize;
mod spec;
pub mod state;
mod status;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::json::Value;
use crate::workload::Behaviour;

pub use agent::Kubelet;
pub use needs::Missing;
pub use node::NodeSpec;
pub use outline::Outline;
pub use spec::Role;
pub use state::PodState;

/// What a step knows of the world besides the pod.
#[derive(Clone, Default, Debug)]
pub struct Around {
    /// Objects the pod refers to that are not there.
    pub missing: Missing,
    /// Images on the node.
    pub images: Arc<BTreeSet<String>>,
    /// Containers killed from outside since the last step; an empty name means all.
    pub kills: BTreeSet<String>,
    /// The address that the node would give to this pod.
    pub pod_ip: String,
    /// The node's own address.
    pub host_ip: String,
    /// What the node lacks for the resources that the pod asks for, if those are others than it
    /// has, and not all are there.
    pub unfit: Option<state::Verdict>,
    /// How the pod looked when its status, as it is given, was found to say just that.
    pub settled: Option<Outline>,
}

/// An event to record about the pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// Whether it is a warning.
    pub warning: bool,
    /// Its reason.
    pub reason: &'static str,
    /// Its message.
    pub message: String,
}

/// What a step decided.
#[derive(Clone, Debug)]
pub struct Step {
    /// The pod's state from now on.
    pub state: PodState,
    /// The new status, when it differs from the one in the pod.
    pub status: Option<Value>,
    /// Whether every process has ended and the deleted pod may go from the API server.
    pub delete: bool,
    /// Time until the next change that is known now.
    pub wake: Option<Duration>,
    /// Whether every container of the pod runs now, but for those that look into it.
    pub runs: bool,
    /// Whether a container was given other resources, or has them now.
    pub resized: bool,
    /// Events.
    pub events: Vec<Note>,
    /// Images that came onto the node.
    pub pulled: BTreeSet<String>,
    /// How the pod looks to its status, where that can be said briefly.
    pub outline: Option<Outline>,
}

/// One pass over one pod at `now` (since the Unix epoch).
pub fn step(
    pod: &Value,
    state: &PodState,
    behaviour: &Behaviour,
    around: &Around,
    now: Duration,
) -> Step {
    let mut pass = pod::Pass::new(pod, state.clone(), behaviour, around, now);
    pass.run();
    let outline = Outline::of(&pass);
    let same = outline.is_some() && outline == around.settled;
    let status = if same { None } else { status_if_new(&pass) };
    Step {
        status,
        outline,
        delete: pass.may_delete(),
        wake: pass.wake(),
        runs: pass.runs(),
        resized: pass.resized,
        events: pass.events,
        pulled: pass.pulled,
        state: pass.state,
    }
}

fn status_if_new(pass: &pod::Pass<'_>) -> Option<Value> {
    let status = status::build(pass);
    let old = pass.pod.get("status").unwrap_or(&Value::Null);
    (status != *old).then_some(status)
}

#[cfg(test)]
mod tests;
