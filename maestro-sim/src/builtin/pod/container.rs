//! Containers of every sort.

use std::collections::BTreeSet;

use super::super::field::{self, Path, int, list, on, set, text};
use super::super::text as form;
use super::volume::Volumes;
use super::{check_port, env, ephemeral, handler, resources, security};
use crate::api::Cause;
use crate::json::Value;

/// The containers of a pod spec, and what they share.
pub(super) fn all(spec: &Value, volumes: &Volumes<'_>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let claims = list(spec, "resourceClaims").iter().map(|claim| text(claim, "name")).collect();
    let never = text(spec, "restartPolicy") == "Never";
    let shared = &Shared { volumes, specs: list(spec, "volumes"), claims, never };
    let grace = int(spec, "terminationGracePeriodSeconds");
    let containers = list(spec, "containers");
    let here = path.field("containers");
    if containers.is_empty() {
        causes.push(field::required(&here, ""));
    }
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        let place = here.index(index);
        common(container, shared, &place, causes);
        let name = text(container, "name");
        if !names.insert(name) {
            causes.push(field::duplicate(&place.field("name"), &name.into()));
        }
        ephemeral::restarts(container, false, &place, causes);
        running(container, grace, &place, causes);
    }
    let mut ports = BTreeSet::new();
    host_ports(containers, &here, &mut ports, causes);
    let names = init(spec, shared, (grace, names), path, causes);
    ephemeral::all(spec, shared, names, path, causes);
}

/// What the containers of a pod share.
pub(super) struct Shared<'v> {
    /// The volumes that are as they should be, by name.
    pub volumes: &'v Volumes<'v>,
    /// All volumes.
    pub specs: &'v [Value],
    claims: Vec<&'v str>,
    /// Whether the pod is never started again.
    pub never: bool,
}

fn init<'v>(
    spec: &'v Value,
    shared: &Shared<'_>,
    (grace, mut names): (Option<i64>, BTreeSet<&'v str>),
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) -> BTreeSet<&'v str> {
    let here = path.field("initContainers");
    for (index, container) in list(spec, "initContainers").iter().enumerate() {
        let place = here.index(index);
        common(container, shared, &place, causes);
        ephemeral::restarts(container, true, &place, causes);
        let name = text(container, "name");
        if names.contains(name) {
            causes.push(field::duplicate(&place.field("name"), &name.into()));
        } else if !name.is_empty() {
            names.insert(name);
        }
        host_ports(std::slice::from_ref(container), &here, &mut BTreeSet::new(), causes);
        if text(container, "restartPolicy") == "Always" {
            running(container, grace, &place, causes);
            continue;
        }
        for name in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if set(container, name).is_some() {
                let detail = "may not be set for init containers without restartPolicy=Always";
                causes.push(field::forbidden(&place.field(name), detail));
            }
        }
    }
    names
}

/// Volumes that are devices in the container.
fn devices(container: &Value, shared: &Shared<'_>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    let mounts = list(container, "volumeMounts");
    for (index, device) in list(container, "volumeDevices").iter().enumerate() {
        let here = path.index(index);
        let (name, at) = (text(device, "name"), text(device, "devicePath"));
        let place = here.field("name");
        if name.is_empty() {
            causes.push(field::required(&place, ""));
        }
        if !names.insert(name) {
            causes.push(field::invalid(&place, &name.into(), "must be unique"));
        }
        if !shared.volumes.contains(name) {
            causes.push(field::not_found(&place, &name.into()));
        } else if !shared.is(name, &["persistentVolumeClaim", "ephemeral"]) {
            let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral \
                          for block mode";
            causes.push(field::invalid(&place, &name.into(), detail));
        }
        let at_path = here.field("devicePath");
        if at.is_empty() {
            causes.push(field::required(&at_path, ""));
        }
        if !paths.insert(at) {
            causes.push(field::invalid(&at_path, &at.into(), "must be unique"));
        }
        if !at.is_empty() && at.split('/').any(|part| part == "..") {
            let detail = "can not contain backsteps ('..')";
            causes.push(field::invalid(&at_path, &at.into(), detail));
        }
        if mounts.iter().any(|mount| text(mount, "name") == name) {
            let detail = "must not already exist in volumeMounts";
            causes.push(field::invalid(&place, &name.into(), detail));
        }
    }
}

impl Shared<'_> {
    /// Whether a volume is of one of some kinds.
    pub(super) fn is(&self, name: &str, kinds: &[&str]) -> bool {
        self.specs.iter().any(|volume| {
            text(volume, "name") == name && kinds.iter().any(|kind| set(volume, kind).is_some())
        })
    }
}

/// What only containers that keep running have.
fn running(container: &Value, grace: Option<i64>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if let Some(lifecycle) = set(container, "lifecycle") {
        handler::lifecycle(lifecycle, grace, &path.field("lifecycle"), causes);
    }
    for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = set(container, kind) {
            handler::probe(probe, kind == "readinessProbe", &path.field(kind), causes);
        }
    }
}

/// What every sort of container has.
pub(super) fn common(
    container: &Value,
    shared: &Shared<'_>,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    let name = text(container, "name");
    let place = path.field("name");
    if name.is_empty() {
        causes.push(field::required(&place, ""));
    } else {
        field::each(&place, name, &form::label(name), causes);
    }
    if text(container, "image").is_empty() {
        causes.push(field::required(&path.field("image"), ""));
    }
    let policy = container.get("terminationMessagePolicy").and_then(Value::as_str);
    let allowed = ["File", "FallbackToLogsOnError"];
    let place = path.field("terminationMessagePolicy");
    field::one_of(&place, policy.unwrap_or("File"), &allowed, causes);
    ports(container, &path.field("ports"), causes);
    env::variables(container, shared, &path.field("env"), causes);
    env::from(container, &path.field("envFrom"), causes);
    mounts(container, shared.volumes, &path.field("volumeMounts"), causes);
    devices(container, shared, &path.field("volumeDevices"), causes);
    let policy = container.get("imagePullPolicy").and_then(Value::as_str);
    let allowed = ["Always", "IfNotPresent", "Never"];
    let place = path.field("imagePullPolicy");
    field::one_of(&place, policy.unwrap_or("Always"), &allowed, causes);
    if let Some(amounts) = set(container, "resources") {
        let here = path.field("resources");
        resources::claims(amounts, &shared.claims, &here, causes);
        resources::container(amounts, &here, causes);
    }
    ephemeral::resizes(container, shared, &path.field("resizePolicy"), causes);
    if let Some(context) = set(container, "securityContext") {
        security::container(context, &path.field("securityContext"), causes);
    }
}

fn ports(container: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (index, port) in list(container, "ports").iter().enumerate() {
        let here = path.index(index);
        let name = text(port, "name");
        if !name.is_empty() {
            let problems = form::port_name(name);
            if !problems.is_empty() {
                field::each(&here.field("name"), name, &problems, causes);
            } else if !names.insert(name) {
                causes.push(field::duplicate(&here.field("name"), &name.into()));
            }
        }
        check_port(port.get("containerPort"), &here.field("containerPort"), causes);
        let host = int(port, "hostPort").filter(|port| *port != 0);
        field::in_range(&here.field("hostPort"), host, (1, 65535), causes);
        let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        let allowed = ["SCTP", "TCP", "UDP"];
        field::one_of(&here.field("protocol"), protocol, &allowed, causes);
    }
}

/// Ports of the node that are asked for twice.
fn host_ports(
    containers: &[Value],
    path: &Path<'_>,
    seen: &mut BTreeSet<String>,
    causes: &mut Vec<Cause>,
) {
    for (index, container) in containers.iter().enumerate() {
        let here = path.index(index);
        let ports = here.field("ports");
        for (index, port) in list(container, "ports").iter().enumerate() {
            let Some(host) = int(port, "hostPort").filter(|host| *host != 0) else { continue };
            let shown = format!("{}/{}/{host}", text(port, "protocol"), text(port, "hostIP"));
            if seen.contains(&shown) {
                let place = ports.index(index);
                causes.push(field::duplicate(&place.field("hostPort"), &shown.into()));
            } else {
                seen.insert(shown);
            }
        }
    }
}

fn mounts(container: &Value, volumes: &Volumes<'_>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mounts = list(container, "volumeMounts");
    for (index, mount) in mounts.iter().enumerate() {
        let here = path.index(index);
        let (name, at) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            causes.push(field::required(&here.field("name"), ""));
        }
        if !volumes.contains(name) {
            causes.push(field::not_found(&here.field("name"), &name.into()));
        }
        let place = here.field("mountPath");
        if at.is_empty() {
            causes.push(field::required(&place, ""));
        }
        if mounts[..index].iter().any(|other| text(other, "mountPath") == at) {
            causes.push(field::invalid(&place, &at.into(), "must be unique"));
        }
        let (below, expanded) = (text(mount, "subPath"), text(mount, "subPathExpr"));
        // The real server names the list here, not the item.
        if !below.is_empty() {
            descending(below, &path.field("subPath"), causes);
        }
        if !expanded.is_empty() {
            if !below.is_empty() {
                let detail = "subPathExpr and subPath are mutually exclusive";
                causes.push(field::invalid(&here.field("subPathExpr"), &expanded.into(), detail));
            }
            descending(expanded, &path.field("subPathExpr"), causes);
        }
        propagation(mount, container, path, causes);
    }
}

fn propagation(mount: &Value, container: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mut shared_mode = true;
    let place = path.field("mountPropagation");
    match text(mount, "mountPropagation") {
        "Bidirectional" => {
            let context = set(container, "securityContext");
            if !context.is_some_and(|context| on(context, "privileged")) {
                let detail = "Bidirectional mount propagation is available only to privileged \
                              containers";
                causes.push(field::forbidden(&place, detail));
            }
        }
        mode => {
            let allowed = ["Bidirectional", "HostToContainer", "None"];
            field::word(mount, "mountPropagation", &allowed, path, causes);
            shared_mode = !matches!(mode, "" | "None");
        }
    }
    field::word(mount, "recursiveReadOnly", &["Disabled", "Enabled", "IfPossible"], path, causes);
    if matches!(text(mount, "recursiveReadOnly"), "Enabled" | "IfPossible") {
        let place = path.field("recursiveReadOnly");
        if !on(mount, "readOnly") {
            causes.push(field::forbidden(&place, "may only be specified when readOnly is true"));
        }
        if shared_mode {
            let detail = "may only be specified when mountPropagation is None or not specified";
            causes.push(field::forbidden(&place, detail));
        }
    }
}

/// A relative path that does not climb.
pub(super) fn descending(text: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if text.starts_with('/') {
        causes.push(field::invalid(path, &text.into(), "must be a relative path"));
    }
    no_backsteps(text, path, causes);
}

/// A path without `..`.
pub(in super::super) fn no_backsteps(text: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if text.split('/').any(|part| part == "..") {
        causes.push(field::invalid(path, &text.into(), "must not contain '..'"));
    }
}
