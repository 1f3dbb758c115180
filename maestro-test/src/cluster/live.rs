//! A real API server, and what Maestro adds to it so that scenarios run there: nodes with its own
//! kubelet, a provisioner of volumes, links before the operator, and watches on everything.

mod claims;
mod clock;
pub mod door;
mod feed;
mod follow;
mod hand;
mod linked;
mod order;
mod part;
mod restore;
mod setup;
mod stream;
mod writers;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::core::discovery::v2::APIGroupDiscoveryList;
use maestro_sim::actor::Remote;
use maestro_sim::api::{Request, Status, Verb};
use maestro_sim::boot;
use maestro_sim::controller::Controller;
use maestro_sim::controller::volume::external::Provisioner;
use maestro_sim::facts::Version;
use maestro_sim::kubelet::Kubelet;
use maestro_sim::link::LinkId;
use maestro_sim::links::Links;
use maestro_sim::object::{GroupResource, Key, Object};
use maestro_sim::rng::Stream;
use maestro_sim::workload::{Rule, Wake, WorkloadControl, Workloads};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet, block_in_place};

use self::claims::Claims;
use self::clock::Clock;
use self::feed::{Feed, Message};
use self::hand::Hand;
use self::linked::{Linked, Wires};
use self::part::Way;
use self::restore::Restore;
use self::setup::START;
use self::writers::Writers;
use super::control_plane::process::Process;
use super::{Cluster, Ended, Need, Program, Running, Served, Sink};

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(50);
/// The client of what Maestro itself sets up.
const SETUP: &str = "setup";

/// What a run asks of a real cluster.
#[derive(Clone, Debug)]
pub struct Spec {
    /// How many nodes of Maestro's own are added, with storage for them; 0 where the cluster has
    /// its own.
    pub nodes: u32,
    /// Whether the operator is installed in the cluster.
    pub hosted: bool,
    /// Whether the cluster has storage of its own for what claims ask for.
    pub provisions: bool,
    /// How workloads behave, as declared.
    pub workloads: Vec<Rule>,
    /// What becomes of what the run made in a cluster that was there before it; `None` where the
    /// cluster ends with its run.
    pub after: Option<After>,
    /// The version that the nodes' kubelets say that they are of.
    pub version: Version,
    /// Decides everything that is drawn.
    pub seed: u64,
    /// The share of its declared time that everything takes.
    pub time_scale: f64,
}

/// How a run leaves a cluster that outlives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// As it was before.
    Restored,
    /// With everything that the run made.
    Kept,
}

/// A running cluster.
pub struct Live {
    wires: Wires,
    hand: Hand,
    seed: u64,
    hosted: bool,
    time_scale: f64,
    served: Mutex<BTreeMap<String, Vec<Served>>>,
    kubelets: BTreeMap<String, UnboundedSender<Message>>,
    kubelet_tasks: Vec<AbortHandle>,
    after: Option<After>,
    claims: Claims,
    version: Arc<AtomicU64>,
    /// The control of what the kubelets run.
    pub control: WorkloadControl,
    // Dropped with the cluster, and with it everything that runs on its behalf.
    _tasks: JoinSet<()>,
}

impl Live {
    /// Joins a cluster whose API server answers this client: follows everything in it, adds the
    /// nodes and waits until they are ready.
    ///
    /// # Errors
    /// With what is missing, when the API server does not answer or the nodes do not get ready.
    pub async fn start(
        client: kube::Client,
        spec: &Spec,
        sink: Arc<dyn Sink>,
    ) -> Result<Self, String> {
        let clock = Clock::start();
        let writers = Writers::default();
        let control = WorkloadControl::default();
        let links = Arc::new(Mutex::new(Links::new(spec.seed)));
        let hand = Hand::new(client.clone(), writers.clone());
        let wires = Wires {
            client: client.clone(),
            clock,
            links: Arc::clone(&links),
            sink: Arc::clone(&sink),
            writers: writers.clone(),
            compacted: Arc::default(),
        };
        let collections = collections(&discover(&client).await?);
        let wanted = collections.len();
        let mut tasks = JoinSet::new();
        let mut parts = Vec::new();
        let (mut kubelets, mut kubelet_tasks) = (BTreeMap::new(), Vec::new());
        let mut add = |link: &str, controller: Box<dyn Controller>| {
            let (sender, news) = unbounded_channel();
            let link = lock(&links).add_direct(link);
            let remote = Remote::new(controller, spec.seed);
            parts.push((remote.watches(), sender.clone()));
            let way = Way { hand: hand.clone(), links: Arc::clone(&links), link };
            (sender, part::run(remote, way, news))
        };
        let rules = spec.workloads.iter().map(|rule| rule.clone().paced(spec.time_scale));
        let workloads = Arc::new(Workloads::new(rules.collect(), spec.seed));
        for number in 1..=spec.nodes {
            let mut node = boot::node(number);
            node.version = spec.version.git().to_owned();
            let name = node.name.clone();
            let kubelet = Kubelet::new(node, Arc::clone(&workloads), control.clone());
            let (sender, running) = add(&format!("kubelet/{name}"), Box::new(kubelet));
            kubelet_tasks.push(tasks.spawn(running));
            kubelets.insert(name, sender);
        }
        if !spec.provisions {
            let provisioner = Provisioner::new(boot::PROVISIONER);
            tasks.spawn(add("provisioner", Box::new(provisioner)).1);
        }
        let (listed, mut all_listed) = watch::channel(0);
        let version: Arc<AtomicU64> = Arc::default();
        let claims = Claims::default();
        let feed = Feed {
            client: client.clone(),
            claims: claims.clone(),
            clock,
            sink,
            writers,
            control: control.clone(),
            parts,
            version: Arc::clone(&version),
            listed,
            news: unbounded_channel(),
        };
        tasks.spawn(feed.run(collections));
        let live = Self {
            wires,
            hand,
            seed: spec.seed,
            hosted: spec.hosted,
            time_scale: spec.time_scale,
            served: Mutex::default(),
            kubelets,
            kubelet_tasks,
            after: spec.after,
            claims,
            version,
            control,
            _tasks: tasks,
        };
        let listed = all_listed.wait_for(|count| *count >= wanted);
        let ready = match tokio::time::timeout(START, listed).await {
            Ok(Ok(_)) => live.set_up(spec).await,
            _ => Err(format!("not every collection could be listed within {START:?}")),
        };
        match ready {
            Ok(()) => Ok(live),
            Err(why) => Err(match live.restore(|| ()).await {
                Ok(()) => why,
                Err(left) => format!("{why}\n{left}"),
            }),
        }
    }

    /// Opens a way over a link for a program.
    ///
    /// # Errors
    /// When no port is free, or the kubeconfig cannot be written.
    pub async fn door(&self, link: LinkId) -> std::io::Result<door::Door> {
        door::Door::open(Linked::new(self.wires.clone(), link)).await
    }

    /// Takes what was made here out of the cluster again, if it outlives the run. `stop` ends the
    /// operators as soon as nothing needs them any more.
    async fn restore(&self, stop: impl FnOnce()) -> Result<(), String> {
        if self.after != Some(After::Restored) {
            stop();
            return Ok(());
        }
        let restore = || {
            let own = self.wires.writers.created();
            Restore::new(&self.wires.client, &self.hand, own, &self.claims)
        };
        restore().retire().await;
        stop();
        // Anew: what operators made as they went is theirs, too.
        restore().clear(|| self.kubelet_tasks.iter().for_each(AbortHandle::abort)).await
    }

    fn known(&self, kind: &str, group: Option<&str>) -> Option<Served> {
        let served = lock(&self.served);
        let found = served.get(kind)?;
        found.iter().find(|s| group.is_none_or(|group| s.resource.group == group)).cloned()
    }
}

/// An operator that is a program of its own.
struct Operator {
    process: Process,
    _door: door::Door,
}

impl Running for Operator {
    fn ended(&mut self) -> Option<Ended> {
        let status = self.process.ended()?;
        Some(Ended { code: status.code(), output: self.process.output() })
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that is served, by kind, in the version that the server prefers.
async fn discover(client: &kube::Client) -> Result<BTreeMap<String, Vec<Served>>, String> {
    let plain = |error: kube::Error| format!("the API server cannot be asked: {error}");
    let core: APIGroupDiscoveryList =
        client.list_core_api_versions_aggregated().await.map_err(plain)?;
    let groups = client.list_api_groups_aggregated().await.map_err(plain)?;
    let mut kinds: BTreeMap<String, Vec<Served>> = BTreeMap::new();
    for group in core.items.into_iter().chain(groups.items) {
        let name = group.metadata.and_then(|meta| meta.name).unwrap_or_default();
        for version in group.versions {
            for served in version.resources {
                let can = |verb: &str| served.verbs.iter().any(|v| v == verb);
                let (Some(kind), Some(resource), true) = (
                    served.response_kind.as_ref().and_then(|kind| kind.kind.clone()),
                    served.resource.clone(),
                    can("list") && can("watch"),
                ) else {
                    continue;
                };
                let resource = GroupResource::owned(&name, &resource);
                let all = kinds.entry(kind).or_default();
                if all.iter().all(|known| known.resource != resource) {
                    let version = version.version.clone().unwrap_or_default().into();
                    let namespaced = served.scope.as_deref() == Some("Namespaced");
                    all.push(Served { resource, version, namespaced });
                }
            }
        }
    }
    Ok(kinds)
}

/// The collections that are followed: all but events, which nobody judges.
fn collections(kinds: &BTreeMap<String, Vec<Served>>) -> Vec<Served> {
    let all = kinds.values().flatten();
    all.filter(|served| served.resource.resource != "events").cloned().collect()
}

impl Cluster for Live {
    fn now(&self) -> Duration {
        self.wires.clock.elapsed()
    }

    fn paced(&self, declared: Duration) -> Duration {
        declared.mul_f64(self.time_scale)
    }

    fn stream(&self, name: &str) -> Stream {
        Stream::new(self.seed, name)
    }

    fn lacks(&self, need: Need) -> Option<&'static str> {
        match need {
            Need::Kubelets if self.kubelets.is_empty() => {
                Some("the nodes of this cluster are not Maestro's own")
            }
            Need::Kubelets => None,
            Need::Links if self.hosted => {
                Some("its operator runs in the cluster, with no link before it")
            }
            Need::Links => None,
            Need::Controllers => Some("its controllers are processes with no link before them"),
            Need::Webhooks => Some("its API server asks webhooks by a way that nobody else is on"),
        }
    }

    fn served(&self, kind: &str, group: Option<&str>) -> Option<Served> {
        self.known(kind, group).or_else(|| {
            let kinds = block_in_place(|| Handle::current().block_on(discover(&self.wires.client)));
            *lock(&self.served) = kinds.ok()?;
            self.known(kind, group)
        })
    }

    fn send(&self, request: Request) -> Result<(), Box<Status>> {
        block_in_place(|| Handle::current().block_on(self.hand.send(&request))).map(drop)
    }

    fn find(&self, served: &Served, key: &Key) -> Option<Arc<Object>> {
        let resource = served.resource.clone();
        let request = Request {
            version: served.version.clone(),
            ..Request::new(SETUP, Verb::Get, resource, &key.namespace, &key.name)
        };
        let found = block_in_place(|| Handle::current().block_on(self.hand.send(&request)));
        found.ok().map(|(_, value)| Arc::new(Object::new(value)))
    }

    fn client(&self, link: LinkId) -> kube::Client {
        kube::Client::new(Linked::new(self.wires.clone(), link), "default")
    }

    fn program(&self, link: LinkId, program: &Program) -> Result<Box<dyn Running>, String> {
        let opened = block_in_place(|| Handle::current().block_on(self.door(link)));
        let started = opened.and_then(|door| {
            let variables = [("KUBECONFIG", door.kubeconfig())];
            let log = door.folder().join("log");
            let process = Process::start_with(&program.path, &program.arguments, &variables, &log)?;
            Ok(Box::new(Operator { process, _door: door }) as Box<dyn Running>)
        });
        started.map_err(|error| format!("{}: {error}", program.path.display()))
    }

    fn links(&self, act: &mut dyn FnMut(&mut Links)) {
        act(&mut self.wires.lock());
    }

    fn crash(&self, link: LinkId) {
        self.wires.crash(link);
    }

    fn leave(&self, stop: Box<dyn FnOnce() + '_>) -> Result<(), String> {
        block_in_place(|| Handle::current().block_on(self.restore(stop)))
    }

    fn wake(&self, wakes: &[Wake]) {
        for wake in wakes {
            if let Some(kubelet) = self.kubelets.get(&wake.node) {
                // A kubelet that has ended feels nothing.
                let _ = kubelet.send(Message::Enqueue(wake.pod.clone()));
            }
        }
    }

    fn compact(&self) {
        let version = self.version.load(Ordering::Relaxed);
        self.wires.compacted.store(version, Ordering::Relaxed);
    }
}
