//! What was said of a certificate request, and what may be changed of it.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/certificates/validation`.

use super::field::{self, Path, list, part, text};
use crate::api::Cause;
use crate::facts::Version;
use crate::json::Value;

const FINAL: [&str; 3] = ["Approved", "Denied", "Failed"];

/// What is wrong with a status that comes over `status` or over `approval`.
pub(super) fn conditions(
    version: Version,
    approves: bool,
    object: &Value,
    old: &Value,
    causes: &mut Vec<Cause>,
) {
    let root = Path::Root;
    let status = root.field("status");
    let path = status.field("conditions");
    let (new, old_status) = (part(object, "status"), part(old, "status"));
    let (all, before) = (list(new, "conditions"), list(old_status, "conditions"));
    each(version, all, &path, causes);
    let of = |all: &'_ [Value], kind: &str| -> Vec<Value> {
        all.iter().filter(|condition| text(condition, "type") == kind).cloned().collect()
    };
    for kind in FINAL {
        if of(all, kind).len() < of(before, kind).len() {
            let why = format!("updates may not remove a condition of type \"{kind}\"");
            causes.push(field::forbidden(&path, &why));
        }
    }
    for kind in if approves { &[][..] } else { &FINAL[..2] } {
        if of(all, kind).len() > of(before, kind).len() {
            let why = format!("updates may not add a condition of type \"{kind}\"");
            causes.push(field::forbidden(&path, &why));
        }
    }
    let (certificate, former) = (text(new, "certificate"), text(old_status, "certificate"));
    if certificate != former && !former.is_empty() {
        let why = "updates may not modify existing certificate content";
        causes.push(field::forbidden(&status.field("certificate"), why));
    }
}

fn each(version: Version, all: &[Value], path: &Path<'_>, causes: &mut Vec<Cause>) {
    for (index, condition) in all.iter().enumerate() {
        let place = path.index(index);
        let (kind, state) = (text(condition, "type"), text(condition, "status"));
        if kind.is_empty() {
            causes.push(field::required(&place.field("type"), ""));
        }
        let allowed: &[&str] =
            if FINAL.contains(&kind) { &["True"] } else { &["False", "True", "Unknown"] };
        if state.is_empty() {
            causes.push(field::required(&place.field("status"), ""));
        } else if !allowed.contains(&state) {
            causes.push(field::not_supported(&place.field("status"), &state.into(), allowed));
        }
        let earlier = &all[..index];
        let other = match kind {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if !other.is_empty() && earlier.iter().any(|c| text(c, "type") == other) {
            if version.minor() < 36 {
                let why = "Approved and Denied conditions are mutually exclusive";
                causes.push(field::invalid(path, &kind.into(), why));
                continue;
            }
            let both =
                ["Approved", "Denied"].map(|kind| format!("conditions[{{\"type\": {kind:?}}}]"));
            let shown = format!("{{{}}}", both.join(", "));
            let why = format!("must specify at most one of: `{}`", both.join("`, `"));
            causes.push(field::invalid(path, &shown.into(), &why));
        }
        if earlier.iter().any(|c| text(c, "type") == kind) {
            causes.push(field::duplicate(&place.field("type"), &kind.into()));
        }
    }
}
