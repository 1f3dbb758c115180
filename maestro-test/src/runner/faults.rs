//! Faults: what goes wrong in a run, each kind a file, in the words of Chaos Mesh where it has one.
//!
//! To add one: a file under `faults/` with its parameters as a type that implements [`Kind`], and
//! one line in [`faults!`] below; scenarios, their checks, reports and the schema know it from
//! there. What it acts on is a [`Trouble`](maestro_sim::link::Trouble) of links if it concerns
//! messages, or the [`WorkloadControl`] if it concerns pods; some write objects, as anybody might.
//!
//! When each fault strikes is drawn from a stream of its own, by its kind and its place among
//! those of its kind, so that one fault more or less moves none of another kind.

mod api_error;
mod check;
mod container_kill;
mod leader_loss;
mod lost_reply;
mod node_down;
mod operator_crash;
mod partition;
mod pod_kill;
pub mod pods;
mod quota_exceeded;
mod slow_rollout;
mod stale_read;
mod strike;
mod watch_drop;
mod watch_gap;
mod webhook_down;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maestro_sim::rng::Stream;
use maestro_sim::workload::WorkloadControl;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::task::JoinHandle;

use self::strike::{Field, Strike};
use super::Recorder;
use super::operator::Operators;
use crate::cluster::{Need, Shared};
use crate::event::Happening;
use crate::scenario::{At, DurationRange, Scenario};

pub use self::check::{Checking, check};
pub use self::strike::Lasting;

/// One kind of fault with its parameters.
pub trait Kind: std::fmt::Debug + Send + Sync {
    /// Whether it goes on for a time, and heals; the others strike and are over.
    fn lasts(&self) -> bool {
        false
    }

    /// What it needs of a cluster that not every one has.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    /// Collects what is wrong with the parameters that their types cannot say.
    fn check(&self, _check: &mut Checking<'_>) {}

    /// Strikes once, and tells what it struck. What lasts is given back.
    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting>;
}

/// Registers the faults: module, type, word.
macro_rules! faults {
    ($($module:ident :: $type:ident = $word:literal),+ $(,)?) => {
        /// One fault and when it strikes. Exactly one kind is given.
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub struct Fault {
            $(
                #[doc = concat!("`", $word, "` and its parameters.")]
                pub $module: Option<At<$module::$type>>,
            )+
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

        /// The words of the kinds, for messages and reports.
        pub const KINDS: [&str; [$($word),+].len()] = [$($word),+];

        impl Fault {
            /// Every kind given, with its word and where its parameters stand; exactly one in a
            /// valid scenario.
            pub fn kinds(&self) -> Vec<Given<'_>> {
                let mut all = Vec::new();
                $(
                    if let Some(At { value, place }) = &self.$module {
                        all.push(Given { word: $word, kind: value, place: *place });
                    }
                )+
                all
            }
        }
    };
}

faults! {
    pod_kill::PodKill = "pod-kill",
    container_kill::ContainerKill = "container-kill",
    partition::Partition = "partition",
    slow_rollout::SlowRollout = "slow-rollout",
    operator_crash::OperatorCrash = "operator-crash",
    leader_loss::LeaderLoss = "leader-loss",
    api_error::ApiError = "api-error",
    lost_reply::LostReply = "lost-reply",
    stale_read::StaleRead = "stale-read",
    watch_drop::WatchDrop = "watch-drop",
    watch_gap::WatchGap = "watch-gap",
    node_down::NodeDown = "node-down",
    webhook_down::WebhookDown = "webhook-down",
    quota_exceeded::QuotaExceeded = "quota-exceeded",
}

/// A kind that a fault gives.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Its word.
    pub word: &'static str,
    /// Its parameters.
    pub kind: &'a dyn Kind,
    /// Where its parameters stand.
    pub place: crate::scenario::Place,
}

impl Fault {
    /// Its kind; `None` only in a scenario that was not checked.
    pub fn kind(&self) -> Option<Given<'_>> {
        self.kinds().first().copied()
    }
}

/// The time that a fault lasts when the scenario does not say.
const USUAL: DurationRange = DurationRange::new(Duration::from_secs(10), Duration::from_secs(60));
/// How often a fault looks whether the step it waits for has begun.
const LOOK: Duration = Duration::from_millis(200);

type Lastings = Arc<Mutex<BTreeMap<u64, Lasting>>>;

/// The running faults.
pub struct Faults {
    tasks: Vec<JoinHandle<()>>,
    lasting: Lastings,
}

impl Faults {
    /// Starts a task for each fault.
    pub fn start(
        cluster: &Shared,
        scenario: &Scenario,
        control: &WorkloadControl,
        operators: &Operators,
        recorder: &Recorder,
        seed: u64,
    ) -> Self {
        let lasting = Lastings::default();
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        let steps = &scenario.spec.steps;
        let faults = scenario.spec.faults.iter().filter_map(|fault| {
            let Given { word, kind, .. } = fault.kind()?;
            let nth = seen.entry(word).or_default();
            let stream = Stream::new(seed, &format!("fault/{word}/{nth}"));
            *nth += 1;
            if let Some(why) = kind.needs().iter().find_map(|need| cluster.lacks(*need)) {
                recorder.tell(cluster.now(), Happening::Skipped { kind: word, why });
                return None;
            }
            let after = fault.after.as_ref();
            let after = after.and_then(|a| steps.iter().position(|s| s.name.value == a.value));
            let field = Field {
                cluster: Arc::clone(cluster),
                control: control.clone(),
                links: operators.links(),
                recorder: recorder.clone(),
            };
            let run = Run { field, after, stream, lasting: Arc::clone(&lasting) };
            Some(tokio::spawn(run.strike(fault.value.clone())))
        });
        Self { tasks: faults.collect(), lasting }
    }

    /// Stops all faults and undoes what lasts.
    pub fn heal(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        let all = std::mem::take(&mut *lock(&self.lasting));
        all.into_values().for_each(Lasting::heal);
    }
}

/// One fault on its way through a run.
struct Run {
    field: Field,
    after: Option<usize>,
    stream: Stream,
    lasting: Lastings,
}

impl Run {
    async fn strike(mut self, fault: Fault) {
        while self.after.is_some_and(|step| !self.field.recorder.has_begun(step)) {
            tokio::time::sleep(LOOK).await;
        }
        let Some(Given { word, kind, .. }) = fault.kind() else { return };
        if let Some(at) = fault.at {
            self.pause(&at).await;
        }
        loop {
            if let Some(every) = fault.every {
                self.pause(&every).await;
            }
            let mut strike = Strike { word, field: &self.field, stream: &mut self.stream };
            if let Some(lasting) = kind.strike(&mut strike) {
                let number = self.keep(lasting);
                self.pause(&fault.lasts.unwrap_or(USUAL)).await;
                self.end(word, number);
            }
            if fault.every.is_none() {
                return;
            }
        }
    }

    /// Waits for a time of the range, as it passes on this cluster.
    async fn pause(&mut self, range: &DurationRange) {
        let time = self.stream.duration(&range.bounds());
        tokio::time::sleep(self.field.cluster.paced(time)).await;
    }

    /// Keeps what lasts, for whoever heals everything; the number ends it.
    fn keep(&self, lasting: Lasting) -> u64 {
        let mut all = lock(&self.lasting);
        let number = all.last_key_value().map_or(0, |(number, _)| number + 1);
        all.insert(number, lasting);
        number
    }

    fn end(&self, kind: &'static str, number: u64) {
        let Some(lasting) = lock(&self.lasting).remove(&number) else { return };
        let target = lasting.target.clone();
        lasting.heal();
        let field = &self.field;
        field.recorder.tell(field.cluster.now(), Happening::Healed { kind, target });
    }
}

fn lock(lasting: &Lastings) -> MutexGuard<'_, BTreeMap<u64, Lasting>> {
    lasting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
