//! What the API server refuses in built-in objects, in its own words.
//!
//! One file per group of kinds; [`validate`] is the list that registers them.
//! Source: `k8s.io/kubernetes/pkg/apis/*/validation` and `k8s.io/apimachinery/pkg/api/validation`.

mod core;
pub mod field;
mod meta;
mod pod;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod workload;

use serde_json::Value;

use crate::api::Cause;
use crate::object::GroupResource;

pub use meta::metadata;

/// What is wrong with a complete object of a built-in kind; on update, `old` is the stored one.
pub fn validate(resource: &GroupResource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = metadata(resource, object);
    let found = &mut causes;
    match (&*resource.group, &*resource.resource) {
        ("", "pods") => pod::pod(object, old, found),
        ("", "services") => core::service(object, old, found),
        ("", "configmaps") => core::config_map(object, old, found),
        ("", "secrets") => core::secret(object, old, found),
        ("", "persistentvolumeclaims") => core::claim(object, old, found),
        ("apps", "deployments" | "replicasets" | "daemonsets") => {
            workload::replicated(object, old, found);
        }
        ("apps", "statefulsets") => workload::stateful_set(object, old, found),
        ("batch", "jobs") => workload::job(object, old, found),
        ("batch", "cronjobs") => workload::cron_job(object, found),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            core::role_binding(object, old, found);
        }
        _ => {}
    }
    causes
}
