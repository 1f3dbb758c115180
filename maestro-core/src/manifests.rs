//! What installs the operator: its namespace, kinds, account, rights and Deployment, as objects.
//!
//! `maestro manifests` prints them. They meet the restricted Pod Security Standard
//! (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>), which the namespace
//! enforces. One operator serves a cluster: what is cluster-scoped has fixed names.

pub mod rights;

use serde_json::{Value, json};

use crate::operator::FIELD_MANAGER;
use crate::package::framework_crds;

/// The name of the operator's objects.
pub const NAME: &str = "maestro-operator";
/// The namespace it is installed in unless another is said.
pub const NAMESPACE: &str = "maestro-system";
/// The container's port for `/metrics`, `/healthz` and `/readyz`.
const PORT: u16 = 8080;
/// Whom the container runs as: nobody that a host knows.
pub const USER: u32 = 65532;
/// How long a pod may take to end, in seconds: the operator's own grace (25 s) and a little more.
const GRACE: u32 = 30;

/// What may be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// The image that holds the `maestro` program.
    pub image: String,
    /// The namespace, a DNS label.
    pub namespace: String,
    /// How many replicas; one of them leads.
    pub replicas: u16,
}

/// All objects, in the order in which they can be created.
///
/// # Errors
/// When the image or the namespace cannot be one, with what would be right.
pub fn all(choices: &Choices) -> Result<Vec<Value>, String> {
    check(choices)?;
    let namespace = &choices.namespace;
    let mut objects = foundation(namespace)?;
    objects.extend([service(namespace), budget(namespace), deployment(choices)]);
    Ok(objects)
}

/// What must be there before an operator can run, wherever its process lives: the namespace, the
/// kinds, the account and its rights.
///
/// # Errors
/// When a kind of Maestro cannot be written as JSON.
pub fn foundation(namespace: &str) -> Result<Vec<Value>, String> {
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {
            "app.kubernetes.io/name": "maestro",
            "pod-security.kubernetes.io/enforce": "restricted",
        }},
    })];
    for crd in framework_crds() {
        objects.push(serde_json::to_value(crd).map_err(|error| error.to_string())?);
    }
    objects.push(json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(Some(namespace), NAME),
    }));
    objects.extend(rights::all(namespace));
    Ok(objects)
}

/// The user that the operator's account is in the eyes of the API server
/// (<https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>).
pub fn user(namespace: &str) -> String {
    format!("system:serviceaccount:{namespace}:{NAME}")
}

/// The groups that account is in.
pub fn groups(namespace: &str) -> [String; 3] {
    [
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
        "system:authenticated".to_owned(),
    ]
}

fn check(choices: &Choices) -> Result<(), String> {
    let image = &choices.image;
    if image.is_empty() || image.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("{image:?} is no image; write one such as registry/maestro:tag"));
    }
    let label = &choices.namespace;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edge = label.starts_with('-') || label.ends_with('-');
    if label.is_empty() || label.len() > 63 || edge || !label.chars().all(fits) {
        return Err(format!(
            "{label:?} is no namespace; write up to 63 lower case letters, digits and dashes, \
             with no dash at either end"
        ));
    }
    Ok(())
}

fn labels() -> Value {
    json!({"app.kubernetes.io/name": "maestro", "app.kubernetes.io/component": "operator"})
}

fn metadata(namespace: Option<&str>, name: &str) -> Value {
    let mut metadata = json!({"name": name, "labels": labels()});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

fn service(namespace: &str) -> Value {
    let mut metadata = metadata(Some(namespace), "maestro-metrics");
    metadata["labels"]["app.kubernetes.io/component"] = json!("metrics");
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {
            "selector": labels(),
            "ports": [{"name": "metrics", "port": PORT, "targetPort": "http"}],
        },
    })
}

/// It never stands in the way of a drain for good, however few replicas there are.
fn budget(namespace: &str) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": metadata(Some(namespace), NAME),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels()}},
    })
}

fn deployment(choices: &Choices) -> Value {
    let probe = |path: &str, period: u32| json!({"httpGet": {"path": path, "port": "http"}, "periodSeconds": period});
    let container = json!({
        "name": FIELD_MANAGER,
        "image": choices.image,
        "args": ["operator"],
        // A host's name may be cut short; a replica's name must be its own.
        "env": [{"name": "MAESTRO_IDENTITY",
                 "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"name": "http", "containerPort": PORT}],
        "livenessProbe": probe("/healthz", 10),
        "readinessProbe": probe("/readyz", 5),
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"memory": "512Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
        },
    });
    let spread = json!({
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": labels()},
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": metadata(Some(&choices.namespace), NAME),
        "spec": {
            "replicas": choices.replicas,
            "selector": {"matchLabels": labels()},
            "template": {
                "metadata": {"labels": labels()},
                "spec": {
                    "serviceAccountName": NAME,
                    "terminationGracePeriodSeconds": GRACE,
                    "topologySpreadConstraints": [spread],
                    "securityContext": {
                        "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [container],
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::{Choices, all};

    fn choices(image: &str, namespace: &str) -> Choices {
        Choices { image: image.to_owned(), namespace: namespace.to_owned(), replicas: 2 }
    }

    #[test]
    fn what_is_installed_stands_in_one_picture() {
        let objects = all(&choices("example.com/maestro:1", "maestro-system")).expect("objects");
        // What the kinds look like is pictured elsewhere.
        let others = objects.iter().filter(|one| one["kind"] != "CustomResourceDefinition");
        let text: Vec<String> =
            others.map(|one| serde_yaml::to_string(one).expect("YAML")).collect();
        insta::assert_snapshot!(text.join("---\n"));
        assert_eq!(objects.len() - text.len(), 3);
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (image, namespace, word) in [
            ("", "a", "is no image"),
            ("a b", "a", "is no image"),
            ("a", "", "is no namespace"),
            ("a", "A", "is no namespace"),
            ("a", "a.b", "is no namespace"),
            ("a", "-a", "is no namespace"),
        ] {
            let why = all(&choices(image, namespace)).expect_err(word);
            assert!(why.contains(word), "{why}");
        }
    }
}
