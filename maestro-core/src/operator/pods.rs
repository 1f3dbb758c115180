//! Pods as conditions see them: the whole object, and what is easily asked of it.
//!
//! `name`, `phase`, `ready` and `restarts` (of all containers) are there always. `failedFor` is
//! there while a pod that has not run to its end is not ready: how long ago it stopped being so,
//! or was created. `stuckFor` is there once a pod should be gone and is not: how long ago its
//! grace period ended. Both are durations, and grow while nothing happens.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::execution::Moment;
use crate::template::{Fact, Facts, POD_FACTS, Threshold};

/// How far ahead a change of a condition is looked for, as a power of two of seconds: 36 hours.
/// Who waits for longer than that is asked again by then.
const HORIZON: u32 = 17;

/// What is known of pods at a moment.
pub(super) fn facts(now: Moment) -> Facts<'static> {
    Facts { names: &POD_FACTS, of: Box::new(move |pod, name| fact(pod, name, now)) }
}

fn fact(pod: &Value, name: &str, now: Moment) -> Option<Fact> {
    let text = |pointer: &str| {
        let found = pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        Some(Fact::Text(found.to_owned()))
    };
    let clock = |since: Option<Moment>| {
        let since = since.filter(|since| *since <= now)?;
        Some(Fact::Duration(now.since(since)))
    };
    match name {
        "name" => text("/metadata/name"),
        "phase" => text("/status/phase"),
        "ready" => Some(Fact::Truth(is_ready(pod))),
        "restarts" => {
            let all = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
            let all = all.filter_map(|container| container["restartCount"].as_i64());
            Some(Fact::Number(all.sum()))
        }
        "failedFor" => clock(failed_since(pod)),
        "stuckFor" => clock(due(pod)),
        _ => None,
    }
}

/// Whether the present facts of a pod become others while nothing happens.
pub(super) fn has_clock(pod: &Value) -> bool {
    failed_since(pod).is_some() || due(pod).is_some()
}

/// The first moment after `now` at which a clock of one of the pods reaches a threshold.
pub(super) fn reached<'a>(
    pods: impl Iterator<Item = &'a Value>,
    thresholds: &[Threshold],
    now: Moment,
) -> Option<Moment> {
    let reached = |pod: &'a Value| {
        let (failed, due) = (failed_since(pod), due(pod));
        thresholds.iter().filter_map(move |one| {
            let since = if one.clock == "failedFor" { failed } else { due };
            Some(since?.after(one.reading))
        })
    };
    pods.flat_map(reached).filter(|moment| *moment > now).min()
}

/// The first moment after `now` at which something gives another answer than it gives now, to
/// the millisecond. What changes and changes back within a doubling of the time is not found.
pub(super) fn change<T: PartialEq>(now: Moment, mut at: impl FnMut(Moment) -> T) -> Option<Moment> {
    let present = at(now);
    let mut same = Duration::ZERO;
    for power in 0..=HORIZON {
        let mut other = Duration::from_secs(1 << power);
        if at(now.after(other)) == present {
            same = other;
            continue;
        }
        while other - same > Duration::from_millis(1) {
            let middle = same + (other - same) / 2;
            let middle = Duration::from_millis(u64::try_from(middle.as_millis()).unwrap_or(0));
            if at(now.after(middle)) == present {
                same = middle;
            } else {
                other = middle;
            }
        }
        return Some(now.after(other));
    }
    None
}

fn condition(pod: &Value) -> Option<&Value> {
    pod["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == "Ready")
}

fn is_ready(pod: &Value) -> bool {
    condition(pod).is_some_and(|ready| ready["status"] == "True")
}

/// Since when a pod is not what it should be.
fn failed_since(pod: &Value) -> Option<Moment> {
    if is_ready(pod) || pod["status"]["phase"] == "Succeeded" {
        return None;
    }
    let changed = condition(pod).and_then(|ready| moment(&ready["lastTransitionTime"]));
    changed.or_else(|| moment(&pod["metadata"]["creationTimestamp"]))
}

/// When a pod that is being deleted should be gone: the server adds the grace period to the
/// time of the deletion.
fn due(pod: &Value) -> Option<Moment> {
    moment(&pod["metadata"]["deletionTimestamp"])
}

fn moment(time: &Value) -> Option<Moment> {
    Some(Moment::new(time.as_str()?.parse::<Timestamp>().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Moment {
        Moment::new(format!("2026-01-01T{text}Z").parse().expect("a time"))
    }

    fn pod(status: &Value, deleted: Option<&str>) -> Value {
        let deleted = deleted.map(|text| format!("2026-01-01T{text}Z"));
        json!({"kind": "Pod", "status": status, "metadata": {
            "name": "a-0", "creationTimestamp": "2026-01-01T00:00:00Z",
            "deletionTimestamp": deleted}})
    }

    #[test]
    fn a_pod_says_how_long_it_has_failed_and_how_long_it_is_stuck() {
        let check = |status: Value, deleted: Option<&str>, expected: &[(&str, u64)]| {
            let pod = pod(&status, deleted);
            let facts = POD_FACTS
                .iter()
                .filter_map(|name| Some((*name, fact(&pod, name, at("00:10:00"))?)));
            let facts: Vec<_> = facts.collect();
            let clocks: Vec<_> = facts
                .iter()
                .filter_map(|(name, fact)| match fact {
                    Fact::Duration(duration) => Some((*name, duration.as_secs())),
                    _ => None,
                })
                .collect();
            assert_eq!(clocks, expected, "{status} {deleted:?}");
        };
        let ready = |word: &str, since: &str| {
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": word,
                "lastTransitionTime": format!("2026-01-01T{since}Z")}]})
        };
        check(ready("True", "00:01:00"), None, &[]);
        check(ready("False", "00:04:00"), None, &[("failedFor", 360)]);
        check(json!({"phase": "Pending"}), None, &[("failedFor", 600)]);
        check(json!({"phase": "Succeeded"}), None, &[]);
        check(
            ready("False", "00:04:00"),
            Some("00:09:00"),
            &[("failedFor", 360), ("stuckFor", 60)],
        );
        // Within its grace period a pod is on its way, not stuck.
        check(ready("True", "00:01:00"), Some("00:11:00"), &[]);
    }

    #[test]
    fn a_change_is_found_to_the_millisecond() {
        let now = at("00:00:00");
        let check = |millis: u64, expected: Option<u64>| {
            let found = change(now, |moment| moment >= now.after(Duration::from_millis(millis)));
            let expected = expected.map(|millis| now.after(Duration::from_millis(millis)));
            assert_eq!(found, expected, "{millis}");
        };
        check(1, Some(1));
        check(300_001, Some(300_001));
        check(999, Some(999));
        check(3_600_000, Some(3_600_000));
        check(1_000_000_000_000, None);
        check(0, None);
    }
}
