//! Node lifecycle: nodes that stop renewing their Lease, their taints, and the pods they lose.
//!
//! Source: `pkg/controller/nodelifecycle`, `pkg/controller/tainteviction`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::kinds::{LEASES, NODES, PODS};
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View, pods, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, map_at};

/// A node is given up after this time without a renewal.
const GRACE: Duration = Duration::from_secs(50);
const LEASE_NAMESPACE: &str = "kube-node-lease";
const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// The last sign of life of a node, by this controller's own clock.
#[derive(Debug)]
struct Heartbeat {
    renewed: String,
    seen: Duration,
}

/// The node lifecycle controller, with taint eviction.
#[derive(Debug, Default)]
pub struct NodeLifecycleController {
    heartbeats: BTreeMap<String, Heartbeat>,
    /// When a pod was first seen under the taints it is evicted for.
    tainted: BTreeMap<Key, Duration>,
}

impl Controller for NodeLifecycleController {
    fn name(&self) -> &str {
        "node-lifecycle-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        vec![NODES.clone(), LEASES.clone(), PODS.clone()]
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.resource == LEASES && object.namespace() == LEASE_NAMESPACE {
            queue.add(Key::new("", object.name()));
        } else if change.resource == NODES {
            queue.add(object.key().clone());
            if change.new.is_none() {
                self.heartbeats.remove(object.name());
            }
            let taints = |o: &Arc<Object>| o.items(&["spec", "taints"]).to_vec();
            if change.old.as_ref().map(taints) != change.new.as_ref().map(taints) {
                queue.extend(view.on_node(&PODS, object.name()).iter().map(|p| p.key().clone()));
            }
        } else if change.resource == PODS {
            let node = |o: &Arc<Object>| o.text(&["spec", "nodeName"]).to_owned();
            if change.new.is_none()
                || change.old.as_ref().map(node) != change.new.as_ref().map(node)
            {
                queue.add(object.key().clone());
            }
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        if key.namespace.is_empty() { self.node(key, cx) } else { self.pod(key, cx) }
    }
}

impl NodeLifecycleController {
    fn node(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(node) = cx.view().get(&NODES, key).cloned() else { return Ok(Next::Done) };
        let lease = cx.view().get(&LEASES, &Key::new(LEASE_NAMESPACE, &key.name));
        let renewed = lease.map_or("", |l| l.text(&["spec", "renewTime"])).to_owned();
        let ready =
            pods::condition(&node, "Ready").map_or("", |c| shape::text(c, &["lastHeartbeatTime"]));
        let sign = format!("{renewed} {ready}");
        let now = cx.now();
        let last = self
            .heartbeats
            .entry(key.name.to_string())
            .or_insert_with(|| Heartbeat { renewed: sign.clone(), seen: now });
        let own = pods::condition(&node, "Ready")
            .is_some_and(|c| shape::text(c, &["reason"]) == "NodeStatusUnknown");
        if last.renewed != sign && !(own && last.renewed.starts_with(&format!("{renewed} "))) {
            *last = Heartbeat { renewed: sign, seen: now };
        }
        let silent = now.saturating_sub(last.seen);
        if silent >= GRACE {
            self.give_up(cx, &node)?;
        }
        let node = cx.view().get(&NODES, key).cloned().unwrap_or(node);
        let state = if silent >= GRACE { "Unknown" } else { ready_state(&node) };
        set_taints(cx, &node, state)?;
        if state != "True" {
            mark_pods(cx, &node)?;
        }
        let wait = if silent < GRACE { GRACE - silent } else { Duration::from_secs(5) };
        Ok(if silent >= GRACE { Next::Done } else { Next::After(wait) })
    }

    /// Every condition of a silent node becomes Unknown.
    fn give_up(&self, cx: &mut dyn Context, node: &Object) -> Result<(), Box<Status>> {
        if ready_state(node) == "Unknown" {
            return Ok(());
        }
        let now = cx.timestamp();
        let mut conditions = node.list(&["status", "conditions"]);
        for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
            let old = shape::find(&conditions, kind);
            let heartbeat = old.and_then(|c| c.get("lastHeartbeatTime")).cloned();
            let (reason, message) = match old {
                Some(_) => ("NodeStatusUnknown", "Kubelet stopped posting node status."),
                None => ("NodeStatusNeverUpdated", "Kubelet never posted node status."),
            };
            let mut new = shape::condition(kind, "Unknown", reason, message, &now);
            new["lastHeartbeatTime"] = heartbeat.unwrap_or_else(|| {
                node.at(&["metadata", "creationTimestamp"]).cloned().unwrap_or_default()
            });
            shape::set_condition(&mut conditions, new);
        }
        let mut status = node.at(&["status"]).cloned().unwrap_or_else(|| json!({}));
        status["conditions"] = conditions.into();
        shape::write_status(cx, &NODES, node, status).transpose()?;
        let message = format!("Node {} status is now: NodeNotReady", node.name());
        cx.event(node, "Normal", "NodeNotReady", &message);
        Ok(())
    }

    /// Deletes a pod that does not tolerate its node's NoExecute taints (any longer).
    fn pod(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(pod) = cx.view().get(&PODS, key).cloned() else {
            self.tainted.remove(key);
            return Ok(Next::Done);
        };
        let node = cx.view().get(&NODES, &Key::new("", pod.text(&["spec", "nodeName"])));
        let taints: Vec<Value> = node
            .map(|n| n.items(&["spec", "taints"]).to_vec())
            .unwrap_or_default()
            .into_iter()
            .filter(|t| shape::text(t, &["effect"]) == "NoExecute")
            .collect();
        if taints.is_empty() || pod.is_deleting() || pods::is_terminated(&pod) {
            self.tainted.remove(key);
            return Ok(Next::Done);
        }
        let Some(patience) = patience(&pod, &taints) else {
            self.tainted.remove(key);
            return Ok(Next::Done);
        };
        let now = cx.now();
        let since = *self.tainted.entry(key.clone()).or_insert(now);
        let left = (since + patience).saturating_sub(now);
        if !left.is_zero() {
            return Ok(Next::After(left));
        }
        evict(cx, &pod)?;
        self.tainted.remove(key);
        Ok(Next::Done)
    }
}

fn ready_state(node: &Object) -> &str {
    pods::condition(node, "Ready").map_or("Unknown", |c| shape::text(c, &["status"]))
}

/// The taints of a node that keeps pods off at present, all with the effect `NoSchedule`, each with
/// the condition that brings it.
/// Source: <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>, "Taint
/// Nodes by Condition".
const BY_CONDITION: [(&str, &str); 4] = [
    ("node.kubernetes.io/memory-pressure", "MemoryPressure"),
    ("node.kubernetes.io/disk-pressure", "DiskPressure"),
    ("node.kubernetes.io/network-unavailable", "NetworkUnavailable"),
    ("node.kubernetes.io/pid-pressure", "PIDPressure"),
];
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Brings the taints of a node to what its conditions say, and whether it takes pods.
fn set_taints(cx: &mut dyn Context, node: &Object, state: &str) -> Result<(), Box<Status>> {
    let mut wanted = match state {
        "True" => Vec::new(),
        "False" => vec![(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")],
        _ => vec![(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")],
    };
    let holds = |kind| {
        pods::condition(node, kind).is_some_and(|found| shape::text(found, &["status"]) == "True")
    };
    let pressed = BY_CONDITION.iter().filter(|(_, kind)| holds(kind));
    wanted.extend(pressed.map(|(key, _)| (*key, "NoSchedule")));
    if node.at(&["spec", "unschedulable"]).is_some_and(|is| is == true) {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    let ours = |taint: &Value| {
        let (key, effect) = (shape::text(taint, &["key"]), shape::text(taint, &["effect"]));
        let by_condition = key == UNSCHEDULABLE || BY_CONDITION.iter().any(|(own, _)| *own == key);
        [NOT_READY, UNREACHABLE].contains(&key) || by_condition && effect == "NoSchedule"
    };
    let old = node.items(&["spec", "taints"]);
    let now = cx.timestamp();
    let mut taints: Vec<Value> = old.iter().filter(|t| !ours(t)).cloned().collect();
    for (key, effect) in wanted {
        let kept = old
            .iter()
            .find(|t| shape::text(t, &["key"]) == key && shape::text(t, &["effect"]) == effect);
        let new = json!({"key": key, "effect": effect, "timeAdded": now});
        taints.push(kept.cloned().unwrap_or(new));
    }
    if taints.len() == old.len() && taints.iter().all(|t| old.contains(t)) {
        return Ok(());
    }
    let patch = json!({"metadata": {"uid": node.uid()}, "spec": {"taints": taints}});
    absent_is_fine(cx.patch(&NODES, node.key(), patch)).map(drop)
}

/// Pods of a node that is not ready are not ready either.
fn mark_pods(cx: &mut dyn Context, node: &Object) -> Result<(), Box<Status>> {
    for pod in cx.view().on_node(&PODS, node.name()) {
        if !pods::is_ready(&pod) {
            continue;
        }
        let mut conditions = pod.list(&["status", "conditions"]);
        let now = cx.timestamp();
        if let Some(ready) = conditions.iter_mut().find(|c| shape::text(c, &["type"]) == "Ready") {
            ready["status"] = "False".into();
            ready["lastTransitionTime"] = now.into();
        }
        cx.event(&pod, "Warning", "NodeNotReady", "Node is not ready");
        let mut body = pod.value().clone();
        map_at(&mut body, &["status"]).insert("conditions", conditions.into());
        absent_is_fine(cx.update_status(&PODS, body))?;
    }
    Ok(())
}

/// How long the pod tolerates all these taints; `None` for ever, zero not at all.
fn patience(pod: &Object, taints: &[Value]) -> Option<Duration> {
    let tolerations = pod.items(&["spec", "tolerations"]);
    let mut least: Option<Duration> = None;
    for taint in taints {
        let mut matching = tolerations.iter().filter(|t| tolerates(t, taint)).peekable();
        if matching.peek().is_none() {
            return Some(Duration::ZERO);
        }
        let limits = matching.filter_map(|t| t.get("tolerationSeconds").and_then(Value::as_i64));
        for seconds in limits {
            let limit = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            least = Some(least.map_or(limit, |l| l.min(limit)));
        }
    }
    least
}

/// Whether a toleration covers a taint.
pub fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let text = |v: &Value, field: &str| shape::text(v, &[field]).to_owned();
    let effect = text(toleration, "effect");
    let key = text(toleration, "key");
    let exists = text(toleration, "operator") == "Exists";
    (effect.is_empty() || effect == text(taint, "effect"))
        && (key == text(taint, "key") || (key.is_empty() && exists))
        && (exists || text(toleration, "value") == text(taint, "value"))
}

fn evict(cx: &mut dyn Context, pod: &Object) -> Result<(), Box<Status>> {
    let message = "Taint manager: deleting due to NoExecute taint";
    let now = cx.timestamp();
    let new = shape::condition("DisruptionTarget", "True", "DeletionByTaintManager", message, &now);
    let mut conditions = pod.list(&["status", "conditions"]);
    shape::set_condition(&mut conditions, new);
    let patch = json!({"metadata": {"uid": pod.uid()}, "status": {"conditions": conditions}});
    if absent_is_fine(cx.patch_status(&PODS, pod.key(), patch))?.is_none() {
        return Ok(());
    }
    let about = format!("Marking for deletion Pod {}/{}", pod.namespace(), pod.name());
    cx.event(pod, "Normal", "TaintManagerEviction", &about);
    absent_is_fine(cx.delete(&PODS, pod.key(), shape::only_uid(pod.uid()))).map(drop)
}
