//! AppArmor profiles of new pods: what is said in the annotations that came before the fields is
//! written into these.
//!
//! Source: <https://kubernetes.io/docs/tutorials/security/apparmor/>, KEP-24,
//! `applyAppArmorVersionSkew` of `k8s.io/kubernetes/pkg/registry/core/pod`.

use crate::json::{Value, json};
use crate::object::{at, map_at};

/// Before the name of a container, the annotation of its profile.
pub(crate) const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Writes annotations into fields; what is told of those that say something new.
pub(super) fn settle(pod: &mut Value) -> Vec<String> {
    let mut warnings = Vec::new();
    if at(pod, &["spec", "os", "name"]).is_some_and(|name| name == "windows") {
        return warnings;
    }
    let profile = |of: &Value| at(of, &["securityContext", "appArmorProfile"]).cloned();
    let of_pod = at(pod, &["spec"]).and_then(profile);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let count = at(pod, &["spec", list]).and_then(Value::as_array).map_or(0, |all| all.len());
        for index in 0..count {
            let Some(container) = at(pod, &["spec", list]).and_then(|all| all.get(index)) else {
                continue;
            };
            let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
            let key = format!("{PREFIX}{name}");
            let note = at(pod, &["metadata", "annotations", &key]).and_then(Value::as_str);
            let (Some(note), None) = (note, profile(container)) else { continue };
            let field = field_of(note);
            let is_new = field.is_some() && field != of_pod;
            if is_new || field.is_none() {
                warnings.push(format!(
                    "metadata.annotations[{key}]: deprecated since v1.30; use the \
                     \"appArmorProfile\" field instead"
                ));
            }
            let container = pod.get_mut("spec").and_then(|spec| spec.get_mut(list)?.get_mut(index));
            if let (Some(container), Some(field)) = (container, field.filter(|_| is_new)) {
                map_at(container, &["securityContext"]).insert("appArmorProfile", field);
            }
        }
    }
    warnings
}

/// What an annotation says, as the field says it; none for what it cannot say.
pub(crate) fn field_of(note: &str) -> Option<Value> {
    match note {
        "unconfined" => Some(json!({"type": "Unconfined"})),
        "runtime/default" => Some(json!({"type": "RuntimeDefault"})),
        note => {
            let name = note.strip_prefix("localhost/").filter(|name| !name.trim().is_empty())?;
            Some(json!({"type": "Localhost", "localhostProfile": name}))
        }
    }
}
