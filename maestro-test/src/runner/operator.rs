//! The operator under test: the code that ships, each replica on a link of its own, restarted
//! when it dies as a Deployment would.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use maestro_core::operator::{self, LeaseOptions, OperatorOptions};
use maestro_sim::link::LinkId;
use tokio::task::JoinHandle;

use super::Recorder;
use crate::cluster::account::{self, Forbidden};
use crate::cluster::{Program, Shared};
use crate::event::Happening;
use crate::scenario::Scenario;

/// How long a dead replica stays away.
const RESTART: Duration = Duration::from_secs(2);

/// How often it is looked at whether a replica still lives.
const LOOK: Duration = Duration::from_millis(100);

/// The running replicas.
pub struct Operators {
    links: Arc<Mutex<Vec<LinkId>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Operators {
    /// Those that the cluster itself runs: none has a link.
    pub fn elsewhere() -> Self {
        Self { links: Arc::default(), tasks: Vec::new() }
    }

    /// The present link of each replica.
    pub fn links(&self) -> Links {
        Links(Arc::clone(&self.links))
    }

    /// Ends all replicas.
    pub fn stop(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The present link of each replica, kept up to date over restarts.
#[derive(Clone)]
pub struct Links(Arc<Mutex<Vec<LinkId>>>);

impl Links {
    /// Now.
    pub fn now(&self) -> Vec<LinkId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What one replica is.
#[derive(Clone)]
enum What {
    /// Maestro's own operator, in process, with or without an election, and all-powerful or as the
    /// account that it is installed with.
    Maestro(Option<LeaseOptions>, Option<Forbidden>),
    /// A program.
    Program(Program),
}

/// Starts the replicas of the scenario's operator.
pub fn start(
    cluster: &Shared,
    scenario: &Scenario,
    recorder: &Recorder,
    account: Option<Forbidden>,
) -> Operators {
    let replicas = scenario.replicas();
    let what = match scenario.program() {
        Some(program) => What::Program(program),
        None => What::Maestro((replicas > 1).then(LeaseOptions::default), account),
    };
    let names: Vec<String> = (0..replicas).map(|index| format!("operator/{index}")).collect();
    let links = names.iter().map(|name| cluster.with_links(|links| links.add(name))).collect();
    let links = Arc::new(Mutex::new(links));
    let tasks = names.into_iter().enumerate().map(|(index, name)| {
        let (cluster, recorder, links) =
            (Arc::clone(cluster), recorder.clone(), Arc::clone(&links));
        let what = what.clone();
        tokio::spawn(async move {
            loop {
                let link = Links(Arc::clone(&links)).now().get(index).copied();
                let Some(link) = link else { return };
                match &what {
                    What::Maestro(lease, account) => {
                        let client = cluster.client(link);
                        let client = match account {
                            Some(forbidden) => account::client(client, forbidden),
                            None => client,
                        };
                        let options = OperatorOptions {
                            identity: name.replace('/', "-"),
                            lease: lease.clone(),
                            ..OperatorOptions::default()
                        };
                        let task = tokio::spawn(operator::run(client, options));
                        live(&cluster, link, &name, task, &recorder).await;
                    }
                    What::Program(program) => {
                        run(&cluster, link, &name, program, &recorder).await;
                    }
                }
                // Whatever the dead process left running must reach nothing any more.
                let next = cluster.with_links(|links| links.replace(link));
                if let Some(slot) =
                    links.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index)
                {
                    *slot = next;
                }
                tokio::time::sleep(RESTART).await;
            }
        })
    });
    Operators { links: Arc::clone(&links), tasks: tasks.collect() }
}

/// One life of one replica: until it ends, panics or its link is cut for good.
async fn live(
    cluster: &Shared,
    link: LinkId,
    name: &str,
    mut task: JoinHandle<Result<(), operator::Error>>,
    recorder: &Recorder,
) {
    tokio::select! {
        biased;
        ended = &mut task => {
            if let Err(error) = ended && error.is_panic() {
                let panic = error.into_panic();
                let text = panic.downcast_ref::<&str>().map(ToString::to_string);
                let message = text
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_default();
                recorder.tell(cluster.now(), Happening::Panicked { actor: name.into(), message });
            }
        }
        () = cluster.fenced(link) => task.abort(),
    }
}

/// One life of a program: until it ends or its link is cut for good.
async fn run(cluster: &Shared, link: LinkId, name: &str, program: &Program, recorder: &Recorder) {
    let panicked = |message: String| {
        recorder.tell(cluster.now(), Happening::Panicked { actor: name.into(), message });
    };
    let mut running = match cluster.program(link, program) {
        Ok(running) => running,
        Err(why) => return panicked(why),
    };
    while !cluster.with_links(|links| links.get(link).fenced) {
        if let Some(ended) = running.ended() {
            // It is started again, as a Deployment would; what is a panic is told.
            if ended.is_panic() {
                panicked(ended.output);
            }
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
