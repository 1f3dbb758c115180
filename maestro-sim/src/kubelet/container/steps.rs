//! The transitions of a container: each that is due, one after the other.

use std::time::Duration;

use super::{Asked, Container, Running, Stage, longer, stop_time};
use crate::kubelet::pod::Pass;
use crate::kubelet::probe::{self, Probe};
use crate::kubelet::spec::{ContainerSpec, Role};

/// How long it takes to find out that an image does not exist.
const FAILED_PULL: Duration = Duration::from_secs(1);

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
        "IfNotPresent" | "Never" if present => {
            let message = format!(
                "Container image \"{}\" already present on machine and can be accessed by the pod",
                spec.image
            );
            pass.note(false, "Pulled", message);
            create(c, pass, spec, at)
        }
        // An image that is there is only compared with the registry's; that takes no time here.
        _ if present && !pass.behaviour.fails_to_pull(spec.image) => {
            pass.note(false, "Pulling", format!("Pulling image \"{}\"", spec.image));
            pulled(c, pass, spec, at, false);
            true
        }
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
    c.resources.actual.clone_from(&c.resources.allocated);
    c.stage = running(c.restarts, pass, spec, since);
}

/// A run that began at `since`, with everything that is known to come.
pub(super) fn running(
    restart: u32,
    pass: &Pass<'_>,
    spec: &ContainerSpec<'_>,
    since: Duration,
) -> Stage {
    let forecast = probe::forecast(spec, pass.behaviour, restart, since);
    let end = pass.behaviour.ending((spec.name, spec.value), restart, spec.role);
    let end = end.map(|end| (since + end.after, end.exit_code));
    let asked = (pass.behaviour.has_quorum() && spec.role == Role::Main).then(|| {
        let probe = Probe::of(spec.value, "readinessProbe").unwrap_or(Probe::DEFAULT);
        let next = probe.first(since, forecast.started.unwrap_or(since));
        Asked { probe, next, passes: 0, failures: 0, ready: false }
    });
    Stage::Running(Running { since, forecast, end, asked, resizes: false })
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
