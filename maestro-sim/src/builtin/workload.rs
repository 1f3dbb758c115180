//! Workloads: selectors that match their templates, counts, and what may not change.

use serde_json::Value;

use super::field::{self, Path};
use super::{meta, pod};
use crate::api::Cause;
use crate::object::at;
use crate::selector::LabelSelector;

/// Deployments, replica sets and daemon sets.
pub(super) fn replicated(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    selected(object, causes);
    template(object, &["Always"], causes);
    unchanged(object, old, "selector", causes);
}

/// A stateful set, most of whose spec is fixed.
pub(super) fn stateful_set(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    selected(object, causes);
    template(object, &["Always"], causes);
    let fixed = |set: &Value| {
        let mut spec = set.get("spec").cloned().unwrap_or_default();
        if let Some(map) = spec.as_object_mut() {
            for free in [
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ] {
                map.remove(free);
            }
        }
        spec
    };
    if old.is_some_and(|old| fixed(old) != fixed(object)) {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', \
            'template', 'updateStrategy', 'revisionHistoryLimit', \
            'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        causes.push(field::forbidden(&"spec", detail));
    }
}

/// A job, whose pods are fixed unless it is suspended.
pub(super) fn job(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    template(object, &["OnFailure", "Never"], causes);
    for count in ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds"] {
        not_negative(object, count, causes);
    }
    for fixed in ["completions", "selector", "completionMode", "podFailurePolicy"] {
        let elastic = fixed == "completions"
            && at(object, &["spec", "completionMode"]).is_some_and(|m| m == "Indexed");
        if !elastic {
            unchanged(object, old, fixed, causes);
        }
    }
    let suspended =
        |job: &Value| at(job, &["spec", "suspend"]).and_then(Value::as_bool) == Some(true);
    if !old.is_some_and(suspended) {
        unchanged(object, old, "template", causes);
    }
}

/// A cron job.
pub(super) fn cron_job(object: &Value, causes: &mut Vec<Cause>) {
    let schedule = at(object, &["spec", "schedule"]).and_then(Value::as_str).unwrap_or("");
    if schedule.is_empty() {
        causes.push(field::required(&"spec.schedule", ""));
    }
    let root = Path::Root;
    let (spec, inner) = (root.field("spec"), at(object, &["spec", "jobTemplate", "spec"]));
    let (outer, here) = (spec.field("jobTemplate"), inner.and_then(|s| s.get("template")));
    let below = outer.field("spec");
    template_at(here, &below.field("template"), &["OnFailure", "Never"], false, causes);
}

fn not_negative(object: &Value, name: &str, causes: &mut Vec<Cause>) {
    if let Some(value) = at(object, &["spec", name]).filter(|v| v.as_i64().is_some_and(|n| n < 0)) {
        let detail = "must be greater than or equal to 0";
        causes.push(field::invalid(&format!("spec.{name}"), value, detail));
    }
}

fn unchanged(object: &Value, old: Option<&Value>, name: &str, causes: &mut Vec<Cause>) {
    let Some(old) = old else { return };
    let (now, before) = (at(object, &["spec", name]), at(old, &["spec", name]));
    if now != before {
        let value = now.cloned().unwrap_or_default();
        causes.push(field::invalid(&format!("spec.{name}"), &value, "field is immutable"));
    }
}

/// The selector must be there, say something, and match the template's labels.
fn selected(object: &Value, causes: &mut Vec<Cause>) {
    not_negative(object, "replicas", causes);
    not_negative(object, "minReadySeconds", causes);
    let Some(selector) = at(object, &["spec", "selector"]) else {
        causes.push(field::required(&"spec.selector", ""));
        return;
    };
    let labels = at(object, &["spec", "template", "metadata", "labels"]);
    match LabelSelector::from_value(selector) {
        Ok(parsed) if parsed.is_everything() => {
            // A replica set's message names a deployment, in the real server too.
            let kind = match object.get("kind").and_then(Value::as_str) {
                Some("StatefulSet") => "statefulset",
                Some("DaemonSet") => "daemonset",
                _ => "deployment",
            };
            let detail = format!("empty selector is invalid for {kind}");
            causes.push(field::invalid(&"spec.selector", selector, &detail));
        }
        Ok(parsed) if !parsed.matches(labels.and_then(Value::as_object)) => {
            let value = labels.cloned().unwrap_or_else(|| Value::Object(Default::default()));
            let detail = "`selector` does not match template `labels`";
            causes.push(field::invalid(&"spec.template.metadata.labels", &value, detail));
        }
        Ok(_) => {}
        Err(problem) => {
            causes.push(field::invalid(&"spec.selector", selector, &problem.message));
        }
    }
}

fn template(object: &Value, policies: &[&str], causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let spec = root.field("spec");
    // A stateful set's pods mount claims that only the set declares, so the real server leaves
    // its pod spec to the creation of the pods.
    let claims = object.get("kind").and_then(Value::as_str) == Some("StatefulSet");
    let template = at(object, &["spec", "template"]);
    template_at(template, &spec.field("template"), policies, claims, causes);
}

fn template_at(
    template: Option<&Value>,
    path: &Path<'_>,
    policies: &[&str],
    claims: bool,
    causes: &mut Vec<Cause>,
) {
    let template = template.unwrap_or(&Value::Null);
    if let Some(labels) = at(template, &["metadata", "labels"]).and_then(Value::as_object) {
        meta::check_labels(labels, &path.field("metadata").field("labels"), causes);
    }
    let here = path.field("spec");
    if !claims {
        pod::spec(template.get("spec").unwrap_or(&Value::Null), &here, causes);
    }
    let policy = at(template, &["spec", "restartPolicy"]).and_then(Value::as_str);
    let policy = policy.unwrap_or("Always");
    if policies.contains(&policy) {
        return;
    }
    let place = here.field("restartPolicy");
    causes.push(match policies {
        ["Always"] => field::not_supported(&place, &policy.into(), policies),
        // A job's template says Always when it says nothing.
        _ => field::required(&place, "valid values: \"OnFailure\", \"Never\""),
    });
}
