//! Host ports.

use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::pod::Port;
use crate::scheduler::{Plugin, Refusal, Sight};

/// Refuses nodes where a host port is taken.
pub struct Ports;

impl Plugin for Ports {
    fn filter(&self, sight: &Sight<'_>, node: &NodeInfo) -> Result<(), Refusal> {
        let wanted = &sight.pod.ports;
        let mut taken = node.pods.values().flat_map(|pod| &pod.ports);
        if !wanted.is_empty() && taken.any(|t| wanted.iter().any(|w| clash(t, w))) {
            let reason = "node(s) didn't have free ports for the requested pod ports";
            return Err(Refusal::passing(reason));
        }
        Ok(())
    }
}

/// Whether two host ports cannot be had on one node.
pub fn clash(a: &Port, b: &Port) -> bool {
    let everywhere = "0.0.0.0";
    a.0 == b.0 && a.2 == b.2 && (a.1 == b.1 || a.1 == everywhere || b.1 == everywhere)
}
