//! The PodTopologyLabels admission plugin: pods carry the zone and the region of their node.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/>.

use crate::api::server::Server;
use crate::api::settings::Plugin;
use crate::json::Value;
use crate::object::{GroupResource, at, map_at};

const NODES: GroupResource = GroupResource::new("", "nodes");
/// The labels that are copied.
const COPIED: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

impl Server {
    /// Copies the labels of the node that a pod stands on. A node that is not there has none.
    pub(super) fn copy_topology(&self, pod: &mut Value) {
        if !self.plugin(Plugin::PodTopologyLabels) {
            return;
        }
        let name = at(pod, &["spec", "nodeName"]).and_then(Value::as_str).unwrap_or("");
        let Some(node) =
            Some(name).filter(|n| !n.is_empty()).and_then(|n| self.peek(&NODES, "", n))
        else {
            return;
        };
        let labels: Vec<_> = COPIED
            .iter()
            .filter_map(|label| Some((*label, node.label(label)?.to_owned())))
            .collect();
        for (label, value) in labels {
            map_at(pod, &["metadata", "labels"]).insert(label, value.into());
        }
    }
}
