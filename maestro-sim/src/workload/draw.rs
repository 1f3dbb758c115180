//! What one pod's containers will do: a rule, drawn with the pod's own numbers.

use std::sync::Arc;
use std::time::Duration;

use crate::json::Value;
use crate::kubelet::Role;
use crate::object::at;
use crate::workload::Rule;
use crate::workload::command::{self, Does};
use crate::workload::control::PodFaults;

/// A range of virtual time, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The shortest.
    pub from: Duration,
    /// The longest.
    pub to: Duration,
}

impl Span {
    /// From and to in milliseconds.
    pub const fn millis(from: u64, to: u64) -> Self {
        Self { from: Duration::from_millis(from), to: Duration::from_millis(to) }
    }

    /// Exactly this long.
    pub const fn exactly(length: Duration) -> Self {
        Self { from: length, to: length }
    }

    /// This share of it.
    #[must_use]
    pub fn paced(self, share: f64) -> Self {
        Self { from: self.from.mul_f64(share), to: self.to.mul_f64(share) }
    }

    fn pick(self, number: u64) -> Duration {
        let width = self.to.saturating_sub(self.from).as_millis();
        let width = u64::try_from(width).unwrap_or(u64::MAX - 1);
        self.from.saturating_add(Duration::from_millis(number % (width + 1)))
    }
}

/// Why and when a started container ends by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    /// Time after the start.
    pub after: Duration,
    /// Exit code.
    pub exit_code: i32,
}

/// The behaviour of one pod. Every method is a pure function of its arguments.
#[derive(Clone, Debug)]
pub struct Behaviour {
    rule: Arc<Rule>,
    seed: u64,
    is_job: bool,
    faults: PodFaults,
    quorum_held: bool,
    rule_index: Option<usize>,
}

impl Behaviour {
    /// Draws for `pod` under `rule`; `quorum_held` says whether enough members run now.
    pub fn new(
        rule: Arc<Rule>,
        seed: u64,
        pod: &Value,
        faults: PodFaults,
        quorum_held: bool,
    ) -> Self {
        let text = |field| at(pod, &["metadata", field]).and_then(Value::as_str).unwrap_or("");
        let seed = mix(mix(seed, text("namespace")), text("name"));
        Self { rule, seed, is_job: is_job_pod(pod), faults, quorum_held, rule_index: None }
    }

    /// The same, knowing which rule it is.
    #[must_use]
    pub const fn of_rule(mut self, index: Option<usize>) -> Self {
        self.rule_index = index;
        self
    }

    /// Which rule it is; `None` for the defaults.
    pub const fn rule_index(&self) -> Option<usize> {
        self.rule_index
    }

    /// How long the image takes to come.
    pub fn image_pull(&self, image: &str) -> Duration {
        let span = self.rule.image_pull.unwrap_or(Span::millis(1000, 5000));
        self.slowed(span.pick(mix(mix(self.seed, "pull"), image)))
    }

    /// Whether the image cannot be pulled.
    pub fn fails_to_pull(&self, image: &str) -> bool {
        self.faults.fails_to_pull || self.rule.fails_to_pull.iter().any(|r| r.is_match(image))
    }

    /// From image present to running.
    pub fn start(&self, container: &str, restart: u32) -> Duration {
        let span = self.rule.start.unwrap_or(Span::millis(500, 2000));
        self.slowed(span.pick(self.number("start", container, restart)))
    }

    /// From running to able to serve; `None` for never. `probed` is whether a probe asks.
    pub fn ready(
        &self,
        container: &str,
        image: &str,
        restart: u32,
        probed: bool,
    ) -> Option<Duration> {
        if self.faults.failing || self.rule.never_ready.iter().any(|r| r.is_match(image)) {
            return None;
        }
        let span = match self.rule.ready {
            Some(span) => span,
            None if probed => Span::millis(1000, 5000),
            None => return Some(Duration::ZERO),
        };
        Some(self.slowed(span.pick(self.number("ready", container, restart))))
    }

    /// When the started container ends by itself, if it does.
    ///
    /// `value` is the container as its pod declares it: what no rule says its own command may say.
    pub fn ending(
        &self,
        (container, value): (&str, &Value),
        restart: u32,
        role: Role,
    ) -> Option<Ending> {
        if self.faults.failing {
            return None;
        }
        if let Some(exit_code) = self.faults.crashes {
            let after = Span::millis(200, 2000).pick(self.number("crash", container, restart));
            return Some(Ending { after, exit_code });
        }
        // Rules say how the workload behaves, not who looks into it.
        let crash = self.crash(container, restart).filter(|_| role != Role::Ephemeral);
        crash.or_else(|| self.completion((container, value), restart, role))
    }

    fn crash(&self, container: &str, restart: u32) -> Option<Ending> {
        let crash = self.rule.crash.as_ref()?;
        let may = crash.times.is_none_or(|times| restart < times);
        let does = self.number("crashes", container, restart) % 100 < u64::from(crash.percent);
        let after = crash.after.pick(self.number("crash", container, restart));
        (may && does).then_some(Ending { after, exit_code: crash.exit_code })
    }

    fn completion(
        &self,
        (container, value): (&str, &Value),
        restart: u32,
        role: Role,
    ) -> Option<Ending> {
        let number = self.number("run", container, restart);
        if role == Role::Sidecar {
            return None;
        }
        let declared = match role {
            Role::Init => self.rule.init,
            Role::Sidecar | Role::Main => self.rule.run,
            Role::Ephemeral => None,
        };
        if declared.is_none() {
            match command::read(value) {
                Some(Does::Ends(after, exit_code)) => {
                    // To begin takes a moment, too.
                    let after = after.saturating_add(Span::millis(10, 100).pick(number));
                    return Some(Ending { after, exit_code });
                }
                Some(Does::Stays) => return None,
                None => {}
            }
        }
        if role == Role::Init {
            let span = declared.unwrap_or(Span::millis(500, 2000));
            return Some(Ending { after: self.slowed(span.pick(number)), exit_code: 0 });
        }
        let of_job = (self.is_job && role == Role::Main).then_some(Span::millis(1000, 5000));
        let span = declared.or(of_job)?;
        Some(Ending { after: span.pick(number), exit_code: self.rule.exit_code })
    }

    /// From SIGTERM to exit.
    pub fn shutdown(&self, container: &str, restart: u32) -> Duration {
        let span = self.rule.shutdown.unwrap_or(Span::millis(500, 3000));
        span.pick(self.number("shutdown", container, restart))
    }

    /// From start until the liveness probe begins to fail.
    pub fn unhealthy(&self, container: &str, restart: u32) -> Option<Duration> {
        Some(self.rule.unhealthy?.pick(self.number("unhealthy", container, restart)))
    }

    /// Whether readiness also depends on a quorum of members, so that it must be asked again.
    pub fn has_quorum(&self) -> bool {
        self.rule.quorum.is_some()
    }

    /// Whether enough members run now; true where no quorum is declared.
    pub const fn quorum_held(&self) -> bool {
        self.quorum_held
    }

    /// Whether a pod-failure fault replaces the pod's processes.
    pub const fn failing(&self) -> bool {
        self.faults.failing
    }

    /// A number for what has no rule, such as container IDs.
    pub fn number(&self, what: &str, container: &str, restart: u32) -> u64 {
        finish(mix(mix(self.seed, what), container) ^ u64::from(restart).wrapping_mul(STEP))
    }

    fn slowed(&self, length: Duration) -> Duration {
        let percent = u64::from(self.faults.slow_percent);
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(millis.saturating_mul(percent) / 100)
    }
}

fn is_job_pod(pod: &Value) -> bool {
    at(pod, &["metadata", "ownerReferences"])
        .and_then(Value::as_array)
        .is_some_and(|owners| owners.iter().any(|o| o.get("kind").is_some_and(|k| k == "Job")))
}

/// The increment of SplitMix64 (Steele, Lea and Flood 2014).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Folds a text into a number with FNV-1a, then spreads it with SplitMix64's finisher.
pub fn mix(seed: u64, text: &str) -> u64 {
    let start = seed ^ 0xcbf2_9ce4_8422_2325;
    let folded = text.bytes().fold(start, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    finish(folded.wrapping_add(STEP))
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
