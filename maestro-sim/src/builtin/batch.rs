//! Jobs and cron jobs.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/batch/validation`.

use super::field::{self, Path, int, list, on, part, set, text};
use super::workload::{self, unchanged};
use super::{cron, meta, network, outcome};
use crate::api::Cause;
use crate::facts::Version;
use crate::json::Value;
use crate::object::at;
use crate::selector::LabelSelector;

/// A job, whose pods are fixed unless it is suspended.
pub(super) fn job(version: Version, object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    job_spec(spec, &path, causes);
    let here = path.field("selector");
    match set(spec, "selector") {
        // A new Job's selector is made for it; whoever replaces a Job has to bring it along.
        None if old.is_some() => {
            causes.push(field::required(&here, ""));
            let template = part(spec, "template");
            workload::mismatch(template, &path.field("template"), causes);
        }
        None => {}
        Some(selector) => {
            meta::label_selector(selector, &here, causes);
            let template = part(spec, "template");
            let labels = at(template, &["metadata", "labels"]).and_then(Value::as_object);
            if LabelSelector::from_value(selector).is_ok_and(|parsed| !parsed.matches(labels)) {
                workload::mismatch(template, &path.field("template"), causes);
            }
        }
    }
    let Some(old) = old else { return };
    completions(object, old, causes);
    unchanged(object, Some(old), "selector", causes);
    template(version, object, old, causes);
    for fixed in
        ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    {
        unchanged(object, Some(old), fixed, causes);
    }
}

/// An indexed job may grow and shrink as long as all of it runs at once.
fn completions(object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let of = |name: &str| at(object, &["spec", name]);
    if of("completionMode").is_none_or(|mode| mode != "Indexed") {
        unchanged(object, Some(old), "completions", causes);
        return;
    }
    let wanted = of("completions");
    if wanted.is_some()
        && wanted != at(old, &["spec", "completions"])
        && wanted != of("parallelism")
    {
        let shown = wanted.cloned().unwrap_or_default();
        let detail = "can only be modified in tandem with spec.parallelism";
        causes.push(field::invalid(&"spec.completions", &shown, detail));
    }
}

/// The template of a job that runs stays; that of a suspended one may still be told where to run
/// and with what.
fn template(version: Version, object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let of = |job: &Value| at(job, &["spec", "template"]).cloned().unwrap_or_default();
    let suspended = at(old, &["spec"]).is_some_and(|spec| on(spec, "suspend"));
    if !suspended {
        unchanged(object, Some(old), "template", causes);
        return;
    }
    let (mut now, mut before) = (of(object), of(old));
    if now == before {
        return;
    }
    let again = version.has("MutableSchedulingDirectivesForSuspendedJobs");
    let resources = version.has("MutablePodResourcesForSuspendedJobs");
    let idle =
        at(old, &["status", "startTime"]).is_none() || (again && has_condition(old, "Suspended"));
    let free = idle && at(old, &["status", "active"]).and_then(Value::as_i64).unwrap_or(0) == 0;
    if !free {
        unchanged(object, Some(old), "template", causes);
        return;
    }
    for template in [&mut now, &mut before] {
        if let Some(spec) = template.get_mut("spec") {
            forget_where(spec, resources);
        }
    }
    if now.get("spec") != before.get("spec") {
        let shown = now.get("spec").cloned().unwrap_or_default();
        let place = if resources { "spec.template.spec" } else { "spec.template" };
        causes.push(field::invalid(&place, &shown, "field is immutable"));
    }
}

/// Takes out of a pod spec what says where it runs and, as some versions let one change, with what.
fn forget_where(spec: &mut Value, resources: bool) {
    let Some(map) = spec.as_object_mut() else { return };
    for name in ["nodeSelector", "tolerations", "schedulingGates"] {
        map.remove(name);
    }
    if let Some(affinity) = map.get_mut("affinity").and_then(Value::as_object_mut) {
        affinity.remove("nodeAffinity");
        if affinity.is_empty() {
            map.remove("affinity");
        }
    }
    for name in ["containers", "initContainers"].into_iter().filter(|_| resources) {
        let containers = map.get_mut(name).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            container.remove("resources");
        }
    }
}

fn has_condition(job: &Value, kind: &str) -> bool {
    let conditions = at(job, &["status"]).map_or(&[][..], |status| list(status, "conditions"));
    conditions.iter().any(|c| text(c, "type") == kind && text(c, "status") == "True")
}

/// The spec of a job or of a cron job's template.
fn job_spec(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let counts = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    for name in counts {
        field::not_negative(&path.field(name), int(spec, name), causes);
    }
    if let Some(manager) = set(spec, "managedBy").and_then(Value::as_str) {
        const LONGEST: usize = 63;
        let place = path.field("managedBy");
        network::domain_prefixed(manager, &place, causes);
        if manager.len() > LONGEST {
            causes.push(field::too_long(&place, LONGEST as u64));
        }
    }
    if set(spec, "maxFailedIndexes").is_some() && set(spec, "backoffLimitPerIndex").is_none() {
        let detail = "when maxFailedIndexes is specified";
        causes.push(field::required(&path.field("backoffLimitPerIndex"), detail));
    }
    modes(spec, path, causes);
    if let Some(policy) = set(spec, "podFailurePolicy") {
        outcome::failure(policy, spec, &path.field("podFailurePolicy"), causes);
    }
    replacement(spec, path, causes);
    let template = part(spec, "template");
    let here = path.field("template");
    workload::pod_template(template, &here, causes);
    let policy = at(template, &["spec", "restartPolicy"]).and_then(Value::as_str);
    let inner = here.field("spec");
    let place = inner.field("restartPolicy");
    match policy {
        // A job's template says Always when it says nothing.
        None | Some("" | "Always") => {
            causes.push(field::required(&place, "valid values: \"OnFailure\", \"Never\""));
        }
        Some("OnFailure") if set(spec, "podFailurePolicy").is_some() => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            causes.push(field::invalid(&place, &"OnFailure".into(), detail));
        }
        Some("OnFailure" | "Never") => {}
        Some(other) => {
            causes.push(field::not_supported(&place, &other.into(), &["OnFailure", "Never"]));
        }
    }
}

fn modes(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mode = text(spec, "completionMode");
    field::word(spec, "completionMode", &["NonIndexed", "Indexed"], path, causes);
    let completions = int(spec, "completions");
    if mode == "Indexed" {
        if completions.is_none() {
            let detail = "when completion mode is Indexed";
            causes.push(field::required(&path.field("completions"), detail));
        }
        if let Some(count) = int(spec, "parallelism").filter(|count| *count > 100_000) {
            let detail = "must be less than or equal to 100000 when completion mode is Indexed";
            causes.push(field::invalid(&path.field("parallelism"), &count.into(), detail));
        }
        if let (Some(most), Some(all)) = (int(spec, "maxFailedIndexes"), completions)
            && most > all
        {
            let detail = "must be less than or equal to completions";
            causes.push(field::invalid(&path.field("maxFailedIndexes"), &most.into(), detail));
        }
    } else {
        for name in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if let Some(count) = set(spec, name) {
                let detail = "requires indexed completion mode";
                causes.push(field::invalid(&path.field(name), count, detail));
            }
        }
        outcome::no_success(spec, path, causes);
    }
}

/// A policy that tells failures apart must wait for them.
fn replacement(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let allowed: &[&str] = match set(spec, "podFailurePolicy") {
        Some(_) => &["Failed"],
        None => &["Failed", "TerminatingOrFailed"],
    };
    field::word(spec, "podReplacementPolicy", allowed, path, causes);
}

/// A cron job.
pub(super) fn cron_job(
    version: Version,
    object: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    // What is declared to be required is said last.
    let declared = version.has("DeclarativeValidationBeta");
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    let schedule = text(spec, "schedule");
    if schedule.is_empty() && !declared {
        causes.push(field::required(&path.field("schedule"), ""));
    }
    if !schedule.is_empty() {
        let place = path.field("schedule");
        if let Some(problem) = cron::problem(schedule) {
            causes.push(field::invalid(&place, &schedule.into(), &problem));
        }
        let before = old.and_then(|old| at(old, &["spec", "schedule"])).and_then(Value::as_str);
        let zoned = before.is_some_and(|before| before.contains("TZ"));
        if schedule.contains("TZ") && !zoned {
            let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            causes.push(field::invalid(&place, &schedule.into(), detail));
        } else if schedule.contains("TZ") && set(spec, "timeZone").is_some() {
            let detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
            causes.push(field::invalid(&place, &schedule.into(), detail));
        }
    }
    let name = "startingDeadlineSeconds";
    field::not_negative(&path.field(name), int(spec, name), causes);
    if old.is_none_or(|old| at(old, &["spec", "timeZone"]) != set(spec, "timeZone")) {
        time_zone(spec, &path.field("timeZone"), causes);
    }
    let policy = text(spec, "concurrencyPolicy");
    let allowed = ["Allow", "Forbid", "Replace"];
    if !policy.is_empty() {
        field::one_of(&path.field("concurrencyPolicy"), policy, &allowed, causes);
    }
    let template = path.field("jobTemplate");
    let here = template.field("spec");
    let job = at(spec, &["jobTemplate", "spec"]).unwrap_or(&Value::Null);
    job_spec(job, &here, causes);
    if let Some(selector) = set(job, "selector") {
        let shown = field::selector(selector);
        let detail = "`selector` will be auto-generated";
        causes.push(field::invalid_shown(&here.field("selector"), &shown, detail));
    }
    if on(job, "manualSelector") {
        let place = here.field("manualSelector");
        causes.push(field::not_supported(&place, &true.into(), &["nil", "false"]));
    }
    for name in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        field::not_negative(&path.field(name), int(spec, name), causes);
    }
    if schedule.is_empty() && declared {
        causes.push(field::required(&path.field("schedule"), ""));
    }
}

/// A time zone by its name in the IANA database.
fn time_zone(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let Some(zone) = set(spec, "timeZone").and_then(Value::as_str) else { return };
    if zone.is_empty() {
        let detail = "timeZone must be nil or non-empty string";
        causes.push(field::invalid(path, &zone.into(), detail));
        return;
    }
    let fits = |part: &str| {
        !matches!(part, "." | ".." | "")
            && !part.starts_with('-')
            && part.len() <= 14
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_+".contains(&b))
    };
    if !zone.split('/').all(fits) {
        causes.push(field::invalid(path, &zone.into(), &format!("unknown time zone {zone}")));
        return;
    }
    if zone.eq_ignore_ascii_case("local") {
        let detail = "timeZone must be an explicit time zone as defined in \
                      https://www.iana.org/time-zones";
        causes.push(field::invalid(path, &zone.into(), detail));
    } else if zone != "UTC" && jiff::tz::TimeZone::get(zone).is_err() {
        causes.push(field::invalid(path, &zone.into(), &format!("unknown time zone {zone}")));
    }
}
