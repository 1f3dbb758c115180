//! When probes pass and fail, computed at a container's start instead of polled.
//!
//! Source: `pkg/kubelet/prober` and the defaults of `v1.Probe`.

use std::time::Duration;

use crate::json::Value;
use crate::kubelet::spec::ContainerSpec;
use crate::workload::Behaviour;

/// The timings of one probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    initial_delay: Duration,
    /// From one asking to the next.
    pub period: Duration,
    /// Passes in a row that make a success.
    pub successes: u32,
    /// Failures in a row that make a failure.
    pub failures: u32,
}

impl Probe {
    /// The timings that hold where a spec gives none.
    pub const DEFAULT: Self = Self {
        initial_delay: Duration::ZERO,
        period: Duration::from_secs(10),
        successes: 1,
        failures: 3,
    };

    /// `livenessProbe`, `readinessProbe` or `startupProbe` of a container.
    pub fn of(container: &Value, field: &str) -> Option<Self> {
        let probe = container.get(field).filter(|p| p.is_object())?;
        let number = |name: &str, default| {
            probe.get(name).and_then(Value::as_u64).filter(|n| *n > 0).unwrap_or(default)
        };
        let count = |name, default| u32::try_from(number(name, default)).unwrap_or(u32::MAX);
        Some(Self {
            initial_delay: Duration::from_secs(number("initialDelaySeconds", 0)),
            period: Duration::from_secs(number("periodSeconds", 10)),
            successes: count("successThreshold", 1),
            failures: count("failureThreshold", 3),
        })
    }

    /// The first asking at or after `from`, of a container that runs since `since`.
    pub fn first(&self, since: Duration, from: Duration) -> Duration {
        (since + self.initial_delay).max(from)
    }

    /// The first asking at or after `moment`, counted from the asking at `first`.
    fn asking(&self, first: Duration, moment: Duration) -> Duration {
        let late = moment.saturating_sub(first).as_nanos();
        let periods = late.div_ceil(self.period.as_nanos().max(1));
        first.saturating_add(self.period.saturating_mul(u32::try_from(periods).unwrap_or(u32::MAX)))
    }

    /// When the probe succeeds, if what it asks answers from `able` on.
    fn succeeds(&self, first: Duration, able: Duration) -> Duration {
        self.asking(first, able).saturating_add(self.period.saturating_mul(self.successes - 1))
    }

    /// When the probe has failed, if what it asks fails from `from` on.
    fn fails(&self, first: Duration, from: Duration) -> Duration {
        self.asking(first, from).saturating_add(self.period.saturating_mul(self.failures - 1))
    }
}

/// A container that its own probe ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Death {
    /// When the probe has failed.
    pub at: Duration,
    /// Whether it was the startup probe; else the liveness probe.
    pub startup: bool,
}

/// What the probes of a container that runs since `since` will say.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Forecast {
    /// When what runs inside answers.
    pub able: Option<Duration>,
    /// When it counts as started.
    pub started: Option<Duration>,
    /// When it counts as ready.
    pub ready: Option<Duration>,
    /// When a probe ends it.
    pub death: Option<Death>,
}

/// Works out the forecast for one start of a container.
pub fn forecast(
    spec: &ContainerSpec<'_>,
    behaviour: &Behaviour,
    restart: u32,
    since: Duration,
) -> Forecast {
    let startup = Probe::of(spec.value, "startupProbe");
    let readiness = Probe::of(spec.value, "readinessProbe");
    let probed = startup.is_some() || readiness.is_some();
    let able = behaviour.ready(spec.name, spec.image, restart, probed).map(|d| since + d);
    let (started, mut death) = match startup {
        None => (Some(since), None),
        Some(probe) => startup_outcome(&probe, since, able),
    };
    let ready = match (started, able, readiness) {
        (Some(started), Some(able), Some(probe)) => {
            Some(probe.succeeds(probe.first(since, started), able))
        }
        (Some(started), Some(able), None) => Some(started.max(able)),
        _ => None,
    };
    if let (Some(started), Some(probe), Some(sick)) =
        (started, Probe::of(spec.value, "livenessProbe"), behaviour.unhealthy(spec.name, restart))
    {
        let at = probe.fails(probe.first(since, started), since + sick);
        death = Some(Death { at, startup: false });
    }
    Forecast { able, started, ready, death }
}

fn startup_outcome(
    probe: &Probe,
    since: Duration,
    able: Option<Duration>,
) -> (Option<Duration>, Option<Death>) {
    let first = probe.first(since, since);
    let fails = probe.fails(first, first);
    match able.map(|able| probe.succeeds(first, able)) {
        Some(passes) if passes <= fails => (Some(passes), None),
        _ => (None, Some(Death { at: fails, startup: true })),
    }
}
