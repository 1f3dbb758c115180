//! What the API server refuses in built-in objects, in its own words.
//!
//! One file per group of kinds; [`validate`] is the list that registers them.
//! Source: `k8s.io/kubernetes/pkg/apis/*/validation` and `k8s.io/apimachinery/pkg/api/validation`.

mod admission;
mod autoscaler;
mod batch;
mod cluster;
mod core;
mod cron;
mod event;
pub mod field;
mod go_json;
mod limits;
pub(crate) mod meta;
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
mod webhooks;
mod workload;

use serde_json::Value;

use crate::api::Cause;
use crate::facts::Version;
use crate::object::GroupResource;

pub use meta::metadata;
pub(crate) use pod::warnings as pod_warnings;
pub(crate) use service::addresses as cluster_addresses;

/// What is wrong with the status of a complete object.
pub fn status(resource: &GroupResource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if (&*resource.group, &*resource.resource) == ("", "resourcequotas") {
        quota::status(object, &mut causes);
    }
    status::status((&resource.group, &resource.resource), object, old, &mut causes);
    causes
}

/// What is wrong with a complete object of a built-in kind; on update, `old` is the stored one.
pub fn validate(
    version: Version,
    resource: &GroupResource,
    object: &Value,
    old: Option<&Value>,
) -> Vec<Cause> {
    let mut causes = metadata(version, resource, object);
    let found = &mut causes;
    meta::finalizers(resource, object, found);
    match (&*resource.group, &*resource.resource) {
        ("", "pods") => pod::pod(object, old, found),
        ("", "services") => service::service(object, old, found),
        ("", "configmaps") => core::config_map(object, old, found),
        ("", "secrets") => core::secret(object, old, found),
        ("", "resourcequotas") => quota::quota(object, old, found),
        ("" | "events.k8s.io", "events") => event::event(object, old, found),
        ("", "limitranges") => limits::range(object, found),
        ("", "persistentvolumeclaims") => storage::claim(object, old, found),
        ("apps", "deployments") => workload::deployment(object, old, found),
        ("apps", "replicasets") => workload::replica_set(object, old, found),
        ("apps", "daemonsets") => workload::daemon_set(object, old, found),
        ("apps", "statefulsets") => workload::stateful_set(object, old, found),
        ("batch", "jobs") => batch::job(version, object, old, found),
        ("batch", "cronjobs") => batch::cron_job(object, old, found),
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
    causes
}

/// Where variables come from no files, nobody says that they could.
fn without_files(causes: &mut [Cause]) {
    let (with, without) = (
        "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        "`configMapKeyRef` or `secretKeyRef`",
    );
    for cause in causes.iter_mut().filter(|cause| cause.message.contains(with)) {
        cause.message = cause.message.replace(with, without);
    }
}
