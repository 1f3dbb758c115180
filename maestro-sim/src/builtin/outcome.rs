//! The policies of jobs: when one has failed, and when it has succeeded.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/batch/validation`.

use super::field::{self, Path, list, part, set, text};
use super::text as form;
use crate::api::Cause;
use crate::json::Value;
use crate::object::at;

/// Only of a job whose pods have numbers can some succeed for all.
pub(super) fn no_success(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let Some(policy) = set(spec, "successPolicy") else { return };
    let rules: Vec<String> = list(policy, "rules")
        .iter()
        .map(|rule| {
            let of = |name: &str| part(rule, name);
            format!(
                "{{\"SucceededIndexes\":{},\"SucceededCount\":{}}}",
                of("succeededIndexes"),
                of("succeededCount")
            )
        })
        .collect();
    let shown = match rules[..] {
        [] => "{\"Rules\":null}".to_owned(),
        _ => format!("{{\"Rules\":[{}]}}", rules.join(",")),
    };
    let detail = "requires indexed completion mode";
    causes.push(field::invalid_shown(&path.field("successPolicy"), &shown, detail));
}

/// When a job has failed.
pub(super) fn failure(policy: &Value, spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let rules = path.field("rules");
    for (index, rule) in list(policy, "rules").iter().enumerate() {
        let here = rules.index(index);
        let (action, place) = (text(rule, "action"), here.field("action"));
        let allowed = ["Count", "FailIndex", "FailJob", "Ignore"];
        match action {
            "" => {
                let detail = "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]";
                causes.push(field::required(&place, detail));
            }
            "FailIndex" if set(spec, "backoffLimitPerIndex").is_none() => {
                let detail = "requires the backoffLimitPerIndex to be set";
                causes.push(field::invalid(&place, &action.into(), detail));
            }
            other if !allowed.contains(&other) => {
                causes.push(field::not_supported(&place, &action.into(), &allowed));
            }
            _ => {}
        }
        let (codes, conditions) = (set(rule, "onExitCodes"), list(rule, "onPodConditions"));
        if let Some(codes) = codes {
            exit_codes(codes, spec, &here.field("onExitCodes"), causes);
        }
        let patterns = here.field("onPodConditions");
        for (index, pattern) in conditions.iter().enumerate() {
            let place = patterns.index(index);
            let kind = text(pattern, "type");
            field::each(&place.field("type"), kind, &form::key(kind), causes);
            let status = text(pattern, "status");
            let allowed = ["False", "True", "Unknown"];
            if status.is_empty() {
                let detail = "valid values: [\"False\" \"True\" \"Unknown\"]";
                causes.push(field::required(&place.field("status"), detail));
            } else {
                field::one_of(&place.field("status"), status, &allowed, causes);
            }
        }
        let detail = match (codes, conditions) {
            (Some(_), [_, ..]) => {
                "specifying both OnExitCodes and OnPodConditions is not supported"
            }
            (None, []) => "specifying one of OnExitCodes and OnPodConditions is required",
            _ => continue,
        };
        causes.push(field::invalid_shown(&here, "", detail));
    }
}

fn exit_codes(codes: &Value, spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let operator = text(codes, "operator");
    if operator.is_empty() {
        let detail = "valid values: [\"In\" \"NotIn\"]";
        causes.push(field::required(&path.field("operator"), detail));
    } else {
        field::one_of(&path.field("operator"), operator, &["In", "NotIn"], causes);
    }
    let given = set(codes, "containerName").is_some();
    let name = text(codes, "containerName");
    let pod = at(spec, &["template", "spec"]).unwrap_or(&Value::Null);
    let known = |kind: &str| list(pod, kind).iter().any(|c| text(c, "name") == name);
    if given && !known("containers") && !known("initContainers") {
        let detail = "must be one of the container or initContainer names in the pod template";
        causes.push(field::invalid(&path.field("containerName"), &name.into(), detail));
    }
    let (values, place) = (list(codes, "values"), path.field("values"));
    if values.is_empty() {
        let shown = codes.get("values").cloned().unwrap_or_default();
        causes.push(field::invalid(&place, &shown, "at least one value is required"));
    }
    for (index, value) in values.iter().enumerate() {
        if operator == "In" && value == 0 {
            let detail = "must not be 0 for the In operator";
            causes.push(field::invalid(&place.index(index), value, detail));
        }
        if values[..index].contains(value) {
            causes.push(field::duplicate(&place.index(index), value));
        }
    }
    if values.windows(2).any(|pair| pair[0].as_i64() > pair[1].as_i64()) {
        let shown = Value::from(values.to_vec());
        causes.push(field::invalid(&place, &shown, "must be ordered"));
    }
}
