//! What the operator may do: RBAC (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/>).
//!
//! Three roles, because they grow for different reasons:
//!
//! - `maestro-operator` is what the operator needs whatever the packages are. The kinds of packages
//!   come into being at run time, in one API group of their own, so one rule of that group covers
//!   each of them.
//! - `maestro-packages` is what templates may hold. It has no rules of its own: Kubernetes fills it
//!   from every ClusterRole that bears [`AGGREGATE`]. Who releases a package with another kind in
//!   it brings such a ClusterRole along, and the operator's own is left alone. A rule for
//!   everything would make every author of a Framework an administrator of the cluster.
//! - `maestro-workloads` is the first of those: the kinds that most packages hold. Whoever wants to
//!   allow less removes it and brings a narrower one. Kinds of RBAC, of whole nodes and of storage
//!   classes are not among them, for nobody may give away rights that he does not have.
//!
//! The Lease is the operator's own: a Role in its namespace.

use serde_json::{Value, json};

use super::{NAME, metadata};
use crate::framework::{GROUP, PACKAGE_GROUP};

/// The label, with the value "true", of ClusterRoles that say what templates may hold.
pub const AGGREGATE: &str = "maestro.dev/aggregate-to-packages";

/// The ClusterRole of what templates may hold.
pub const PACKAGES: &str = "maestro-packages";
const WORKLOADS: &str = "maestro-workloads";
const API: &str = "rbac.authorization.k8s.io/v1";
const RBAC: &str = "rbac.authorization.k8s.io";

/// Every role and binding.
pub(super) fn all(namespace: &str) -> Vec<Value> {
    let role = |name: &str, rules: Value| {
        json!({"apiVersion": API, "kind": "ClusterRole",
               "metadata": metadata(None, name), "rules": rules})
    };
    let mut packages = role(PACKAGES, json!([]));
    packages["aggregationRule"] =
        json!({"clusterRoleSelectors": [{"matchLabels": {AGGREGATE: "true"}}]});
    let mut workloads = role(WORKLOADS, workload_rules());
    workloads["metadata"]["labels"][AGGREGATE] = json!("true");
    vec![
        role(NAME, own_rules()),
        binding(namespace, NAME),
        packages,
        binding(namespace, PACKAGES),
        workloads,
        json!({"apiVersion": API, "kind": "Role",
               "metadata": metadata(Some(namespace), NAME), "rules": lease_rules()}),
        json!({"apiVersion": API, "kind": "RoleBinding",
               "metadata": metadata(Some(namespace), NAME),
               "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": NAME},
               "subjects": subjects(namespace)}),
    ]
}

fn binding(namespace: &str, role: &str) -> Value {
    json!({"apiVersion": API, "kind": "ClusterRoleBinding", "metadata": metadata(None, role),
           "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
           "subjects": subjects(namespace)})
}

fn subjects(namespace: &str) -> Value {
    json!([{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}])
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

/// Reading as a cache does.
const READ: [&str; 3] = ["get", "list", "watch"];

fn and(verbs: &[&'static str]) -> Vec<&'static str> {
    READ.iter().chain(verbs).copied().collect()
}

fn own_rules() -> Value {
    json!([
        rule(GROUP, &["frameworks"], &and(&["patch"])),
        rule(GROUP, &["frameworks/status"], &["patch"]),
        rule(GROUP, &["frameworkversions"], &and(&["create"])),
        rule(GROUP, &["planexecutions"], &and(&["create", "delete"])),
        rule(GROUP, &["planexecutions/status"], &["update"]),
        rule(PACKAGE_GROUP, &["*"], &and(&["patch"])),
        // For owners that block the end of what they own, where the cluster asks for that right.
        rule(GROUP, &["frameworks/finalizers"], &["update"]),
        rule(PACKAGE_GROUP, &["*/finalizers"], &["update"]),
        // The kinds of packages are made and taken away with their Frameworks.
        rule(
            "apiextensions.k8s.io",
            &["customresourcedefinitions"],
            &and(&["create", "patch", "delete"]),
        ),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
    ])
}

fn workload_rules() -> Value {
    let whole = and(&["create", "patch", "delete"]);
    json!([
        rule(
            "",
            &[
                "configmaps",
                "persistentvolumeclaims",
                "pods",
                "secrets",
                "serviceaccounts",
                "services",
            ],
            &whole,
        ),
        rule("", &["pods/eviction"], &["create"]),
        rule("apps", &["daemonsets", "deployments", "replicasets", "statefulsets"], &whole),
        rule("apps", &["deployments/scale", "replicasets/scale", "statefulsets/scale"], &["patch"],),
        rule("autoscaling", &["horizontalpodautoscalers"], &whole),
        rule("batch", &["cronjobs", "jobs"], &whole),
        rule("networking.k8s.io", &["ingresses", "networkpolicies"], &whole),
        rule("policy", &["poddisruptionbudgets"], &whole),
    ])
}

/// What does not exist yet has no name that a rule could hold, so creation stands alone. Lists and
/// watches of one name count as named.
fn lease_rules() -> Value {
    let mut known = rule("coordination.k8s.io", &["leases"], &and(&["update"]));
    known["resourceNames"] = json!([NAME]);
    json!([rule("coordination.k8s.io", &["leases"], &["create"]), known])
}
