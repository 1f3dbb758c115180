//! Resizes of a pod that runs: what its node has given each container, and what becomes of a spec
//! that asks for something else.
//!
//! Where there is room, what is asked for is allocated at once (`PodResizeInProgress`), and a
//! container has it a moment later, or once it was started anew where its `resizePolicy` wants
//! that. For the rest the pod waits for room (`PodResizePending`) with what it has.
//!
//! Source: KEP-1287; `pkg/kubelet/allocation`, `computePodResizeAction` of
//! `pkg/kubelet/kuberuntime` and `pkg/kubelet/events/resize.go`.

use std::time::Duration;

use crate::json::{Value, json};
use crate::kubelet::container::{Container, Stage};
use crate::kubelet::pod::Pass;
use crate::kubelet::spec::ContainerSpec;
use crate::kubelet::state::{PodState, Verdict, format, parse};
use crate::object::{at, items, text};

/// The condition of a pod whose resize waits.
pub const PENDING: &str = "PodResizePending";
/// The condition of a pod whose resize was accepted and is not over.
pub const PROGRESS: &str = "PodResizeInProgress";
/// How long it takes to see that a container has what it was given: the kubelet looks at its
/// containers once in this time (`genericPlegRelistPeriod`).
const RELIST: Duration = Duration::from_secs(1);
/// How long a resize waits to be tried again if nothing made room meanwhile (`retryDelay`).
const RETRY: Duration = Duration::from_secs(180);

/// What a container was given of its node. Nothing before its pod was accepted, nor where it
/// cannot be resized.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Resources {
    /// What it is to have: requests and limits.
    pub allocated: Option<Value>,
    /// What it has had since it started, or since it was resized.
    pub actual: Option<Value>,
}

impl Resources {
    /// What an earlier kubelet gave, read off the status of a container that runs.
    pub fn adopt(status: &Value) -> Self {
        let Some(actual) = status.get("resources") else { return Self::default() };
        let mut allocated = actual.clone();
        if let (Some(map), Some(requests)) =
            (allocated.as_object_mut(), status.get("allocatedResources"))
        {
            map.insert("requests", requests.clone());
        }
        Self { allocated: Some(allocated), actual: Some(actual.clone()) }
    }
}

/// What a pod says of its resize.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Resize {
    /// It waits.
    pub pending: Option<Pending>,
    /// It was accepted.
    pub progress: Option<Progress>,
}

/// Why a resize waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    /// What there is no room for.
    message: String,
    /// The generation of the pod that asks for it.
    generation: i64,
    /// Since when.
    since: Duration,
    /// When it was tried last.
    tried: Duration,
}

impl Pending {
    /// Since when it waits.
    pub const fn since(&self) -> Duration {
        self.since
    }
}

/// A resize that goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    generation: i64,
    since: Duration,
}

impl Resize {
    /// What an earlier kubelet said.
    pub fn adopt(pod: &Value) -> Self {
        let find = |kind| {
            let mut all = items(pod, &["status", "conditions"]).iter();
            let found = all.find(|condition| text(condition, &["type"]) == kind)?;
            let generation = found.get("observedGeneration").and_then(Value::as_i64).unwrap_or(0);
            let time = |field| parse(text(found, &[field]));
            Some((found, generation, time("lastTransitionTime")?, time("lastProbeTime")?))
        };
        Self {
            pending: find(PENDING).map(|(condition, generation, since, tried)| Pending {
                message: text(condition, &["message"]).to_owned(),
                generation,
                since,
                tried,
            }),
            progress: find(PROGRESS)
                .map(|(_, generation, since, _)| Progress { generation, since }),
        }
    }

    /// The conditions that tell of it.
    pub fn conditions(&self) -> impl Iterator<Item = Value> {
        let condition = |kind: &str, generation: i64, probed, since| {
            json!({
                "type": kind, "status": "True", "observedGeneration": generation,
                "lastProbeTime": format(probed), "lastTransitionTime": format(since),
            })
        };
        let pending = self.pending.as_ref().map(|pending| {
            let mut told = condition(PENDING, pending.generation, pending.tried, pending.since);
            told["reason"] = "Deferred".into();
            told["message"] = pending.message.as_str().into();
            told
        });
        let progress = self.progress.as_ref();
        let progress = progress.map(|on| condition(PROGRESS, on.generation, on.since, on.since));
        pending.into_iter().chain(progress)
    }

    /// When something changes next by time alone.
    pub fn wake(&self) -> impl Iterator<Item = Duration> {
        let retry = self.pending.as_ref().map(|pending| pending.tried + RETRY);
        retry.into_iter().chain(self.progress.as_ref().map(|on| on.since + RELIST))
    }
}

/// What a container's spec asks for.
pub fn wanted(container: &Value) -> Value {
    container.get("resources").cloned().unwrap_or_else(|| json!({}))
}

/// Whether a pod asks for other resources than it was given.
pub fn is_asked(pod: &Value, state: &PodState) -> bool {
    let lists = ["containers", "initContainers"].into_iter();
    lists.flat_map(|list| items(pod, &["spec", list])).any(|container| {
        let held = state.containers.get(text(container, &["name"]));
        let allocated = held.and_then(|held| held.resources.allocated.as_ref());
        allocated.is_some_and(|allocated| match container.get("resources") {
            Some(own) => own != allocated,
            None => allocated.as_object().is_none_or(|all| !all.is_empty()),
        })
    })
}

/// The pod with what its containers were given in the place of what they ask for.
pub fn as_allocated(pod: &Value, state: &PodState) -> Value {
    let mut given = pod.clone();
    if !is_asked(pod, state) {
        return given;
    }
    for list in ["containers", "initContainers"] {
        let all = given.get_mut("spec").and_then(|spec| spec.get_mut(list));
        for container in all.and_then(Value::as_array_mut).into_iter().flatten() {
            let held = state.containers.get(text(container, &["name"]));
            if let Some(allocated) = held.and_then(|held| held.resources.allocated.clone()) {
                container["resources"] = allocated;
            }
        }
    }
    given
}

impl Pass<'_> {
    /// Gives each container of a pod that was just accepted, or taken over from a kubelet that did
    /// not say what it gave, what it asks for.
    pub(super) fn allocate(&mut self) {
        let has = |spec: &ContainerSpec<'_>| {
            let held = self.state.containers.get(spec.name);
            held.is_some_and(|held| held.resources.allocated.is_some())
        };
        if self.specs.iter().all(|spec| !spec.role.is_resizable() || has(spec)) {
            return;
        }
        self.each(|_, spec, container| {
            if spec.role.is_resizable() && container.resources.allocated.is_none() {
                let given = Some(wanted(spec.value));
                container.resources.actual = given.clone().filter(|_| container.is_running());
                container.resources.allocated = given;
            }
        });
    }

    /// Takes up what the pod asks for, if it is something else, and goes on with what was taken up.
    pub(super) fn resize(&mut self) {
        self.accept();
        let differs = |held: &Container| held.resources.actual != held.resources.allocated;
        let mut running = self.state.containers.values().filter(|held| held.is_running());
        if self.state.resize.progress.is_none() && !running.any(differs) {
            return;
        }
        let (now, grace) = (self.now, self.grace());
        let started = self.state.resize.progress.as_ref().map(|on| on.since);
        let (mut changed, mut goes_on, mut notes) = (false, false, Vec::new());
        self.each(|pass, spec, container| {
            let Container { resources, stage: Stage::Running(running), .. } = &mut *container
            else {
                return;
            };
            if resources.actual == resources.allocated {
                return;
            }
            let is_due = started.is_some_and(|since| since + RELIST <= now);
            if !running.resizes && restarts(spec.value, resources) {
                running.resizes = true;
                container.stop(pass, spec, grace);
                notes.push(format!("Container {} resize requires restart", spec.name));
            } else if !running.resizes && is_due {
                resources.actual.clone_from(&resources.allocated);
                changed = true;
                return;
            }
            goes_on = true;
        });
        for message in notes {
            self.note(false, "Killing", message);
        }
        self.resized |= changed;
        match (goes_on, self.state.resize.progress.take()) {
            (true, Some(on)) => self.state.resize.progress = Some(on),
            (true, None) => {
                let generation = self.generation();
                self.state.resize.progress = Some(Progress { generation, since: now });
            }
            (false, Some(on)) => {
                let given = as_allocated(self.pod, &self.state);
                let message = summary("Pod resize completed", &given, on.generation, None);
                self.resized = true;
                self.note(false, "ResizeCompleted", message);
            }
            (false, None) => {}
        }
    }

    fn generation(&self) -> i64 {
        at(self.pod, &["metadata", "generation"]).and_then(Value::as_i64).unwrap_or(0)
    }

    fn accept(&mut self) {
        if !is_asked(self.pod, &self.state) {
            self.state.resize.pending = None;
            return;
        }
        let (now, generation) = (self.now, self.generation());
        if let Some(Verdict { message, .. }) = self.around.unfit.clone() {
            let before = self.state.resize.pending.take();
            let since = before.as_ref().map_or(now, |before| before.since);
            let is_new = before.as_ref().is_none_or(|before| before.generation != generation);
            let again = before
                .as_ref()
                .is_none_or(|before| before.message != message || before.tried + RETRY <= now);
            if is_new {
                let told = summary("Pod resize Deferred", self.pod, generation, Some(&message));
                self.note(true, "ResizeDeferred", told);
            }
            let tried = before.map_or(now, |before| before.tried);
            let tried = if is_new || again { now } else { tried };
            self.state.resize.pending = Some(Pending { message, generation, since, tried });
            return;
        }
        self.each(|_, spec, container| {
            if container.resources.allocated.is_some() {
                container.resources.allocated = Some(wanted(spec.value));
            }
        });
        self.resized = true;
        self.state.resize =
            Resize { pending: None, progress: Some(Progress { generation, since: now }) };
        let message = summary("Pod resize started", self.pod, generation, None);
        self.note(false, "ResizeStarted", message);
    }
}

/// Whether a container has to be started anew to have what it was given.
fn restarts(container: &Value, resources: &Resources) -> bool {
    let amount = |of: &Option<Value>, kind: &str, name: &str| {
        of.as_ref().and_then(|of| at(of, &[kind, name])).cloned()
    };
    items(container, &["resizePolicy"]).iter().any(|policy| {
        let name = text(policy, &["resourceName"]);
        text(policy, &["restartPolicy"]) == "RestartContainer"
            && ["requests", "limits"].iter().any(|kind| {
                amount(&resources.actual, kind, name) != amount(&resources.allocated, kind, name)
            })
    })
}

/// What an event says of a resize: the resources of all containers, as JSON in Go's order.
fn summary(title: &str, pod: &Value, generation: i64, error: Option<&str>) -> String {
    let lists = ["initContainers", "containers"].into_iter();
    let lists = lists.filter_map(|list| {
        let all: Vec<String> = items(pod, &["spec", list]).iter().map(one).collect();
        (!all.is_empty()).then(|| format!("\"{list}\":[{}]", all.join(",")))
    });
    let mut parts: Vec<String> = lists.collect();
    parts.push(format!("\"generation\":{generation}"));
    parts.extend(error.map(|error| format!("\"error\":{}", Value::from(error))));
    format!("{title}: {{{}}}", parts.join(","))
}

fn one(container: &Value) -> String {
    let wanted = wanted(container);
    let fields = ["limits", "requests", "claims"].into_iter();
    let fields = fields.filter_map(|field| Some(format!("\"{field}\":{}", wanted.get(field)?)));
    let resources: Vec<String> = fields.collect();
    let name = Value::from(text(container, &["name"]));
    format!("{{\"name\":{name},\"resources\":{{{}}}}}", resources.join(","))
}
