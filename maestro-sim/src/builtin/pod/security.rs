//! As whom, and with what rights, pods and their containers run.

use std::collections::BTreeSet;

use super::super::field::{self, Path, int, list, on, set, text};
use super::super::text as form;
use super::container::descending;
use crate::api::Cause;
use crate::json::Value;

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
            field::word(context, name, &allowed, &here, causes);
        }
        sysctls(context, &here.field("sysctls"), causes);
        windows(context, &here, causes);
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
    field::word(context, "procMount", &["Default", "Unmasked"], path, causes);
    seccomp(context, path, causes);
    app_armor(context, path, causes);
    windows(context, path, causes);
}

/// Parameters of the kernel, by name.
fn sysctls(context: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mut seen = BTreeSet::new();
    for (index, sysctl) in list(context, "sysctls").iter().enumerate() {
        let (name, here) = (text(sysctl, "name"), path.index(index));
        let place = here.field("name");
        let inner = |part: &str| {
            let edge =
                |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            edge(part.bytes().next())
                && edge(part.bytes().next_back())
                && part.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_')
                })
        };
        if name.is_empty() {
            causes.push(field::required(&place, ""));
        } else if name.len() > 253 || !name.split(['.', '/']).all(inner) {
            let detail = "must have at most 253 characters and match regex \
                          ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            causes.push(field::invalid(&place, &name.into(), detail));
        } else if !seen.insert(name) {
            causes.push(field::duplicate(&place, &name.into()));
        }
    }
}

/// What of a user's name Windows does not take.
const NO_USER: [char; 14] = ['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@'];

/// What is said for Windows alone.
fn windows(context: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let Some(options) = set(context, "windowsOptions") else { return };
    let here = path.field("windowsOptions");
    let of = |name: &str| set(options, name).and_then(Value::as_str);
    if let Some(name) = of("gmsaCredentialSpecName") {
        let place = here.field("gmsaCredentialSpecName");
        field::each(&place, name, &form::subdomain(name), causes);
    }
    if let Some(spec) = of("gmsaCredentialSpec") {
        let place = here.field("gmsaCredentialSpec");
        const MOST: usize = 64;
        if spec.is_empty() {
            let detail = "gmsaCredentialSpec cannot be an empty string";
            causes.push(field::invalid(&place, &spec.into(), detail));
        } else if spec.len() > MOST << 10 {
            let detail = format!("gmsaCredentialSpec size must be under {MOST} KiB");
            causes.push(field::invalid(&place, &spec.into(), &detail));
        }
    }
    let Some(whole) = of("runAsUserName") else { return };
    let place = here.field("runAsUserName");
    let mut wrong = |what: &str| {
        causes.push(field::invalid(&place, &whole.into(), &format!("runAsUserName{what}")));
    };
    if whole.is_empty() {
        return wrong(" cannot be an empty string");
    }
    if whole.chars().any(char::is_control) {
        wrong(" cannot contain control characters");
    }
    if whole.matches('\\').count() > 1 {
        return wrong(" cannot contain more than one backslash");
    }
    let (domain, user) = match whole.split_once('\\') {
        Some((domain, user)) => (Some(domain), user),
        None => (None, whole),
    };
    if let Some(domain) = domain {
        if domain.len() >= 256 {
            wrong("'s Domain length must be under 256 characters");
        }
        let net = !domain.is_empty()
            && domain.len() <= 15
            && !domain.starts_with('.')
            && !domain.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|']);
        if !net && !form::is_subdomain(&domain.to_lowercase()) {
            wrong("'s Domain doesn't match the NetBios nor the DNS format");
        }
    }
    if user.is_empty() {
        wrong("'s User cannot be empty");
    } else if user.len() > 104 {
        wrong("'s User length must not be longer than 104 characters");
    }
    if user.contains(NO_USER) || user.contains(['[', ']']) {
        wrong("'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
    }
    if !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')) {
        wrong("'s User cannot contain only periods or spaces");
    }
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
            let shown = format!(
                "{{\"Type\":{},\"LocalhostProfile\":{}}}",
                Value::from(kind),
                Value::from(file)
            );
            causes.push(field::invalid_shown(&place, &shown, detail));
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
