//! One pass over a pod: admission, mounts, init containers in order, containers, its end.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::json::Value;
use crate::kubelet::container::{self, Container};
use crate::kubelet::resize::Resize;
use crate::kubelet::spec::{ContainerSpec, Role, containers, seconds};
use crate::kubelet::state::{PodState, Verdict, parse};
use crate::kubelet::{Around, Note};
use crate::object::at;
use crate::workload::Behaviour;

/// The first wait after a failed mount; it doubles up to [`MAX_MOUNT_RETRY`]
/// (`pkg/util/goroutinemap/exponentialbackoff`).
const MOUNT_RETRY: Duration = Duration::from_millis(500);
/// The longest wait after a failed mount.
const MAX_MOUNT_RETRY: Duration = Duration::from_secs(122);
/// How long a pod whose containers cannot be configured waits to be looked at again.
const CONFIG_RETRY: Duration = Duration::from_secs(10);
/// `terminationGracePeriodSeconds` where a pod gives none.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// The phase of a pod.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Not all containers have started yet.
    Pending,
    /// All have started, and one runs or will run again.
    Running,
    /// All have ended with code 0.
    Succeeded,
    /// All have ended, one of them badly.
    Failed,
}

impl Phase {
    /// As in `status.phase`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// One pass over one pod.
pub struct Pass<'a> {
    /// The pod as last seen.
    pub pod: &'a Value,
    /// Its state, being changed.
    pub state: PodState,
    /// How it behaves.
    pub behaviour: &'a Behaviour,
    /// What else is known.
    pub around: &'a Around,
    /// The present, since the Unix epoch.
    pub now: Duration,
    /// Its containers.
    pub specs: Vec<ContainerSpec<'a>>,
    /// Events so far.
    pub events: Vec<Note>,
    /// Images pulled in this pass.
    pub pulled: BTreeSet<String>,
    /// Whether a container was given other resources, or has them now.
    pub resized: bool,
}

impl<'a> Pass<'a> {
    /// A pass that has not begun.
    pub fn new(
        pod: &'a Value,
        state: PodState,
        behaviour: &'a Behaviour,
        around: &'a Around,
        now: Duration,
    ) -> Self {
        let specs = containers(pod);
        let (events, pulled) = (Vec::new(), BTreeSet::new());
        let resized = false;
        Self { pod, state, behaviour, around, now, specs, events, pulled, resized }
    }

    /// Makes every transition that is due.
    pub fn run(&mut self) {
        if self.state.accepted.is_none() {
            self.state.accepted = Some(self.now);
        }
        if self.is_over() {
            self.state.resize = Resize::default();
            return;
        }
        if std::mem::take(&mut self.state.adopted) {
            self.state.failing = self.behaviour.failing();
            self.each(|pass, spec, container| container::resume(container, pass, spec));
        }
        self.allocate();
        self.apply_faults();
        self.apply_deadline();
        self.apply_deletion();
        if self.state.stopping.is_none() && !self.mount() {
            return;
        }
        self.run_containers();
        if self.state.stopping.is_none() {
            self.resize();
        }
    }

    /// Whether every container of the pod runs now, but for those that look into it.
    pub fn runs(&self) -> bool {
        let own = || {
            let own = self.specs.iter().filter(|spec| spec.role != Role::Ephemeral);
            own.filter_map(|spec| self.state.containers.get(spec.name))
        };
        own().any(Container::is_running) && own().all(|held| held.is_running() || held.is_done())
    }

    /// Records an event.
    pub fn note(&mut self, warning: bool, reason: &'static str, message: String) {
        self.events.push(Note { warning, reason, message });
    }

    /// Whether the node has an image.
    pub fn has_image(&self, image: &str) -> bool {
        self.around.images.contains(image) || self.pulled.contains(image)
    }

    /// The grace period of a stop: the deletion's, else the spec's.
    pub fn grace(&self) -> Duration {
        seconds(self.pod, &["metadata", "deletionGracePeriodSeconds"])
            .filter(|_| self.is_deleting())
            .or_else(|| seconds(self.pod, &["spec", "terminationGracePeriodSeconds"]))
            .unwrap_or(DEFAULT_GRACE)
    }

    /// A container's state.
    pub fn container(&self, name: &str) -> Container {
        self.state.containers.get(name).cloned().unwrap_or_default()
    }

    fn is_deleting(&self) -> bool {
        at(self.pod, &["metadata", "deletionTimestamp"]).is_some()
    }

    /// Whether the API server already holds a final phase: nothing runs again.
    fn is_over(&self) -> bool {
        let phase = at(self.pod, &["status", "phase"]).and_then(Value::as_str);
        matches!(phase, Some("Succeeded" | "Failed"))
    }

    /// Whether no process runs any more and the pod is deleted.
    pub fn may_delete(&self) -> bool {
        let running = self.state.containers.values().any(Container::is_running);
        self.is_deleting() && !running && (self.state.stopping.is_some() || self.is_over())
    }

    pub(super) fn each(
        &mut self,
        mut change: impl FnMut(&mut Self, &ContainerSpec<'a>, &mut Container),
    ) {
        for spec in self.specs.clone() {
            let mut container = self.state.containers.remove(spec.name).unwrap_or_default();
            change(self, &spec, &mut container);
            self.state.containers.insert(spec.name.to_owned(), container);
        }
    }

    fn apply_faults(&mut self) {
        let failing = self.behaviour.failing();
        let toggled = failing != self.state.failing;
        self.state.failing = failing;
        let kills = &self.around.kills;
        let may_restart = self.state.stopping.is_none();
        self.each(|pass, spec, container| {
            if toggled || kills.contains("") || kills.contains(spec.name) {
                container.kill(spec, pass.now, may_restart);
            }
        });
    }

    fn apply_deadline(&mut self) {
        let passed = self.deadline().is_some_and(|at| at <= self.now);
        if !passed || self.state.stopping.is_some() || self.phase_of_containers().1 {
            return;
        }
        let message = "Pod was active on the node longer than the specified deadline".to_owned();
        self.state.verdict =
            Some(Verdict { reason: "DeadlineExceeded".to_owned(), message: message.clone() });
        self.note(false, "DeadlineExceeded", message);
        self.stop();
    }

    fn deadline(&self) -> Option<Duration> {
        let length = seconds(self.pod, &["spec", "activeDeadlineSeconds"])?;
        self.state.accepted.map(|at| at + length)
    }

    fn apply_deletion(&mut self) {
        if !self.is_deleting() {
            return;
        }
        if self.state.stopping.is_none() {
            self.stop();
            return;
        }
        // A later deletion can only shorten the grace, so the earlier end holds.
        let over = at(self.pod, &["metadata", "deletionTimestamp"]);
        let Some(over) = over.and_then(Value::as_str).and_then(parse) else { return };
        let left = over.saturating_sub(self.now);
        self.each(|pass, spec, container| {
            if left.is_zero() {
                container.kill(spec, pass.now, false);
            }
        });
    }

    /// Begins the end: main containers first, sidecars once those are gone.
    fn stop(&mut self) {
        self.state.stopping = Some(self.now);
        let grace = self.grace();
        let mut notes = Vec::new();
        self.each(|pass, spec, container| {
            let waits = spec.role == Role::Sidecar && pass.has_running_main();
            if !waits && container.stop(pass, spec, grace) {
                notes.push(format!("Stopping container {}", spec.name));
            }
        });
        for message in notes {
            self.note(false, "Killing", message);
        }
    }

    /// Whether an exited container may start again: not once the pod ends, nor a sidecar whose
    /// main containers are over.
    pub fn may_restart(&self, spec: &ContainerSpec<'_>) -> bool {
        let over = spec.role == Role::Sidecar && self.phase_of_containers().1;
        self.state.stopping.is_none() && !over
    }

    fn has_running_main(&self) -> bool {
        self.specs.iter().any(|spec| {
            matches!(spec.role, Role::Init | Role::Main)
                && self.state.containers.get(spec.name).is_some_and(Container::is_running)
        })
    }

    /// Whether the volumes are there; else plans the next try.
    fn mount(&mut self) -> bool {
        if self.state.sandbox {
            return true;
        }
        if let Some(message) = self.around.missing.mount.clone() {
            if self.state.mount_at.is_none_or(|at| at <= self.now) {
                let doubled = MOUNT_RETRY.saturating_mul(1 << self.state.mount_tries.min(16));
                self.state.mount_tries += 1;
                self.state.mount_at = Some(self.now + doubled.min(MAX_MOUNT_RETRY));
                self.note(true, "FailedMount", message);
            }
            return false;
        }
        self.state.sandbox = true;
        self.state.mount_at = None;
        true
    }

    fn run_containers(&mut self) {
        let open = self.state.stopping.is_none();
        let mut gate = open;
        let now = self.now;
        self.each(|pass, spec, container| {
            // Main containers start together: only what comes before them in order gates them.
            let may = match spec.role {
                Role::Ephemeral => open && !pass.phase_of_containers().1,
                _ => gate,
            };
            container::advance(container, pass, spec, may);
            gate &= match spec.role {
                Role::Init => container.succeeded(),
                Role::Sidecar => container.is_started(now),
                Role::Main | Role::Ephemeral => true,
            };
        });
        self.stop_sidecars();
    }

    /// Once no main container runs or will run, the sidecars end, in reverse order, and what looks
    /// into the pod.
    fn stop_sidecars(&mut self) {
        let (_, over) = self.phase_of_containers();
        if !over && (self.state.stopping.is_none() || self.has_running_main()) {
            return;
        }
        let grace = self.grace();
        self.each(|pass, spec, container| {
            // The earliest end holds, so that to ask again changes nothing.
            if matches!(spec.role, Role::Sidecar | Role::Ephemeral) && container.is_running() {
                container.stop(pass, spec, grace);
            }
        });
    }

    /// The phase that the init and main containers make, and whether they are over.
    fn phase_of_containers(&self) -> (Phase, bool) {
        let state = |spec: &ContainerSpec<'_>| self.container(spec.name);
        let of = |role| self.specs.iter().filter(move |spec| spec.role == role).map(state);
        if of(Role::Init).any(|c| c.is_done() && !c.succeeded()) {
            return (Phase::Failed, true);
        }
        let main: Vec<Container> = of(Role::Main).collect();
        let begun = |c: &Container| c.is_running() || c.last.is_some();
        if main.iter().all(Container::is_done) && !main.is_empty() {
            let well = main.iter().all(Container::succeeded);
            return (if well { Phase::Succeeded } else { Phase::Failed }, true);
        }
        let all = main.iter().all(begun);
        (if all { Phase::Running } else { Phase::Pending }, false)
    }

    /// The pod's phase. It is final only once nothing runs any more.
    pub fn phase(&self) -> Phase {
        let running = self.state.containers.values().any(Container::is_running);
        let (phase, over) = self.phase_of_containers();
        match (&self.state.verdict, over, running) {
            (Some(_), _, false) => Phase::Failed,
            (_, true, true) | (Some(_), false, true) => Phase::Running,
            _ => phase,
        }
    }

    /// Time until the next change that is known now.
    pub fn wake(&self) -> Option<Duration> {
        if self.is_over() {
            return None;
        }
        let of_containers = self.state.containers.values().filter_map(|c| c.wake(self.now));
        let waits = |c: &Container| matches!(c.stage, container::Stage::Unconfigured { .. });
        let config = self.state.containers.values().any(waits).then_some(self.now + CONFIG_RETRY);
        let deadline = self.deadline().filter(|_| self.state.stopping.is_none());
        let others = [self.state.mount_at, deadline, config].into_iter().flatten();
        let resize = self.state.resize.wake().filter(|_| self.state.stopping.is_none());
        let next = of_containers.chain(others).chain(resize).filter(|at| *at > self.now).min()?;
        Some(next - self.now)
    }
}
