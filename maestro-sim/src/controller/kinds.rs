//! The built-in collections controllers touch, and the way from a kind to its collection.

use crate::object::GroupResource;

macro_rules! kinds {
    ($($name:ident = $version:literal, $kind:literal, $group:literal, $plural:literal, $ns:literal;)*) => {
        $(
            #[doc = concat!("`", $version, "` ", $kind, ".")]
            pub static $name: GroupResource = GroupResource::new($group, $plural);
        )*
        /// Every built-in collection that can own or be owned.
        pub static ALL: &[Kind] = &[
            $(Kind {
                resource: GroupResource::new($group, $plural),
                api_version: $version,
                kind: $kind,
                namespaced: $ns,
            },)*
        ];
    };
}

/// What a collection is called in `apiVersion` and `kind`.
#[derive(Debug)]
pub struct Kind {
    /// The collection.
    pub resource: GroupResource,
    /// `apiVersion` of its storage version.
    pub api_version: &'static str,
    /// Its Kind.
    pub kind: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

kinds! {
    CONFIG_MAPS = "v1", "ConfigMap", "", "configmaps", true;
    ENDPOINTS = "v1", "Endpoints", "", "endpoints", true;
    NAMESPACES = "v1", "Namespace", "", "namespaces", false;
    NODES = "v1", "Node", "", "nodes", false;
    PERSISTENT_VOLUMES = "v1", "PersistentVolume", "", "persistentvolumes", false;
    CLAIMS = "v1", "PersistentVolumeClaim", "", "persistentvolumeclaims", true;
    PODS = "v1", "Pod", "", "pods", true;
    POD_TEMPLATES = "v1", "PodTemplate", "", "podtemplates", true;
    REPLICATION_CONTROLLERS =
        "v1", "ReplicationController", "", "replicationcontrollers", true;
    LIMIT_RANGES = "v1", "LimitRange", "", "limitranges", true;
    QUOTAS = "v1", "ResourceQuota", "", "resourcequotas", true;
    SECRETS = "v1", "Secret", "", "secrets", true;
    SERVICE_ACCOUNTS = "v1", "ServiceAccount", "", "serviceaccounts", true;
    SERVICES = "v1", "Service", "", "services", true;
    CONTROLLER_REVISIONS = "apps/v1", "ControllerRevision", "apps", "controllerrevisions", true;
    DAEMON_SETS = "apps/v1", "DaemonSet", "apps", "daemonsets", true;
    DEPLOYMENTS = "apps/v1", "Deployment", "apps", "deployments", true;
    REPLICA_SETS = "apps/v1", "ReplicaSet", "apps", "replicasets", true;
    STATEFUL_SETS = "apps/v1", "StatefulSet", "apps", "statefulsets", true;
    AUTOSCALERS = "autoscaling/v2", "HorizontalPodAutoscaler", "autoscaling",
        "horizontalpodautoscalers", true;
    CRON_JOBS = "batch/v1", "CronJob", "batch", "cronjobs", true;
    JOBS = "batch/v1", "Job", "batch", "jobs", true;
    LEASES = "coordination.k8s.io/v1", "Lease", "coordination.k8s.io", "leases", true;
    ENDPOINT_SLICES =
        "discovery.k8s.io/v1", "EndpointSlice", "discovery.k8s.io", "endpointslices", true;
    INGRESSES = "networking.k8s.io/v1", "Ingress", "networking.k8s.io", "ingresses", true;
    NETWORK_POLICIES =
        "networking.k8s.io/v1", "NetworkPolicy", "networking.k8s.io", "networkpolicies", true;
    SERVICE_CIDRS =
        "networking.k8s.io/v1", "ServiceCIDR", "networking.k8s.io", "servicecidrs", false;
    IP_ADDRESSES =
        "networking.k8s.io/v1", "IPAddress", "networking.k8s.io", "ipaddresses", false;
    BUDGETS = "policy/v1", "PodDisruptionBudget", "policy", "poddisruptionbudgets", true;
    ROLES = "rbac.authorization.k8s.io/v1", "Role", "rbac.authorization.k8s.io", "roles", true;
    ROLE_BINDINGS = "rbac.authorization.k8s.io/v1", "RoleBinding", "rbac.authorization.k8s.io",
        "rolebindings", true;
    CLUSTER_ROLES = "rbac.authorization.k8s.io/v1", "ClusterRole", "rbac.authorization.k8s.io",
        "clusterroles", false;
    CLUSTER_ROLE_BINDINGS = "rbac.authorization.k8s.io/v1", "ClusterRoleBinding",
        "rbac.authorization.k8s.io", "clusterrolebindings", false;
    STORAGE_CLASSES =
        "storage.k8s.io/v1", "StorageClass", "storage.k8s.io", "storageclasses", false;
    CRDS = "apiextensions.k8s.io/v1", "CustomResourceDefinition", "apiextensions.k8s.io",
        "customresourcedefinitions", false;
    MUTATING_WEBHOOKS = "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration",
        "admissionregistration.k8s.io", "mutatingwebhookconfigurations", false;
    VALIDATING_WEBHOOKS = "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration",
        "admissionregistration.k8s.io", "validatingwebhookconfigurations", false;
    PRIORITY_CLASSES =
        "scheduling.k8s.io/v1", "PriorityClass", "scheduling.k8s.io", "priorityclasses", false;
}

/// The built-in kind of an `apiVersion` and `kind`; any version of the group will do.
pub fn find(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let group = group_of(api_version);
    ALL.iter().find(|k| k.kind == kind && k.resource.group == group)
}

/// The built-in kind of a collection.
pub fn of(resource: &GroupResource) -> Option<&'static Kind> {
    ALL.iter().find(|k| k.resource == *resource)
}

/// The API group of an `apiVersion`, empty for core.
pub fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
