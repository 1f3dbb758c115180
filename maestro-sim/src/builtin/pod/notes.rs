//! The annotations of pods that mean something: AppArmor profiles and mirrors of static pods.
//!
//! Source: `ValidateAppArmorPodAnnotations` and `ValidatePodSpecificAnnotationUpdates` of
//! `k8s.io/kubernetes/pkg/apis/core/validation`.

use crate::api::Cause;
use crate::api::app_armor::{PREFIX, field_of};
use crate::builtin::field::{self, Path, list, part, text};
use crate::json::{Map, Value};
use crate::object::at;

/// The annotation of a kubelet's own pods, which have no account.
pub(crate) const MIRROR: &str = "kubernetes.io/config.mirror";

fn notes(pod: &Value) -> Map {
    at(pod, &["metadata", "annotations"]).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// What is wrong with the annotations themselves.
pub(super) fn check(pod: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let meta = root.field("metadata");
    let path = meta.field("annotations");
    let all = notes(pod);
    let spec = part(pod, "spec");
    let names = |name: &str| {
        let lists = ["containers", "initContainers", "ephemeralContainers"];
        lists.iter().any(|kind| list(spec, kind).iter().any(|c| text(c, "name") == name))
    };
    if let Some(value) = all.get(MIRROR).filter(|_| text(spec, "nodeName").is_empty()) {
        let detail = "must set spec.nodeName if mirror pod annotation is set";
        causes.push(field::invalid(&format!("{path}[{MIRROR}]"), value, detail));
    }
    for (key, value) in all.iter().filter(|(key, _)| key.starts_with(PREFIX)) {
        let place = format!("{path}[{key}]");
        let (name, profile) = (&key[PREFIX.len()..], value.as_str().unwrap_or_default());
        if !names(name) {
            causes.push(field::invalid(&place, &name.into(), "container not found"));
        }
        let known = matches!(profile, "" | "runtime/default" | "unconfined");
        if !known && !profile.starts_with("localhost/") {
            let detail = format!("invalid AppArmor profile name: \"{profile}\"");
            causes.push(field::invalid(&place, value, &detail));
        }
    }
    match old {
        None => agree(spec, &all, causes),
        Some(old) => stay(&notes(old), &all, &path.to_string(), causes),
    }
}

/// On creation annotations and fields say the same.
fn agree(spec: &Value, all: &Map, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let of_pod = at(spec, &["securityContext", "appArmorProfile"]);
    for kind in ["initContainers", "containers", "ephemeralContainers"] {
        let place = path.field(kind);
        for (index, container) in list(spec, kind).iter().enumerate() {
            let own = at(container, &["securityContext", "appArmorProfile"]).or(of_pod);
            let note = all.get(&format!("{PREFIX}{}", text(container, "name")));
            let note = note.and_then(Value::as_str).and_then(field_of);
            let (Some(own), Some(note)) = (own, note) else { continue };
            let here = place.index(index);
            let here = here.field("securityContext");
            let here = here.field("appArmorProfile");
            if text(own, "type") != text(&note, "type") {
                let detail = "apparmor type in annotation and field must match";
                causes.push(field::forbidden(&here.field("type"), detail));
            } else if text(own, "localhostProfile") != text(&note, "localhostProfile") {
                let detail = "apparmor profile in annotation and field must match";
                causes.push(field::forbidden(&here.field("localhostProfile"), detail));
            }
        }
    }
}

/// On update these annotations stay as they are.
fn stay(old: &Map, new: &Map, path: &str, causes: &mut Vec<Cause>) {
    let kinds = [(PREFIX, "AppArmor annotations"), (MIRROR, "mirror pod annotation")];
    let is = |key: &str, of: &str| if of == PREFIX { key.starts_with(of) } else { key == of };
    for (key, _) in old.iter().filter(|(key, value)| new.get(key) != Some(*value)) {
        for (_, what) in kinds.iter().filter(|(of, _)| is(key, of)) {
            let detail = format!("may not remove or update {what}");
            causes.push(field::forbidden(&format!("{path}[{key}]"), &detail));
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(key)) {
        for (_, what) in kinds.iter().filter(|(of, _)| is(key, of)) {
            let detail = format!("may not add {what}");
            causes.push(field::forbidden(&format!("{path}[{key}]"), &detail));
        }
    }
}
