//! Which pods a kubelet takes: what must fit of a pod that is new on the node, and what those that
//! it took hold of it. One that does not fit is refused for good: it has failed.
//!
//! Sources: `pkg/kubelet/lifecycle/predicate.go`, `rejectPod` of `pkg/kubelet/kubelet.go`, and
//! `AdmissionCheck` of `pkg/scheduler/eventhandlers.go`. Critical pods for which a real kubelet
//! makes room are refused as others are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Kubelet, report, unix_now};
use crate::api::Status;
use crate::controller::{Context, pods};
use crate::json::{Map, Value};
use crate::kubelet::needs::qos_class;
use crate::kubelet::node::NODES;
use crate::kubelet::state::{Verdict, format};
use crate::kubelet::status::of_others;
use crate::object::{Key, Object, items, text};
use crate::quantity::Quantity;
use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::node_affinity::selects;
use crate::scheduler::pod::{Amounts, Port, amounts, ports, requests};
use crate::scheduler::ports::clash;
use crate::scheduler::taints::tolerates;

const AFFINITY: &str = "NodeAffinity";
/// What one pod holds of a node.
#[derive(Clone, Debug)]
struct Share {
    requests: Box<[(String, Quantity)]>,
    ports: Box<[Port]>,
}

/// What the pods that a kubelet took hold of its node.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    pods: BTreeMap<Key, Share>,
    requested: Amounts,
}

impl Taken {
    pub(super) fn take(&mut self, key: &Key, pod: &Value) {
        self.release(key);
        let requests = requests(pod);
        crate::scheduler::pod::add(&mut self.requested, &requests);
        let share = Share { requests: requests.into_iter().collect(), ports: ports(pod).into() };
        self.pods.insert(key.clone(), share);
    }

    /// A pod is gone, or has ended.
    pub fn release(&mut self, key: &Key) {
        let Some(share) = self.pods.remove(key) else { return };
        for (name, amount) in &share.requests {
            let sum = self.requested.entry(name.clone()).or_default();
            *sum = *sum - *amount;
        }
    }

    /// The first thing that a node lacks for a pod, besides what it has there by now.
    fn lacking(&self, key: &Key, pod: &Value, allocatable: &Amounts) -> Option<Verdict> {
        let of = |amounts: &Amounts, name: &str| amounts.get(name).copied().unwrap_or_default();
        let lacks = |name: &str, [requested, used, capacity]: [i64; 3]| {
            let message = format!(
                "Node didn't have enough resource: {name}, requested: {requested}, used: {used}, \
                 capacity: {capacity}"
            );
            Verdict { reason: format!("OutOf{name}"), message }
        };
        let own = self.pods.get(key);
        let used = |name: &str| {
            let mut own = own.into_iter().flat_map(|share| &share.requests);
            let own = own.find(|(held, _)| held == name).map(|(_, amount)| *amount);
            of(&self.requested, name) - own.unwrap_or_default()
        };
        let others = self.pods.len() - usize::from(own.is_some());
        let count = i64::try_from(others).unwrap_or(i64::MAX);
        let room = of(allocatable, "pods").value();
        if count >= room {
            return Some(lacks("pods", [1, count, room]));
        }
        let requests = requests(pod);
        let usual = ["cpu", "memory", "ephemeral-storage"];
        let rest = requests.keys().map(String::as_str).filter(|name| !usual.contains(name));
        let mut all = usual.into_iter().chain(rest);
        all.find_map(|name| {
            let (wanted, all) = (of(&requests, name), of(allocatable, name));
            let elsewhere = is_extended(name) && !allocatable.contains_key(name);
            if elsewhere || wanted.is_zero() || wanted <= all - used(name) {
                return None;
            }
            let number = |amount: Quantity| match name {
                "cpu" => amount.milli_value(),
                _ => amount.value(),
            };
            Some(lacks(name, [wanted, used(name), all].map(number)))
        })
    }

    /// Why a pod cannot be taken, or cannot have what its spec asks for.
    fn refusal(
        &self,
        key: &Key,
        pod: &Value,
        node: &Arc<Object>,
        allocatable: &Amounts,
    ) -> Option<Verdict> {
        let verdict = |reason: &str, message: &str| {
            Some(Verdict { reason: reason.to_owned(), message: message.to_owned() })
        };
        let label = text(pod, &["metadata", "labels", "kubernetes.io/os"]);
        if !matches!(label, "" | "linux") {
            let why =
                "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label";
            return verdict("PodOSSelectorNodeLabelDoesNotMatch", why);
        }
        if !matches!(text(pod, &["spec", "os", "name"]), "" | "linux") {
            let why = "Failed to admit pod as the OS field doesn't match node OS";
            return verdict("PodOSNotSupported", why);
        }
        if let Some(lacking) = self.lacking(key, pod, allocatable) {
            return Some(lacking);
        }
        if !selects(pod, &NodeInfo::bare(Some(Arc::clone(node)))) {
            let why = "Predicate NodeAffinity failed: node(s) didn't match Pod's node \
                       affinity/selector";
            return verdict(AFFINITY, why);
        }
        let wanted = ports(pod);
        let others = self.pods.iter().filter(|(of, _)| *of != key);
        let mut held = others.flat_map(|(_, share)| &share.ports);
        if !wanted.is_empty() && held.any(|held| wanted.iter().any(|wanted| clash(held, wanted))) {
            let why = "Predicate NodePorts failed: node(s) didn't have free ports for the requested \
                       pod ports";
            return verdict("NodePorts", why);
        }
        let tolerations = items(pod, &["spec", "tolerations"]);
        let unwanted = node.items(&["spec", "taints"]).iter().any(|taint| {
            let text = |field: &str| text(taint, &[field]);
            text("effect") == "NoExecute"
                && !tolerates(tolerations, text("key"), text("value"), "NoExecute")
        });
        if unwanted {
            let why = "Predicate TaintToleration failed: node(s) had taints that the pod didn't \
                       tolerate";
            return verdict("TaintToleration", why);
        }
        None
    }
}

/// Whether a resource is none of Kubernetes' own (`IsExtendedResourceName`).
fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.")
}

impl Kubelet {
    /// Takes a pod that is new here, or notes why not. What ran here before is taken as it is.
    pub(super) fn admit(&mut self, key: &Key, cx: &mut dyn Context) {
        let Some(held) = self.pods.get(key) else { return };
        let pod = Arc::clone(&held.latest);
        if pod.is_deleting() || pods::is_terminated(&pod) {
            return;
        }
        if held.state.accepted.is_none()
            && let Some(verdict) = self.refusal(&self.taken, key, pod.value(), cx)
        {
            if let Some(held) = self.pods.get_mut(key) {
                held.refused = Some(verdict);
            }
            return;
        }
        self.retake(key);
    }

    /// Why a pod cannot be taken beside others.
    pub(super) fn refusal(
        &self,
        others: &Taken,
        key: &Key,
        pod: &Value,
        cx: &mut dyn Context,
    ) -> Option<Verdict> {
        let judge = |node: &Arc<Object>| {
            let told = node.at(&["status", "allocatable"]);
            let whole = Value::Object(self.node.capacity.clone());
            others.refusal(key, pod, node, &amounts(told.or(Some(&whole))))
        };
        let own = self.heartbeat();
        let node = cx.view().get(&NODES, &own).cloned();
        let verdict = judge(&node.unwrap_or_else(|| Arc::new(Object::new(self.node.object()))))?;
        if verdict.reason != AFFINITY {
            return Some(verdict);
        }
        // Labels may have come that its watch does not tell of yet.
        match cx.get(&NODES, &own) {
            Ok(node) => judge(&node),
            Err(_) => Some(verdict),
        }
    }

    /// Reports a pod that was not taken as failed. False if there is nothing to report.
    pub(super) fn reject(&mut self, key: &Key, cx: &mut dyn Context) -> Result<bool, Box<Status>> {
        let Some(held) = self.pods.get_mut(key) else { return Ok(false) };
        let Some(verdict) = held.refused.clone() else { return Ok(false) };
        let latest = Arc::clone(&held.latest);
        if latest.is_deleting() || pods::is_terminated(&latest) {
            held.refused = None;
            return Ok(false);
        }
        let status = failed(&latest, &verdict, format(unix_now(cx)));
        let written = report(&latest, &status, key, cx)?;
        held.refused = None;
        if let Some(written) = written {
            held.latest = written;
        }
        cx.event(&latest, "Warning", &verdict.reason, &verdict.message);
        Ok(true)
    }
}

/// The status of a pod that was refused: what others wrote into it stays.
fn failed(pod: &Object, verdict: &Verdict, since: String) -> Value {
    let mut status = Map::new();
    let kept = of_others(pod.items(&["status", "conditions"]));
    if !kept.is_empty() {
        status.insert("conditions", kept.into());
    }
    let others = [
        "observedGeneration",
        "resourceClaimStatuses",
        "extendedResourceClaimStatus",
        "nodeAllocatableResourceClaimStatuses",
    ];
    for field in others {
        if let Some(value) = pod.at(&["status", field]) {
            status.insert(field, value.clone());
        }
    }
    status.insert("qosClass", qos_class(pod.value()).into());
    status.insert("phase", "Failed".into());
    status.insert("reason", verdict.reason.as_str().into());
    status.insert("message", format!("Pod was rejected: {}", verdict.message).into());
    status.insert("startTime", since.into());
    Value::Object(status)
}
