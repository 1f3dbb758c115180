//! Pods and pod templates.
//!
//! Source: `ValidatePodSpec` of `k8s.io/kubernetes/pkg/apis/core/validation`.

mod affinity;
mod container;
mod elsewhere;
mod env;
mod ephemeral;
mod handler;
mod notes;
mod part;
mod resources;
mod security;
mod status;
mod update;
mod volume;
mod warn;

pub(super) use affinity::node_selector;
pub(super) use container::no_backsteps;
pub(super) use elsewhere::iscsi;
pub(super) use handler::port;
pub(crate) use notes::MIRROR;
pub(super) use resources::{is_standard, is_whole, one as resource, resource_name};
pub(super) use status::status;
pub(super) use volume::{driver_name, one as volume_source, token_lifetime};
pub(crate) use warn::warnings;

use super::field::{self, Path, int, list, on, part, set, text};
use super::{address, meta, text as form};
use crate::api::Cause;
use crate::api::pod_parts::PodPart;
use crate::facts::Version;
use crate::json::Value;

/// What a pod spec stands in: some rules hold for pods alone, not for templates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Pod,
    Template,
}

/// A pod; on update only a few fields of its spec may change, by endpoints for one part others.
pub(super) fn pod(
    object: &Value,
    old: Option<&Value>,
    (version, changed): (Version, Option<PodPart>),
    causes: &mut Vec<Cause>,
) {
    let root = Path::Root;
    let path = root.field("spec");
    let here = part(object, "spec");
    let unchanged = old.and_then(|old| old.get("spec")).is_some_and(|old| old.is_same(here));
    if unchanged && changed.is_none() {
        // It was valid when it was stored.
        seccomp(object, causes);
        return notes::check(object, old, causes);
    }
    spec(here, &path, Of::Pod, causes);
    field::not_negative(
        &path.field("terminationGracePeriodSeconds"),
        int(here, "terminationGracePeriodSeconds"),
        causes,
    );
    for kind in ["containers", "initContainers"] {
        for (index, container) in list(here, kind).iter().enumerate() {
            let image = text(container, "image");
            if image.trim() != image {
                let detail = "must not have leading or trailing whitespace";
                let place = path.field(kind);
                causes.push(field::invalid(
                    &place.index(index).field("image"),
                    &image.into(),
                    detail,
                ));
            }
        }
    }
    if old.is_none() && !list(here, "ephemeralContainers").is_empty() {
        let place = path.field("ephemeralContainers");
        causes.push(field::forbidden(&place, "cannot be set on create"));
    }
    seccomp(object, causes);
    notes::check(object, old, causes);
    match (old, changed) {
        (Some(old), Some(PodPart::EphemeralContainers)) => part::ephemeral(object, old, causes),
        (Some(old), Some(PodPart::Resources)) => part::resize(version, object, old, causes),
        (Some(old), None) if old.get("spec") != object.get("spec") => {
            update::pod(object, old, causes);
        }
        _ => {}
    }
}

/// The annotation of a pod's seccomp profile, before it had a field.
pub(crate) const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
/// Before the name of a container, the annotation of its profile.
pub(crate) const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// The annotations that profiles were written in before they had a field.
fn seccomp(pod: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let meta = root.field("metadata");
    let path = meta.field("annotations");
    let notes = pod.pointer("/metadata/annotations").and_then(Value::as_object);
    for (key, value) in notes.into_iter().flatten() {
        let profile = value.as_str().unwrap_or("");
        let known = matches!(profile, "runtime/default" | "docker/default" | "unconfined")
            || profile.starts_with("localhost/");
        if (key == SECCOMP_POD || key.starts_with(SECCOMP_CONTAINER)) && !known {
            let detail = "must be a valid seccomp profile";
            causes.push(field::invalid(&path.field(key), value, detail));
        }
    }
}

/// The spec of a pod or of a template.
pub(super) fn spec(spec: &Value, path: &Path<'_>, of: Of, causes: &mut Vec<Cause>) {
    let volumes = volume::volumes(spec, &path.field("volumes"), causes);
    container::all(spec, &volumes, path, causes);
    host_network(spec, path, of, causes);
    let policies = ["Always", "OnFailure", "Never"];
    let policy = spec.get("restartPolicy").and_then(Value::as_str).unwrap_or("Always");
    field::one_of(&path.field("restartPolicy"), policy, &policies, causes);
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    let policy = spec.get("dnsPolicy").and_then(Value::as_str).unwrap_or("ClusterFirst");
    field::one_of(&path.field("dnsPolicy"), policy, &dns, causes);
    if let Some(selector) = spec.get("nodeSelector").and_then(Value::as_object) {
        meta::check_labels(selector, &path.field("nodeSelector"), causes);
    }
    resolver(spec, path, causes);
    claims(spec, &path.field("resourceClaims"), causes);
    whole(spec, path, causes);
    security::pod(spec, path, causes);
    affinity::affinity(spec, &path.field("affinity"), causes);
    gates(spec, path, causes);
    affinity::spread(spec, &path.field("topologySpreadConstraints"), causes);
    names(spec, path, causes);
    tolerations(spec, &path.field("tolerations"), causes);
    aliases(spec, &path.field("hostAliases"), causes);
    for name in ["priorityClassName", "runtimeClassName"] {
        let class = text(spec, name);
        if !class.is_empty() {
            field::each(&path.field(name), class, &form::subdomain(class), causes);
        }
    }
    field::word(spec, "preemptionPolicy", &["PreemptLowerPriority", "Never"], path, causes);
}

/// Where a pod asks for names.
fn resolver(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    const MOST_SERVERS: usize = 3;
    const MOST_SEARCHES: usize = 32;
    let here = path.field("dnsConfig");
    let config = part(spec, "dnsConfig");
    let (servers, place) = (list(config, "nameservers"), here.field("nameservers"));
    if text(spec, "dnsPolicy") == "None" && servers.is_empty() {
        if set(spec, "dnsConfig").is_none() {
            let detail = "must provide `dnsConfig` when `dnsPolicy` is None";
            causes.push(field::required(&here, detail));
        } else {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            causes.push(field::required(&place, detail));
        }
    }
    if servers.len() > MOST_SERVERS {
        let detail = format!("must not have more than {MOST_SERVERS} nameservers");
        causes.push(field::invalid(&place, &Value::from(servers.to_vec()), &detail));
    }
    for (index, server) in servers.iter().enumerate() {
        address::plain(server.as_str().unwrap_or(""), &place.index(index), causes);
    }
    let (searches, place) = (list(config, "searches"), here.field("searches"));
    if searches.len() > MOST_SEARCHES {
        let detail = format!("must not have more than {MOST_SEARCHES} search paths");
        causes.push(field::invalid(&place, &Value::from(searches.to_vec()), &detail));
    }
    for (index, search) in searches.iter().enumerate() {
        let search = search.as_str().unwrap_or("");
        if search != "." {
            let name = search.strip_suffix('.').unwrap_or(search);
            field::each(&place.index(index), search, &form::search_path(name), causes);
        }
    }
    let place = here.field("options");
    for (index, option) in list(config, "options").iter().enumerate() {
        if text(option, "name").is_empty() {
            causes.push(field::required(&place.index(index), "must not be empty"));
        }
    }
}

/// The devices that a pod claims.
fn claims(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mut seen = std::collections::BTreeSet::new();
    for (index, claim) in list(spec, "resourceClaims").iter().enumerate() {
        let here = path.index(index);
        let (name, place) = (text(claim, "name"), here.field("name"));
        if name.is_empty() {
            causes.push(field::required(&place, ""));
        } else {
            field::each(&place, name, &form::label(name), causes);
            if !seen.insert(name) {
                causes.push(field::duplicate(&place, &name.into()));
            }
        }
        let of = |name: &str| set(claim, name).and_then(Value::as_str);
        let (direct, template) = (of("resourceClaimName"), of("resourceClaimTemplateName"));
        let detail = match (direct, template) {
            (None, None) => "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            (Some(_), Some(_)) => {
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            }
            _ => "",
        };
        if !detail.is_empty() {
            let shown = format!(
                "{{\"Name\":{},\"ResourceClaimName\":{},\"ResourceClaimTemplateName\":{}}}",
                Value::from(name),
                Value::from(direct),
                Value::from(template)
            );
            causes.push(field::invalid_shown(&here, &shown, detail));
        }
        for field in ["resourceClaimName", "resourceClaimTemplateName"] {
            if let Some(name) = of(field) {
                field::each(&here.field(field), name, &form::subdomain(name), causes);
            }
        }
    }
}

/// What is said of a pod as a whole: its system, what it needs besides its containers, its name.
fn whole(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if let Some(os) = set(spec, "os") {
        let (name, here) = (text(os, "name"), path.field("os"));
        let allowed = ["linux", "windows"];
        if name.is_empty() {
            causes.push(field::required(&here.field("name"), ""));
        } else if !allowed.contains(&name) {
            causes.push(field::not_supported(&here, &name.into(), &allowed));
        }
    }
    let (overhead, resources) = (path.field("overhead"), path.field("resources"));
    let limits = overhead.field("limits");
    for (name, amount) in spec.get("overhead").and_then(Value::as_object).into_iter().flatten() {
        resource(name, amount, &limits.key(name), causes);
    }
    if let Some(amounts) = set(spec, "resources") {
        if !list(amounts, "claims").is_empty() {
            let detail = "claims may not be set for Resources at pod-level";
            causes.push(field::forbidden(&resources.field("claims"), detail));
        }
        let known: Vec<&str> =
            list(spec, "resourceClaims").iter().map(|claim| text(claim, "name")).collect();
        resources::claims(amounts, &known, &resources, causes);
        resources::pod(amounts, &resources, causes);
    }
    if let Some(name) = set(spec, "hostnameOverride").and_then(Value::as_str) {
        field::each(&path.field("hostnameOverride"), name, &form::subdomain(name), causes);
    }
}

/// With the node's network a container's port is the node's.
fn host_network(spec: &Value, path: &Path<'_>, of: Of, causes: &mut Vec<Cause>) {
    if !on(spec, "hostNetwork") {
        return;
    }
    let containers = path.field("containers");
    for (index, container) in list(spec, "containers").iter().enumerate() {
        let here = containers.index(index);
        let ports = here.field("ports");
        for (index, port) in list(container, "ports").iter().enumerate() {
            let host = int(port, "hostPort").unwrap_or(0);
            let bound = of == Of::Pod || host != 0;
            if bound && Some(host) != int(port, "containerPort") {
                let detail = "must match `containerPort` when `hostNetwork` is true";
                let place = ports.index(index);
                causes.push(field::invalid(&place.field("hostPort"), &host.into(), detail));
            }
        }
    }
}

fn gates(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let readiness = path.field("readinessGates");
    for (index, gate) in list(spec, "readinessGates").iter().enumerate() {
        let kind = text(gate, "conditionType");
        let place = readiness.index(index);
        field::each(&place.field("conditionType"), kind, &form::key(kind), causes);
    }
    let scheduling = path.field("schedulingGates");
    let gates = list(spec, "schedulingGates");
    for (index, gate) in gates.iter().enumerate() {
        let name = text(gate, "name");
        let place = scheduling.index(index);
        field::each(&place, name, &form::key(name), causes);
        if gates[..index].iter().any(|other| text(other, "name") == name) {
            causes.push(field::duplicate(&place, &name.into()));
        }
    }
}

fn names(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for name in ["serviceAccountName", "nodeName"] {
        let value = text(spec, name);
        if !value.is_empty() {
            field::each(&path.field(name), value, &form::subdomain(value), causes);
        }
    }
    let deadline = "activeDeadlineSeconds";
    let most = i64::from(i32::MAX);
    field::in_range(&path.field(deadline), int(spec, deadline), (1, most), causes);
    for name in ["hostname", "subdomain"] {
        let value = text(spec, name);
        if !value.is_empty() {
            field::each(&path.field(name), value, &form::label(value), causes);
        }
    }
}

/// The tolerations at `path`.
pub(super) fn tolerations(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for (index, toleration) in list(spec, "tolerations").iter().enumerate() {
        let here = path.index(index);
        let (key, value) = (text(toleration, "key"), text(toleration, "value"));
        let (operator, effect) = (text(toleration, "operator"), text(toleration, "effect"));
        if !key.is_empty() {
            field::each(&here.field("key"), key, &form::key(key), causes);
        }
        let place = here.field("operator");
        if key.is_empty() && operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all \
                          values and all keys\"";
            causes.push(field::invalid(&place, &operator.into(), detail));
        }
        if int(toleration, "tolerationSeconds").is_some() && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            causes.push(field::invalid(&here.field("effect"), &effect.into(), detail));
        }
        match operator {
            "" | "Equal" => {
                let problems = form::label_value(value);
                if !problems.is_empty() {
                    causes.push(field::invalid(&place, &value.into(), &problems.join(";")));
                }
            }
            "Exists" if !value.is_empty() => {
                let detail = "value must be empty when `operator` is 'Exists'";
                causes.push(field::invalid(&place, &value.into(), detail));
            }
            "Exists" => {}
            "Lt" | "Gt" => {
                let allowed = ["Equal", "Exists", "Lt", "Gt"];
                causes.push(field::not_supported(&place, &operator.into(), &allowed));
            }
            _ => {
                let allowed = ["Equal", "Exists"];
                causes.push(field::not_supported(&place, &operator.into(), &allowed));
            }
        }
        if !effect.is_empty() {
            taint_effect(effect, &here.field("effect"), causes);
        }
    }
}

/// What a taint does, or what of it is tolerated.
pub(super) fn taint_effect(effect: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let allowed = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    field::one_of(path, effect, &allowed, causes);
}

fn aliases(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for (index, alias) in list(spec, "hostAliases").iter().enumerate() {
        let here = path.index(index);
        address::plain(text(alias, "ip"), &here.field("ip"), causes);
        let names = here.field("hostnames");
        for (index, name) in list(alias, "hostnames").iter().enumerate() {
            let name = name.as_str().unwrap_or("");
            field::each(&names.index(index), name, &form::subdomain(name), causes);
        }
    }
}

/// A port number that must be there and in range.
pub(super) fn check_port(port: Option<&Value>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    match port.and_then(Value::as_i64) {
        None | Some(0) if port.is_none_or(|p| p.is_null() || p == 0) => {
            causes.push(field::required(path, ""));
        }
        number => field::in_range(path, number, (1, 65535), causes),
    }
}
