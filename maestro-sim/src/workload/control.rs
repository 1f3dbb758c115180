//! What the fault layer tells the kubelets: kills, failing pods, slow rollouts.
//!
//! The fault layer writes, the kubelets read. Every call that concerns a running pod returns the
//! [`Wake`]s, the kubelet keys that the harness has to enqueue for the fault to be felt now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::json::Value;
use crate::object::{GroupResource, Key, Object, at};
use crate::observe::{Observer, Writer};
use crate::store::{Event, EventType, Table};
use crate::workload::Selector;

const STATEFUL_SETS: GroupResource = GroupResource::new("apps", "statefulsets");

/// A kubelet's key to enqueue.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Wake {
    /// The node whose kubelet is meant.
    pub node: String,
    /// The pod.
    pub pod: Key,
}

/// A fault that lasts, for every pod that a selector picks.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Image pull, start and readiness take `percent` of their time (100 changes nothing).
    SlowRollout {
        /// Of the drawn times, in percent.
        percent: u32,
    },
    /// No image can be pulled.
    ImagePullFailure,
    /// Every start crashes within two seconds.
    CrashLoop {
        /// The exit code.
        exit_code: i32,
    },
    /// The processes are replaced by ones that do nothing: running, never ready.
    PodFailure,
}

/// The lasting faults of one pod.
#[derive(Clone, Debug)]
pub struct PodFaults {
    /// See [`Fault::SlowRollout`].
    pub slow_percent: u32,
    /// See [`Fault::ImagePullFailure`].
    pub fails_to_pull: bool,
    /// See [`Fault::CrashLoop`].
    pub crashes: Option<i32>,
    /// See [`Fault::PodFailure`].
    pub failing: bool,
}

impl Default for PodFaults {
    fn default() -> Self {
        Self { slow_percent: 100, fails_to_pull: false, crashes: None, failing: false }
    }
}

/// The state behind [`WorkloadControl`].
#[derive(Default, Debug)]
pub struct Control {
    faults: BTreeMap<u64, (Selector, Fault)>,
    last_fault: u64,
    kills: BTreeMap<Key, BTreeSet<String>>,
    pods: BTreeMap<Key, Placed>,
    running: BTreeMap<usize, BTreeSet<Key>>,
    wanted: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Placed {
    node: String,
    pod: Arc<Object>,
    /// The UID of its controller.
    set: Option<String>,
}

impl Control {
    /// Begins a lasting fault; the number ends it.
    pub fn begin(&mut self, selector: Selector, fault: Fault) -> (u64, Vec<Wake>) {
        self.last_fault += 1;
        let wakes = self.wakes(&selector);
        self.faults.insert(self.last_fault, (selector, fault));
        (self.last_fault, wakes)
    }

    /// Ends a lasting fault.
    pub fn end(&mut self, fault: u64) -> Vec<Wake> {
        let Some((selector, _)) = self.faults.remove(&fault) else { return Vec::new() };
        self.wakes(&selector)
    }

    /// Kills containers of a pod (exit code 137); all of them when `containers` is empty.
    /// `None` when no kubelet runs the pod.
    pub fn kill(&mut self, pod: &Key, containers: &[String]) -> Option<Wake> {
        let node = self.pods.get(pod)?.node.clone();
        let kills = self.kills.entry(pod.clone()).or_default();
        kills.extend(containers.iter().cloned());
        if containers.is_empty() {
            kills.insert(String::new());
        }
        Some(Wake { node, pod: pod.clone() })
    }

    /// Takes the kills that wait for a pod. An empty name means every container.
    pub fn take_kills(&mut self, pod: &Key) -> BTreeSet<String> {
        self.kills.remove(pod).unwrap_or_default()
    }

    /// The lasting faults that hold for a pod now.
    pub fn faults(&self, pod: &Value) -> PodFaults {
        let mut all = PodFaults::default();
        for (_, fault) in self.faults.values().filter(|(selector, _)| selector.matches(pod)) {
            match fault {
                Fault::SlowRollout { percent } => {
                    let product = u64::from(all.slow_percent) * u64::from(*percent) / 100;
                    all.slow_percent = u32::try_from(product).unwrap_or(u32::MAX);
                }
                Fault::ImagePullFailure => all.fails_to_pull = true,
                Fault::CrashLoop { exit_code } => all.crashes = Some(*exit_code),
                Fault::PodFailure => all.failing = true,
            }
        }
        all
    }

    /// How many pods of a rule run now.
    pub fn members_running(&self, rule: usize) -> usize {
        self.running.get(&rule).map_or(0, BTreeSet::len)
    }

    /// How many members a StatefulSet, by its UID, wants; `None` when it is gone.
    pub fn wants(&mut self, set: &str, members: Option<usize>) {
        match members {
            Some(members) => self.wanted.insert(set.to_owned(), members),
            None => self.wanted.remove(set),
        };
    }

    /// Whether more than half of the members run that the StatefulSet of this pod wants; true
    /// for pods of no StatefulSet.
    pub fn set_has_quorum(&self, rule: usize, pod: &Value) -> bool {
        let Some(set) = controller(pod) else { return true };
        let Some(wanted) = self.wanted.get(set) else { return true };
        let running = self.running.get(&rule).into_iter().flatten();
        let of_set = |key: &&Key| {
            self.pods.get(*key).is_some_and(|placed| placed.set.as_deref() == Some(set))
        };
        running.filter(of_set).count() * 2 > *wanted
    }

    /// A kubelet tells that it runs a pod, and whether its containers run as a rule's member.
    pub fn placed(&mut self, pod: &Arc<Object>, node: &str, member: Option<(usize, bool)>) {
        let key = pod.key().clone();
        if let Some((rule, runs)) = member {
            let members = self.running.entry(rule).or_default();
            if runs {
                members.insert(key.clone());
            } else {
                members.remove(&key);
            }
        }
        let known = self.pods.get(&key);
        if known.is_none_or(|placed| placed.node != node || !Arc::ptr_eq(&placed.pod, pod)) {
            let (node, set) = (node.to_owned(), controller(pod.value()).map(str::to_owned));
            self.pods.insert(key, Placed { node, pod: Arc::clone(pod), set });
        }
    }

    /// A kubelet tells that a pod is gone.
    pub fn gone(&mut self, pod: &Key) {
        self.pods.remove(pod);
        self.kills.remove(pod);
        for members in self.running.values_mut() {
            members.remove(pod);
        }
    }

    fn wakes(&self, selector: &Selector) -> Vec<Wake> {
        let picked = self.pods.iter().filter(|(_, placed)| selector.matches(placed.pod.value()));
        picked.map(|(key, placed)| Wake { node: placed.node.clone(), pod: key.clone() }).collect()
    }
}

/// The UID of a pod's controller.
fn controller(pod: &Value) -> Option<&str> {
    let owners = at(pod, &["metadata", "ownerReferences"])?.as_array()?;
    let of = owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    of.get("uid")?.as_str()
}

/// Members know how many they are from their configuration: the control follows what their
/// StatefulSets want.
impl Observer for WorkloadControl {
    fn stored(&mut self, table: &Table, event: &Event, _: Writer<'_>) {
        self.saw(&table.resource, &event.object, event.kind != EventType::Deleted);
    }
}

impl WorkloadControl {
    /// Takes note of what a watch told of an object, and whether it still lives.
    pub fn saw(&self, resource: &GroupResource, object: &Object, lives: bool) {
        if *resource != STATEFUL_SETS {
            return;
        }
        let wanted = object.int(&["spec", "replicas"]).unwrap_or(1);
        let wanted = lives.then(|| usize::try_from(wanted).unwrap_or(0));
        self.lock().wants(object.uid(), wanted);
    }
}

/// The shared handle on [`Control`].
#[derive(Clone, Default, Debug)]
pub struct WorkloadControl {
    shared: Arc<Mutex<Control>>,
}

impl WorkloadControl {
    /// Exclusive access. A panic elsewhere does not poison it: every change is one call.
    pub fn lock(&self) -> MutexGuard<'_, Control> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
