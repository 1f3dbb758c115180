//! What pods of the restricted level must do, beyond the baseline.

use super::{
    Finding, FlattenOdd, Pod, SECCOMP, added, found, has_own_users, named, plural, quoted, sorted,
    text,
};
use crate::json::Value;
use crate::object::at;

pub(super) fn all_capabilities(pod: &Pod<'_>) -> Option<Finding> {
    let drops_all = |c: &Value| {
        let list = at(c, &["securityContext", "capabilities", "drop"]).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|name| name == "ALL"))
    };
    let odd = |name: &&str| *name != "NET_BIND_SERVICE";
    let missing = pod.those(|c| !drops_all(c));
    let adding = pod.those(|c| added(c).any(|name| odd(&name)));
    let mut details = Vec::new();
    if !missing.is_empty() {
        details.push(format!(
            "{} must set securityContext.capabilities.drop=[\"ALL\"]",
            named(&missing)
        ));
    }
    if !adding.is_empty() {
        let names = sorted(pod.containers().flatten_odd(odd));
        details.push(format!(
            "{} must not include {} in securityContext.capabilities.add",
            named(&adding),
            names.join(", ")
        ));
    }
    (!details.is_empty()).then(|| found("unrestricted capabilities", details.join("; ")))?
}

pub(super) fn proc_mount(pod: &Pod<'_>) -> Option<Finding> {
    let path = ["securityContext", "procMount"];
    let wrong = |c: &Value| !matches!(text(c, &path), "" | "Default");
    let bad = pod.those(wrong);
    let values = sorted(pod.containers().filter(|c| wrong(c)).map(|c| quoted(text(c, &path))));
    let detail =
        format!("{} must not set securityContext.procMount to {}", named(&bad), values.join(", "));
    (!bad.is_empty()).then(|| found("procMount", detail))?
}

pub(super) fn own_seccomp(pod: &Pod<'_>) -> Option<Finding> {
    let fits = |of: &Value| matches!(text(of, &SECCOMP), "RuntimeDefault" | "Localhost");
    let says = |of: &Value| !text(of, &SECCOMP).is_empty();
    let mut setters = Vec::new();
    if says(pod.spec) && !fits(pod.spec) {
        setters.push("pod".to_owned());
    }
    let explicit = pod.those(|c| says(c) && !fits(c));
    if !explicit.is_empty() {
        setters.push(named(&explicit));
    }
    if !setters.is_empty() {
        let all = std::iter::once(pod.spec).chain(pod.containers());
        let values =
            sorted(all.filter(|of| says(of) && !fits(of)).map(|of| quoted(text(of, &SECCOMP))));
        let detail = format!(
            "{} must not set securityContext.seccompProfile.type to {}",
            setters.join(" and "),
            values.join(", ")
        );
        return found("seccompProfile", detail);
    }
    let silent = if fits(pod.spec) { Vec::new() } else { pod.those(|c| !says(c)) };
    let detail = format!(
        "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \
         \"Localhost\"",
        named(&silent)
    );
    (!silent.is_empty()).then(|| found("seccompProfile", detail))?
}

pub(super) fn escalation(pod: &Pod<'_>) -> Option<Finding> {
    let path = ["securityContext", "allowPrivilegeEscalation"];
    let bad = pod.those(|c| at(c, &path).and_then(Value::as_bool) != Some(false));
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", named(&bad));
    (!bad.is_empty()).then(|| found("allowPrivilegeEscalation != false", detail))?
}

pub(super) fn volumes(pod: &Pod<'_>) -> Option<Finding> {
    const FIT: [&str; 9] = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    let source = |volume: &Value| -> String {
        let fields = volume.as_object().into_iter().flatten();
        let mut sources = fields.filter(|(name, value)| **name != *"name" && !value.is_null());
        sources.next().map_or_else(|| "unknown".to_owned(), |(name, _)| name.to_string())
    };
    let bad: Vec<&Value> =
        pod.volumes().filter(|volume| !FIT.contains(&source(volume).as_str())).collect();
    let kinds = sorted(bad.iter().map(|volume| quoted(&source(volume))));
    let names: Vec<String> = bad.iter().map(|volume| quoted(text(volume, &["name"]))).collect();
    let detail = format!(
        "{} {} {} restricted volume {} {}",
        plural("volume", "volumes", names.len()),
        names.join(", "),
        plural("uses", "use", names.len()),
        plural("type", "types", kinds.len()),
        kinds.join(", ")
    );
    (!bad.is_empty()).then(|| found("restricted volume types", detail))?
}

pub(super) fn non_root(pod: &Pod<'_>) -> Option<Finding> {
    if has_own_users(pod) {
        return None;
    }
    let path = ["securityContext", "runAsNonRoot"];
    let says = |of: &Value| at(of, &path).and_then(Value::as_bool);
    let mut setters = Vec::new();
    if says(pod.spec) == Some(false) {
        setters.push("pod".to_owned());
    }
    let explicit = pod.those(|c| says(c) == Some(false));
    if !explicit.is_empty() {
        setters.push(named(&explicit));
    }
    if !setters.is_empty() {
        let setters = setters.join(" and ");
        let detail = format!("{setters} must not set securityContext.runAsNonRoot=false");
        return found("runAsNonRoot != true", detail);
    }
    let silent =
        if says(pod.spec) == Some(true) { Vec::new() } else { pod.those(|c| says(c).is_none()) };
    let detail = format!("pod or {} must set securityContext.runAsNonRoot=true", named(&silent));
    (!silent.is_empty()).then(|| found("runAsNonRoot != true", detail))?
}

pub(super) fn root_user(pod: &Pod<'_>) -> Option<Finding> {
    if has_own_users(pod) {
        return None;
    }
    let path = ["securityContext", "runAsUser"];
    let is_root = |of: &Value| at(of, &path).and_then(Value::as_i64) == Some(0);
    let mut setters = Vec::new();
    if is_root(pod.spec) {
        setters.push("pod".to_owned());
    }
    let bad = pod.those(is_root);
    if !bad.is_empty() {
        setters.push(named(&bad));
    }
    let detail = format!("{} must not set runAsUser=0", setters.join(" and "));
    (!setters.is_empty()).then(|| found("runAsUser=0", detail))?
}
