//! Which pods use which claims: what keeps a claim from going, and what its condition `Unused`
//! tells.
//!
//! Source: `pkg/controller/volume/pvcprotection`, KEP 5541.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::Status;
use crate::controller::kinds::CLAIMS;
use crate::controller::{Change, Context, Queue, pods, shape};
use crate::json::Value;
use crate::object::{Key, Object};

/// The condition.
const UNUSED: &str = "Unused";

/// How many pods use each claim.
#[derive(Debug, Default)]
pub struct Users {
    /// Pods on a node, whatever became of them: they hold the claim.
    holding: BTreeMap<Key, usize>,
    /// Pods that have not ended, on a node or not.
    using: BTreeMap<Key, usize>,
}

impl Users {
    /// Takes in a change of a pod; claims whose use changed are looked at.
    pub fn see(&mut self, change: &Change, queue: &mut Queue) {
        let holds = |pod: &&Arc<Object>| !pod.text(&["spec", "nodeName"]).is_empty();
        let uses = |pod: &&Arc<Object>| !pods::is_terminated(pod);
        for key in change.new.iter().filter(holds).flat_map(|pod| claims(pod)) {
            more(&mut self.holding, key);
        }
        for key in change.new.iter().filter(uses).flat_map(|pod| claims(pod)) {
            if more(&mut self.using, key.clone()) {
                queue.add(key);
            }
        }
        for key in change.old.iter().filter(holds).flat_map(|pod| claims(pod)) {
            if less(&mut self.holding, &key) {
                queue.add(key);
            }
        }
        for key in change.old.iter().filter(uses).flat_map(|pod| claims(pod)) {
            if less(&mut self.using, &key) {
                queue.add(key);
            }
        }
    }

    /// Whether a claim that is being deleted has to stay.
    pub fn hold(&self, claim: &Key) -> bool {
        self.holding.contains_key(claim)
    }

    /// Tells in a bound claim's status whether a pod uses it.
    pub fn tell(&self, cx: &mut dyn Context, claim: &Object) -> Result<(), Box<Status>> {
        if claim.text(&["status", "phase"]) != "Bound" {
            return Ok(());
        }
        let (status, reason, message) = match self.using.contains_key(claim.key()) {
            true => ("False", "PodUsingPVC", "A pod is currently referencing this PVC"),
            false => ("True", "NoPodsUsingPVC", "No pods are currently referencing this PVC"),
        };
        if pods::condition(claim, UNUSED).is_some_and(|c| shape::text(c, &["status"]) == status) {
            return Ok(());
        }
        let mut new = shape::condition(UNUSED, status, reason, message, &cx.timestamp());
        new["lastProbeTime"] = Value::Null;
        let mut conditions = claim.list(&["status", "conditions"]);
        shape::drop_condition(&mut conditions, UNUSED);
        conditions.push(new);
        let mut written = claim.at(&["status"]).cloned().unwrap_or_default();
        written["conditions"] = conditions.into();
        shape::write_status(cx, &CLAIMS, claim, written).transpose().map(drop::<Option<Arc<_>>>)
    }
}

/// Counts one more; true when it is the first.
fn more(all: &mut BTreeMap<Key, usize>, key: Key) -> bool {
    let count = all.entry(key).or_default();
    *count += 1;
    *count == 1
}

/// Counts one less; true when it was the last.
fn less(all: &mut BTreeMap<Key, usize>, key: &Key) -> bool {
    let left = all.get(key).map_or(0, |count| count.saturating_sub(1));
    if left > 0 {
        all.insert(key.clone(), left);
        return false;
    }
    all.remove(key);
    true
}

/// The claims that a pod names, or that are made for it.
pub fn claims(pod: &Object) -> Vec<Key> {
    let name = |volume: &Value| {
        let named = shape::text(volume, &["persistentVolumeClaim", "claimName"]);
        if !named.is_empty() {
            return Some(named.to_owned());
        }
        volume.get("ephemeral")?.as_object()?;
        Some(format!("{}-{}", pod.name(), shape::text(volume, &["name"])))
    };
    let names = pod.items(&["spec", "volumes"]).iter().filter_map(name);
    names.map(|name| Key::new(pod.namespace(), &name)).collect()
}
