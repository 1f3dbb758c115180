//! What the API server refuses in built-in objects, in its own words.
//!
//! One file per group of kinds; [`validate`] is the list that registers them.
//! Source: `k8s.io/kubernetes/pkg/apis/*/validation` and `k8s.io/apimachinery/pkg/api/validation`.

pub(crate) mod address;
mod admission;
mod autoscaler;
mod batch;
mod certificate;
mod cluster;
mod core;
mod cron;
mod endpoints;
mod event;
pub mod field;
mod go_json;
mod limits;
pub(crate) mod meta;
mod network;
mod network_policy;
mod node;
mod outcome;
mod pod;
mod policy;
mod quota;
mod roles;
mod rollout;
mod service;
mod status;
mod storage;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod volume;
mod webhooks;
mod workload;

use crate::api::Cause;
use crate::api::pod_parts::PodPart;
use crate::facts::Version;
use crate::json::Value;
use crate::object::GroupResource;

pub(crate) use address::{odd_address, odd_network};
pub(crate) use go_json::base64 as decode_base64;
pub(crate) use meta::embedded as embedded_metadata;
pub(crate) use meta::marks;
pub use meta::metadata;
pub(crate) use pod::{MIRROR, SECCOMP_CONTAINER, SECCOMP_POD, warnings as pod_warnings};
pub(crate) use service::addresses as cluster_addresses;
pub(crate) use webhooks::{service as webhook_service, url as webhook_url};

/// What is wrong with the status of a complete object.
pub fn status(
    version: Version,
    (resource, subresource): (&GroupResource, &str),
    object: &Value,
    old: Option<&Value>,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    let found = &mut causes;
    match (&*resource.group, &*resource.resource) {
        ("certificates.k8s.io", "certificatesigningrequests") => {
            let old = old.unwrap_or(&Value::Null);
            certificate::conditions(version, subresource == "approval", object, old, found);
        }
        ("", "pods") => pod::status(version, object, old, found),
        ("", "resourcequotas") => quota::status(object, found),
        ("", "nodes") => node::node_status(object, found),
        ("", "services") => status::balancer(version, object, found),
        ("networking.k8s.io", "ingresses") => network::ingress_status(version, object, found),
        id => status::status(id, object, old, found),
    }
    causes
}

/// What is wrong with a complete object of a built-in kind; on update, `old` is the stored one.
pub fn validate(
    version: Version,
    resource: &GroupResource,
    part: Option<PodPart>,
    object: &Value,
    old: Option<&Value>,
) -> Vec<Cause> {
    let mut causes = metadata(version, resource, object);
    let found = &mut causes;
    meta::finalizers(resource, object, found);
    match (&*resource.group, &*resource.resource) {
        ("", "pods") => pod::pod(object, old, (version, part), found),
        ("", "services") => service::service(version, object, old, found),
        ("", "configmaps") => core::config_map(object, old, found),
        ("", "secrets") => core::secret(object, old, found),
        ("", "resourcequotas") => quota::quota(object, old, found),
        ("" | "events.k8s.io", "events") => event::event(object, old, found),
        ("", "limitranges") => limits::range(object, found),
        ("", "nodes") => node::node(version, object, old, found),
        ("", "namespaces") => node::namespace(object, found),
        ("", "persistentvolumes") => volume::volume(object, old, found),
        ("", "endpoints") => endpoints::endpoints(version, object, found),
        ("", "podtemplates") => workload::template(object, found),
        ("", "replicationcontrollers") => workload::replication_controller(object, found),
        ("apps", "controllerrevisions") => workload::revision(object, old, found),
        ("coordination.k8s.io", "leases") => node::lease(object, found),
        ("discovery.k8s.io", "endpointslices") => {
            endpoints::slice(version, object, old, found);
        }
        ("networking.k8s.io", "ingresses") => network::ingress(version, object, old, found),
        ("networking.k8s.io", "ipaddresses") => network::address(version, object, old, found),
        ("networking.k8s.io", "servicecidrs") => network::range(object, old, found),
        ("networking.k8s.io", "ingressclasses") => {
            network::ingress_class(version, object, old, found);
        }
        ("networking.k8s.io", "networkpolicies") => network_policy::policy(version, object, found),
        ("node.k8s.io", "runtimeclasses") => {
            node::runtime_class(version, object, old, found);
        }
        ("scheduling.k8s.io", "priorityclasses") => node::priority_class(object, old, found),
        ("storage.k8s.io", "storageclasses") => {
            volume::storage_class(version, object, old, found);
        }
        ("storage.k8s.io", "csidrivers") => volume::driver(object, old, found),
        ("", "persistentvolumeclaims") => storage::claim(object, old, found),
        ("apps", "deployments") => workload::deployment(object, old, found),
        ("apps", "replicasets") => workload::replica_set(object, old, found),
        ("apps", "daemonsets") => workload::daemon_set(object, old, found),
        ("apps", "statefulsets") => workload::stateful_set(object, old, found),
        ("batch", "jobs") => batch::job(version, object, old, found),
        ("batch", "cronjobs") => batch::cron_job(version, object, old, found),
        (
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations" | "mutatingwebhookconfigurations",
        ) => webhooks::configuration(object, found),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => {
            admission::policy(object, found);
        }
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings") => {
            admission::binding(version, object, found);
        }
        ("policy", "poddisruptionbudgets") => policy::budget(object, found),
        ("autoscaling", "horizontalpodautoscalers") => {
            autoscaler::autoscaler(version, object, old, found);
        }
        ("apiregistration.k8s.io", "apiservices") => cluster::api_service(object, found),
        ("certificates.k8s.io", "certificatesigningrequests") => {
            cluster::certificate_request(object, found);
        }
        ("storage.k8s.io", "csistoragecapacities") => storage::capacity(object, old, found),
        ("storage.k8s.io", "volumeattachments") => cluster::attachment(version, object, old, found),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            core::role_binding(object, old, found);
            roles::binding(version, object, &*resource.resource == "rolebindings", found);
        }
        ("rbac.authorization.k8s.io", plural @ ("roles" | "clusterroles")) => {
            roles::role(version, object, plural == "roles", found);
        }
        _ => {}
    }
    if !version.has("EnvFiles") {
        without_files(&mut causes);
    }
    if !version.has("SELinuxMount") {
        without(&mut causes, "\"MountOption\", \"Recursive\"", "\"Recursive\"");
    }
    causes
}

/// Where variables come from no files, nobody says that they could.
fn without_files(causes: &mut [Cause]) {
    let (with, without) = (
        "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        "`configMapKeyRef` or `secretKeyRef`",
    );
    self::without(causes, with, without);
}

/// Says less of what would have been right.
fn without(causes: &mut [Cause], with: &str, without: &str) {
    for cause in causes.iter_mut().filter(|cause| cause.message.contains(with)) {
        cause.message = cause.message.replace(with, without);
    }
}
