//! What pods of the restricted level must do, beyond the baseline.

use super::{
    Finding, Pod, SECCOMP, adding, found, named, plural, quoted, sorted, text, unconfined,
};
use crate::json::Value;
use crate::object::at;

pub(super) fn all_capabilities(pod: &Pod<'_>) -> Option<Finding> {
    let drops_all = |c: &Value| {
        let list = at(c, &["securityContext", "capabilities", "drop"]).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|name| name == "ALL"))
    };
    let missing = pod.those(|c| !drops_all(c));
    let missing = missing.map(|names| {
        format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", named(&names))
    });
    let adding = adding(pod, |name| name != "NET_BIND_SERVICE");
    let all: Vec<String> = missing.into_iter().chain(adding).collect();
    if all.is_empty() { None } else { found("unrestricted capabilities", all.join("; ")) }
}

pub(super) fn own_seccomp(pod: &Pod<'_>) -> Option<Finding> {
    if let Some(wrong) = unconfined(pod) {
        return Some(wrong);
    }
    let is_silent = |of: &Value| text(of, &SECCOMP).is_empty();
    let silent = pod.those(is_silent).filter(|_| is_silent(pod.spec))?;
    let detail = format!(
        "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \
         \"Localhost\"",
        named(&silent)
    );
    found("seccompProfile", detail)
}

pub(super) fn escalation(pod: &Pod<'_>) -> Option<Finding> {
    let path = ["securityContext", "allowPrivilegeEscalation"];
    let bad = pod.those(|c| at(c, &path).and_then(Value::as_bool) != Some(false))?;
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", named(&bad));
    found("allowPrivilegeEscalation != false", detail)
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
    if bad.is_empty() { None } else { found("restricted volume types", detail) }
}

pub(super) fn non_root(pod: &Pod<'_>) -> Option<Finding> {
    const REASON: &str = "runAsNonRoot != true";
    if pod.has_own_users() {
        return None;
    }
    let says = |of: &Value| at(of, &["securityContext", "runAsNonRoot"]).and_then(Value::as_bool);
    if let Some(who) = pod.setters(|of| says(of) == Some(false)) {
        let who = who.join(" and ");
        return found(REASON, format!("{who} must not set securityContext.runAsNonRoot=false"));
    }
    let silent = pod.those(|c| says(c).is_none()).filter(|_| says(pod.spec).is_none())?;
    found(REASON, format!("pod or {} must set securityContext.runAsNonRoot=true", named(&silent)))
}

pub(super) fn root_user(pod: &Pod<'_>) -> Option<Finding> {
    if pod.has_own_users() {
        return None;
    }
    let path = ["securityContext", "runAsUser"];
    let who = pod.setters(|of| at(of, &path).and_then(Value::as_i64) == Some(0))?.join(" and ");
    found("runAsUser=0", format!("{who} must not set runAsUser=0"))
}
