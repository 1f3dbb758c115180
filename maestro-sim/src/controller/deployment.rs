//! Deployment: rolls ReplicaSets over from one template to the next.
//!
//! Source: `pkg/controller/deployment`.

pub mod new_set;
pub mod rolling;
pub mod scale;
pub mod status;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::api::Status;
use crate::controller::kinds::{DEPLOYMENTS, PODS, REPLICA_SETS};
use crate::controller::labels::Labels;
use crate::controller::own::{Claim, controlled_by};
use crate::controller::{Change, Context, Controller, Next, Queue, View, own, pods, shape};
use crate::json::{Array, Value, json};
use crate::object::{GroupResource, Key, Object, at, map_at};

/// Annotation and label names.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAX: &str = "deployment.kubernetes.io/max-replicas";
const HASH_LABEL: &str = "pod-template-hash";

/// The Deployment controller.
#[derive(Debug, Default)]
pub struct DeploymentController;

impl Controller for DeploymentController {
    fn name(&self) -> &str {
        "deployment-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        vec![DEPLOYMENTS.clone(), REPLICA_SETS.clone(), PODS.clone()]
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        if change.resource == DEPLOYMENTS {
            queue.extend(change.object().map(|o| o.key().clone()));
        } else if change.resource == REPLICA_SETS {
            for set in change.old.iter().chain(&change.new) {
                match set.controller() {
                    Some(_) => queue.extend(controlled_by(view, &DEPLOYMENTS, set)),
                    None => queue.extend(selecting(view, set)),
                }
            }
        } else if let (Some(pod), None) = (&change.old, &change.new)
            && let Some(set) = controlled_by(view, &REPLICA_SETS, pod)
            && let Some(set) = view.get(&REPLICA_SETS, &set)
            && let Some(deployment) = controlled_by(view, &DEPLOYMENTS, set)
            && view.get(&DEPLOYMENTS, &deployment).is_some_and(|d| is_recreate(d))
        {
            // Recreate waits until the last old pod is gone.
            queue.add(deployment);
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(deployment) = cx.view().get(&DEPLOYMENTS, key).cloned() else {
            return Ok(Next::Done);
        };
        let selector = Labels::of(deployment.at(&["spec", "selector"]));
        if selector.is_empty() {
            let message =
                "This deployment is selecting all pods. A non-empty selector is required.";
            cx.event(&deployment, "Warning", "SelectingAll", message);
            return Ok(Next::Done);
        }
        let claim = Claim { resource: &DEPLOYMENTS, owner: &deployment, selector: &selector };
        let sets = claim.run(cx, &REPLICA_SETS, |_| true)?;
        let mut roll = Roll::new(deployment, sets);
        if roll.deployment.is_deleting() {
            return roll.write_status(cx);
        }
        roll.note_pause(cx)?;
        if roll.is_paused() || roll.is_scaling_event() {
            roll.find_new(cx, false)?;
            roll.scale(cx)?;
            if roll.is_paused() {
                roll.clean_up(cx)?;
            }
            return roll.write_status(cx);
        }
        if is_recreate(&roll.deployment) { roll.recreate(cx) } else { roll.rolling(cx) }
    }
}

fn is_recreate(deployment: &Object) -> bool {
    deployment.text(&["spec", "strategy", "type"]) == "Recreate"
}

fn selecting(view: &View, set: &Object) -> Vec<Key> {
    let all = view.list(&DEPLOYMENTS, set.namespace());
    all.filter(|d| Labels::of(d.at(&["spec", "selector"])).matches(set.labels()))
        .map(|d| d.key().clone())
        .collect()
}

/// One pass: the Deployment, its ReplicaSets and the conditions as they become.
pub struct Roll {
    /// The Deployment as the view has it.
    pub deployment: Arc<Object>,
    /// The ReplicaSet of the template of now.
    pub new: Option<Arc<Object>>,
    /// The others, oldest first.
    pub old: Vec<Arc<Object>>,
    /// `status.conditions`.
    pub conditions: Array,
    /// `status.collisionCount`.
    pub collisions: Option<i64>,
    /// The revision annotation to write with the status.
    pub revision: Option<String>,
}

impl Roll {
    fn new(deployment: Arc<Object>, mut sets: Vec<Arc<Object>>) -> Self {
        sets.sort_by_key(|s| (created(s), s.name().to_owned()));
        let found = sets.iter().position(|s| same_template(&deployment, s));
        let new = found.map(|index| sets.remove(index));
        Self {
            conditions: deployment.list(&["status", "conditions"]),
            collisions: deployment.int(&["status", "collisionCount"]),
            revision: None,
            deployment,
            new,
            old: sets,
        }
    }

    /// All ReplicaSets.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.old.iter().chain(&self.new)
    }

    /// `spec.replicas`.
    pub fn wanted(&self) -> i64 {
        shape::replicas(&self.deployment)
    }

    fn is_paused(&self) -> bool {
        self.deployment.at(&["spec", "paused"]).and_then(Value::as_bool) == Some(true)
    }

    /// Whether `spec.replicas` differs from what an active ReplicaSet was sized for.
    fn is_scaling_event(&self) -> bool {
        self.all().filter(|s| shape::replicas(s) > 0).any(|s| {
            let desired = s.annotation(DESIRED).and_then(|text| text.parse::<i64>().ok());
            desired.is_some_and(|d| d != self.wanted())
        })
    }

    /// Puts a version that was just written in the place of the one read.
    fn replace(&mut self, set: &Arc<Object>) {
        let places = self.old.iter_mut().chain(&mut self.new);
        for place in places.filter(|p| p.uid() == set.uid()) {
            *place = Arc::clone(set);
        }
    }

    fn rolling(mut self, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        self.find_new(cx, true)?;
        let scaled = self.scale_up_new(cx)? || self.scale_down_old(cx)?;
        if !scaled && self.is_complete() {
            self.clean_up(cx)?;
        }
        self.write_rollout_status(cx)
    }

    fn recreate(mut self, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        self.find_new(cx, false)?;
        let mut scaled = false;
        for set in self.old.clone().iter().filter(|s| shape::replicas(s) > 0) {
            scaled |= self.resize(cx, set, 0)?;
        }
        let old_pods = self.old.iter().any(|s| {
            let owned = cx.view().owned(&PODS, s.uid());
            owned.iter().any(|p| own::controller_uid(p) == s.uid() && !pods::is_terminated(p))
        });
        if scaled || old_pods {
            return self.write_rollout_status(cx);
        }
        self.find_new(cx, true)?;
        if let Some(new) = self.new.clone() {
            self.resize(cx, &new, self.wanted())?;
        }
        if self.is_complete() {
            self.clean_up(cx)?;
        }
        self.write_rollout_status(cx)
    }

    /// Deletes the oldest ReplicaSets without pods beyond `spec.revisionHistoryLimit`.
    fn clean_up(&mut self, cx: &mut dyn Context) -> Result<(), Box<Status>> {
        let limit = self.deployment.int(&["spec", "revisionHistoryLimit"]).unwrap_or(10);
        let limit = usize::try_from(limit).unwrap_or(0);
        let mut idle: Vec<_> = self.old.iter().filter(|s| !s.is_deleting()).cloned().collect();
        idle.sort_by_key(|s| (new_set::revision(s), created(s)));
        for set in idle.iter().take(idle.len().saturating_sub(limit)) {
            let observed = set.int(&["status", "observedGeneration"]).unwrap_or(0);
            let pods = set.int(&["status", "replicas"]).unwrap_or(0);
            if pods != 0 || shape::replicas(set) != 0 || set.generation() > observed {
                continue;
            }
            let options = shape::only_uid(set.uid());
            own::absent_is_fine(cx.delete(&REPLICA_SETS, set.key(), options))?;
        }
        Ok(())
    }

    /// Sets a ReplicaSet's size and its size annotations, and says so. True when it changed.
    pub fn resize(
        &mut self,
        cx: &mut dyn Context,
        set: &Object,
        to: i64,
    ) -> Result<bool, Box<Status>> {
        let from = shape::replicas(set);
        let desired = self.wanted().to_string();
        let max = (self.wanted() + self.limits().surge).to_string();
        let told = set.annotation(DESIRED) == Some(&*desired) && set.annotation(MAX) == Some(&*max);
        if from == to && told {
            return Ok(false);
        }
        let mut body = set.value().clone();
        let annotations = map_at(&mut body, &["metadata", "annotations"]);
        annotations.insert(DESIRED, desired.into());
        annotations.insert(MAX, max.into());
        map_at(&mut body, &["spec"]).insert("replicas", to.into());
        let written = cx.update(&REPLICA_SETS, body)?;
        self.replace(&written);
        if from != to {
            let way = if to > from { "up" } else { "down" };
            let name = set.name();
            let message = format!("Scaled {way} replica set {name} from {from} to {to}");
            cx.event(&self.deployment, "Normal", "ScalingReplicaSet", &message);
        }
        Ok(from != to)
    }
}

fn created(set: &Object) -> String {
    set.text(&["metadata", "creationTimestamp"]).to_owned()
}

/// Whether a ReplicaSet was made of the Deployment's template, the hash label aside.
fn same_template(deployment: &Object, set: &Object) -> bool {
    let template = |object: &Object| {
        let found = at(object.value(), &["spec", "template"]);
        let mut template = found.cloned().unwrap_or_else(|| json!({}));
        let labels = map_at(&mut template, &["metadata", "labels"]);
        labels.remove(HASH_LABEL);
        map_at(&mut template, &["metadata"]).retain(|_, v| !v.is_null());
        template
    };
    template(deployment) == template(set)
}
