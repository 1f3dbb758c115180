//! The scheduler as a controller: pending pods by priority, one decision per pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::kinds::{
    BUDGETS, NAMESPACES, REPLICA_SETS, REPLICATION_CONTROLLERS, SERVICES, STATEFUL_SETS,
};
use crate::controller::{Change, Context, Controller, Next, Queue, View};
use crate::facts::Version;
use crate::json::json;
use crate::object::{GroupResource, Key, Object};
use crate::scheduler::Sight;
use crate::scheduler::cluster::Cluster;
use crate::scheduler::pick::{Unfit, pick};
use crate::scheduler::pod::PodInfo;
use crate::scheduler::preempt::preempt;
use crate::scheduler::volumes::{CLAIMS, CLASSES, VOLUMES, plan};
use crate::scheduler::writes::{bind_volumes, conditions, evict, reported_before};

pub(super) const PODS: GroupResource = GroupResource::new("", "pods");
const NODES: GroupResource = GroupResource::new("", "nodes");
/// The scheduler that pods name in `spec.schedulerName` unless they say otherwise.
pub(super) const NAME: &str = "default-scheduler";
/// How long one decision takes.
const CYCLE: Duration = Duration::from_millis(1);
/// The first back-off of a pod that could not be bound; it doubles.
const BACK_OFF: Duration = Duration::from_secs(1);
/// The longest back-off.
const MAX_BACK_OFF: Duration = Duration::from_secs(10);

/// A pod without a node.
#[derive(Debug)]
struct Pending {
    pod: Arc<PodInfo>,
    /// Whether something changed since it was last found unschedulable.
    active: bool,
    /// Not before this time.
    not_before: Duration,
    tries: u32,
    /// When it came.
    order: u64,
    /// What was last reported, so that it is reported once.
    reported: String,
    /// The pods that were evicted for it, as far as they are not gone.
    victims: BTreeSet<Key>,
}

impl Pending {
    fn back_off(&mut self, now: Duration) {
        let wait = BACK_OFF.saturating_mul(1 << self.tries.saturating_sub(1).min(4));
        self.not_before = now + wait.min(MAX_BACK_OFF);
    }
}

/// The default scheduler.
#[derive(Default)]
pub struct Scheduler {
    cluster: Cluster,
    pending: BTreeMap<Key, Pending>,
    /// Pods bound by this scheduler whose binding has not been seen yet, by UID.
    assumed: BTreeMap<Key, String>,
    arrivals: u64,
    version: Version,
}

impl Scheduler {
    /// A scheduler of a version of Kubernetes that has seen nothing.
    pub fn new(version: Version) -> Self {
        Self { version, ..Self::default() }
    }

    fn sight<'a>(&'a self, pod: &'a PodInfo, view: &'a View) -> Sight<'a> {
        Sight { pod, cluster: &self.cluster, view, version: self.version }
    }

    fn round() -> Key {
        Key::new("", "schedule")
    }

    fn see_pod(&mut self, change: &Change) {
        let Some(object) = change.object() else { return };
        let key = object.key().clone();
        let over = matches!(object.text(&["status", "phase"]), "Succeeded" | "Failed");
        let node = object.text(&["spec", "nodeName"]).to_owned();
        if change.new.is_none() || over {
            self.drop_pending(&key);
            self.assumed.remove(&key);
            self.cluster.remove(&key);
            self.pending.values_mut().for_each(|p| _ = p.victims.remove(&key));
            self.wake_all();
        } else if !node.is_empty() {
            self.drop_pending(&key);
            self.assumed.remove(&key);
            let pod = Arc::new(PodInfo::new(Arc::clone(object)));
            let makes_room =
                self.cluster.placed(&key).is_none_or(|before| pod.takes_less_than(before));
            self.cluster.place(pod, &node);
            if makes_room || change.old.as_ref().is_none_or(|old| old.labels() != object.labels()) {
                self.wake_all();
            }
        } else if self.assumed.get(&key).is_some_and(|uid| uid == object.uid()) {
            // Bound already; the binding is on its way here.
        } else {
            self.assumed.remove(&key);
            self.cluster.remove(&key);
            self.queue_pod(key, object, change.old.as_ref());
        }
    }

    fn queue_pod(&mut self, key: Key, object: &Arc<Object>, old: Option<&Arc<Object>>) {
        let scheduler = object.text(&["spec", "schedulerName"]);
        if object.is_deleting() || !(scheduler.is_empty() || scheduler == NAME) {
            self.drop_pending(&key);
            return;
        }
        let pod = Arc::new(PodInfo::new(Arc::clone(object)));
        let same = |pending: &Pending| pending.pod.object.uid() == object.uid();
        if let Some(pending) = self.pending.get_mut(&key).filter(|p| same(p)) {
            let edited = old.is_none_or(|old| {
                old.at(&["spec"]) != object.at(&["spec"]) || old.labels() != object.labels()
            });
            pending.pod = pod;
            pending.active |= edited;
            return;
        }
        self.arrivals += 1;
        let pending = Pending {
            pod,
            active: true,
            not_before: Duration::ZERO,
            tries: 0,
            order: self.arrivals,
            reported: reported_before(object),
            victims: BTreeSet::new(),
        };
        self.pending.insert(key, pending);
    }

    fn drop_pending(&mut self, key: &Key) {
        self.pending.remove(key);
        self.cluster.nominated.remove(key);
    }

    fn retry(&mut self, key: &Key, now: Duration) {
        if let Some(pending) = self.pending.get_mut(key) {
            pending.active = true;
            pending.back_off(now);
        }
    }

    fn wake_all(&mut self) {
        for pending in self.pending.values_mut() {
            pending.active = true;
        }
    }

    /// The pod whose turn it is: highest priority, then first come.
    fn turn(&self, now: Duration) -> Option<Key> {
        let ready = self.pending.iter().filter(|(_, p)| p.active && p.not_before <= now);
        ready.min_by_key(|(_, p)| (-p.pod.priority, p.order)).map(|(key, _)| key.clone())
    }

    /// When the next pod may be tried.
    fn next(&self, now: Duration) -> Next {
        let times = self.pending.values().filter(|p| p.active).map(|p| p.not_before);
        times.min().map_or(Next::Done, |at| Next::After(at.saturating_sub(now).max(CYCLE)))
    }

    fn schedule(&mut self, key: &Key, cx: &mut dyn Context) -> Result<(), Box<Status>> {
        let Some(pending) = self.pending.get_mut(key) else { return Ok(()) };
        pending.active = false;
        pending.tries += 1;
        let pod = Arc::clone(&pending.pod);
        let gates = pod.items(&["spec", "schedulingGates"]);
        if !gates.is_empty() {
            let message = "Scheduling is blocked due to non-empty scheduling gates";
            return self.report(key, "SchedulingGated", message, false, cx);
        }
        match self.decide(&pod, cx) {
            Ok(node) => self.bind(key, &pod, &node, cx),
            Err(unfit) => self.refuse(key, &pod, &unfit, cx),
        }
    }

    fn decide(&self, pod: &PodInfo, cx: &mut dyn Context) -> Result<String, Unfit> {
        // The view and the stream live in the same context, so the draw is taken first.
        let number = cx.draw(u64::MAX);
        let sight = self.sight(pod, cx.view());
        pick(&sight, &mut |bound| number % bound.max(1))
    }

    fn bind(
        &mut self,
        key: &Key,
        pod: &Arc<PodInfo>,
        node: &str,
        cx: &mut dyn Context,
    ) -> Result<(), Box<Status>> {
        let plan = self.cluster.node(node).and_then(|info| plan(pod, cx.view(), info).ok());
        let Some(plan) = plan else { return Ok(()) };
        if !bind_volumes(&plan, node, cx)? {
            return Ok(());
        }
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": &*key.name, "namespace": &*key.namespace,
                         "uid": pod.object.uid()},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        self.cluster.place(Arc::clone(pod), node);
        self.assumed.insert(key.clone(), pod.object.uid().to_owned());
        match cx.create_sub(&PODS, key, "binding", binding) {
            Ok(_) => {
                self.drop_pending(key);
                let message = format!("Successfully assigned {key} to {node}");
                cx.event(&pod.object, "Normal", "Scheduled", &message);
                Ok(())
            }
            Err(status) => self.unbind(key, status),
        }
    }

    /// A binding that failed, or whose answer was lost: the pod is tried again.
    fn unbind(&mut self, key: &Key, status: Box<Status>) -> Result<(), Box<Status>> {
        self.assumed.remove(key);
        self.cluster.remove(key);
        if let Some(pending) = self.pending.get_mut(key) {
            pending.active = status.reason != "NotFound";
        }
        if matches!(status.reason, "NotFound" | "Conflict") { Ok(()) } else { Err(status) }
    }

    fn refuse(
        &mut self,
        key: &Key,
        pod: &Arc<PodInfo>,
        unfit: &Unfit,
        cx: &mut dyn Context,
    ) -> Result<(), Box<Status>> {
        let sight = self.sight(pod, cx.view());
        let awaited = self.pending.get(key).is_some_and(|p| !p.victims.is_empty());
        let outcome = if awaited {
            Err("not eligible due to a terminating pod on the nominated node.".to_owned())
        } else {
            preempt(&sight, unfit)
        };
        let message = match &outcome {
            Err(why) => unfit.told(why),
            Ok(_) => unfit.message.clone(),
        };
        self.report(key, "Unschedulable", &message, true, cx)?;
        let Ok(preemption) = outcome else { return Ok(()) };
        let nominated = json!({"status": {"nominatedNodeName": preemption.node}});
        cx.patch_status(&PODS, key, nominated)?;
        if let Some(pending) = self.pending.get_mut(key) {
            pending.victims = preemption.victims.iter().map(|v| v.key().clone()).collect();
        }
        let reservation = (Arc::clone(pod), preemption.node.clone());
        self.cluster.nominated.insert(key.clone(), reservation);
        for victim in preemption.victims.iter().filter(|v| !v.object.is_deleting()) {
            evict(victim, pod, &preemption.node, cx)?;
        }
        Ok(())
    }

    /// Writes the condition and the event, once per message.
    fn report(
        &mut self,
        key: &Key,
        reason: &str,
        message: &str,
        failed: bool,
        cx: &mut dyn Context,
    ) -> Result<(), Box<Status>> {
        let Some(pending) = self.pending.get_mut(key) else { return Ok(()) };
        pending.back_off(cx.now());
        if pending.reported == message {
            return Ok(());
        }
        let object = Arc::clone(&pending.pod.object);
        let now = cx.timestamp();
        let patch = json!({"status": {"conditions": conditions(&object, reason, message, &now)}});
        match cx.patch_status(&PODS, key, patch) {
            Err(status) if status.reason == "NotFound" => return Ok(()),
            Err(status) => return Err(status),
            Ok(_) => message.clone_into(&mut pending.reported),
        }
        if failed {
            cx.event(&object, "Warning", "FailedScheduling", message);
        }
        Ok(())
    }
}

impl Controller for Scheduler {
    fn name(&self) -> &str {
        NAME
    }

    fn watches(&self) -> Vec<GroupResource> {
        let looked_up = [
            &NAMESPACES,
            &SERVICES,
            &REPLICATION_CONTROLLERS,
            &REPLICA_SETS,
            &STATEFUL_SETS,
            &BUDGETS,
        ];
        let own = [PODS, NODES, CLAIMS, VOLUMES, CLASSES].into_iter();
        own.chain(looked_up.into_iter().cloned()).collect()
    }

    fn observe(&mut self, change: &Change, _view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        match &*change.resource.resource {
            "pods" => self.see_pod(change),
            "nodes" => {
                self.cluster.see_node(object.name(), change.new.as_ref());
                if node_matters(change) {
                    self.wake_all();
                }
            }
            "persistentvolumeclaims" | "persistentvolumes" | "storageclasses" => self.wake_all(),
            // Looked up when nodes or victims are compared; no pod waits for any of them.
            _ => return,
        }
        if self.pending.values().any(|p| p.active) {
            queue.add(Self::round());
        }
    }

    fn reconcile(&mut self, _key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        if let Some(key) = self.turn(cx.now()) {
            // The failure of one pod holds up no other: it backs off by itself.
            if self.schedule(&key, cx).is_err() {
                self.retry(&key, cx.now());
            }
        }
        Ok(self.next(cx.now()))
    }
}

/// Whether a node changed in what placement looks at; heartbeats do not.
fn node_matters(change: &Change) -> bool {
    let (Some(old), Some(new)) = (&change.old, &change.new) else { return true };
    old.labels() != new.labels()
        || old.at(&["spec"]) != new.at(&["spec"])
        || old.at(&["status", "allocatable"]) != new.at(&["status", "allocatable"])
}
