//! The identity of a StatefulSet's pods and claims: names, labels, volumes.

use crate::controller::kinds::STATEFUL_SETS;
use crate::controller::own::controller_ref;
use crate::controller::shape;
use crate::json::{Map, Value, json};
use crate::object::{Object, map_at};

/// Label holding the revision a pod was made from.
pub const REVISION_LABEL: &str = "controller-revision-hash";
const NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
const INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";

/// `NAME-ORDINAL`.
pub fn name(set: &Object, ordinal: i64) -> String {
    format!("{}-{ordinal}", set.name())
}

/// The ordinal in a pod's name, if the name is one of this set's.
pub fn ordinal(set: &Object, pod: &str) -> Option<i64> {
    let number = pod.strip_prefix(set.name())?.strip_prefix('-')?;
    number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse().ok())?
}

/// The pod of an ordinal, of a template and a revision's name.
pub fn make(set: &Object, template: &Value, revision: &str, ordinal: i64) -> Value {
    let owner = controller_ref(&STATEFUL_SETS, set);
    let mut pod = shape::pod_from_template(template, set.namespace(), owner);
    let name = name(set, ordinal);
    let metadata = map_at(&mut pod, &["metadata"]);
    metadata.insert("generateName", format!("{}-", set.name()).into());
    metadata.insert("name", name.as_str().into());
    let labels = map_at(&mut pod, &["metadata", "labels"]);
    labels.extend(identity(&name, ordinal));
    labels.insert(REVISION_LABEL, revision.into());
    let spec = map_at(&mut pod, &["spec"]);
    spec.insert("hostname", name.as_str().into());
    let service = set.text(&["spec", "serviceName"]);
    if !service.is_empty() {
        spec.insert("subdomain", service.into());
    }
    set_volumes(spec, &claims(set, ordinal));
    pod
}

/// The labels every pod of the set must carry.
pub fn identity(name: &str, ordinal: i64) -> Map {
    let mut labels = Map::new();
    labels.insert(NAME_LABEL, name.into());
    labels.insert(INDEX_LABEL, ordinal.to_string().into());
    labels
}

/// The claims of an ordinal: the template's name (which is the volume's) and the whole claim.
pub fn claims(set: &Object, ordinal: i64) -> Vec<(String, Value)> {
    let templates = set.items(&["spec", "volumeClaimTemplates"]);
    templates.iter().map(|template| claim(set, template, ordinal)).collect()
}

/// The names of an ordinal's claims.
pub fn claim_names(set: &Object, ordinal: i64) -> impl Iterator<Item = String> {
    let templates = set.items(&["spec", "volumeClaimTemplates"]).iter();
    templates.map(move |one| claim_name(set, shape::text(one, &["metadata", "name"]), ordinal))
}

fn claim_name(set: &Object, volume: &str, ordinal: i64) -> String {
    format!("{volume}-{}-{ordinal}", set.name())
}

fn claim(set: &Object, template: &Value, ordinal: i64) -> (String, Value) {
    let volume = shape::text(template, &["metadata", "name"]).to_owned();
    let mut claim = template.clone();
    let root = map_at(&mut claim, &[]);
    root.insert("apiVersion", "v1".into());
    root.insert("kind", "PersistentVolumeClaim".into());
    root.remove("status");
    let metadata = map_at(&mut claim, &["metadata"]);
    metadata.remove("creationTimestamp");
    metadata.insert("name", claim_name(set, &volume, ordinal).into());
    metadata.insert("namespace", set.namespace().into());
    if let Some(selected) = set.at(&["spec", "selector", "matchLabels"]).and_then(Value::as_object)
    {
        let labels = map_at(&mut claim, &["metadata", "labels"]);
        labels.extend(selected.clone());
    }
    (volume, claim)
}

/// Volumes of claims replace the template's volumes of the same name.
fn set_volumes(spec: &mut Map, claims: &[(String, Value)]) {
    if claims.is_empty() {
        return;
    }
    let mut volumes: Vec<Value> = claims
        .iter()
        .map(|(volume, claim)| {
            let name = shape::text(claim, &["metadata", "name"]);
            json!({"name": volume, "persistentVolumeClaim": {"claimName": name}})
        })
        .collect();
    let others = spec.get("volumes").and_then(Value::as_array).into_iter().flatten();
    let is_claim = |v: &Value| claims.iter().any(|(name, _)| shape::text(v, &["name"]) == name);
    volumes.extend(others.filter(|v| !is_claim(v)).cloned());
    spec.insert("volumes", volumes.into());
}
