//! What no pod of the baseline level may do.

use super::{
    Finding, Pod, adding, found, is_on, named, plural, proc_mount, quoted, sorted, text, unconfined,
};
use crate::api::app_armor;
use crate::builtin::{SECCOMP_CONTAINER, SECCOMP_POD};
use crate::json::Value;
use crate::object::at;

pub(super) fn app_armor(pod: &Pod<'_>) -> Option<Finding> {
    let path = ["securityContext", "appArmorProfile", "type"];
    let wrong = |of: &Value| !matches!(text(of, &path), "" | "RuntimeDefault" | "Localhost");
    let fits =
        |note: &str| matches!(note, "" | "runtime/default") || note.starts_with("localhost/");
    let notes = at(pod.meta, &["annotations"]).and_then(Value::as_object).into_iter().flatten();
    let notes: Vec<String> = notes
        .map(|(key, value)| (key, value.as_str().unwrap_or_default()))
        .filter(|(key, value)| key.starts_with(app_armor::PREFIX) && !fits(value))
        .map(|(key, value)| quoted(&format!("{key}={}", quoted(value))))
        .collect();
    let mut who = pod.setters(wrong).unwrap_or_default();
    if !notes.is_empty() {
        who.push(plural("annotation", "annotations", notes.len()).to_owned());
    }
    if who.is_empty() {
        return None;
    }
    let values = sorted(pod.values(&path, wrong).into_iter().chain(notes));
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
    let (who, values) = (who.join(" and "), values.join(", "));
    found(reason, format!("{who} must not set AppArmor profile type to {values}"))
}

pub(super) fn capabilities(pod: &Pod<'_>) -> Option<Finding> {
    const DEFAULT: [&str; 13] = [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ];
    found("non-default capabilities", adding(pod, |name| !DEFAULT.contains(&name))?)
}

pub(super) fn host_namespaces(pod: &Pod<'_>) -> Option<Finding> {
    let all = ["hostNetwork", "hostPID", "hostIPC"].into_iter();
    let on: Vec<String> =
        all.filter(|name| is_on(pod.spec, &[name])).map(|name| format!("{name}=true")).collect();
    if on.is_empty() { None } else { found("host namespaces", on.join(", ")) }
}

pub(super) fn host_paths(pod: &Pod<'_>) -> Option<Finding> {
    let bad = pod.volumes().filter(|volume| at(volume, &["hostPath"]).is_some());
    let bad: Vec<String> = bad.map(|volume| quoted(text(volume, &["name"]))).collect();
    let detail = format!("{} {}", plural("volume", "volumes", bad.len()), bad.join(", "));
    if bad.is_empty() { None } else { found("hostPath volumes", detail) }
}

/// What containers use of the node, as their own words say it.
fn uses(
    pod: &Pod<'_>,
    reason: &str,
    [one, many]: [&'static str; 2],
    of: impl Fn(&Value) -> Vec<String>,
) -> Option<Finding> {
    let bad = pod.those(|c| !of(c).is_empty())?;
    let all = sorted(pod.containers().flat_map(of));
    let (use_, what) = (plural("uses", "use", bad.len()), plural(one, many, all.len()));
    found(reason, format!("{} {use_} {what} {}", named(&bad), all.join(", ")))
}

pub(super) fn host_ports(pod: &Pod<'_>) -> Option<Finding> {
    uses(pod, "hostPort", ["hostPort", "hostPorts"], |c| {
        let all = c.get("ports").and_then(Value::as_array).into_iter().flatten();
        let ports = all.filter_map(|port| port.get("hostPort")?.as_i64());
        ports.filter(|port| *port != 0).map(|port| port.to_string()).collect()
    })
}

pub(super) fn hosts(pod: &Pod<'_>) -> Option<Finding> {
    const HANDLERS: [&[&str]; 5] = [
        &["livenessProbe"],
        &["readinessProbe"],
        &["startupProbe"],
        &["lifecycle", "postStart"],
        &["lifecycle", "preStop"],
    ];
    let words = ["probe or lifecycle host", "probe or lifecycle hosts"];
    uses(pod, "probe or lifecycle host", words, |c| {
        let handlers = HANDLERS.iter().filter_map(|path| at(c, path));
        let hosts =
            handlers.flat_map(|h| [text(h, &["httpGet", "host"]), text(h, &["tcpSocket", "host"])]);
        hosts.filter(|host| !host.is_empty()).map(quoted).collect()
    })
}

pub(super) fn privileged(pod: &Pod<'_>) -> Option<Finding> {
    let bad = named(&pod.those(|c| is_on(c, &["securityContext", "privileged"]))?);
    found("privileged", format!("{bad} must not set securityContext.privileged=true"))
}

pub(super) fn proc_mount_of_host(pod: &Pod<'_>) -> Option<Finding> {
    if pod.has_own_users() { None } else { proc_mount(pod) }
}

pub(super) fn se_linux(pod: &Pod<'_>) -> Option<Finding> {
    const TYPES: [&str; 4] = ["", "container_t", "container_init_t", "container_kvm_t"];
    let is_type =
        |kind: &str| TYPES.contains(&kind) || (pod.minor >= 31 && kind == "container_engine_t");
    let options = |of: &'_ Value| at(of, &["securityContext", "seLinuxOptions"]).cloned();
    let wrong = |of: &Value| {
        options(of).is_some_and(|options| {
            !is_type(text(&options, &["type"]))
                || !text(&options, &["user"]).is_empty()
                || !text(&options, &["role"]).is_empty()
        })
    };
    let who = pod.setters(wrong)?.join(" and ");
    let all: Vec<Value> =
        std::iter::once(pod.spec).chain(pod.containers()).filter_map(options).collect();
    let types = all.iter().map(|options| text(options, &["type"]));
    let types = sorted(types.filter(|kind| !is_type(kind)).map(quoted));
    let mut said = Vec::new();
    if !types.is_empty() {
        said.push(format!("{} {}", plural("type", "types", types.len()), types.join(", ")));
    }
    for field in ["user", "role"] {
        if all.iter().any(|options| !text(options, &[field]).is_empty()) {
            said.push(format!("{field} may not be set"));
        }
    }
    let said = said.join("; ");
    found("seLinuxOptions", format!("{who} set forbidden securityContext.seLinuxOptions: {said}"))
}

/// Before profiles had a field, they were annotations.
fn old_seccomp(pod: &Pod<'_>) -> Option<Finding> {
    let names = pod.containers().map(|c| format!("{SECCOMP_CONTAINER}{}", text(c, &["name"])));
    let said = std::iter::once(SECCOMP_POD.to_owned()).chain(names).filter_map(|key| {
        let value = at(pod.meta, &["annotations", &key])?.as_str()?.to_owned();
        let fits = matches!(value.as_str(), "" | "runtime/default" | "docker/default")
            || value.starts_with("localhost/");
        (!fits).then(|| format!("{key}={}", quoted(&value)))
    });
    let bad = sorted(said);
    let detail =
        format!("forbidden {} {}", plural("annotation", "annotations", bad.len()), bad.join(", "));
    if bad.is_empty() { None } else { found("seccompProfile", detail) }
}

pub(super) fn seccomp(pod: &Pod<'_>) -> Option<Finding> {
    if pod.minor < 19 { old_seccomp(pod) } else { unconfined(pod) }
}

pub(super) fn sysctls(pod: &Pod<'_>) -> Option<Finding> {
    /// What is allowed, and since which minor version.
    const SAFE: [(&str, u32); 12] = [
        ("kernel.shm_rmid_forced", 0),
        ("net.ipv4.ip_local_port_range", 0),
        ("net.ipv4.tcp_syncookies", 0),
        ("net.ipv4.ping_group_range", 0),
        ("net.ipv4.ip_unprivileged_port_start", 0),
        ("net.ipv4.ip_local_reserved_ports", 27),
        ("net.ipv4.tcp_keepalive_time", 29),
        ("net.ipv4.tcp_fin_timeout", 29),
        ("net.ipv4.tcp_keepalive_intvl", 29),
        ("net.ipv4.tcp_keepalive_probes", 29),
        ("net.ipv4.tcp_rmem", 32),
        ("net.ipv4.tcp_wmem", 32),
    ];
    let is_safe =
        |name: &str| SAFE.iter().any(|(safe, since)| *safe == name && *since <= pod.minor);
    let list = at(pod.spec, &["securityContext", "sysctls"]).and_then(Value::as_array);
    let names = list.into_iter().flatten().map(|one| text(one, &["name"]));
    let bad: Vec<String> = names.filter(|name| !is_safe(name)).map(str::to_owned).collect();
    if bad.is_empty() { None } else { found("forbidden sysctls", bad.join(", ")) }
}

pub(super) fn host_process(pod: &Pod<'_>) -> Option<Finding> {
    let path = ["securityContext", "windowsOptions", "hostProcess"];
    let who = pod.setters(|of| is_on(of, &path))?.join(" and ");
    let field = "securityContext.windowsOptions.hostProcess";
    found("hostProcess", format!("{who} must not set {field}=true"))
}
