//! `spec.podFailurePolicy` (KEP-3329).

use crate::controller::shape;
use crate::json::Value;
use crate::object::Object;

/// What a rule says about a failed pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The whole Job fails, with this message.
    FailJob(String),
    /// The failure is not counted.
    Ignore,
    /// It counts towards the back-off limit.
    Count,
    /// The pod's index fails.
    FailIndex,
}

/// The first rule that matches decides; without one the failure counts.
pub fn judge(job: &Object, pod: &Object) -> Verdict {
    for (index, rule) in job.items(&["spec", "podFailurePolicy", "rules"]).iter().enumerate() {
        let Some(why) = matching(rule, pod) else { continue };
        return match shape::text(rule, &["action"]) {
            "FailJob" => Verdict::FailJob(format!("{why} matching FailJob rule at index {index}")),
            "Ignore" => Verdict::Ignore,
            "FailIndex" => Verdict::FailIndex,
            _ => Verdict::Count,
        };
    }
    Verdict::Count
}

fn matching(rule: &Value, pod: &Object) -> Option<String> {
    let name = format!("{}/{}", pod.namespace(), pod.name());
    if let Some(codes) = rule.get("onExitCodes").filter(|c| c.is_object()) {
        let (container, code) = exit_code(codes, pod)?;
        return Some(format!("Container {container} for pod {name} failed with exit code {code}"));
    }
    let patterns = rule.get("onPodConditions").and_then(Value::as_array)?;
    let conditions = pod.items(&["status", "conditions"]);
    patterns.iter().find_map(|pattern| {
        let kind = shape::text(pattern, &["type"]);
        let status = match shape::text(pattern, &["status"]) {
            "" => "True",
            other => other,
        };
        let found = shape::find(conditions, kind)?;
        let same = shape::text(found, &["status"]) == status;
        same.then(|| format!("Pod {name} has condition {kind}"))
    })
}

fn exit_code<'a>(rule: &Value, pod: &'a Object) -> Option<(&'a str, i64)> {
    let wanted = shape::text(rule, &["containerName"]);
    let values = rule.get("values").and_then(Value::as_array)?;
    let lists = ["initContainerStatuses", "containerStatuses"];
    let all = lists.into_iter().flat_map(|field| pod.items(&["status", field]));
    all.filter(|c| wanted.is_empty() || shape::text(c, &["name"]) == wanted).find_map(|c| {
        let code = c.get("state")?.get("terminated")?.get("exitCode")?.as_i64()?;
        let listed = values.iter().any(|v| v.as_i64() == Some(code));
        let holds = (shape::text(rule, &["operator"]) == "In") == listed && code != 0;
        holds.then(|| (shape::text(c, &["name"]), code))
    })
}
