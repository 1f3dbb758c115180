//! Pod garbage collection: pods bound to nodes that no longer exist.
//!
//! Source: `pkg/controller/podgc`.

use std::time::Duration;

use crate::api::Status;
use crate::controller::kinds::{NODES, PODS};
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View, pods, shape};
use crate::json::json;
use crate::object::{GroupResource, Key};

/// How long a node may be missing before its pods count as orphaned.
const QUARANTINE: Duration = Duration::from_secs(40);

/// The pod garbage collector. Its keys are names of nodes.
#[derive(Debug, Default)]
pub struct PodGarbageCollector {
    missing: std::collections::BTreeMap<Key, Duration>,
}

impl Controller for PodGarbageCollector {
    fn name(&self) -> &str {
        "pod-garbage-collector-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        vec![PODS.clone(), NODES.clone()]
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        let node = match change.resource == NODES {
            true => object.name(),
            false => object.text(&["spec", "nodeName"]),
        };
        let key = Key::new("", node);
        if !node.is_empty() && (view.get(&NODES, &key).is_none() || self.missing.contains_key(&key))
        {
            queue.add(key);
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let orphans = cx.view().on_node(&PODS, &key.name);
        if orphans.is_empty() || cx.view().get(&NODES, key).is_some() {
            self.missing.remove(key);
            return Ok(Next::Done);
        }
        let now = cx.now();
        let since = *self.missing.entry(key.clone()).or_insert(now);
        let left = (since + QUARANTINE).saturating_sub(now);
        if !left.is_zero() {
            return Ok(Next::After(left));
        }
        if absent_is_fine(cx.get(&NODES, key))?.is_some() {
            return Ok(Next::After(QUARANTINE));
        }
        for pod in orphans {
            if !pods::is_terminated(&pod) {
                let message = "PodGC: node no longer exists";
                let now = cx.timestamp();
                let reason = "DeletionByPodGC";
                let new = shape::condition("DisruptionTarget", "True", reason, message, &now);
                let mut conditions = pod.list(&["status", "conditions"]);
                shape::set_condition(&mut conditions, new);
                let status = json!({"phase": "Failed", "conditions": conditions});
                let patch = json!({"metadata": {"uid": pod.uid()}, "status": status});
                absent_is_fine(cx.patch_status(&PODS, pod.key(), patch))?;
            }
            let options = json!({
                "gracePeriodSeconds": 0, "preconditions": {"uid": pod.uid()},
            });
            absent_is_fine(cx.delete(&PODS, pod.key(), options))?;
        }
        Ok(Next::Done)
    }
}
