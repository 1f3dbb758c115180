//! As whom, and with what rights, pods and their containers run.

use serde_json::Value;

use super::super::field::{self, Path, int, list, on, set, text};
use super::container::descending;
use crate::api::Cause;

/// Users and groups (Linux).
const IDS: (i64, i64) = (0, i32::MAX as i64);

/// The security context of a pod.
pub(super) fn pod(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let here = path.field("securityContext");
    if let Some(context) = set(spec, "securityContext") {
        for id in ["fsGroup", "runAsUser", "runAsGroup"] {
            field::in_range(&here.field(id), int(context, id), IDS, causes);
        }
        let groups = here.field("supplementalGroups");
        for (index, group) in list(context, "supplementalGroups").iter().enumerate() {
            field::in_range(&groups.index(index), group.as_i64(), IDS, causes);
        }
        let policies = [
            ("fsGroupChangePolicy", ["Always", "OnRootMismatch"]),
            ("supplementalGroupsPolicy", ["Merge", "Strict"]),
            ("seLinuxChangePolicy", ["MountOption", "Recursive"]),
        ];
        seccomp(context, &here, causes);
        app_armor(context, &here, causes);
        for (name, allowed) in policies {
            let policy = text(context, name);
            if !policy.is_empty() {
                field::one_of(&here.field(name), policy, &allowed, causes);
            }
        }
    }
    if on(spec, "shareProcessNamespace") && on(spec, "hostPID") {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        causes.push(field::invalid(&path.field("shareProcessNamespace"), &true.into(), detail));
    }
}

/// The security context of a container.
pub(super) fn container(context: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for id in ["runAsUser", "runAsGroup"] {
        field::in_range(&path.field(id), int(context, id), IDS, causes);
    }
    let mount = text(context, "procMount");
    if !mount.is_empty() {
        field::one_of(&path.field("procMount"), mount, &["Default", "Unmasked"], causes);
    }
    seccomp(context, path, causes);
    app_armor(context, path, causes);
}

fn seccomp(context: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let Some(profile) = set(context, "seccompProfile") else { return };
    let here = path.field("seccompProfile");
    let kind = text(profile, "type");
    let allowed = ["Localhost", "RuntimeDefault", "Unconfined"];
    if kind.is_empty() {
        causes.push(field::required(
            &here.field("type"),
            "type is required when seccompProfile is set",
        ));
    } else {
        field::one_of(&here.field("type"), kind, &allowed, causes);
    }
    let place = here.field("localhostProfile");
    match (kind, set(profile, "localhostProfile").and_then(Value::as_str)) {
        ("Localhost", None) => {
            let detail = "must be set when seccomp type is Localhost";
            causes.push(field::required(&place, detail));
        }
        ("Localhost", Some(file)) => descending(file, &place, causes),
        (_, Some(file)) => {
            let detail = "can only be set when seccomp type is Localhost";
            causes.push(field::invalid(&place, &file.into(), detail));
        }
        (_, None) => {}
    }
}

fn app_armor(context: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let Some(profile) = set(context, "appArmorProfile") else { return };
    let here = path.field("appArmorProfile");
    let kind = text(profile, "type");
    let allowed = ["Localhost", "RuntimeDefault", "Unconfined"];
    if kind.is_empty() {
        causes.push(field::required(
            &here.field("type"),
            "type is required when appArmorProfile is set",
        ));
        return;
    }
    let place = here.field("localhostProfile");
    let file = set(profile, "localhostProfile").and_then(Value::as_str);
    match (kind, file) {
        ("Localhost", None) => {
            let detail = "must be set when AppArmor type is Localhost";
            causes.push(field::required(&place, detail));
        }
        ("Localhost", Some(_)) => {}
        ("RuntimeDefault" | "Unconfined", Some(file)) => {
            let detail = "can only be set when AppArmor type is Localhost";
            causes.push(field::invalid(&place, &file.into(), detail));
        }
        _ => field::one_of(&here.field("type"), kind, &allowed, causes),
    }
}
