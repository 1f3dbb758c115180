//! The Pod Security Standards, check by check, in the order in which they are told.
//!
//! Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>,
//! `k8s.io/pod-security-admission/policy`.

mod baseline;
mod restricted;

use super::{Level, Policy};
use crate::json::Value;
use crate::object::{at, text};

/// Why a pod does not fit: the reason, and where.
pub(super) struct Finding {
    pub(super) reason: String,
    pub(super) detail: String,
}

/// A pod as the checks look at it, and the minor version whose checks count.
struct Pod<'a> {
    minor: u32,
    meta: &'a Value,
    spec: &'a Value,
}

type Check = fn(&Pod<'_>) -> Option<Finding>;

/// A check: whether it is of the restricted level, the minor version since which it is, and the
/// baseline check that it stands in for.
struct Rule {
    name: &'static str,
    restricted: bool,
    since: u32,
    check: Check,
    instead_of: &'static str,
    linux: bool,
}

const fn baseline(name: &'static str, since: u32, check: Check) -> Rule {
    Rule { name, restricted: false, since, check, instead_of: "", linux: false }
}

const fn restricted(
    name: &'static str,
    since: u32,
    check: Check,
    instead_of: &'static str,
    linux: bool,
) -> Rule {
    Rule { name, restricted: true, since, check, instead_of, linux }
}

const RULES: [Rule; 19] = [
    baseline("appArmorProfile", 0, baseline::app_armor),
    baseline("capabilities_baseline", 0, baseline::capabilities),
    baseline("hostNamespaces", 0, baseline::host_namespaces),
    baseline("hostPathVolumes", 0, baseline::host_paths),
    baseline("hostPorts", 0, baseline::host_ports),
    baseline("hostProbesAndHostLifecycle", 34, baseline::hosts),
    baseline("privileged", 0, baseline::privileged),
    baseline("procMount", 0, baseline::proc_mount_of_host),
    baseline("seLinuxOptions", 0, baseline::se_linux),
    baseline("seccompProfile_baseline", 0, baseline::seccomp),
    baseline("sysctls", 0, baseline::sysctls),
    baseline("windowsHostProcess", 0, baseline::host_process),
    restricted("allowPrivilegeEscalation", 8, restricted::escalation, "", true),
    restricted(
        "capabilities_restricted",
        22,
        restricted::all_capabilities,
        "capabilities_baseline",
        true,
    ),
    restricted("procMount_restricted", 35, proc_mount, "procMount", false),
    restricted("restrictedVolumes", 0, restricted::volumes, "hostPathVolumes", false),
    restricted("runAsNonRoot", 0, restricted::non_root, "", false),
    restricted("runAsUser", 23, restricted::root_user, "", false),
    restricted(
        "seccompProfile_restricted",
        19,
        restricted::own_seccomp,
        "seccompProfile_baseline",
        true,
    ),
];

/// Everything by which a pod does not fit a policy.
pub(super) fn findings(policy: Policy, meta: &Value, spec: &Value) -> Vec<Finding> {
    if policy.level == Level::Privileged {
        return Vec::new();
    }
    let strict = policy.level == Level::Restricted;
    let holds = |rule: &&Rule| rule.since <= policy.minor() && (strict || !rule.restricted);
    let replaced = |name: &str| RULES.iter().any(|r| holds(&r) && r.instead_of == name);
    let windows = at(spec, &["os", "name"]).is_some_and(|name| name == "windows");
    let pod = Pod { minor: policy.minor(), meta, spec };
    RULES
        .iter()
        .filter(holds)
        .filter(|rule| !replaced(rule.name))
        // Windows has no such thing, which is heeded since 1.25.
        .filter(|rule| !(rule.linux && windows && policy.minor() >= 25))
        .filter_map(|rule| (rule.check)(&pod))
        .collect()
}

impl<'a> Pod<'a> {
    fn containers(&self) -> impl Iterator<Item = &'a Value> {
        let spec = self.spec;
        let lists = ["initContainers", "containers", "ephemeralContainers"].into_iter();
        lists.filter_map(|list| spec.get(list)?.as_array()).flatten()
    }

    /// The quoted names of the containers for which something is so, if there are any.
    fn those(&self, is: impl Fn(&Value) -> bool) -> Option<Vec<String>> {
        let all = self.containers().filter(|c| is(c)).map(|c| quoted(text(c, &["name"])));
        Some(all.collect()).filter(|all: &Vec<String>| !all.is_empty())
    }

    /// For whom something is so, if for anybody: `pod`, and the containers by name.
    fn setters(&self, is: impl Fn(&Value) -> bool) -> Option<Vec<String>> {
        let pod = is(self.spec).then(|| "pod".to_owned());
        let containers = self.those(is).map(|names| named(&names));
        Some(pod.into_iter().chain(containers).collect())
            .filter(|all: &Vec<String>| !all.is_empty())
    }

    /// What the pod and its containers say at a path, quoted, where something is so for them.
    fn values(&self, path: &[&str], is: impl Fn(&Value) -> bool) -> Vec<String> {
        let all = std::iter::once(self.spec).chain(self.containers()).filter(|of| is(of));
        sorted(all.map(|of| quoted(text(of, path))))
    }

    fn volumes(&self) -> impl Iterator<Item = &'a Value> {
        self.spec.get("volumes").and_then(Value::as_array).into_iter().flatten()
    }

    /// Whether its users are its own: then they are nobody on the node, which counts since 1.35.
    fn has_own_users(&self) -> bool {
        self.minor >= 35 && at(self.spec, &["hostUsers"]).and_then(Value::as_bool) == Some(false)
    }
}

fn is_on(value: &Value, path: &[&str]) -> bool {
    at(value, path).and_then(Value::as_bool) == Some(true)
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn plural(one: &'static str, many: &'static str, count: usize) -> &'static str {
    if count == 1 { one } else { many }
}

/// `container "a"` or `containers "a", "b"`.
fn named(names: &[String]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), names.join(", "))
}

fn sorted(values: impl IntoIterator<Item = String>) -> Vec<String> {
    let set: std::collections::BTreeSet<String> = values.into_iter().collect();
    set.into_iter().collect()
}

fn found(reason: &str, detail: String) -> Option<Finding> {
    Some(Finding { reason: reason.to_owned(), detail })
}

/// The containers that add capabilities that are odd, and which these are.
fn adding(pod: &Pod<'_>, odd: impl Fn(&str) -> bool) -> Option<String> {
    let added = |container: &Value| -> Vec<String> {
        let list = at(container, &["securityContext", "capabilities", "add"]);
        let names = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        names.filter(|name| odd(name)).map(quoted).collect()
    };
    let bad = pod.those(|c| !added(c).is_empty())?;
    let names = sorted(pod.containers().flat_map(added)).join(", ");
    Some(format!("{} must not include {names} in securityContext.capabilities.add", named(&bad)))
}

/// Who has a seccomp profile that is none, since there is a field for it.
fn unconfined(pod: &Pod<'_>) -> Option<Finding> {
    let wrong = |of: &Value| !matches!(text(of, &SECCOMP), "" | "RuntimeDefault" | "Localhost");
    let who = pod.setters(wrong)?.join(" and ");
    let values = pod.values(&SECCOMP, wrong).join(", ");
    let detail = format!("{who} must not set securityContext.seccompProfile.type to {values}");
    found("seccompProfile", detail)
}

/// Which containers say what `/proc` looks like.
fn proc_mount(pod: &Pod<'_>) -> Option<Finding> {
    let path = ["securityContext", "procMount"];
    let wrong = |of: &Value| !matches!(text(of, &path), "" | "Default");
    let bad = named(&pod.those(wrong)?);
    let values = pod.values(&path, wrong).join(", ");
    found("procMount", format!("{bad} must not set securityContext.procMount to {values}"))
}

const SECCOMP: [&str; 3] = ["securityContext", "seccompProfile", "type"];
