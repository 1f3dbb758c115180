//! Workloads: selectors that match their templates, counts, and what may not change.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/apps/validation`.

use serde_json::{Map, Value};

use super::field::{self, Path, int, list, set, text};
use super::{meta, pod, storage, text as form};
use crate::api::Cause;
use crate::object::at;
use crate::selector::LabelSelector;

const MISMATCH: &str = "`selector` does not match template `labels`";

/// A field of the spec, or null.
fn of<'v>(object: &'v Value, name: &str) -> &'v Value {
    at(object, &["spec", name]).unwrap_or(&Value::Null)
}

/// A deployment.
pub(super) fn deployment(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = object.get("spec").unwrap_or(&Value::Null);
    field::not_negative(&path.field("replicas"), int(spec, "replicas"), causes);
    selected(spec, "deployment", true, "ReplicaSet", &path, causes);
    deployment_strategy(of(object, "strategy"), &path.field("strategy"), causes);
    counts(
        spec,
        &["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"],
        &path,
        causes,
    );
    let least = int(spec, "minReadySeconds").unwrap_or(0);
    if let Some(deadline) = int(spec, "progressDeadlineSeconds").filter(|seconds| *seconds <= least)
    {
        let detail = "must be greater than minReadySeconds";
        causes.push(field::invalid(
            &path.field("progressDeadlineSeconds"),
            &deadline.into(),
            detail,
        ));
    }
    fixed_selector(object, old, causes);
}

/// A replica set.
pub(super) fn replica_set(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = object.get("spec").unwrap_or(&Value::Null);
    counts(spec, &["replicas", "minReadySeconds"], &path, causes);
    // A replica set's message names a deployment, in the real server too.
    selected(spec, "deployment", true, "ReplicaSet", &path, causes);
    fixed_selector(object, old, causes);
}

/// A daemon set.
pub(super) fn daemon_set(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = object.get("spec").unwrap_or(&Value::Null);
    fixed_selector(object, old, causes);
    let here = path.field("selector");
    let template = of(object, "template");
    let missing = set(spec, "selector").is_none();
    if let Some(selector) = set(spec, "selector") {
        meta::label_selector(selector, &here, causes);
        if let Ok(parsed) = LabelSelector::from_value(selector) {
            matches(&parsed, template, &path.field("template"), causes);
            if parsed.is_everything() {
                let detail = "empty selector is invalid for daemonset";
                causes.push(field::invalid_shown(&here, &field::selector(selector), detail));
            }
        }
    } else {
        mismatch(template, &path.field("template"), causes);
    }
    controlled(template, "DaemonSet", &path.field("template"), causes);
    counts(spec, &["minReadySeconds"], &path, causes);
    daemon_strategy(of(object, "updateStrategy"), &path.field("updateStrategy"), causes);
    counts(spec, &["revisionHistoryLimit"], &path, causes);
    if missing {
        causes.push(field::required(&here, ""));
    }
}

/// A stateful set, most of whose spec is fixed.
pub(super) fn stateful_set(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let policy = text(spec, "podManagementPolicy");
    if !matches!(policy, "" | "OrderedReady" | "Parallel") {
        let detail = "must be 'OrderedReady' or 'Parallel'";
        let place = path.field("podManagementPolicy");
        causes.push(field::invalid(&place, &policy.into(), detail));
    }
    stateful_strategy(of(object, "updateStrategy"), &path.field("updateStrategy"), causes);
    let retention = path.field("persistentVolumeClaimRetentionPolicy");
    if let Some(policy) = set(spec, "persistentVolumeClaimRetentionPolicy") {
        for name in ["whenDeleted", "whenScaled"] {
            let when = text(policy, name);
            let allowed = ["Retain", "Delete"];
            if !when.is_empty() && !allowed.contains(&when) {
                causes.push(field::not_supported(&retention.field(name), &when.into(), &allowed));
            }
        }
    }
    let claims = path.field("volumeClaimTemplates");
    for (index, claim) in list(spec, "volumeClaimTemplates").iter().enumerate() {
        let here = claims.index(index);
        let spec = claim.get("spec").unwrap_or(&Value::Null);
        storage::claim_spec(spec, &here.field("spec"), causes);
    }
    counts(spec, &["replicas", "minReadySeconds"], &path, causes);
    let start = spec.get("ordinals").and_then(|ordinals| int(ordinals, "start"));
    field::not_negative(&path.field("ordinals.start"), start, causes);
    let service = text(spec, "serviceName");
    if !service.is_empty() {
        field::each(&path.field("serviceName"), service, &form::label(service), causes);
    }
    stateful_template(spec, &path, causes);
    for fixed in ["selector", "volumeClaimTemplates", "serviceName", "podManagementPolicy"] {
        unchanged(object, old, fixed, causes);
    }
}

/// The pods of a stateful set mount claims that only the set declares, and get their names from it.
fn stateful_template(spec: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let claims = list(spec, "volumeClaimTemplates");
    if claims.is_empty() {
        selected(spec, "statefulset", false, "StatefulSet", path, causes);
        return;
    }
    let mut whole = spec.clone();
    let volumes = whole
        .get_mut("template")
        .and_then(|template| template.get_mut("spec"))
        .and_then(Value::as_object_mut)
        .map(|spec| spec.entry("volumes").or_insert_with(|| Value::Array(Vec::new())));
    if let Some(Value::Array(volumes)) = volumes {
        let names: Vec<&Value> =
            claims.iter().filter_map(|claim| at(claim, &["metadata", "name"])).collect();
        volumes.retain(|volume| !volume.get("name").is_some_and(|name| names.contains(&name)));
        let made = names.into_iter().map(
            |name| serde_json::json!({"name": name, "persistentVolumeClaim": {"claimName": name}}),
        );
        volumes.splice(0..0, made);
    }
    selected(&whole, "statefulset", false, "StatefulSet", path, causes);
}

/// Numbers that are not below 0.
fn counts(spec: &Value, names: &[&str], path: &Path<'_>, causes: &mut Vec<Cause>) {
    for name in names {
        field::not_negative(&path.field(name), int(spec, name), causes);
    }
}

/// The selector must be there, say something, and match the template's labels.
fn selected(
    spec: &Value,
    kind: &str,
    named: bool,
    owner: &str,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    let here = path.field("selector");
    let template = spec.get("template").unwrap_or(&Value::Null);
    let place = path.field("template");
    let Some(selector) = set(spec, "selector") else {
        causes.push(field::required(&here, ""));
        // What selects nothing matches no labels either.
        mismatch(template, &place, causes);
        controlled(template, owner, &place, causes);
        return;
    };
    let before = causes.len();
    meta::label_selector(selector, &here, causes);
    match LabelSelector::from_value(selector) {
        _ if causes.len() > before => {
            let detail = if named { "invalid label selector" } else { "" };
            causes.push(field::invalid_shown(&here, &field::selector(selector), detail));
            return;
        }
        Ok(parsed) if parsed.is_everything() => {
            let detail = format!("empty selector is invalid for {kind}");
            causes.push(field::invalid_shown(&here, &field::selector(selector), &detail));
        }
        Ok(parsed) => matches(&parsed, template, &place, causes),
        Err(_) => {}
    }
    controlled(template, owner, &place, causes);
}

fn matches(selector: &LabelSelector, template: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let labels = at(template, &["metadata", "labels"]).and_then(Value::as_object);
    if !selector.matches(labels) {
        mismatch(template, path, causes);
    }
}

/// Says that a selector does not match the labels of a template.
pub(super) fn mismatch(template: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let labels = at(template, &["metadata", "labels"]).cloned().unwrap_or_default();
    let meta = path.field("metadata");
    causes.push(field::invalid(&meta.field("labels"), &labels, MISMATCH));
}

/// The template of pods that are kept running.
fn controlled(template: &Value, owner: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    pod_template(template, path, causes);
    let spec = template.get("spec").unwrap_or(&Value::Null);
    let here = path.field("spec");
    let policy = spec.get("restartPolicy").and_then(Value::as_str).unwrap_or("Always");
    if policy != "Always" {
        let place = here.field("restartPolicy");
        causes.push(field::not_supported(&place, &policy.into(), &["Always"]));
    }
    if set(spec, "activeDeadlineSeconds").is_some() {
        let detail = format!("activeDeadlineSeconds in {owner} is not Supported");
        causes.push(field::forbidden(&here.field("activeDeadlineSeconds"), &detail));
    }
}

/// A pod template: what it says of its pods' metadata, and their spec.
pub(super) fn pod_template(template: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let empty = Map::new();
    let of =
        |name: &str| at(template, &["metadata", name]).and_then(Value::as_object).unwrap_or(&empty);
    meta::check_labels(of("labels"), &path.field("labels"), causes);
    meta::annotations(of("annotations"), &path.field("annotations"), causes);
    let spec = template.get("spec").unwrap_or(&Value::Null);
    let here = path.field("spec");
    pod::spec(spec, &here, pod::Of::Template, causes);
    if !list(spec, "ephemeralContainers").is_empty() {
        let detail = "ephemeral containers not allowed in pod template";
        causes.push(field::forbidden(&here.field("ephemeralContainers"), detail));
    }
}

fn deployment_strategy(strategy: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let here = path.field("rollingUpdate");
    let rolling = set(strategy, "rollingUpdate");
    match text(strategy, "type") {
        "Recreate" if rolling.is_some() => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            causes.push(field::forbidden(&here, detail));
        }
        "Recreate" | "" => {}
        "RollingUpdate" => {
            let rolling = rolling.unwrap_or(&Value::Null);
            let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
            let place = here.field("maxUnavailable");
            share(unavailable, &place, causes);
            share(surge, &here.field("maxSurge"), causes);
            if let (Some(shown), 0, 0) = (unavailable, amount(unavailable), amount(surge)) {
                causes.push(field::invalid(&place, shown, "may not be 0 when `maxSurge` is 0"));
            }
            at_most_all(unavailable, &place, causes);
        }
        _ => {
            let shown = go_strategy(strategy, &["MaxUnavailable", "MaxSurge"]);
            let allowed = ["Recreate", "RollingUpdate"];
            causes.push(field::not_supported_shown(path, &shown, &allowed));
        }
    }
}

fn daemon_strategy(strategy: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    match text(strategy, "type") {
        "OnDelete" | "" => {}
        "RollingUpdate" => {
            let here = path.field("rollingUpdate");
            let Some(rolling) = set(strategy, "rollingUpdate") else {
                causes.push(field::required(&here, ""));
                return;
            };
            let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
            let (at_unavailable, at_surge) = (here.field("maxUnavailable"), here.field("maxSurge"));
            share(unavailable, &at_unavailable, causes);
            share(surge, &at_surge, causes);
            at_most_all(unavailable, &at_unavailable, causes);
            at_most_all(surge, &at_surge, causes);
            match (amount(unavailable), surge.map(|_| amount(surge)).unwrap_or(0)) {
                (0, 0) => {
                    let detail = "cannot be 0 when maxSurge is 0";
                    causes.push(field::required(&at_unavailable, detail));
                }
                (0, _) | (_, 0) => {}
                _ => {
                    let shown = surge.cloned().unwrap_or_default();
                    let detail = "may not be set when maxUnavailable is non-zero";
                    causes.push(field::invalid(&at_surge, &shown, detail));
                }
            }
        }
        _ => {
            let shown = go_strategy(strategy, &["MaxUnavailable", "MaxSurge"]);
            let allowed = ["RollingUpdate", "OnDelete"];
            causes.push(field::not_supported_shown(path, &shown, &allowed));
        }
    }
}

fn stateful_strategy(strategy: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    const FIELDS: [&str; 2] = ["Partition", "MaxUnavailable"];
    let here = path.field("rollingUpdate");
    let rolling = set(strategy, "rollingUpdate");
    match text(strategy, "type") {
        "OnDelete" => {
            if let Some(rolling) = rolling {
                let detail = "only allowed for updateStrategy 'RollingUpdate'";
                causes.push(field::invalid_shown(&here, &go_struct(rolling, &FIELDS), detail));
            }
        }
        "RollingUpdate" => {
            let Some(rolling) = rolling else { return };
            field::not_negative(&here.field("partition"), int(rolling, "partition"), causes);
            let unavailable = set(rolling, "maxUnavailable");
            let place = here.field("maxUnavailable");
            if let Some(shown) = unavailable {
                share(unavailable, &place, causes);
                if amount(unavailable) == 0 {
                    causes.push(field::invalid(&place, shown, "cannot be 0"));
                }
                at_most_all(unavailable, &place, causes);
            }
        }
        "" => {}
        _ => {
            let shown = go_strategy(strategy, &FIELDS);
            let detail = "must be 'RollingUpdate' or 'OnDelete'";
            causes.push(field::invalid_shown(path, &shown, detail));
        }
    }
}

/// A strategy printed as the server's own struct, whose fields have capital letters.
fn go_strategy(strategy: &Value, fields: &[&str]) -> String {
    let rolling = match set(strategy, "rollingUpdate") {
        Some(rolling) => go_struct(rolling, fields),
        None => "null".to_owned(),
    };
    format!("{{\"Type\":{},\"RollingUpdate\":{rolling}}}", Value::from(text(strategy, "type")))
}

/// A struct printed with the names that its fields have in the server's code.
pub(super) fn go_struct(value: &Value, fields: &[&str]) -> String {
    let shown: Vec<String> = fields
        .iter()
        .map(|name| {
            let ours = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
            format!("{name:?}:{}", value.get(&ours).unwrap_or(&Value::Null))
        })
        .collect();
    format!("{{{}}}", shown.join(","))
}

/// A number or a percentage of at least 0.
pub(super) fn share(value: Option<&Value>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    match value {
        Some(Value::String(given)) if percent(given).is_none() => {
            let detail = "a valid percent string must be a numeric string followed by an ending \
                          '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
            causes.push(field::invalid(path, &given.as_str().into(), detail));
        }
        Some(value) => field::not_negative(path, value.as_i64(), causes),
        None => {}
    }
}

/// A percentage of at most 100.
pub(super) fn at_most_all(value: Option<&Value>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if let Some(value) = value
        && value.as_str().and_then(percent).is_some_and(|share| share > 100)
    {
        causes.push(field::invalid(path, value, "must not be greater than 100%"));
    }
}

fn percent(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%')?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The number, or the number before the percent sign.
fn amount(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::String(text)) => percent(text).or_else(|| text.parse().ok()).unwrap_or(0),
        other => other.and_then(Value::as_i64).unwrap_or(0),
    }
}

fn fixed_selector(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let Some(old) = old else { return };
    let (now, before) = (of(object, "selector"), of(old, "selector"));
    if now != before {
        let shown = if now.is_null() { "null".to_owned() } else { field::selector(now) };
        causes.push(field::invalid_shown(&"spec.selector", &shown, "field is immutable"));
    }
}

/// A field of the spec that stays as it is.
pub(super) fn unchanged(object: &Value, old: Option<&Value>, name: &str, causes: &mut Vec<Cause>) {
    let Some(old) = old else { return };
    let (now, before) = (of(object, name), of(old, name));
    if now != before {
        causes.push(field::invalid(&format!("spec.{name}"), now, "field is immutable"));
    }
}
