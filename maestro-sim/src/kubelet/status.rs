//! The status a kubelet reports: phase, conditions, addresses, container statuses.
//!
//! Conditions that others own are kept as they are. Source: `pkg/kubelet/kubelet_pods.go` and
//! `pkg/kubelet/status/generate.go`.

use crate::json::{Map, Value, json};
use crate::kubelet::container::{Container, Exit, Stage, pull_backs_off, pull_error};
use crate::kubelet::pod::{Pass, Phase};
use crate::kubelet::resize::{PENDING, PROGRESS, wanted};
use crate::kubelet::spec::{ContainerSpec, Role};
use crate::kubelet::state::format;
use crate::object::{at, items, text};

/// The conditions of a pod that its kubelet owns (`pkg/kubelet/types/pod_status.go`).
const OWN: [&str; 8] = [
    "PodScheduled",
    "Ready",
    "Initialized",
    "ContainersReady",
    PROGRESS,
    PENDING,
    "PodReadyToStartContainers",
    "AllContainersRestarting",
];

/// The conditions that others own, which a kubelet keeps.
pub fn of_others(conditions: &[Value]) -> Vec<Value> {
    let others = conditions.iter().filter(|one| !OWN.contains(&text(one, &["type"])));
    others.cloned().collect()
}

/// The whole status after a pass.
pub fn build(pass: &Pass<'_>) -> Value {
    let old = pass.pod.get("status").cloned().unwrap_or(Value::Null);
    let mut status = match old {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let already_over =
        matches!(status.get("phase").and_then(Value::as_str), Some("Succeeded" | "Failed"));
    if already_over {
        return Value::Object(status);
    }
    let phase = pass.phase();
    status.insert("phase", phase.as_str().into());
    if let Some(verdict) = pass.state.verdict.as_ref().filter(|_| phase == Phase::Failed) {
        status.insert("reason", verdict.reason.as_str().into());
        status.insert("message", verdict.message.as_str().into());
    }
    let generation = at(pass.pod, &["metadata", "generation"]).and_then(Value::as_i64);
    if let Some(generation) = generation {
        status.insert("observedGeneration", generation.into());
    }
    if let Some(accepted) = pass.state.accepted {
        status.insert("startTime", format(accepted).into());
    }
    addresses(pass, &mut status);
    container_statuses(pass, &mut status);
    let conditions = conditions(pass, phase, generation, status.get("conditions"));
    status.insert("conditions", conditions);
    if !status.contains_key("qosClass") {
        status.insert("qosClass", super::needs::qos_class(pass.pod).into());
    }
    Value::Object(status)
}

fn addresses(pass: &Pass<'_>, status: &mut Map) {
    let host = pass.around.host_ip.as_str();
    status.insert("hostIP", host.into());
    status.insert("hostIPs", json!([{"ip": host}]));
    if pass.state.sandbox && !status.contains_key("podIP") {
        let shares = at(pass.pod, &["spec", "hostNetwork"]).and_then(Value::as_bool) == Some(true);
        let ip = if shares { host } else { pass.around.pod_ip.as_str() };
        status.insert("podIP", ip.into());
        status.insert("podIPs", json!([{"ip": ip}]));
    }
}

fn container_statuses(pass: &Pass<'_>, status: &mut Map) {
    let list = |is: fn(Role) -> bool| -> Vec<Value> {
        let picked = pass.specs.iter().filter(|spec| is(spec.role));
        picked.map(|spec| container_status(pass, spec)).collect()
    };
    let by_name = |mut all: Vec<Value>| {
        all.sort_by(|a, b| name_of(a).cmp(name_of(b)));
        all
    };
    status.insert("containerStatuses", by_name(list(|role| role == Role::Main)).into());
    let others = [
        ("initContainerStatuses", list(Role::is_init)),
        ("ephemeralContainerStatuses", by_name(list(|role| role == Role::Ephemeral))),
    ];
    for (field, all) in others {
        if !all.is_empty() {
            status.insert(field, all.into());
        }
    }
}

fn name_of(status: &Value) -> &str {
    status.get("name").and_then(Value::as_str).unwrap_or("")
}

fn container_status(pass: &Pass<'_>, spec: &ContainerSpec<'_>) -> Value {
    let container = pass.container(spec.name);
    let run = container.last.as_ref().map_or(0, |exit| exit.run);
    let run = if container.is_running() { container.restarts } else { run };
    let existed = container.is_running() || container.last.is_some();
    let (id, image_id) = if existed {
        (container_id(pass, spec, run), image_id(spec))
    } else {
        (String::new(), String::new())
    };
    let (state, last) = states(pass, spec, &container);
    let ready = match spec.role {
        Role::Init => container.succeeded(),
        // Nobody asks their probes.
        Role::Ephemeral => false,
        Role::Sidecar | Role::Main => container.is_ready(pass.now),
    };
    let mut status = json!({
        "name": spec.name, "image": spec.image, "imageID": image_id, "ready": ready,
        "restartCount": container.restarts, "state": state, "lastState": last,
    });
    let Some(map) = status.as_object_mut() else { return status };
    if spec.role != Role::Ephemeral {
        map.insert("started", container.is_started(pass.now).into());
    }
    let mounts: Vec<Value> = items(spec.value, &["volumeMounts"]).iter().map(mount).collect();
    if !mounts.is_empty() {
        map.insert("volumeMounts", mounts.into());
    }
    if existed {
        map.insert("containerID", id.into());
        resources(spec, &container, map);
    }
    status
}

/// How a volume is mounted. Where one is only read, what lies below it may be, too (KEP-3857).
fn mount(declared: &Value) -> Value {
    let mut told = Map::new();
    for field in ["name", "mountPath"] {
        told.insert(field, text(declared, &[field]).into());
    }
    if declared.get("readOnly").and_then(Value::as_bool) == Some(true) {
        let deep = matches!(text(declared, &["recursiveReadOnly"]), "IfPossible" | "Enabled");
        told.insert("readOnly", true.into());
        told.insert("recursiveReadOnly", if deep { "Enabled" } else { "Disabled" }.into());
    }
    Value::Object(told)
}

/// What a container was given of its node, and what it has of that.
fn resources(spec: &ContainerSpec<'_>, container: &Container, status: &mut Map) {
    let held = &container.resources;
    let allocated = held.allocated.clone().unwrap_or_else(|| wanted(spec.value));
    if let Some(requests) = allocated.get("requests") {
        status.insert("allocatedResources", requests.clone());
    }
    let actual = held.actual.clone().filter(|_| container.is_running());
    status.insert("resources", actual.unwrap_or(allocated));
}

/// `state` and `lastState`.
fn states(pass: &Pass<'_>, spec: &ContainerSpec<'_>, container: &Container) -> (Value, Value) {
    let terminated = |exit: Option<&Exit>| match exit {
        Some(exit) => terminated(pass, spec, exit),
        None => json!({}),
    };
    let last = terminated(container.last.as_ref());
    let before = terminated(container.before.as_ref());
    let waiting = |reason: &str, message: Option<String>| {
        let mut inner = json!({"reason": reason});
        if let (Some(map), Some(message)) = (inner.as_object_mut(), message) {
            map.insert("message", message.into());
        }
        json!({"waiting": inner})
    };
    let state = match &container.stage {
        Stage::Running(running) => {
            json!({"running": {"startedAt": format(running.since)}})
        }
        Stage::Exited { restart: Some(at) } if *at > pass.now => {
            waiting("CrashLoopBackOff", Some(back_off_message(pass, spec, container)))
        }
        Stage::Exited { .. } => return (last, before),
        Stage::PullFailed { retry: None, .. } => waiting("ErrImageNeverPull", None),
        Stage::Pulling { .. } if container.pulls_again() => {
            waiting("ImagePullBackOff", Some(pull_message(spec)))
        }
        Stage::PullFailed { at, .. } if pull_backs_off(*at, pass.now) => {
            waiting("ImagePullBackOff", Some(pull_message(spec)))
        }
        Stage::PullFailed { .. } => waiting("ErrImagePull", Some(pull_error(spec.image))),
        Stage::Unconfigured { message } => {
            waiting("CreateContainerConfigError", Some(message.clone()))
        }
        Stage::Creating { .. } if container.last.is_some() => return (last, before),
        Stage::Waiting | Stage::Pulling { .. } | Stage::Creating { .. } => {
            waiting(not_begun(pass, spec), None)
        }
    };
    (state, last)
}

fn pull_message(spec: &ContainerSpec<'_>) -> String {
    format!("Back-off pulling image \"{}\"", spec.image)
}

/// `PodInitializing` while init containers come first, else `ContainerCreating`.
fn not_begun(pass: &Pass<'_>, spec: &ContainerSpec<'_>) -> &'static str {
    let has_init = pass.specs.iter().any(|other| other.role.is_init());
    if !has_init {
        return "ContainerCreating";
    }
    let first = pass.specs.first().is_some_and(|first| first.name == spec.name);
    let begun = pass.container(spec.name).stage != Stage::Waiting;
    if first && begun { "ContainerCreating" } else { "PodInitializing" }
}

fn back_off_message(pass: &Pass<'_>, spec: &ContainerSpec<'_>, container: &Container) -> String {
    let length = match (&container.stage, &container.last) {
        (Stage::Exited { restart: Some(at) }, Some(exit)) => at.saturating_sub(exit.finished),
        _ => std::time::Duration::ZERO,
    };
    let text = |field| at(pass.pod, &["metadata", field]).and_then(Value::as_str).unwrap_or("");
    let (minutes, seconds) = (length.as_secs() / 60, length.as_secs() % 60);
    let length = if minutes == 0 { format!("{seconds}s") } else { format!("{minutes}m{seconds}s") };
    format!(
        "back-off {length} restarting failed container={} pod={}_{}({})",
        spec.name,
        text("name"),
        text("namespace"),
        text("uid")
    )
}

fn terminated(pass: &Pass<'_>, spec: &ContainerSpec<'_>, exit: &Exit) -> Value {
    json!({"terminated": {
        "exitCode": exit.code, "reason": exit.reason(),
        "startedAt": format(exit.started), "finishedAt": format(exit.finished),
        "containerID": container_id(pass, spec, exit.run),
    }})
}

/// A name for one run of a container that is the same in every simulation with the same seed.
fn container_id(pass: &Pass<'_>, spec: &ContainerSpec<'_>, run: u32) -> String {
    let uid = at(pass.pod, &["metadata", "uid"]).and_then(Value::as_str).unwrap_or("");
    format!("containerd://{}", hex_id(&format!("{uid}/{}/{run}", spec.name)))
}

fn image_id(spec: &ContainerSpec<'_>) -> String {
    let name = spec.image.split('@').next().unwrap_or(spec.image);
    let repository = match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    };
    match spec.image.split_once('@') {
        Some((_, digest)) => format!("{repository}@{digest}"),
        None => format!("{repository}@sha256:{}", hex_id(spec.image)),
    }
}

fn hex_id(text: &str) -> String {
    let parts: Vec<String> =
        (0..4).map(|n| format!("{:016x}", crate::workload::draw::mix(n, text))).collect();
    parts.concat()
}

struct Verdicts {
    initialized: Result<(), (&'static str, String)>,
    containers: Result<(), (&'static str, String)>,
    ready: Result<(), (&'static str, String)>,
}

fn verdicts(pass: &Pass<'_>, phase: Phase, old: Option<&Value>) -> Verdicts {
    let names = |specs: Vec<&ContainerSpec<'_>>| {
        specs.iter().map(|spec| spec.name).collect::<Vec<_>>().join(" ")
    };
    let done = phase == Phase::Succeeded;
    let uninitialized: Vec<_> = pass
        .specs
        .iter()
        .filter(|spec| match spec.role {
            Role::Init => !pass.container(spec.name).succeeded(),
            Role::Sidecar => !pass.container(spec.name).is_started(pass.now),
            Role::Main | Role::Ephemeral => false,
        })
        .collect();
    let main_begun = pass
        .specs
        .iter()
        .any(|spec| spec.role == Role::Main && pass.container(spec.name).stage != Stage::Waiting);
    let initialized = if done || main_begun || uninitialized.is_empty() {
        Ok(())
    } else {
        let message = format!("containers with incomplete status: [{}]", names(uninitialized));
        Err(("ContainersNotInitialized", message))
    };
    let unready: Vec<_> = pass
        .specs
        .iter()
        .filter(|spec| matches!(spec.role, Role::Sidecar | Role::Main))
        .filter(|spec| !pass.container(spec.name).is_ready(pass.now))
        .collect();
    let containers = match phase {
        Phase::Succeeded => Err(("PodCompleted", String::new())),
        Phase::Failed => Err(("PodFailed", String::new())),
        _ if unready.is_empty() => Ok(()),
        _ => {
            let message = format!("containers with unready status: [{}]", names(unready));
            Err(("ContainersNotReady", message))
        }
    };
    let ready = containers.clone().and_then(|()| gates(pass.pod, old));
    Verdicts { initialized, containers, ready }
}

/// Whether the conditions named by `spec.readinessGates` hold.
fn gates(pod: &Value, conditions: Option<&Value>) -> Result<(), (&'static str, String)> {
    let gates = at(pod, &["spec", "readinessGates"]).and_then(Value::as_array);
    let open: Vec<String> = gates
        .into_iter()
        .flatten()
        .filter_map(|gate| gate.get("conditionType")?.as_str())
        .filter(|gate| {
            let found = find(conditions, gate);
            found.and_then(|c| c.get("status")).and_then(Value::as_str) != Some("True")
        })
        .map(|gate| {
            format!("corresponding condition of pod readiness gate \"{gate}\" does not exist.")
        })
        .collect();
    if open.is_empty() { Ok(()) } else { Err(("ReadinessGatesNotReady", open.join(", "))) }
}

fn find<'v>(conditions: Option<&'v Value>, kind: &str) -> Option<&'v Value> {
    let mut all = conditions.and_then(Value::as_array).into_iter().flatten();
    all.find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
}

fn conditions(
    pass: &Pass<'_>,
    phase: Phase,
    generation: Option<i64>,
    old: Option<&Value>,
) -> Value {
    let verdicts = verdicts(pass, phase, old);
    let over = matches!(phase, Phase::Succeeded | Phase::Failed);
    let sandbox = if pass.state.sandbox && !over { Ok(()) } else { Err(("", String::new())) };
    let own = [
        ("PodReadyToStartContainers", sandbox),
        ("Initialized", verdicts.initialized),
        ("Ready", verdicts.ready),
        ("ContainersReady", verdicts.containers),
        ("PodScheduled", Ok(())),
    ];
    let mut all: Vec<Value> = own
        .into_iter()
        .map(|(kind, verdict)| condition(pass, kind, verdict, generation, find(old, kind)))
        .collect();
    if !over {
        all.extend(pass.state.resize.conditions());
    }
    let others = old.and_then(Value::as_array).map_or(&[][..], |all| all);
    all.extend(of_others(others));
    all.into()
}

fn condition(
    pass: &Pass<'_>,
    kind: &str,
    verdict: Result<(), (&'static str, String)>,
    generation: Option<i64>,
    old: Option<&Value>,
) -> Value {
    let status = if verdict.is_ok() { "True" } else { "False" };
    let same = old.filter(|old| old.get("status").is_some_and(|s| s == status));
    let since = same.and_then(|old| old.get("lastTransitionTime")).cloned();
    let mut condition = Map::new();
    condition.insert("type", kind.into());
    condition.insert("status", status.into());
    condition.insert("lastProbeTime", Value::Null);
    condition.insert("lastTransitionTime", since.unwrap_or_else(|| format(pass.now).into()));
    if let Some(generation) = generation {
        condition.insert("observedGeneration", generation.into());
    }
    if let Err((reason, message)) = verdict {
        for (name, text) in [("reason", reason), ("message", message.as_str())] {
            if !text.is_empty() {
                condition.insert(name, text.into());
            }
        }
    }
    Value::Object(condition)
}
