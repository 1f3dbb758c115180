//! StatefulSet: pods with a lasting identity, made, updated and removed in order.

pub mod claims;
pub mod plan;
pub mod pod;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::api::Status;
use crate::controller::kinds::{CLAIMS, CONTROLLER_REVISIONS, PODS, STATEFUL_SETS};
use crate::controller::labels::Labels;
use crate::controller::own::{Claim, controlled_by};
use crate::controller::revision::{self, History};
use crate::controller::{Change, Context, Controller, Next, Queue, View, shape};
use crate::json::json;
use crate::object::{GroupResource, Key, Object};
use plan::{Counts, Plan};

/// The StatefulSet controller.
#[derive(Debug, Default)]
pub struct StatefulSetController;

impl Controller for StatefulSetController {
    fn name(&self) -> &str {
        "statefulset-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        [&STATEFUL_SETS, &PODS, &CLAIMS, &CONTROLLER_REVISIONS].map(Clone::clone).to_vec()
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        if change.resource == STATEFUL_SETS {
            queue.extend(change.object().map(|o| o.key().clone()));
        } else if change.resource == PODS {
            for pod in change.old.iter().chain(&change.new) {
                match pod.controller() {
                    Some(_) => queue.extend(controlled_by(view, &STATEFUL_SETS, pod)),
                    None => queue.extend(sets_selecting(view, pod)),
                }
            }
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(set) = cx.view().get(&STATEFUL_SETS, key).cloned() else { return Ok(Next::Done) };
        let selector = Labels::of(set.at(&["spec", "selector"]));
        if selector.is_empty() {
            return Ok(Next::Done);
        }
        let history = revision::sync(cx, &STATEFUL_SETS, &set, &selector)?;
        let claim = Claim { resource: &STATEFUL_SETS, owner: &set, selector: &selector };
        let pods = claim.run(cx, &PODS, |p| pod::ordinal(&set, p.name()).is_some())?;
        let named = set.text(&["status", "currentRevision"]);
        let current = history.all.iter().find(|r| r.name() == named).unwrap_or(&history.update);
        let plan = Plan { set: &set, current, update: &history.update };
        let mut counts = plan.count(cx, &pods);
        let outcome = plan.run(cx, &pods, &mut counts);
        write_status(cx, &plan, &counts, &history)?;
        let soon = outcome?;
        let used = |r: &Object| {
            [plan.current.name(), plan.update.name()].contains(&r.name())
                || pods.iter().any(|p| plan::revision_of(p) == r.name())
        };
        revision::truncate(cx, &set, &history.all, used)?;
        Ok(soon.map_or(Next::Done, Next::After))
    }
}

/// The sets of the pod's namespace that could adopt it.
fn sets_selecting(view: &View, pod: &Object) -> Vec<Key> {
    let sets = view.list(&STATEFUL_SETS, pod.namespace());
    sets.filter(|set| pod::ordinal(set, pod.name()).is_some())
        .filter(|set| Labels::of(set.at(&["spec", "selector"])).matches(pod.labels()))
        .map(|set| set.key().clone())
        .collect()
}

fn write_status(
    cx: &mut dyn Context,
    plan: &Plan<'_>,
    counts: &Counts,
    history: &History,
) -> Result<(), Box<Status>> {
    let set = plan.set;
    let mut current = counts.current;
    let mut current_revision = plan.current.name();
    let rolling = set.text(&["spec", "updateStrategy", "type"]) != "OnDelete";
    let complete = counts.updated == counts.replicas && counts.ready == counts.replicas;
    if rolling && complete {
        current = counts.updated;
        current_revision = plan.update.name();
    }
    let mut status = json!({
        "observedGeneration": set.generation(),
        "replicas": counts.replicas,
        "currentRevision": current_revision,
        "updateRevision": plan.update.name(),
        "collisionCount": history.collisions,
        "availableReplicas": counts.available,
    });
    let optional = [
        ("readyReplicas", counts.ready),
        ("currentReplicas", current),
        ("updatedReplicas", counts.updated),
    ];
    for (field, value) in optional.into_iter().filter(|(_, v)| *v > 0) {
        status[field] = value.into();
    }
    if let Some(conditions) = set.at(&["status", "conditions"]) {
        status["conditions"] = conditions.clone();
    }
    shape::write_status(cx, &STATEFUL_SETS, set, status).transpose().map(drop::<Option<Arc<_>>>)
}
