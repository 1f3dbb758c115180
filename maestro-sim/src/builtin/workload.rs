//! Workloads: selectors that match their templates, counts, and what may not change.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/apps/validation`.

use super::field::{self, Path, int, list, part, set, text};
use super::{meta, pod, rollout, storage, text as form};
use crate::api::Cause;
use crate::json::{Map, Name, Value, json};
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
    let spec = part(object, "spec");
    field::not_negative(&path.field("replicas"), int(spec, "replicas"), causes);
    selected(spec, "deployment", true, "ReplicaSet", &path, causes);
    rollout::deployment_strategy(of(object, "strategy"), &path.field("strategy"), causes);
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
    let spec = part(object, "spec");
    counts(spec, &["replicas", "minReadySeconds"], &path, causes);
    // A replica set's message names a deployment, in the real server too.
    selected(spec, "deployment", true, "ReplicaSet", &path, causes);
    fixed_selector(object, old, causes);
}

/// A replication controller, which selects by labels alone.
pub(super) fn replication_controller(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    let selector = spec.get("selector").and_then(Value::as_object).filter(|map| !map.is_empty());
    counts(spec, &["minReadySeconds"], &path, causes);
    if selector.is_none() {
        causes.push(field::required(&path.field("selector"), ""));
    }
    counts(spec, &["replicas"], &path, causes);
    let place = path.field("template");
    let Some(template) = set(spec, "template") else {
        causes.push(field::required(&place, ""));
        return;
    };
    let has =
        |(name, value): (&Name, &Value)| at(template, &["metadata", "labels", name]) == Some(value);
    if !selector.into_iter().flatten().all(has) {
        mismatch(template, &place, causes);
    }
    controlled(template, "ReplicationController", &place, causes);
}

/// A template of pods by itself.
pub(super) fn template(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let template = part(object, "template");
    pod_template(template, &root.field("template"), causes);
}

/// A revision of a workload, whose content stays.
pub(super) fn revision(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    field::not_negative(&"revision", int(object, "revision"), causes);
    match set(object, "data") {
        None => causes.push(field::required(&"data", "data is mandatory")),
        Some(Value::Object(_)) => {}
        Some(_) => causes.push(field::required(&"data", "data must be a valid JSON object")),
    }
    if old.is_some_and(|old| set(old, "data") != set(object, "data")) {
        let shown = part(object, "data");
        causes.push(field::invalid(&"data", shown, "field is immutable"));
    }
}

/// A daemon set.
pub(super) fn daemon_set(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
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
    rollout::daemon_strategy(of(object, "updateStrategy"), &path.field("updateStrategy"), causes);
    counts(spec, &["revisionHistoryLimit"], &path, causes);
    if missing {
        causes.push(field::required(&here, ""));
    }
}

/// A stateful set, most of whose spec is fixed.
pub(super) fn stateful_set(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    let policy = text(spec, "podManagementPolicy");
    if !matches!(policy, "" | "OrderedReady" | "Parallel") {
        let detail = "must be 'OrderedReady' or 'Parallel'";
        let place = path.field("podManagementPolicy");
        causes.push(field::invalid(&place, &policy.into(), detail));
    }
    rollout::stateful_strategy(of(object, "updateStrategy"), &path.field("updateStrategy"), causes);
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
        let spec = part(claim, "spec");
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
        .map(|spec| spec.entry("volumes").or_insert_with(|| json!([])));
    if let Some(Value::Array(volumes)) = volumes {
        let name =
            |claim: &Value| at(claim, &["metadata", "name"]).cloned().unwrap_or_else(|| "".into());
        let names: Vec<Value> = claims.iter().map(name).collect();
        volumes.retain(|volume| !volume.get("name").is_some_and(|name| names.contains(name)));
        let made = names
            .into_iter()
            .map(|name| crate::json!({"name": name, "persistentVolumeClaim": {"claimName": name}}));
        let given = std::mem::take(volumes);
        volumes.extend(made.chain(given));
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
    let template = part(spec, "template");
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
    let spec = part(template, "spec");
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
    let spec = part(template, "spec");
    let here = path.field("spec");
    pod::spec(spec, &here, pod::Of::Template, causes);
    if !list(spec, "ephemeralContainers").is_empty() {
        let detail = "ephemeral containers not allowed in pod template";
        causes.push(field::forbidden(&here.field("ephemeralContainers"), detail));
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
