//! What a kubelet remembers of a pod: the stage of each container and what the pod waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::json::Value;
use crate::kubelet::container::{self, Container};
use crate::kubelet::resize::Resize;
use crate::object::at;

/// Why a pod is being ended by its kubelet rather than by a deletion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// `status.reason`.
    pub reason: String,
    /// `status.message`.
    pub message: String,
}

/// One pod as its kubelet knows it. Times are since the Unix epoch.
#[derive(Clone, Default, Debug)]
pub struct PodState {
    /// When the kubelet first saw it: `status.startTime`.
    pub accepted: Option<Duration>,
    /// Whether its volumes are mounted and its sandbox runs.
    pub sandbox: bool,
    /// How often mounting failed.
    pub mount_tries: u32,
    /// When mounting is tried again.
    pub mount_at: Option<Duration>,
    /// Since when its processes are being ended.
    pub stopping: Option<Duration>,
    /// Why, when it was not deleted.
    pub verdict: Option<Verdict>,
    /// Whether a pod-failure fault had hold of it.
    pub failing: bool,
    /// What it says of a resize.
    pub resize: Resize,
    /// Whether it was read off a status and its containers have yet to be resumed.
    pub(super) adopted: bool,
    /// Its containers by name.
    pub(super) containers: BTreeMap<String, Container>,
}

impl PodState {
    /// The state of a pod that ran before this kubelet did, read off its status: its containers
    /// go on running.
    pub fn adopt(pod: &Value) -> Self {
        let start = at(pod, &["status", "startTime"]).and_then(Value::as_str);
        let Some(accepted) = start.and_then(parse) else { return Self::default() };
        let lists = ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"];
        let statuses = lists
            .into_iter()
            .filter_map(|list| at(pod, &["status", list])?.as_array())
            .flatten()
            .filter_map(|s| Some((s.get("name")?.as_str()?.to_owned(), container::adopt(s))));
        let sandbox = at(pod, &["status", "podIP"]).is_some();
        Self {
            accepted: Some(accepted),
            sandbox,
            adopted: true,
            containers: statuses.collect(),
            resize: Resize::adopt(pod),
            ..Self::default()
        }
    }
}

/// RFC 3339 to the time since the Unix epoch.
pub fn parse(rfc3339: &str) -> Option<Duration> {
    let time: jiff::Timestamp = rfc3339.parse().ok()?;
    u64::try_from(time.as_second()).ok().map(Duration::from_secs)
}

/// The time since the Unix epoch as RFC 3339 with whole seconds.
pub fn format(time: Duration) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(0);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |t| t.to_string())
}
