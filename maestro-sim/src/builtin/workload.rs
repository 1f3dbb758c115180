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
    strategy(object, causes);
    template(object, &["Always"], causes);
    unchanged(object, old, "selector", causes);
}

/// A policy that tells failures apart must wait for them.
fn replacement(object: &Value, causes: &mut Vec<Cause>) {
    let policy = at(object, &["spec", "podReplacementPolicy"]);
    if at(object, &["spec", "podFailurePolicy"]).is_some()
        && let Some(given) = policy.filter(|given| **given != "Failed")
    {
        let place = "spec.podReplacementPolicy";
        causes.push(field::not_supported(&place, given, &["Failed"]));
    }
}

/// A strategy of one kind has no settings of the other.
fn strategy(object: &Value, causes: &mut Vec<Cause>) {
    let kind = at(object, &["spec", "strategy", "type"]).and_then(Value::as_str);
    if kind == Some("Recreate") && at(object, &["spec", "strategy", "rollingUpdate"]).is_some() {
        let detail = "may not be specified when strategy `type` is 'Recreate'";
        causes.push(field::forbidden(&"spec.strategy.rollingUpdate", detail));
    }
    let none = |name: &str| {
        at(object, &["spec", "strategy", "rollingUpdate", name]).filter(|v| **v == 0 || **v == "0%")
    };
    if let (Some(unavailable), Some(_)) = (none("maxUnavailable"), none("maxSurge")) {
        let place = "spec.strategy.rollingUpdate.maxUnavailable";
        causes.push(field::invalid(&place, unavailable, "may not be 0 when `maxSurge` is 0"));
    }
}

/// A stateful set, most of whose spec is fixed.
pub(super) fn stateful_set(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    selected(object, causes);
    template(object, &["Always"], causes);
    let update = at(object, &["spec", "updateStrategy"]);
    let rolling = update.and_then(|u| u.get("rollingUpdate"));
    if let (Some("OnDelete"), Some(rolling)) =
        (update.and_then(|u| u.get("type")).and_then(Value::as_str), rolling)
    {
        let number = |name: &str| rolling.get(name).map_or("null".to_owned(), Value::to_string);
        // Printed as the server's own struct, whose fields have capital letters.
        let shown = format!(
            "Invalid value: {{\"Partition\":{},\"MaxUnavailable\":{}}}: only allowed for \
             updateStrategy 'RollingUpdate'",
            number("partition"),
            number("maxUnavailable")
        );
        let place = "spec.updateStrategy.rollingUpdate";
        causes.push(Cause::new("FieldValueInvalid", place, shown));
    }
    for fixed in ["selector", "volumeClaimTemplates", "serviceName", "podManagementPolicy"] {
        unchanged(object, old, fixed, causes);
    }
}

/// A job, whose pods are fixed unless it is suspended.
pub(super) fn job(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    // A new Job's selector is made for it; whoever replaces a Job has to bring it along.
    if old.is_some() {
        selected(object, causes);
    }
    template(object, &["OnFailure", "Never"], causes);
    for count in ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds"] {
        not_negative(object, count, causes);
    }
    replacement(object, causes);
    for fixed in ["completions", "selector"] {
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
    for fixed in ["completionMode", "podFailurePolicy"] {
        unchanged(object, old, fixed, causes);
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
    let labels = at(object, &["spec", "template", "metadata", "labels"]);
    let Some(selector) = at(object, &["spec", "selector"]).filter(|s| !s.is_null()) else {
        causes.push(field::required(&"spec.selector", ""));
        // What selects nothing matches no labels either.
        let value = labels.cloned().unwrap_or_default();
        let detail = "`selector` does not match template `labels`";
        if at(object, &["kind"]).is_some_and(|kind| kind != "DaemonSet") {
            causes.push(field::invalid(&"spec.template.metadata.labels", &value, detail));
        }
        return;
    };
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
        let spec = template.get("spec").unwrap_or(&Value::Null);
        pod::spec(spec, &here, pod::Of::Template, causes);
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
