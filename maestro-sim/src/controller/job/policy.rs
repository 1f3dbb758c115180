//! `spec.podFailurePolicy` (KEP-3329) and `spec.successPolicy` (KEP-3998).

use std::collections::BTreeSet;

use crate::controller::job::indexes;
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

/// What is said of an Indexed Job that has succeeded by the first rule that its indexes satisfy.
pub fn success(job: &Object, done: &BTreeSet<i64>) -> Option<String> {
    let completions = job.int(&["spec", "completions"]).unwrap_or(0);
    let met = |rule: &Value| {
        let count = rule.get("succeededCount").and_then(Value::as_u64);
        let enough = |of: usize| count.is_some_and(|count| of as u64 >= count);
        match rule.get("succeededIndexes").and_then(Value::as_str) {
            Some(wanted) => {
                let wanted = indexes::parse(wanted, completions);
                let found = wanted.intersection(done).count();
                found > 0 && (found == wanted.len() || enough(found))
            }
            None => enough(done.len()),
        }
    };
    let rules = job.items(&["spec", "successPolicy", "rules"]);
    let index = (!done.is_empty()).then(|| rules.iter().position(met))??;
    Some(format!("Matched rules at index {index}"))
}
