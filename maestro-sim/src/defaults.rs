//! What the server fills in for its own kinds, one file per group of kinds.
//!
//! Source: the `SetDefaults_*` functions of `k8s.io/kubernetes/pkg/apis/*/v1` and the creation
//! strategies of `pkg/registry`, as the API reference documents their results.

mod admission;
mod batch;
mod core;
mod fill;
mod network;
mod pod;
mod volume;
mod workload;

pub use batch::tie_job;
pub(crate) use pod::{whole_requests, whole_resources};

use crate::json::Value;
use crate::object::GroupResource;

type Defaulter = fn(&mut Value);

/// Every built-in collection with defaults: group, resource, what fills it in.
const ALL: &[(&str, &str, Defaulter)] = &[
    ("", "endpoints", network::endpoints),
    ("", "limitranges", core::limit_range),
    ("", "namespaces", core::namespace),
    ("", "nodes", core::node),
    ("", "persistentvolumeclaims", volume::claim),
    ("", "persistentvolumes", volume::volume),
    ("", "pods", pod::pod),
    ("", "podtemplates", pod::template_of_root),
    ("", "replicationcontrollers", workload::replication_controller),
    ("", "secrets", core::secret),
    ("", "services", network::service),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies", admission::policy),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings", admission::binding),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", admission::webhooks),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies", admission::policy),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings", admission::binding),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", admission::webhooks),
    ("apps", "daemonsets", workload::daemon_set),
    ("apps", "deployments", workload::deployment),
    ("apps", "replicasets", workload::replica_set),
    ("apps", "statefulsets", workload::stateful_set),
    ("autoscaling", "horizontalpodautoscalers", core::autoscaler),
    ("batch", "cronjobs", batch::cron_job),
    ("batch", "jobs", batch::job),
    ("discovery.k8s.io", "endpointslices", network::endpoint_slice),
    ("flowcontrol.apiserver.k8s.io", "flowschemas", core::flow_schema),
    ("networking.k8s.io", "ingressclasses", network::ingress_class),
    ("networking.k8s.io", "ingresses", network::ingress),
    ("networking.k8s.io", "networkpolicies", network::policy),
    ("rbac.authorization.k8s.io", "clusterrolebindings", core::role_binding),
    ("rbac.authorization.k8s.io", "rolebindings", core::role_binding),
    ("resource.k8s.io", "resourceclaims", core::resource_claim),
    ("resource.k8s.io", "resourceclaimtemplates", core::resource_claim_template),
    ("scheduling.k8s.io", "priorityclasses", core::priority_class),
    ("storage.k8s.io", "csidrivers", volume::driver),
    ("storage.k8s.io", "storageclasses", volume::class),
];

/// Fills in what the server would, on a create or an update of a built-in kind. Fields that are
/// set stay as they are, so applying it twice changes nothing.
pub fn apply(resource: &GroupResource, object: &mut Value) {
    let found = ALL.iter().find(|(group, name, _)| {
        *name == resource.resource.as_ref() && *group == resource.group.as_ref()
    });
    if let Some((_, _, defaulter)) = found {
        defaulter(object);
    }
}

/// The same where the spec is the stored one, which is complete: what else there is to fill in.
pub fn apply_beside_spec(resource: &GroupResource, object: &mut Value) {
    match (&*resource.group, &*resource.resource) {
        ("", "pods") => pod::status(object),
        ("", "persistentvolumeclaims") => volume::status(object),
        ("apps", "deployments" | "replicasets" | "statefulsets") => {}
        ("batch", "jobs") => batch::label_job(object),
        _ => apply(resource, object),
    }
}

#[cfg(test)]
mod tests;
