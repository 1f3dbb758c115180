//! PodDisruptionBudgets: how many pods may be evicted now.
//!
//! Source: `pkg/controller/disruption`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::kinds::{self, BUDGETS, DEPLOYMENTS, PODS, REPLICA_SETS, STATEFUL_SETS};
use crate::controller::label_index::LabelIndex;
use crate::controller::labels::Labels;
use crate::controller::{Change, Context, Controller, Next, Queue, View, pods, shape};
use crate::json::{Array, Map, Value, json};
use crate::object::{GroupResource, Key, Object};

/// An eviction whose pod is still there after this time did not happen.
const EVICTION_SECS: i64 = 120;

/// The disruption controller.
#[derive(Debug, Default)]
pub struct DisruptionController {
    labels: LabelIndex,
}

impl Controller for DisruptionController {
    fn name(&self) -> &str {
        "disruption-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        [&BUDGETS, &PODS, &DEPLOYMENTS, &REPLICA_SETS, &STATEFUL_SETS].map(Clone::clone).to_vec()
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.resource == BUDGETS {
            queue.add(object.key().clone());
        } else if change.resource == PODS {
            self.labels.apply(change);
            for pod in change.old.iter().chain(&change.new) {
                queue.extend(budgets_of(view, pod));
            }
        } else if scale_of(change.old.as_ref()) != scale_of(change.new.as_ref()) {
            // The scale counts even before the pods follow it.
            queue.extend(view.list(&BUDGETS, object.namespace()).map(|b| b.key().clone()));
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(budget) = cx.view().get(&BUDGETS, key).cloned() else { return Ok(Next::Done) };
        let selector = Labels::of(budget.at(&["spec", "selector"]));
        let selected = self.labels.select(cx.view(), &PODS, budget.namespace(), &selector);
        if selected.is_empty() {
            cx.event(&budget, "Normal", "NoPods", "No matching pods found");
        }
        match expected(cx.view(), &budget, &selected) {
            Ok(counts) => write(cx, &budget, &selected, counts),
            Err(message) => {
                cx.event(&budget, "Warning", "CalculateExpectedPodCountFailed", &message);
                fail(cx, &budget, &message)
            }
        }
    }
}

fn scale_of(object: Option<&Arc<Object>>) -> Option<i64> {
    object.map(|o| shape::replicas(o))
}

fn budgets_of(view: &View, pod: &Object) -> Vec<Key> {
    let all = view.list(&BUDGETS, pod.namespace());
    all.filter(|b| Labels::of(b.at(&["spec", "selector"])).matches(pod.labels()))
        .map(|b| b.key().clone())
        .collect()
}

/// `expectedPods` and `desiredHealthy` of a budget; the error is for the SyncFailed condition.
fn expected(view: &View, budget: &Object, all: &[Arc<Object>]) -> Result<(i64, i64), String> {
    let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
    if let Some(most) = budget.at(&["spec", "maxUnavailable"]) {
        let scale = scale(view, all)?;
        return Ok((scale, (scale - shape::scaled(most, scale, true)).max(0)));
    }
    match budget.at(&["spec", "minAvailable"]) {
        Some(Value::Number(least)) => Ok((count, least.as_i64().unwrap_or(0))),
        Some(least) => {
            let scale = scale(view, all)?;
            Ok((scale, shape::scaled(least, scale, true)))
        }
        None => Ok((count, 0)),
    }
}

/// The sum of the scales of the pods' controllers, each counted once.
fn scale(view: &View, all: &[Arc<Object>]) -> Result<i64, String> {
    let mut scales: BTreeMap<String, i64> = BTreeMap::new();
    for pod in all {
        let Some(owner) = pod.controller() else {
            return Err(format!("found no controller ref for pod \"{}\"", pod.name()));
        };
        let (uid, replicas) = owner_scale(view, pod, owner).ok_or_else(|| {
            format!(
                "{}.{} does not implement the scale subresource",
                shape::text(owner, &["kind"]),
                kinds::group_of(shape::text(owner, &["apiVersion"])),
            )
        })?;
        scales.insert(uid, replicas);
    }
    Ok(scales.values().sum())
}

/// A ReplicaSet of a Deployment counts as the Deployment.
fn owner_scale(view: &View, object: &Object, owner: &Value) -> Option<(String, i64)> {
    let kind = kinds::find(shape::text(owner, &["apiVersion"]), shape::text(owner, &["kind"]))?;
    let scalable = [&DEPLOYMENTS, &REPLICA_SETS, &STATEFUL_SETS];
    if !scalable.contains(&&kind.resource) {
        return None;
    }
    let key = Key::new(object.namespace(), shape::text(owner, &["name"]));
    let uid = shape::text(owner, &["uid"]).to_owned();
    // An owner that is gone wants nothing, and its pods are about to go.
    let Some(found) = view.get(&kind.resource, &key).filter(|o| o.uid() == uid) else {
        return Some((uid, 0));
    };
    if let Some(above) = found.controller()
        && let Some(found) = owner_scale(view, found, above)
    {
        return Some(found);
    }
    Some((uid, shape::replicas(found)))
}

fn write(
    cx: &mut dyn Context,
    budget: &Object,
    all: &[Arc<Object>],
    (expected, desired): (i64, i64),
) -> Result<Next, Box<Status>> {
    let (disrupted, wait) = still_disrupted(cx, budget, all);
    let healthy = all
        .iter()
        .filter(|p| !p.is_deleting() && !disrupted.contains_key(p.name()) && pods::is_ready(p));
    let healthy = i64::try_from(healthy.count()).unwrap_or(i64::MAX);
    let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0) };
    let mut conditions = budget.list(&["status", "conditions"]);
    let (state, reason) =
        if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    set_allowed(&mut conditions, budget, state, reason, "", &cx.timestamp());
    let mut status = json!({
        "observedGeneration": budget.generation(), "disruptionsAllowed": allowed,
        "currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": expected,
        "conditions": conditions,
    });
    if !disrupted.is_empty() {
        status["disruptedPods"] = Value::Object(disrupted);
    }
    shape::write_status(cx, &BUDGETS, budget, status).transpose()?;
    Ok(wait.map_or(Next::Done, |s| Next::After(Duration::from_secs(s.unsigned_abs()))))
}

/// The evictions whose pods have not gone yet, and the seconds until the first one expires.
fn still_disrupted(
    cx: &mut dyn Context,
    budget: &Object,
    all: &[Arc<Object>],
) -> (Map, Option<i64>) {
    let mut left = Map::new();
    let mut soonest: Option<i64> = None;
    let noted = budget.at(&["status", "disruptedPods"]).and_then(Value::as_object);
    for (name, at) in noted.into_iter().flatten() {
        let pod = all.iter().find(|p| p.name() == name && !p.is_deleting());
        let (Some(pod), Some(at_unix)) = (pod, at.as_str().and_then(|t| cx.unix_seconds(t))) else {
            continue;
        };
        let wait = at_unix + EVICTION_SECS - pods::now_unix(cx);
        if wait < 0 {
            let message = "Pod was expected by PDB controller to be deleted but it wasn't";
            cx.event(pod, "Warning", "NotDeleted", message);
            continue;
        }
        soonest = Some(soonest.map_or(wait + 1, |s| s.min(wait + 1)));
        left.insert(name.clone(), at.clone());
    }
    (left, soonest)
}

fn fail(cx: &mut dyn Context, budget: &Object, message: &str) -> Result<Next, Box<Status>> {
    let mut status = budget.at(&["status"]).cloned().unwrap_or_else(|| json!({}));
    let mut conditions = budget.list(&["status", "conditions"]);
    set_allowed(&mut conditions, budget, "False", "SyncFailed", message, &cx.timestamp());
    for field in ["currentHealthy", "desiredHealthy", "expectedPods"] {
        if status.get(field).is_none() {
            status[field] = 0.into();
        }
    }
    status["disruptionsAllowed"] = 0.into();
    status["conditions"] = conditions.into();
    shape::write_status(cx, &BUDGETS, budget, status).transpose()?;
    Ok(Next::Done)
}

fn set_allowed(
    conditions: &mut Array,
    budget: &Object,
    status: &str,
    reason: &str,
    message: &str,
    now: &str,
) {
    let mut new = shape::condition("DisruptionAllowed", status, reason, message, now);
    new["message"] = message.into();
    new["observedGeneration"] = budget.generation().into();
    shape::set_condition(conditions, new);
}
