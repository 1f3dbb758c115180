//! One container: from waiting over pulling, creating and running to exited, and again.

use std::time::Duration;

use serde_json::Value;

use crate::kubelet::pod::Pass;
use crate::kubelet::probe::{self, Forecast, Probe};
use crate::kubelet::spec::{ContainerSpec, Role};
use crate::kubelet::state::parse;

/// The first back-off of image pulls and restarts; it doubles (`pkg/kubelet/kubelet.go`).
const BACK_OFF: Duration = Duration::from_secs(10);
/// The longest back-off.
const MAX_BACK_OFF: Duration = Duration::from_secs(300);
/// A container that ran so long starts again without back-off.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);
/// How long a failed pull shows as `ErrImagePull` before it shows as `ImagePullBackOff`.
const ERROR_SHOWN: Duration = Duration::from_secs(2);
/// How long it takes to find out that an image does not exist.
const FAILED_PULL: Duration = Duration::from_secs(1);
/// The exit code of a process ended by SIGKILL.
pub const KILLED: i32 = 137;

/// A finished run of a container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exit {
    /// When it started.
    pub started: Duration,
    /// When it ended.
    pub finished: Duration,
    /// Its exit code.
    pub code: i32,
    /// Which run it was.
    pub run: u32,
}

impl Exit {
    /// `terminated.reason`.
    pub const fn reason(&self) -> &'static str {
        if self.code == 0 { "Completed" } else { "Error" }
    }
}

/// A running container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Running {
    /// Since when.
    pub since: Duration,
    /// What its probes will say.
    pub forecast: Forecast,
    /// When and with which code it ends.
    pub end: Option<(Duration, i32)>,
    /// What its readiness probe last said, where that depends on other pods.
    pub asked: Option<Asked>,
}

/// A readiness probe that is really asked, period by period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    probe: Probe,
    next: Duration,
    passes: u32,
    failures: u32,
    /// The present verdict.
    pub ready: bool,
}

/// Where a container stands.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Stage {
    /// Not begun.
    #[default]
    Waiting,
    /// The image is being pulled.
    Pulling {
        /// Until then.
        until: Duration,
        /// Whether it will fail.
        fails: bool,
    },
    /// The image could not be pulled.
    PullFailed {
        /// Since when.
        at: Duration,
        /// When it is tried again; never for `ErrImageNeverPull`.
        retry: Option<Duration>,
    },
    /// Something its environment refers to is missing.
    Unconfigured {
        /// What.
        message: String,
    },
    /// Being created.
    Creating {
        /// Until then.
        until: Duration,
    },
    /// Running.
    Running(Running),
    /// Exited; [`Container::last`] says how.
    Exited {
        /// When it is started again, if at all.
        restart: Option<Duration>,
    },
}

/// A container over all its runs.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Container {
    /// Where it stands.
    pub stage: Stage,
    /// How often it was started again.
    pub restarts: u32,
    /// The latest finished run.
    pub last: Option<Exit>,
    /// The run before that.
    pub before: Option<Exit>,
    back_off: Duration,
    pull_back_off: Duration,
}

impl Container {
    /// Whether its process runs.
    pub const fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running(_))
    }

    /// Whether it has ended for good.
    pub const fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Exited { restart: None })
    }

    /// Whether it has ended for good with code 0.
    pub fn succeeded(&self) -> bool {
        self.is_done() && self.last.as_ref().is_some_and(|exit| exit.code == 0)
    }

    /// Whether it runs and its startup probe, if any, has passed.
    pub fn is_started(&self, now: Duration) -> bool {
        matches!(&self.stage, Stage::Running(r) if r.forecast.started.is_some_and(|t| t <= now))
    }

    /// Whether it runs and is ready.
    pub fn is_ready(&self, now: Duration) -> bool {
        let Stage::Running(running) = &self.stage else { return false };
        match &running.asked {
            Some(asked) => asked.ready,
            None => running.forecast.ready.is_some_and(|at| at <= now),
        }
    }

    /// Whether its image failed to come before and is being tried again.
    pub const fn pulls_again(&self) -> bool {
        matches!(self.stage, Stage::Pulling { .. }) && !self.pull_back_off.is_zero()
    }

    /// When something changes next, if nothing comes from outside.
    pub fn wake(&self, now: Duration) -> Option<Duration> {
        let moments: [Option<Duration>; 5] = match &self.stage {
            Stage::Waiting | Stage::Unconfigured { .. } => return None,
            Stage::Pulling { until, .. } | Stage::Creating { until } => {
                [Some(*until), None, None, None, None]
            }
            Stage::PullFailed { at, retry } => {
                [retry.map(|_| *at + ERROR_SHOWN), *retry, None, None, None]
            }
            Stage::Exited { restart } => [*restart, None, None, None, None],
            Stage::Running(running) => [
                running.end.map(|(at, _)| at),
                running.forecast.started,
                running.forecast.ready.filter(|_| running.asked.is_none()),
                running.forecast.death.map(|death| death.at),
                running.asked.as_ref().map(|asked| asked.next),
            ],
        };
        moments.into_iter().flatten().filter(|at| *at > now).min()
    }

    /// Ends the process now. True when there was one.
    pub fn kill(&mut self, spec: &ContainerSpec<'_>, now: Duration, may_restart: bool) -> bool {
        let running = self.is_running();
        if running {
            self.exit(spec, now, KILLED, may_restart);
        }
        running
    }

    /// Asks the process to end within `grace`. True when there was one.
    pub fn stop(&mut self, pass: &Pass<'_>, spec: &ContainerSpec<'_>, grace: Duration) -> bool {
        match &mut self.stage {
            Stage::Running(running) => {
                let end = stop_time(pass, spec, self.restarts, pass.now, grace);
                if running.end.is_none_or(|(at, _)| end.0 < at) {
                    running.end = Some(end);
                }
                running.forecast.death = None;
                true
            }
            Stage::Exited { restart } => {
                *restart = None;
                false
            }
            stage => {
                *stage = if self.last.is_some() {
                    Stage::Exited { restart: None }
                } else {
                    Stage::Waiting
                };
                false
            }
        }
    }

    fn exit(&mut self, spec: &ContainerSpec<'_>, at: Duration, code: i32, may_restart: bool) {
        let Stage::Running(running) = &self.stage else { return };
        let started = running.since;
        self.before = self.last.take();
        self.last = Some(Exit { started, finished: at, code, run: self.restarts });
        let restarts = may_restart && spec.policy.restarts(code);
        if at.saturating_sub(started) >= FORGIVEN_AFTER {
            self.back_off = Duration::ZERO;
        }
        self.stage = Stage::Exited { restart: restarts.then(|| at + self.back_off) };
        self.back_off = longer(self.back_off);
    }
}

fn longer(back_off: Duration) -> Duration {
    if back_off.is_zero() { BACK_OFF } else { (back_off * 2).min(MAX_BACK_OFF) }
}

fn stop_time(
    pass: &Pass<'_>,
    spec: &ContainerSpec<'_>,
    restart: u32,
    from: Duration,
    grace: Duration,
) -> (Duration, i32) {
    let takes = spec.pre_stop() + pass.behaviour.shutdown(spec.name, restart);
    if takes <= grace { (from + takes, 0) } else { (from + grace, KILLED) }
}

/// Makes every transition that is due. `gate` is whether the container may start now.
pub fn advance(
    container: &mut Container,
    pass: &mut Pass<'_>,
    spec: &ContainerSpec<'_>,
    gate: bool,
) {
    while one(container, pass, spec, gate) {}
}

/// One transition; false when none is due.
fn one(
    container: &mut Container,
    pass: &mut Pass<'_>,
    spec: &ContainerSpec<'_>,
    gate: bool,
) -> bool {
    let now = pass.now;
    let due = |at: Duration| at <= now;
    match container.stage.clone() {
        Stage::Waiting => gate && begin(container, pass, spec, now),
        Stage::Exited { restart: Some(at) } if due(at) => begin(container, pass, spec, now),
        Stage::PullFailed { retry: Some(at), .. } if due(at) => pull(container, pass, spec, at),
        Stage::Pulling { until, fails } if due(until) => {
            pulled(container, pass, spec, until, fails);
            true
        }
        Stage::Unconfigured { message } => {
            let found = pass.around.missing.environment.get(spec.name);
            found != Some(&message) && create(container, pass, spec, now)
        }
        Stage::Creating { until } if due(until) => {
            start(container, pass, spec, until);
            true
        }
        Stage::Running(running) => {
            if let Some(asked) = running.asked.clone().filter(|asked| due(asked.next)) {
                ask(container, pass, &running, asked);
                return true;
            }
            if let Some(death) = running.forecast.death.filter(|death| due(death.at)) {
                fail_probe(container, pass, spec, death);
                return true;
            }
            let Some((at, code)) = running.end.filter(|(at, _)| due(*at)) else { return false };
            container.exit(spec, at, code, pass.may_restart(spec));
            true
        }
        _ => false,
    }
}

fn begin(c: &mut Container, pass: &mut Pass<'_>, spec: &ContainerSpec<'_>, at: Duration) -> bool {
    let present = pass.has_image(spec.image);
    match spec.pull_policy() {
        "Never" if !present => {
            c.stage = Stage::PullFailed { at, retry: None };
            let message = format!(
                "Container image \"{}\" is not present with pull policy of Never",
                spec.image
            );
            pass.note(true, "ErrImageNeverPull", message);
            true
        }
        // An image that is there is only compared with the registry's; that takes no time here.
        _ if present && !pass.behaviour.fails_to_pull(spec.image) => create(c, pass, spec, at),
        "IfNotPresent" | "Never" if present => create(c, pass, spec, at),
        _ => pull(c, pass, spec, at),
    }
}

fn pull(c: &mut Container, pass: &mut Pass<'_>, spec: &ContainerSpec<'_>, at: Duration) -> bool {
    pass.note(false, "Pulling", format!("Pulling image \"{}\"", spec.image));
    let fails = pass.behaviour.fails_to_pull(spec.image);
    let takes = if fails { FAILED_PULL } else { pass.behaviour.image_pull(spec.image) };
    c.stage = Stage::Pulling { until: at + takes, fails };
    true
}

fn pulled(
    c: &mut Container,
    pass: &mut Pass<'_>,
    spec: &ContainerSpec<'_>,
    at: Duration,
    fails: bool,
) {
    if fails {
        c.pull_back_off = longer(c.pull_back_off);
        c.stage = Stage::PullFailed { at, retry: Some(at + c.pull_back_off) };
        pass.note(true, "Failed", pull_error(spec.image));
        pass.note(true, "Failed", "Error: ErrImagePull".to_owned());
        return;
    }
    c.pull_back_off = Duration::ZERO;
    pass.pulled.insert(spec.image.to_owned());
    pass.note(false, "Pulled", format!("Successfully pulled image \"{}\"", spec.image));
    create(c, pass, spec, at);
}

/// The message of a failed pull.
pub fn pull_error(image: &str) -> String {
    format!("Failed to pull image \"{image}\": failed to resolve reference \"{image}\": not found")
}

fn create(c: &mut Container, pass: &mut Pass<'_>, spec: &ContainerSpec<'_>, at: Duration) -> bool {
    if let Some(message) = pass.around.missing.environment.get(spec.name) {
        c.stage = Stage::Unconfigured { message: message.clone() };
        pass.note(true, "Failed", format!("Error: {message}"));
        return true;
    }
    let run = c.last.as_ref().map_or(0, |exit| exit.run + 1);
    c.stage = Stage::Creating { until: at + pass.behaviour.start(spec.name, run) };
    true
}

fn start(c: &mut Container, pass: &mut Pass<'_>, spec: &ContainerSpec<'_>, since: Duration) {
    c.restarts = c.last.as_ref().map_or(0, |exit| exit.run + 1);
    pass.note(false, "Created", format!("Container created: {}", spec.name));
    pass.note(false, "Started", format!("Container started: {}", spec.name));
    c.stage = running(c.restarts, pass, spec, since);
}

/// A run that began at `since`, with everything that is known to come.
fn running(restart: u32, pass: &Pass<'_>, spec: &ContainerSpec<'_>, since: Duration) -> Stage {
    let forecast = probe::forecast(spec, pass.behaviour, restart, since);
    let end = pass.behaviour.ending(spec.name, restart, spec.role);
    let end = end.map(|end| (since + end.after, end.exit_code));
    let asked = (pass.behaviour.has_quorum() && spec.role == Role::Main).then(|| {
        let probe = Probe::of(spec.value, "readinessProbe").unwrap_or(Probe::DEFAULT);
        let next = probe.first(since, forecast.started.unwrap_or(since));
        Asked { probe, next, passes: 0, failures: 0, ready: false }
    });
    Stage::Running(Running { since, forecast, end, asked })
}

/// Goes on with a container that an earlier kubelet started: what is to come is known again, and
/// one that ended meanwhile is started again where its policy says so.
pub fn resume(container: &mut Container, pass: &Pass<'_>, spec: &ContainerSpec<'_>) {
    match &container.stage {
        Stage::Running(run) => {
            let ready = run.forecast.ready.is_some();
            let mut stage = running(container.restarts, pass, spec, run.since);
            if let Stage::Running(Running { asked: Some(asked), .. }) = &mut stage {
                asked.ready = ready;
                asked.next = asked.next.max(pass.now);
            }
            container.stage = stage;
        }
        Stage::Exited { restart: None } => {
            let last = container.last.as_ref();
            let again = last.filter(|exit| spec.policy.restarts(exit.code));
            container.stage = Stage::Exited { restart: again.map(|exit| exit.finished) };
        }
        _ => {}
    }
}

fn ask(c: &mut Container, pass: &Pass<'_>, running: &Running, mut asked: Asked) {
    let able = running.forecast.able.is_some_and(|able| able <= asked.next);
    if able && pass.behaviour.quorum_held() {
        (asked.passes, asked.failures) = (asked.passes.saturating_add(1), 0);
        asked.ready |= asked.passes >= asked.probe.successes;
    } else {
        (asked.passes, asked.failures) = (0, asked.failures.saturating_add(1));
        asked.ready &= asked.failures < asked.probe.failures;
    }
    asked.next += asked.probe.period;
    c.stage = Stage::Running(Running { asked: Some(asked), ..running.clone() });
}

fn fail_probe(
    c: &mut Container,
    pass: &mut Pass<'_>,
    spec: &ContainerSpec<'_>,
    death: probe::Death,
) {
    let which = if death.startup { "startup" } else { "liveness" };
    let title = if death.startup { "Startup" } else { "Liveness" };
    pass.note(true, "Unhealthy", format!("{title} probe failed"));
    let message = format!("Container {} failed {which} probe, will be restarted", spec.name);
    pass.note(false, "Killing", message);
    let end = stop_time(pass, spec, c.restarts, death.at, pass.grace());
    let Stage::Running(running) = &mut c.stage else { return };
    running.forecast.death = None;
    if running.end.is_none_or(|(at, _)| end.0 < at) {
        running.end = Some(end);
    }
}

/// Whether a failed pull has been shown long enough to be called a back-off.
pub fn pull_backs_off(at: Duration, now: Duration) -> bool {
    now >= at + ERROR_SHOWN
}

/// Reads a container back from its status.
pub fn adopt(status: &Value) -> Container {
    let restarts = status.get("restartCount").and_then(Value::as_u64).unwrap_or(0);
    let restarts = u32::try_from(restarts).unwrap_or(u32::MAX);
    let time = |v: &Value, field: &str| v.get(field)?.as_str().and_then(parse);
    let exit = |v: Option<&Value>, run| {
        let v = v?.get("terminated")?;
        let code = v.get("exitCode")?.as_i64().and_then(|c| i32::try_from(c).ok())?;
        let (started, finished) = (time(v, "startedAt")?, time(v, "finishedAt")?);
        Some(Exit { started, finished, code, run })
    };
    let previous = restarts.saturating_sub(1);
    let state = status.get("state");
    let mut container = Container { restarts, ..Container::default() };
    container.last = exit(status.get("lastState"), previous);
    if let Some(over) = exit(state, restarts) {
        container.before = container.last.replace(over);
        container.stage = Stage::Exited { restart: None };
    } else if let Some(since) = state.and_then(|s| time(s.get("running")?, "startedAt")) {
        let flag = |name: &str| status.get(name).and_then(Value::as_bool) == Some(true);
        let forecast = Forecast {
            able: flag("ready").then_some(since),
            started: flag("started").then_some(since),
            ready: flag("ready").then_some(since),
            death: None,
        };
        container.stage = Stage::Running(Running { since, forecast, end: None, asked: None });
    }
    container
}
