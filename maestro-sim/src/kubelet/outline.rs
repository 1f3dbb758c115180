//! How a pod looks to its status: what of its state the status shows, without the status.
//!
//! A pod that serves is looked at every few seconds, and hardly ever is there anything to report.
//! Two passes over one version of a pod that look the same report the same.

use std::time::Duration;

use crate::kubelet::container::{Container, Stage};
use crate::kubelet::pod::Pass;
use crate::kubelet::resize::Resize;
use crate::kubelet::state::Verdict;

/// What a status shows of a pod besides the pod itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outline {
    accepted: Option<Duration>,
    sandbox: bool,
    verdict: Option<Verdict>,
    resize: Resize,
    containers: Vec<Seen>,
}

/// A container, whether it is ready and whether it has started.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Seen {
    container: Container,
    ready: bool,
    started: bool,
}

impl Outline {
    /// Of a pod after a pass. `None` while a container neither runs nor has ended for good: what
    /// its status says may then change by time alone.
    pub(super) fn of(pass: &Pass<'_>) -> Option<Self> {
        let containers = pass.specs.iter().map(|spec| {
            let mut container = pass.state.containers.get(spec.name)?.clone();
            let (ready, started) = (container.is_ready(pass.now), container.is_started(pass.now));
            match &mut container.stage {
                // What its probe was asked shows in nothing but the verdict.
                Stage::Running(running) => running.asked = None,
                Stage::Exited { restart: None } => {}
                _ => return None,
            }
            Some(Seen { container, ready, started })
        });
        Some(Self {
            accepted: pass.state.accepted,
            sandbox: pass.state.sandbox,
            verdict: pass.state.verdict.clone(),
            resize: pass.state.resize.clone(),
            containers: containers.collect::<Option<_>>()?,
        })
    }
}
