//! Containers that come later, and what of a container starts anew or changes by itself.

use std::collections::BTreeSet;

use super::super::field::{self, Path, list, set, text};
use super::container::{Shared, common};
use crate::api::Cause;
use crate::json::Value;

/// What a container that is put into a running pod may not have.
const NOT_EPHEMERAL: [&str; 9] = [
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];

/// The containers that are put into a running pod.
pub(super) fn all<'v>(
    spec: &'v Value,
    shared: &Shared<'_>,
    mut names: BTreeSet<&'v str>,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    let here = path.field("ephemeralContainers");
    let regular: Vec<&str> =
        list(spec, "containers").iter().map(|container| text(container, "name")).collect();
    for (index, container) in list(spec, "ephemeralContainers").iter().enumerate() {
        let place = here.index(index);
        common(container, shared, &place, causes);
        let name = text(container, "name");
        if !name.is_empty() && !names.insert(name) {
            causes.push(field::duplicate(&place.field("name"), &name.into()));
        }
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !regular.contains(&target) {
            causes.push(field::not_found(&place.field("targetContainerName"), &target.into()));
        }
        let holds = |name: &&str| match set(container, name) {
            Some(Value::Object(map)) => !map.is_empty() || *name == "lifecycle",
            Some(Value::Array(list)) => !list.is_empty(),
            found => found.is_some(),
        };
        for name in NOT_EPHEMERAL.iter().filter(|name| holds(name)) {
            let detail = "cannot be set for an Ephemeral Container";
            causes.push(field::forbidden(&place.field(name), detail));
        }
        let mounts = place.field("volumeMounts");
        for (index, mount) in list(container, "volumeMounts").iter().enumerate() {
            for name in ["subPath", "subPathExpr"] {
                if !text(mount, name).is_empty() {
                    let detail = "cannot be set for an Ephemeral Container";
                    causes.push(field::forbidden(&mounts.index(index).field(name), detail));
                }
            }
        }
    }
}

/// Whether a container starts anew by itself, whatever its pod does.
pub(super) fn restarts(container: &Value, init: bool, path: &Path<'_>, causes: &mut Vec<Cause>) {
    field::word(container, "restartPolicy", &["Always", "Never", "OnFailure"], path, causes);
    let rules = list(container, "restartPolicyRules");
    if !rules.is_empty() && set(container, "restartPolicy").is_none() {
        let detail = "must specify restartPolicy when restart rules are used";
        causes.push(field::required(&path.field("restartPolicy"), detail));
        if init {
            return;
        }
    }
    let place = path.field("restartPolicyRules");
    for (index, rule) in rules.iter().enumerate() {
        let here = place.index(index);
        let (action, allowed) = (text(rule, "action"), ["Restart", "RestartAllContainers"]);
        if !allowed.contains(&action) {
            causes.push(field::not_supported(&here.field("action"), &action.into(), &allowed));
        }
        let here = here.field("exitCodes");
        let Some(codes) = set(rule, "exitCodes") else {
            causes.push(field::required(&here, "must be specified"));
            continue;
        };
        let (operator, allowed) = (text(codes, "operator"), ["In", "NotIn"]);
        if !allowed.contains(&operator) {
            causes.push(field::not_supported(&here.field("operator"), &operator.into(), &allowed));
        }
    }
}

/// Which resources may change without a restart.
pub(super) fn resizes(
    container: &Value,
    shared: &Shared<'_>,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    let mut seen = BTreeSet::new();
    for policy in list(container, "resizePolicy") {
        let (name, policy) = (text(policy, "resourceName"), text(policy, "restartPolicy"));
        if !seen.insert(name) {
            causes.push(field::duplicate(path, &name.into()));
        }
        field::one_of(path, name, &["cpu", "memory"], causes);
        field::one_of(path, policy, &["NotRequired", "RestartContainer"], causes);
        if shared.never && policy == "RestartContainer" {
            let detail = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            causes.push(field::invalid(path, &policy.into(), detail));
        }
    }
}
