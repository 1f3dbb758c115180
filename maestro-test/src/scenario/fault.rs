//! What goes wrong, in the words of Chaos Mesh where it has one.

use std::collections::BTreeMap;

use maestro_core::framework::GoDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{At, DurationRange, NumberRange};

/// One fault and when it strikes. Exactly one kind is given.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Fault {
    /// Kills pods without grace.
    pub pod_kill: Option<PodFault>,
    /// Kills the containers of pods; the pods stay and restart.
    pub container_kill: Option<PodFault>,
    /// Cuts clients off the API server.
    pub partition: Option<Partition>,
    /// Makes image pulls, starts and readiness slower.
    pub slow_rollout: Option<SlowRollout>,
    /// Kills an operator replica at a write, and starts it again.
    pub operator_crash: Option<OperatorCrash>,
    /// Takes the leader's lease away.
    pub leader_loss: Option<At<Empty>>,
    /// Answers requests of the operator with an error.
    pub api_error: Option<ApiError>,
    /// Carries requests of the operator out and loses the answers.
    pub lost_reply: Option<Share>,
    /// Makes the operator's watches lag.
    pub stale_read: Option<StaleRead>,
    /// Ends the operator's watches.
    pub watch_drop: Option<At<Empty>>,
    /// Compacts the event log, so that ended watches meet 410 Gone.
    pub watch_gap: Option<At<Empty>>,
    /// Takes a node away.
    pub node_down: Option<NodeDown>,

    /// Strikes again and again with this much time between.
    pub every: Option<DurationRange>,
    /// Strikes once, this long after the start (or after the step in `after`).
    pub at: Option<DurationRange>,
    /// Not before this step has begun.
    pub after: Option<At<String>>,
    /// How long it lasts. Default: `10s..60s` where a fault has a duration.
    #[serde(rename = "for")]
    pub lasts: Option<DurationRange>,
}

/// Which of the matching pods are meant (Chaos Mesh's `mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One of them.
    #[default]
    One,
    /// All of them.
    All,
    /// `value` of them.
    Fixed,
    /// `value` percent of them, rounded down.
    FixedPercent,
    /// Up to `value` percent of them.
    RandomMaxPercent,
}

/// Pods to strike.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodFault {
    /// Labels the pods carry.
    pub selector: BTreeMap<String, String>,
    /// Their namespace; all when absent.
    pub namespace: Option<String>,
    /// Which of them.
    #[serde(default)]
    pub mode: Mode,
    /// How many or what share, for the modes that need it.
    pub value: Option<At<u32>>,
    /// Grace before the kill. Default 0s.
    pub grace_period: Option<GoDuration>,
}

/// A cut between two ends, each `operator`, `operator/N`, `apiserver`, `controllers`, `nodes` or
/// a node's name; one of the two is `apiserver`, since everything talks through it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Partition {
    /// The two ends.
    pub between: Vec<At<String>>,
    /// Which messages are lost, seen from the first end.
    #[serde(default)]
    pub direction: Direction,
}

/// Which messages a partition cuts (Chaos Mesh's `direction`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Requests.
    To,
    /// Answers and watch events.
    From,
    /// Both.
    #[default]
    Both,
}

/// How much slower.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowRollout {
    /// Times are multiplied by this.
    pub factor: At<NumberRange>,
}

/// Where an operator dies.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperatorCrash {
    /// After how many further writes; absent, at once.
    pub after_writes: Option<NumberRange>,
    /// Which replica; absent, one that the seed draws.
    pub replica: Option<At<u32>>,
}

/// Errors that the API server answers with.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiError {
    /// The status code: 409, 410, 429, 500, 503 or 504.
    pub code: At<u16>,
    /// The share of requests that meet it, in percent.
    #[serde(default = "ten")]
    pub percent: At<u8>,
    /// Only these verbs (`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`).
    #[serde(default)]
    pub verbs: Vec<At<String>>,
}

/// A share of requests.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The share, in percent.
    #[serde(default = "ten")]
    pub percent: At<u8>,
}

/// How far reads lie behind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaleRead {
    /// The lag of each watch event.
    pub lag: DurationRange,
}

/// Which node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeDown {
    /// Its name; absent, one that the seed draws.
    pub node: Option<At<String>>,
}

/// A fault without parameters.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

fn ten() -> At<u8> {
    10.into()
}

/// A fault's kind and parameters, once checked.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the variants are the fields of `Fault`, documented there")]
pub enum FaultKind<'a> {
    PodKill(&'a PodFault),
    ContainerKill(&'a PodFault),
    Partition(&'a Partition),
    SlowRollout(&'a SlowRollout),
    OperatorCrash(&'a OperatorCrash),
    LeaderLoss,
    ApiError(&'a ApiError),
    LostReply(&'a Share),
    StaleRead(&'a StaleRead),
    WatchDrop,
    WatchGap,
    NodeDown(&'a NodeDown),
}

impl FaultKind<'_> {
    /// Whether it goes on for a time, and heals; the others strike and are over.
    pub const fn lasts(self) -> bool {
        match self {
            Self::Partition(_)
            | Self::SlowRollout(_)
            | Self::ApiError(_)
            | Self::LostReply(_)
            | Self::StaleRead(_)
            | Self::NodeDown(_) => true,
            Self::PodKill(_)
            | Self::ContainerKill(_)
            | Self::OperatorCrash(_)
            | Self::LeaderLoss
            | Self::WatchDrop
            | Self::WatchGap => false,
        }
    }
}

impl Fault {
    /// Every kind given, with its word; exactly one in a valid scenario.
    pub fn kinds(&self) -> Vec<(&'static str, FaultKind<'_>)> {
        let all = [
            ("pod-kill", self.pod_kill.as_ref().map(FaultKind::PodKill)),
            ("container-kill", self.container_kill.as_ref().map(FaultKind::ContainerKill)),
            ("partition", self.partition.as_ref().map(FaultKind::Partition)),
            ("slow-rollout", self.slow_rollout.as_ref().map(FaultKind::SlowRollout)),
            ("operator-crash", self.operator_crash.as_ref().map(FaultKind::OperatorCrash)),
            ("leader-loss", self.leader_loss.as_ref().map(|_| FaultKind::LeaderLoss)),
            ("api-error", self.api_error.as_ref().map(FaultKind::ApiError)),
            ("lost-reply", self.lost_reply.as_ref().map(FaultKind::LostReply)),
            ("stale-read", self.stale_read.as_ref().map(FaultKind::StaleRead)),
            ("watch-drop", self.watch_drop.as_ref().map(|_| FaultKind::WatchDrop)),
            ("watch-gap", self.watch_gap.as_ref().map(|_| FaultKind::WatchGap)),
            ("node-down", self.node_down.as_ref().map(FaultKind::NodeDown)),
        ];
        all.into_iter().filter_map(|(word, kind)| Some((word, kind?))).collect()
    }

    /// Its word and kind; `None` only in a scenario that was not checked.
    pub fn kind(&self) -> Option<(&'static str, FaultKind<'_>)> {
        self.kinds().first().copied()
    }
}

/// The words of the kinds, for messages and reports.
pub const KINDS: [&str; 12] = [
    "pod-kill",
    "container-kill",
    "partition",
    "slow-rollout",
    "operator-crash",
    "leader-loss",
    "api-error",
    "lost-reply",
    "stale-read",
    "watch-drop",
    "watch-gap",
    "node-down",
];
