//! Kinds: how the API serves what a template names. Built-in kinds are known beforehand, so that
//! they cost no request; others are asked of the server once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use kube::Client;
use kube::core::{ApiResource, GroupVersionKind};
use kube::discovery::{Scope, pinned_kind};

/// API version, kind, plural, and whether it is namespaced.
const BUILT_IN: &[(&str, &str, &str, bool)] = &[
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "Service", "services", true),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("v1", "Endpoints", "endpoints", true),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    ("v1", "Pod", "pods", true),
    ("v1", "ReplicationController", "replicationcontrollers", true),
    ("v1", "ResourceQuota", "resourcequotas", true),
    ("v1", "LimitRange", "limitranges", true),
    ("v1", "Namespace", "namespaces", false),
    ("v1", "Node", "nodes", false),
    ("v1", "PersistentVolume", "persistentvolumes", false),
    ("apps/v1", "Deployment", "deployments", true),
    ("apps/v1", "StatefulSet", "statefulsets", true),
    ("apps/v1", "DaemonSet", "daemonsets", true),
    ("apps/v1", "ReplicaSet", "replicasets", true),
    ("apps/v1", "ControllerRevision", "controllerrevisions", true),
    ("batch/v1", "Job", "jobs", true),
    ("batch/v1", "CronJob", "cronjobs", true),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true),
    ("networking.k8s.io/v1", "Ingress", "ingresses", true),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", true),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", true),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", true),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", false),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses", false),
    ("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", false),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false),
    ("maestro.dev/v1alpha1", "PlanExecution", "planexecutions", true),
    ("maestro.dev/v1alpha1", "Framework", "frameworks", false),
    ("maestro.dev/v1alpha1", "FrameworkVersion", "frameworkversions", false),
];

/// How one kind is served.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) resource: ApiResource,
    pub(super) namespaced: bool,
}

/// How kinds are served, as far as it was asked.
pub(super) struct Kinds {
    client: Client,
    asked: Mutex<BTreeMap<(String, String), Served>>,
}

impl Kinds {
    pub(super) fn new(client: Client) -> Self {
        Self { client, asked: Mutex::default() }
    }

    /// How a kind is served.
    pub(super) async fn find(&self, api_version: &str, kind: &str) -> Result<Served, kube::Error> {
        if let Some(known) = built_in(api_version, kind) {
            return Ok(known);
        }
        let key = (api_version.to_owned(), kind.to_owned());
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(served) = asked {
            return Ok(served);
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let (resource, capabilities) = pinned_kind(&self.client, &gvk).await?;
        let served = Served { resource, namespaced: capabilities.scope == Scope::Namespaced };
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(key, served.clone());
        Ok(served)
    }
}

/// Whether a kind is namespaced, as far as that is known beforehand.
pub(super) fn built_in(api_version: &str, kind: &str) -> Option<Served> {
    let known = BUILT_IN.iter().find(|known| known.0 == api_version && known.1 == kind)?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let gvk = GroupVersionKind::gvk(group, version, kind);
    Some(Served { resource: ApiResource::from_gvk_with_plural(&gvk, known.2), namespaced: known.3 })
}
