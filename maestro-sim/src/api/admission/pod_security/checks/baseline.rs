//! What no pod of the baseline level may do.

use super::restricted::proc_mount;
use super::{
    Finding, FlattenOdd, Pod, SECCOMP, added, found, has_own_users, is_on, named, plural, quoted,
    sorted, text,
};
use crate::json::Value;
use crate::object::at;

pub(super) fn app_armor(pod: &Pod<'_>) -> Option<Finding> {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    let path = ["securityContext", "appArmorProfile", "type"];
    let wrong = |of: &Value| !matches!(text(of, &path), "" | "RuntimeDefault" | "Localhost");
    let mut setters = Vec::new();
    let mut values = Vec::new();
    if wrong(pod.spec) {
        setters.push("pod".to_owned());
        values.push(quoted(text(pod.spec, &path)));
    }
    let bad = pod.those(wrong);
    values.extend(pod.containers().filter(|c| wrong(c)).map(|c| quoted(text(c, &path))));
    if !bad.is_empty() {
        setters.push(named(&bad));
    }
    let notes = at(pod.meta, &["annotations"]).and_then(Value::as_object);
    let notes: Vec<String> = notes
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.starts_with(PREFIX))
        .map(|(key, value)| (key, value.as_str().unwrap_or_default()))
        .filter(|(_, value)| {
            !(matches!(*value, "" | "runtime/default") || value.starts_with("localhost/"))
        })
        .map(|(key, value)| quoted(&format!("{key}={}", quoted(value))))
        .collect();
    if !notes.is_empty() {
        setters.push(plural("annotation", "annotations", notes.len()).to_owned());
    }
    values.extend(notes);
    let values = sorted(values);
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
    let detail = format!(
        "{} must not set AppArmor profile type to {}",
        setters.join(" and "),
        values.join(", ")
    );
    (!values.is_empty()).then(|| found(reason, detail))?
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
    let odd = |name: &&str| !DEFAULT.contains(name);
    let bad = pod.those(|c| added(c).any(|name| odd(&name)));
    let names = sorted(pod.containers().flatten_odd(odd));
    let detail = format!(
        "{} must not include {} in securityContext.capabilities.add",
        named(&bad),
        names.join(", ")
    );
    (!bad.is_empty()).then(|| found("non-default capabilities", detail))?
}

pub(super) fn host_namespaces(pod: &Pod<'_>) -> Option<Finding> {
    let all = ["hostNetwork", "hostPID", "hostIPC"].into_iter();
    let on: Vec<String> =
        all.filter(|name| is_on(pod.spec, &[name])).map(|name| format!("{name}=true")).collect();
    (!on.is_empty()).then(|| found("host namespaces", on.join(", ")))?
}

pub(super) fn host_paths(pod: &Pod<'_>) -> Option<Finding> {
    let bad = pod.volumes().filter(|volume| at(volume, &["hostPath"]).is_some());
    let bad: Vec<String> = bad.map(|volume| quoted(text(volume, &["name"]))).collect();
    let detail = format!("{} {}", plural("volume", "volumes", bad.len()), bad.join(", "));
    (!bad.is_empty()).then(|| found("hostPath volumes", detail))?
}

pub(super) fn host_ports(pod: &Pod<'_>) -> Option<Finding> {
    let ports = |c: &Value| -> Vec<i64> {
        let all = c.get("ports").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|port| port.get("hostPort")?.as_i64()).filter(|port| *port != 0).collect()
    };
    let bad = pod.those(|c| !ports(c).is_empty());
    let all = sorted(pod.containers().flat_map(ports).map(|port| port.to_string()));
    let detail = format!(
        "{} {} {} {}",
        named(&bad),
        plural("uses", "use", bad.len()),
        plural("hostPort", "hostPorts", all.len()),
        all.join(", ")
    );
    (!bad.is_empty()).then(|| found("hostPort", detail))?
}

pub(super) fn hosts(pod: &Pod<'_>) -> Option<Finding> {
    const HANDLERS: [&[&str]; 5] = [
        &["livenessProbe"],
        &["readinessProbe"],
        &["startupProbe"],
        &["lifecycle", "postStart"],
        &["lifecycle", "preStop"],
    ];
    let hosts = |c: &Value| -> Vec<String> {
        let handlers = HANDLERS.iter().filter_map(|path| at(c, path));
        let hosts =
            handlers.flat_map(|h| [text(h, &["httpGet", "host"]), text(h, &["tcpSocket", "host"])]);
        hosts.filter(|host| !host.is_empty()).map(quoted).collect()
    };
    let bad = pod.those(|c| !hosts(c).is_empty());
    let all = sorted(pod.containers().flat_map(hosts));
    let detail = format!(
        "{} {} probe or lifecycle {} {}",
        named(&bad),
        plural("uses", "use", bad.len()),
        plural("host", "hosts", all.len()),
        all.join(", ")
    );
    (!bad.is_empty()).then(|| found("probe or lifecycle host", detail))?
}

pub(super) fn privileged(pod: &Pod<'_>) -> Option<Finding> {
    let bad = pod.those(|c| is_on(c, &["securityContext", "privileged"]));
    let detail = format!("{} must not set securityContext.privileged=true", named(&bad));
    (!bad.is_empty()).then(|| found("privileged", detail))?
}

pub(super) fn proc_mount_of_host(pod: &Pod<'_>) -> Option<Finding> {
    if has_own_users(pod) { None } else { proc_mount(pod) }
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
    let mut setters = Vec::new();
    if wrong(pod.spec) {
        setters.push("pod".to_owned());
    }
    let bad = pod.those(wrong);
    if !bad.is_empty() {
        setters.push(named(&bad));
    }
    if setters.is_empty() {
        return None;
    }
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
    let detail = format!(
        "{} set forbidden securityContext.seLinuxOptions: {}",
        setters.join(" and "),
        said.join("; ")
    );
    found("seLinuxOptions", detail)
}

/// Before profiles had a field, they were annotations.
pub(super) fn old_seccomp(pod: &Pod<'_>) -> Option<Finding> {
    const POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
    const CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
    let names = pod.containers().map(|c| format!("{CONTAINER}{}", text(c, &["name"])));
    let said = std::iter::once(POD.to_owned()).chain(names).filter_map(|key| {
        let value = at(pod.meta, &["annotations", &key])?.as_str()?.to_owned();
        let fits = matches!(value.as_str(), "" | "runtime/default" | "docker/default")
            || value.starts_with("localhost/");
        (!fits).then(|| format!("{key}={}", quoted(&value)))
    });
    let bad = sorted(said);
    let detail =
        format!("forbidden {} {}", plural("annotation", "annotations", bad.len()), bad.join(", "));
    (!bad.is_empty()).then(|| found("seccompProfile", detail))?
}

pub(super) fn seccomp(pod: &Pod<'_>) -> Option<Finding> {
    if pod.minor < 19 {
        return old_seccomp(pod);
    }
    let wrong = |of: &Value| !matches!(text(of, &SECCOMP), "" | "RuntimeDefault" | "Localhost");
    let mut setters = Vec::new();
    if wrong(pod.spec) {
        setters.push("pod".to_owned());
    }
    let bad = pod.those(wrong);
    if !bad.is_empty() {
        setters.push(named(&bad));
    }
    let all = std::iter::once(pod.spec).chain(pod.containers()).filter(|of| wrong(of));
    let values = sorted(all.map(|of| quoted(text(of, &SECCOMP))));
    let detail = format!(
        "{} must not set securityContext.seccompProfile.type to {}",
        setters.join(" and "),
        values.join(", ")
    );
    (!setters.is_empty()).then(|| found("seccompProfile", detail))?
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
    (!bad.is_empty()).then(|| found("forbidden sysctls", bad.join(", ")))?
}

pub(super) fn host_process(pod: &Pod<'_>) -> Option<Finding> {
    let path = ["securityContext", "windowsOptions", "hostProcess"];
    let mut setters = Vec::new();
    if is_on(pod.spec, &path) {
        setters.push("pod".to_owned());
    }
    let bad = pod.those(|c| is_on(c, &path));
    if !bad.is_empty() {
        setters.push(named(&bad));
    }
    let detail = format!(
        "{} must not set securityContext.windowsOptions.hostProcess=true",
        setters.join(" and ")
    );
    (!setters.is_empty()).then(|| found("hostProcess", detail))?
}
