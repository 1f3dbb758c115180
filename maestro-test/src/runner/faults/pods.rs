//! Which pods a fault strikes, and how pods are killed; a scenario's `kill` step does the same.

use std::collections::BTreeMap;

use maestro_core::framework::GoDuration;
use maestro_sim::api::Verb;
use maestro_sim::json::json;
use maestro_sim::object::{GroupResource, Key};
use maestro_sim::rng::Stream;
use schemars::JsonSchema;
use serde::Deserialize;

use super::strike::{below, request, send};
use crate::cluster::Cluster;
use crate::event::Happening;
use crate::runner::Recorder;
use crate::scenario::At;

const PODS: GroupResource = GroupResource::new("", "pods");

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

/// The pods that a fault means, drawn from the stream.
pub fn chosen(fault: &PodFault, stream: &mut Stream, recorder: &Recorder) -> Vec<Key> {
    let mut keys: Vec<Key> = recorder.live(|live| {
        live.all()
            .filter(|(resource, _)| **resource == PODS)
            .map(|(_, pod)| pod)
            .filter(|pod| fault.namespace.as_deref().is_none_or(|n| n == pod.namespace()))
            .filter(|pod| fault.selector.iter().all(|(n, v)| pod.label(n) == Some(v)))
            .filter(|pod| !pod.is_deleting())
            .map(|pod| pod.key().clone())
            .collect()
    });
    let all = u32::try_from(keys.len()).unwrap_or(u32::MAX);
    let value = fault.value.as_ref().map_or(0, |v| v.value);
    let percent = |share: u32| all.saturating_mul(share) / 100;
    let wanted = match fault.mode {
        Mode::One => 1,
        Mode::All => all,
        Mode::Fixed => value,
        Mode::FixedPercent => percent(value),
        Mode::RandomMaxPercent => percent(below(stream, value.saturating_add(1))),
    };
    let mut chosen = Vec::new();
    for _ in 0..wanted.min(all) {
        let left = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let index = usize::try_from(below(stream, left)).unwrap_or(0);
        if index < keys.len() {
            chosen.push(keys.swap_remove(index));
        }
    }
    chosen
}

/// Deletes pods, as Chaos Mesh's `pod-kill` does.
pub fn kill(
    cluster: &dyn Cluster,
    fault: &PodFault,
    word: &'static str,
    stream: &mut Stream,
    recorder: &Recorder,
) {
    for key in chosen(fault, stream, recorder) {
        recorder.tell(cluster.now(), Happening::Fault { kind: word, target: key.to_string() });
        let grace = fault.grace_period.map_or(0, |g| g.0.as_secs());
        let mut request = request(PODS, &key.namespace, &key.name, Verb::Delete);
        request.body = json!({"gracePeriodSeconds": grace});
        send(cluster, request);
    }
}
