//! A pod's row: what its containers' states add up to.

use super::Moment;
use super::words::{NONE, condition as holds, int_at, list_at, or, since, text_at};
use crate::builtin::field::text;
use crate::json::{Value, json};

/// What the containers told so far.
#[derive(Default)]
struct Told<'v> {
    reason: String,
    restarts: i64,
    last: &'v str,
    ready: usize,
    total: usize,
}

impl<'v> Told<'v> {
    fn restarted(&mut self, status: &'v Value) {
        self.restarts += int_at(status, "/restartCount");
        let finished = text_at(status, "/lastState/terminated/finishedAt");
        if finished > self.last {
            self.last = finished;
        }
    }
}

/// What a pod that has ended says of its row.
pub(super) fn condition(pod: &Value) -> Option<Value> {
    let (reason, message) = match text_at(pod, "/status/phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!({"type": "Completed", "status": "True", "reason": reason, "message": message}))
}

pub(super) fn cells(pod: &Value, now: Moment) -> Vec<Value> {
    let phase = text_at(pod, "/status/phase");
    let mut told = Told {
        reason: or(text_at(pod, "/status/reason"), phase).to_owned(),
        total: list_at(pod, "/spec/containers").len(),
        ..Told::default()
    };
    let gated =
        |c: &Value| text(c, "type") == "PodScheduled" && text(c, "reason") == "SchedulingGated";
    if list_at(pod, "/status/conditions").iter().any(gated) {
        told.reason = "SchedulingGated".into();
    }
    let mut sidecars = Told::default();
    let initializing = init(pod, &mut told, &mut sidecars);
    if !initializing || holds(pod, "Initialized") == "True" {
        (told.restarts, told.last) = (sidecars.restarts, sidecars.last);
        main(pod, &mut told);
    }
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        if text_at(pod, "/status/reason") == "NodeLost" {
            told.reason = "Unknown".into();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            told.reason = "Terminating".into();
        }
    }
    let restarts = match (told.restarts, told.last) {
        (0, _) | (_, "") => told.restarts.to_string(),
        (count, last) => format!("{count} ({} ago)", since(last, now)),
    };
    vec![
        text_at(pod, "/metadata/name").into(),
        format!("{}/{}", told.ready, told.total).into(),
        told.reason.into(),
        restarts.into(),
        since(text_at(pod, "/metadata/creationTimestamp"), now).into(),
        or(text_at(pod, "/status/podIPs/0/ip"), NONE).into(),
        or(text_at(pod, "/spec/nodeName"), NONE).into(),
        or(text_at(pod, "/status/nominatedNodeName"), NONE).into(),
        gates(pod).into(),
    ]
}

/// The init containers, in order, until one has not done its part. Tells whether there is one.
fn init<'v>(pod: &'v Value, told: &mut Told<'v>, sidecars: &mut Told<'v>) -> bool {
    let specs = list_at(pod, "/spec/initContainers");
    let restartable = |spec: &Value| text(spec, "restartPolicy") == "Always";
    told.total += specs.iter().filter(|spec| restartable(spec)).count();
    let statuses = list_at(pod, "/status/initContainerStatuses");
    for (index, status) in statuses.iter().enumerate() {
        told.restarted(status);
        let name = text(status, "name");
        let sidecar = specs.iter().any(|spec| text(spec, "name") == name && restartable(spec));
        if sidecar {
            sidecars.restarted(status);
        }
        let ended = status.pointer("/state/terminated");
        if ended.is_some_and(|ended| int_at(ended, "/exitCode") == 0) {
            continue;
        }
        if sidecar && status.get("started") == Some(&Value::Bool(true)) {
            told.ready += usize::from(status.get("ready") == Some(&Value::Bool(true)));
            continue;
        }
        let waits = text_at(status, "/state/waiting/reason");
        told.reason = match ended {
            Some(ended) => format!("Init:{}", why(ended)),
            None if !waits.is_empty() && waits != "PodInitializing" => format!("Init:{waits}"),
            None => format!("Init:{index}/{}", specs.len()),
        };
        return true;
    }
    false
}

/// Why a container ended.
fn why(ended: &Value) -> String {
    match (text(ended, "reason"), int_at(ended, "/signal")) {
        ("", 0) => format!("ExitCode:{}", int_at(ended, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn main<'v>(pod: &'v Value, told: &mut Told<'v>) {
    let (mut running, mut error) = (false, String::new());
    for status in list_at(pod, "/status/containerStatuses").iter().rev() {
        told.restarted(status);
        let waits = text_at(status, "/state/waiting/reason");
        if !waits.is_empty() {
            told.reason = waits.to_owned();
        } else if let Some(ended) = status.pointer("/state/terminated") {
            told.reason = why(ended);
            if int_at(ended, "/exitCode") != 0 {
                error.clone_from(&told.reason);
            }
        } else if status.get("ready") == Some(&Value::Bool(true))
            && status.pointer("/state/running").is_some()
        {
            running = true;
            told.ready += 1;
        }
    }
    if told.reason == "Completed" {
        if running && holds(pod, "Ready") == "True" {
            told.reason = "Running".into();
        } else if !error.is_empty() {
            told.reason = error;
        } else if running {
            told.reason = "NotReady".into();
        }
    }
}

fn gates(pod: &Value) -> String {
    let gates = list_at(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return NONE.to_owned();
    }
    let open = gates.iter().filter(|gate| holds(pod, text(gate, "conditionType")) == "True");
    format!("{}/{}", open.count(), gates.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: Value, expected: [&str; 3]) {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{}, {}],
            "initContainers": [{"name": "i"}]}, "status": status});
        let row = cells(&pod, Moment(100));
        let found: Vec<&str> = row[1..4].iter().filter_map(Value::as_str).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_pod_in_one_word() {
        check(json!({"phase": "Pending"}), ["0/2", "Pending", "0"]);
        let waiting = json!({"phase": "Pending", "initContainerStatuses": [{"name": "i"}]});
        check(waiting, ["0/2", "Init:0/1", "0"]);
        let mixed = json!({"phase": "Running", "containerStatuses": [
            {"ready": true, "state": {"running": {}}},
            {"restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
             "lastState": {"terminated": {"finishedAt": "1970-01-01T00:00:40Z"}}}]});
        check(mixed, ["1/2", "CrashLoopBackOff", "2 (60s ago)"]);
        let failed = json!({"phase": "Failed", "containerStatuses": [
            {"state": {"terminated": {"exitCode": 3}}}]});
        check(failed, ["0/2", "ExitCode:3", "0"]);
    }
}
