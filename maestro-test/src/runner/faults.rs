//! The faults of a run: when each strikes is drawn from a stream of its own, so that one fault
//! more or less moves no other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use maestro_sim::api::{Options, PatchType, Request, Status, Verb};
use maestro_sim::link::{Direction, ErrorRule, Link, LinkId};
use maestro_sim::object::{GroupResource, Key};
use maestro_sim::rng::Stream;
use maestro_sim::sim::Cluster;
use maestro_sim::workload::{Selector, WorkloadControl, control};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::operator::{Links, Operators};
use super::{Recorder, setup};
use crate::event::{FAULT, Happening};
use crate::scenario::fault::{self, Fault, FaultKind, Mode, PodFault};
use crate::scenario::{DurationRange, Scenario};

const PODS: GroupResource = GroupResource::new("", "pods");
const LEASES: GroupResource = GroupResource::new("coordination.k8s.io", "leases");

type Undo = Box<dyn FnOnce() + Send>;

/// The running faults.
pub struct Faults {
    tasks: Vec<JoinHandle<()>>,
    undo: Arc<Mutex<BTreeMap<u64, Undo>>>,
}

/// What one fault needs.
#[derive(Clone)]
struct Injector {
    cluster: Cluster,
    control: WorkloadControl,
    links: Links,
    recorder: Recorder,
    undo: Arc<Mutex<BTreeMap<u64, Undo>>>,
}

impl Faults {
    /// Starts a task for each fault.
    pub fn start(
        cluster: &Cluster,
        scenario: &Scenario,
        control: &WorkloadControl,
        operators: &Operators,
        recorder: &Recorder,
        seed: u64,
    ) -> Self {
        let undo = Arc::new(Mutex::new(BTreeMap::new()));
        let injector = Injector {
            cluster: cluster.clone(),
            control: control.clone(),
            links: operators.links(),
            recorder: recorder.clone(),
            undo: Arc::clone(&undo),
        };
        let faults = scenario.spec.faults.iter().enumerate();
        let tasks = faults.map(|(index, fault)| {
            let stream = Stream::new(seed, &format!("fault/{index}"));
            let (fault, injector) = (fault.clone(), injector.clone());
            let steps = &scenario.spec.steps;
            let after = fault.after.as_ref();
            let after = after.and_then(|a| steps.iter().position(|s| s.name.value == a.value));
            tokio::spawn(injector.strike(fault, after, stream))
        });
        Self { tasks: tasks.collect(), undo }
    }

    /// Stops all faults and undoes what lasts.
    pub fn heal(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        let all = std::mem::take(&mut *self.undo.lock().unwrap_or_else(PoisonError::into_inner));
        all.into_values().for_each(|undo| undo());
    }
}

impl Injector {
    async fn strike(self, fault: Fault, after: Option<usize>, mut stream: Stream) {
        while after.is_some_and(|step| !self.recorder.has_begun(step)) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let Some((word, kind)) = fault.kind() else { return };
        if let Some(at) = fault.at {
            tokio::time::sleep(stream.duration(&at.bounds())).await;
        }
        loop {
            if let Some(every) = fault.every {
                tokio::time::sleep(stream.duration(&every.bounds())).await;
            }
            let lasts: Option<DurationRange> = fault.lasts;
            if let Some((target, id)) = self.inject(word, kind, &mut stream) {
                let time = stream.duration(&lasts.unwrap_or(setup::USUAL).bounds());
                tokio::time::sleep(time).await;
                self.end(word, &target, id);
            }
            if fault.every.is_none() {
                return;
            }
        }
    }

    fn tell(&self, kind: &'static str, target: String) {
        self.recorder.tell(self.cluster.now(), Happening::Fault { kind, target });
    }

    /// Undoes one fault.
    fn end(&self, kind: &'static str, target: &str, id: u64) {
        let undo = self.undo.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(undo) = undo {
            undo();
        }
        let what = Happening::Healed { kind, target: target.to_owned() };
        self.recorder.tell(self.cluster.now(), what);
    }

    /// Keeps how to undo a fault; the number undoes it.
    fn lasting(&self, undo: impl FnOnce() + Send + 'static) -> u64 {
        let mut all = self.undo.lock().unwrap_or_else(PoisonError::into_inner);
        let id = all.last_key_value().map_or(0, |(id, _)| id + 1);
        all.insert(id, Box::new(undo));
        id
    }

    /// Strikes once. What lasts is given back with its target and the number that undoes it.
    fn inject(
        &self,
        word: &'static str,
        kind: FaultKind<'_>,
        stream: &mut Stream,
    ) -> Option<(String, u64)> {
        match kind {
            FaultKind::PodKill(pods) | FaultKind::ContainerKill(pods) => {
                if word == "pod-kill" {
                    kill_pods(&self.cluster, pods, word, stream, &self.recorder);
                } else {
                    self.kill_containers(pods, stream);
                }
                None
            }
            FaultKind::Partition(partition) => {
                let far = partition.between.iter().find(|end| end.as_str() != "apiserver")?;
                let direction = match partition.direction {
                    fault::Direction::To => Direction::To,
                    fault::Direction::From => Direction::From,
                    fault::Direction::Both => Direction::Both,
                };
                let links = self.links_of(far);
                Some(self.on_links(word, far, links, move |l| l.partition = Some(direction)))
            }
            FaultKind::NodeDown(down) => {
                let all = self.links_of("nodes");
                let drawn = pick(&all, stream)?;
                let links = down.node.as_ref().map_or(vec![drawn], |name| self.links_of(name));
                let first = *links.first()?;
                let name = self.cluster.with(|world| world.link(first).name.clone());
                Some(self.on_links(word, &name, links, |l| l.partition = Some(Direction::Both)))
            }
            FaultKind::ApiError(error) => {
                let reason = match error.code.value {
                    409 => "Conflict",
                    410 => "Expired",
                    429 => "TooManyRequests",
                    503 => "ServiceUnavailable",
                    504 => "Timeout",
                    _ => "InternalError",
                };
                let status = Status::new(error.code.value, reason, "injected by the scenario");
                let rule = ErrorRule {
                    probability: f64::from(error.percent.value) / 100.0,
                    status,
                    verbs: error.verbs.iter().filter_map(|v| verb(v)).collect(),
                };
                let links = self.links.now();
                let target = error.code.value.to_string();
                Some(self.on_links(word, &target, links, move |l| l.errors.push(rule.clone())))
            }
            FaultKind::LostReply(share) => {
                let probability = f64::from(share.percent.value) / 100.0;
                let links = self.links.now();
                Some(self.on_links(word, "operator", links, move |l| l.lost_reply = probability))
            }
            FaultKind::StaleRead(stale) => {
                let lag = stale.lag.bounds();
                let links = self.links.now();
                Some(self.on_links(word, "operator", links, move |l| l.lag = lag.clone()))
            }
            FaultKind::SlowRollout(slow) => Some(self.slow(word, slow, stream)),
            FaultKind::OperatorCrash(crash) => {
                self.crash(word, crash, stream);
                None
            }
            FaultKind::LeaderLoss => {
                self.take_lease(word);
                None
            }
            FaultKind::WatchDrop => {
                self.tell(word, "operator".into());
                let links = self.links.now();
                self.cluster.with(|world| {
                    links.iter().for_each(|link| world.link_mut(*link).watch_epoch += 1);
                    world.links_changed();
                });
                None
            }
            FaultKind::WatchGap => {
                self.tell(word, "apiserver".into());
                self.cluster.with(|world| {
                    let version = world.server.store.version();
                    world.server.store.compact(version);
                });
                None
            }
        }
    }

    fn links_of(&self, end: &str) -> Vec<LinkId> {
        if end == "operator" {
            return self.links.now();
        }
        if let Some(index) = end.strip_prefix("operator/").and_then(|n| n.parse::<usize>().ok()) {
            return self.links.now().get(index).copied().into_iter().collect();
        }
        self.cluster.with(|world| {
            let is_meant = |name: &str| match end {
                "nodes" => name.starts_with("kubelet"),
                "controllers" => !name.starts_with("kubelet") && !name.starts_with("operator"),
                node => name.strip_prefix("kubelet").is_some_and(|n| n.get(1..) == Some(node)),
            };
            world.links().filter(|(_, link)| is_meant(&link.name)).map(|(id, _)| id).collect()
        })
    }

    /// Changes links and keeps how to make them as they were.
    fn on_links(
        &self,
        word: &'static str,
        target: &str,
        links: Vec<LinkId>,
        change: impl Fn(&mut Link),
    ) -> (String, u64) {
        self.tell(word, target.to_owned());
        self.cluster.with(|world| {
            links.iter().for_each(|link| change(world.link_mut(*link)));
            world.links_changed();
        });
        let cluster = self.cluster.clone();
        let id = self.lasting(move || {
            cluster.with(|world| {
                for link in links {
                    let healthy = Link::new("healthy", 0);
                    let link = world.link_mut(link);
                    match word {
                        "partition" | "node-down" => link.partition = None,
                        "api-error" => link.errors.clear(),
                        "lost-reply" => link.lost_reply = 0.0,
                        _ => link.lag = healthy.lag,
                    }
                }
                world.links_changed();
            });
        });
        (target.to_owned(), id)
    }

    fn slow(
        &self,
        word: &'static str,
        slow: &fault::SlowRollout,
        stream: &mut Stream,
    ) -> (String, u64) {
        let range = slow.factor.value;
        let factor = range.low + draw(stream, range.high - range.low + 1);
        self.tell(word, format!("by {factor}"));
        let fault = control::Fault::SlowRollout { percent: factor.saturating_mul(100) };
        let (number, wakes) = self.control.lock().begin(Selector::default(), fault);
        self.wake(&wakes);
        let this = self.clone();
        let id = self.lasting(move || {
            let wakes = this.control.lock().end(number);
            this.wake(&wakes);
        });
        (format!("by {factor}"), id)
    }

    fn wake(&self, wakes: &[control::Wake]) {
        self.cluster.with(|world| {
            for wake in wakes {
                if let Some(actor) = world.find_actor(&format!("kubelet-{}", wake.node)) {
                    world.enqueue(actor, wake.pod.clone());
                }
            }
        });
    }

    fn kill_containers(&self, pods: &PodFault, stream: &mut Stream) {
        for key in chosen(pods, stream, &self.recorder) {
            self.tell("container-kill", key.to_string());
            let wake = self.control.lock().kill(&key, &[]);
            self.wake(wake.as_slice());
        }
    }

    fn crash(&self, word: &'static str, crash: &fault::OperatorCrash, stream: &mut Stream) {
        let links = self.links.now();
        let drawn = pick(&links, stream);
        let fixed =
            crash.replica.as_ref().and_then(|n| links.get(usize::try_from(n.value).ok()?).copied());
        let Some(link) = fixed.or(drawn) else { return };
        let writes = crash.after_writes.map(|r| r.low + draw(stream, r.high - r.low + 1));
        let target = self.cluster.with(|world| {
            match writes {
                Some(count) if count > 0 => {
                    world.link_mut(link).crash_after_writes = Some(u64::from(count));
                }
                _ => world.crash(link),
            }
            world.link(link).name.clone()
        });
        self.tell(word, target);
    }

    /// Writes another holder into the operator's lease, as a rival would.
    fn take_lease(&self, word: &'static str) {
        let mut request = request(LEASES, "maestro-system", "maestro-operator", Verb::Patch);
        request.patch = Some(PatchType::Merge);
        request.body = json!({"spec": {"holderIdentity": "rival", "leaseDurationSeconds": 15}});
        if send(&self.cluster, request) {
            self.tell(word, "maestro-operator".into());
        }
    }
}

fn verb(word: &str) -> Option<Verb> {
    let all =
        [Verb::Get, Verb::List, Verb::Watch, Verb::Create, Verb::Update, Verb::Patch, Verb::Delete];
    all.into_iter().find(|verb| verb.as_str() == word)
}

fn draw(stream: &mut Stream, bound: u32) -> u32 {
    u32::try_from(stream.below(u64::from(bound))).unwrap_or(0)
}

fn pick<T: Copy>(all: &[T], stream: &mut Stream) -> Option<T> {
    let bound = u32::try_from(all.len()).unwrap_or(u32::MAX);
    all.get(usize::try_from(draw(stream, bound)).ok()?).copied()
}

/// The pods that a fault means, drawn from the stream.
fn chosen(fault: &PodFault, stream: &mut Stream, recorder: &Recorder) -> Vec<Key> {
    let mut keys: Vec<Key> = recorder.live(|live| {
        live.all()
            .filter(|(resource, _)| **resource == PODS)
            .map(|(_, pod)| pod)
            .filter(|pod| fault.namespace.as_deref().is_none_or(|n| n == pod.namespace()))
            .filter(|pod| fault.selector.iter().all(|(n, v)| pod.label(n) == Some(v)))
            .filter(|pod| !pod.is_deleting())
            .map(|pod| pod.key().clone())
            .collect()
    });
    let all = u32::try_from(keys.len()).unwrap_or(u32::MAX);
    let value = fault.value.as_ref().map_or(0, |v| v.value);
    let percent = |share: u32| all.saturating_mul(share) / 100;
    let wanted = match fault.mode {
        Mode::One => 1,
        Mode::All => all,
        Mode::Fixed => value,
        Mode::FixedPercent => percent(value),
        Mode::RandomMaxPercent => percent(draw(stream, value.saturating_add(1))),
    };
    let mut chosen = Vec::new();
    for _ in 0..wanted.min(all) {
        let left = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let index = usize::try_from(draw(stream, left)).unwrap_or(0);
        if index < keys.len() {
            chosen.push(keys.swap_remove(index));
        }
    }
    chosen
}

/// Deletes pods, as Chaos Mesh's `pod-kill` does.
pub fn kill_pods(
    cluster: &Cluster,
    fault: &PodFault,
    word: &'static str,
    stream: &mut Stream,
    recorder: &Recorder,
) {
    for key in chosen(fault, stream, recorder) {
        recorder.tell(cluster.now(), Happening::Fault { kind: word, target: key.to_string() });
        let grace = fault.grace_period.map_or(0, |g| g.0.as_secs());
        let mut request = request(PODS, &key.namespace, &key.name, Verb::Delete);
        request.body = json!({"gracePeriodSeconds": grace});
        send(cluster, request);
    }
}

fn request(resource: GroupResource, namespace: &str, name: &str, verb: Verb) -> Request {
    Request {
        verb,
        resource,
        version: "v1".into(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource: "".into(),
        patch: None,
        options: Options::default(),
        body: Value::Null,
        user_agent: FAULT.into(),
    }
}

/// Whether a fault got what it asked for; a pod that is already gone is no failure.
fn send(cluster: &Cluster, request: Request) -> bool {
    cluster.with(|world| world.direct(request)).is_ok()
}
