//! The kubelet of one node as a controller: heartbeats, and a step for each pod that needs one.
//!
//! It needs no starting: its watch on the namespace of node leases tells it first of all.

mod admit;
mod resize;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use self::admit::Taken;
use crate::api::Status;
use crate::controller::{Change, Context, Controller, Next, Queue, View, pods};
use crate::json::{Map, Value, json};
use crate::kubelet::needs::{Missing, missing};
use crate::kubelet::node::{LEASE_NAMESPACE, LEASES, NODES, NodeSpec};
use crate::kubelet::state::Verdict;
use crate::kubelet::{Around, Outline, PodState, Step, step};
use crate::object::{GroupResource, Key, Object};
use crate::workload::{WorkloadControl, Workloads};

const PODS: GroupResource = GroupResource::new("", "pods");
const NAMESPACES: GroupResource = GroupResource::new("", "namespaces");
/// How often the lease is renewed: a quarter of its 40 s.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often the node's status is reported when nothing changes in it.
const STATUS_REPORT: Duration = Duration::from_secs(300);

/// The longest wait after a lease that could not be renewed
/// (`k8s.io/component-helpers/apimachinery/lease`).
const LEASE_RETRY: Duration = Duration::from_secs(7);
/// The first wait after a pod's status could not be written; it doubles.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// The longest: the status manager's sync period.
const SYNC: Duration = Duration::from_secs(10);

/// One pod on the node.
#[derive(Debug)]
struct Held {
    uid: String,
    state: PodState,
    /// The newest version this kubelet knows, its own writes included.
    latest: Arc<Object>,
    /// The number of its address.
    address: u32,
    missing: Option<Missing>,
    /// Why it is not taken, as long as that is not reported.
    refused: Option<Verdict>,
    /// How it looked when a version of it said just that.
    settled: Option<(u64, Outline)>,
    /// Failed passes in a row.
    failures: u32,
}

/// The kubelet of one node.
pub struct Kubelet {
    name: String,
    node: NodeSpec,
    workloads: Arc<Workloads>,
    control: WorkloadControl,
    pods: BTreeMap<Key, Held>,
    taken: Taken,
    images: Arc<BTreeSet<String>>,
    ready_since: Option<String>,
    reported: Option<Duration>,
    lease: Option<Arc<Object>>,
}

impl Kubelet {
    /// The kubelet of `node`. A new one for a node that already runs pods takes them over.
    pub fn new(node: NodeSpec, workloads: Arc<Workloads>, control: WorkloadControl) -> Self {
        Self {
            name: format!("kubelet-{}", node.name),
            node,
            workloads,
            control,
            pods: BTreeMap::new(),
            taken: Taken::default(),
            images: Arc::default(),
            ready_since: None,
            reported: None,
            lease: None,
        }
    }

    /// The key of the node's heartbeat; its namespace is empty, so no pod has it.
    pub fn heartbeat(&self) -> Key {
        Key::new("", &self.node.name)
    }

    fn beat(&mut self, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let key = self.heartbeat();
        let now = cx.timestamp();
        let due = self.reported.is_none_or(|at| cx.now().saturating_sub(at) >= STATUS_REPORT);
        let node = match cx.view().get(&NODES, &key).cloned() {
            Some(node) => node,
            None => self.register(cx)?,
        };
        let reported = ready_condition(&node);
        if due || reported.is_none_or(|c| c.get("status").is_none_or(|s| s != "True")) {
            let since = self.ready_since.get_or_insert_with(|| now.clone()).clone();
            let status = self.node.status(&since, &now);
            cx.patch_status(&NODES, &key, json!({"status": status}))?;
            self.reported = Some(cx.now());
        }
        self.renew(node.uid(), cx)?;
        Ok(Next::After(HEARTBEAT))
    }

    fn register(&mut self, cx: &mut dyn Context) -> Result<Arc<Object>, Box<Status>> {
        self.reported = None;
        match cx.create(&NODES, self.node.object()) {
            Err(status) if status.reason == "AlreadyExists" => cx.get(&NODES, &self.heartbeat()),
            answer => answer,
        }
    }

    fn renew(&mut self, node_uid: &str, cx: &mut dyn Context) -> Result<(), Box<Status>> {
        let seconds = cx.timestamp();
        let micros = cx.now().subsec_micros();
        let now = format!("{}.{micros:06}Z", seconds.trim_end_matches('Z'));
        let key = Key::new(LEASE_NAMESPACE, &self.node.name);
        let known = match self.lease.take() {
            Some(lease) => Some(lease),
            None => match cx.get(&LEASES, &key) {
                Ok(lease) => Some(lease),
                Err(status) if status.reason == "NotFound" => None,
                Err(status) => return Err(status),
            },
        };
        let answer = match known {
            Some(_) => {
                let spec = json!({"holderIdentity": self.node.name, "renewTime": now,
                                  "leaseDurationSeconds": 40});
                cx.patch(&LEASES, &key, json!({"spec": spec}))?
            }
            None => cx.create(&LEASES, self.node.lease(node_uid, &now))?,
        };
        self.lease = Some(answer);
        Ok(())
    }

    /// Takes a pod over or takes in its newest version; `None` when it is gone.
    fn hold(&mut self, key: &Key, cx: &mut dyn Context) -> Option<()> {
        let seen = cx.view().get(&PODS, key).cloned();
        let Some(seen) = seen else {
            self.forget(key);
            return None;
        };
        if self.pods.get(key).is_some_and(|held| held.uid != seen.uid()) {
            self.forget(key);
        }
        let is_new = !self.pods.contains_key(key);
        let free = if is_new { self.free_address() } else { 0 };
        let held = self.pods.entry(key.clone()).or_insert_with(|| Held {
            uid: seen.uid().to_owned(),
            state: PodState::adopt(seen.value()),
            latest: Arc::clone(&seen),
            address: NodeSpec::address_number(seen.text(&["status", "podIP"])).unwrap_or(free),
            missing: None,
            refused: None,
            settled: None,
            failures: 0,
        });
        if seen.resource_version() > held.latest.resource_version() {
            held.latest = seen;
        }
        if is_new {
            self.admit(key, cx);
        }
        Some(())
    }

    fn forget(&mut self, key: &Key) {
        self.taken.release(key);
        if self.pods.remove(key).is_some() {
            self.control.lock().gone(key);
        }
    }

    fn free_address(&self) -> u32 {
        let used: BTreeSet<u32> = self.pods.values().map(|held| held.address).collect();
        (0..NodeSpec::pod_addresses()).find(|n| !used.contains(n)).unwrap_or(0)
    }

    fn run(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        if self.hold(key, cx).is_none() {
            return Ok(Next::Done);
        }
        if self.reject(key, cx)? {
            return Ok(Next::Done);
        }
        self.look_up_needs(key, cx);
        let Some(decided) = self.decide(key, cx) else { return Ok(Next::Done) };
        let Some(held) = self.pods.get_mut(key) else { return Ok(Next::Done) };
        held.state = decided.state;
        let latest = Arc::clone(&held.latest);
        let outline = decided.outline.filter(|_| decided.status.is_none());
        held.settled = outline.map(|outline| (latest.resource_version(), outline));
        for note in &decided.events {
            let kind = if note.warning { "Warning" } else { "Normal" };
            cx.event(&latest, kind, note.reason, &note.message);
        }
        if !decided.pulled.is_empty() {
            Arc::make_mut(&mut self.images).extend(decided.pulled);
        }
        if let Some(status) = &decided.status {
            let written = report(&latest, status, key, cx)?;
            if let (Some(held), Some(written)) = (self.pods.get_mut(key), written) {
                if pods::is_terminated(&written) {
                    self.taken.release(key);
                }
                held.latest = written;
            }
        }
        if decided.resized {
            self.retake(key);
        }
        if decided.delete {
            return remove(&latest, key, cx);
        }
        Ok(decided.wake.map_or(Next::Done, Next::After))
    }

    /// Asks for the objects a pod needs, until none is missing.
    fn look_up_needs(&mut self, key: &Key, cx: &mut dyn Context) {
        let Some(held) = self.pods.get_mut(key) else { return };
        let waits = held.missing.as_ref().is_none_or(|missing| !missing.is_empty());
        if !waits || held.state.stopping.is_some() {
            return;
        }
        let namespace = key.namespace.clone();
        let found = missing(held.latest.value(), |resource, name| {
            cx.get(resource, &Key::new(&namespace, name)).ok()
        });
        held.missing = Some(found);
    }

    fn decide(&mut self, key: &Key, cx: &mut dyn Context) -> Option<Step> {
        let now = unix_now(cx);
        let unfit = self.unfit(key, cx);
        let held = self.pods.get(key)?;
        let pod = held.latest.value();
        let mut control = self.control.lock();
        let behaviour = self.workloads.behaviour(pod, &control);
        let version = held.latest.resource_version();
        let settled = held.settled.as_ref().filter(|(at, _)| *at == version);
        let around = Around {
            unfit,
            settled: settled.map(|(_, outline)| outline.clone()),
            missing: held.missing.clone().unwrap_or_default(),
            images: Arc::clone(&self.images),
            kills: control.take_kills(key),
            pod_ip: self.node.pod_address(held.address),
            host_ip: self.node.address(),
        };
        let decided = step(pod, &held.state, &behaviour, &around, now);
        let member = behaviour.rule_index().map(|index| (index, decided.runs));
        control.placed(&held.latest, &self.node.name, member);
        Some(decided)
    }
}

impl Controller for Kubelet {
    fn name(&self) -> &str {
        &self.name
    }

    fn watches(&self) -> Vec<GroupResource> {
        vec![PODS, NODES, NAMESPACES]
    }

    fn selects(&self, resource: &GroupResource, object: &Object) -> bool {
        match &*resource.resource {
            "pods" => object.text(&["spec", "nodeName"]) == self.node.name,
            "nodes" => object.name() == self.node.name,
            _ => object.name() == LEASE_NAMESPACE,
        }
    }

    fn observe(&mut self, change: &Change, _view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        match &*change.resource.resource {
            "pods" => {
                // What goes makes room at once, before anything that came after it is looked at.
                let over = change.new.as_ref().is_none_or(|new| pods::is_terminated(new));
                if over {
                    self.taken.release(object.key());
                }
                self.wake_waiting(change, queue);
                let own = self.pods.get(object.key());
                let known = own.is_some_and(|held| {
                    change.new.is_some()
                        && held.uid == object.uid()
                        && held.latest.resource_version() >= object.resource_version()
                });
                if !known {
                    queue.add(object.key().clone());
                }
            }
            "nodes" => {
                let old = change.old.as_ref().is_some_and(|old| is_ready(old));
                if change.new.as_ref().is_none_or(|new| old && !is_ready(new)) {
                    queue.add(self.heartbeat());
                }
            }
            _ => queue.add(self.heartbeat()),
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        // A kubelet that was cut off is back soon after the link is: its retries are bounded.
        if key.namespace.is_empty() {
            return Ok(self.beat(cx).unwrap_or(Next::After(LEASE_RETRY)));
        }
        let outcome = self.run(key, cx);
        let Some(held) = self.pods.get_mut(key) else { return Ok(Next::Done) };
        held.failures = if outcome.is_ok() { 0 } else { held.failures.saturating_add(1) };
        let retry = FIRST_RETRY.saturating_mul(1 << held.failures.min(7)).min(SYNC);
        Ok(outcome.unwrap_or(Next::After(retry)))
    }
}

fn ready_condition(node: &Object) -> Option<&Value> {
    let conditions = node.items(&["status", "conditions"]);
    conditions.iter().find(|c| c.get("type").is_some_and(|t| t == "Ready"))
}

fn is_ready(node: &Object) -> bool {
    ready_condition(node).is_some_and(|c| c.get("status").is_some_and(|s| s == "True"))
}

/// Virtual time since the Unix epoch, finer than the seconds of a timestamp.
fn unix_now(cx: &dyn Context) -> Duration {
    let seconds = u64::try_from(crate::time::unix(cx.now())).unwrap_or(0);
    Duration::new(seconds, cx.now().subsec_nanos())
}

/// Writes what differs; the pod's UID and version are preconditions. `None` when it is gone.
fn report(
    pod: &Object,
    status: &Value,
    key: &Key,
    cx: &mut dyn Context,
) -> Result<Option<Arc<Object>>, Box<Status>> {
    let old = pod.value().get("status").unwrap_or(&Value::Null);
    let patch = json!({
        "metadata": {"uid": pod.uid(), "resourceVersion": pod.resource_version().to_string()},
        "status": difference(old, status),
    });
    match cx.patch_status(&PODS, key, patch) {
        Ok(written) => Ok(Some(written)),
        Err(status) if status.reason == "NotFound" => Ok(None),
        Err(status) => Err(status),
    }
}

fn remove(pod: &Object, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
    let options = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": pod.uid()}});
    match cx.delete(&PODS, key, options) {
        Err(status) if !matches!(status.reason, "NotFound" | "Conflict") => Err(status),
        _ => Ok(Next::Done),
    }
}

/// The JSON merge patch (RFC 7386) from one tree to another.
fn difference(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let mut patch = Map::new();
    for name in old.keys().filter(|name| !new.contains_key(name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in new {
        match old.get(name) {
            Some(before) if before == value => {}
            Some(before) => {
                patch.insert(name.clone(), difference(before, value));
            }
            None => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}
