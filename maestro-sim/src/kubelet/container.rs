//! One container: from waiting over pulling, creating and running to exited, and again.

mod steps;
mod takeover;

use std::time::Duration;

use crate::kubelet::pod::Pass;
use crate::kubelet::probe::{Forecast, Probe};
use crate::kubelet::resize::Resources;
use crate::kubelet::spec::ContainerSpec;

pub use steps::{advance, pull_error};
pub use takeover::{adopt, resume};

/// The first back-off of image pulls and restarts; it doubles (`pkg/kubelet/kubelet.go`).
const BACK_OFF: Duration = Duration::from_secs(10);
/// The longest back-off.
const MAX_BACK_OFF: Duration = Duration::from_secs(300);
/// A container that ran so long starts again without back-off.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);
/// How long a failed pull shows as `ErrImagePull` before it shows as `ImagePullBackOff`.
const ERROR_SHOWN: Duration = Duration::from_secs(2);
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
    /// Whether it is being ended to be started with other resources.
    pub resizes: bool,
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
    /// What it was given of its node.
    pub resources: Resources,
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
        let restarts = may_restart && (spec.policy.restarts(code) || running.resizes);
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

/// Whether a failed pull has been shown long enough to be called a back-off.
pub fn pull_backs_off(at: Duration, now: Duration) -> bool {
    now >= at + ERROR_SHOWN
}
