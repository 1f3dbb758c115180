//! The operator under test: the code that ships, each replica on a link of its own, restarted
//! when it dies as a Deployment would.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use maestro_core::operator::{self, LeaseOptions, OperatorOptions};
use maestro_sim::link::LinkId;
use maestro_sim::sim::Cluster;
use tokio::task::JoinHandle;

use super::Recorder;
use crate::event::Happening;

/// How long a dead replica stays away.
const RESTART: Duration = Duration::from_secs(2);

/// The running replicas.
pub struct Operators {
    links: Arc<Mutex<Vec<LinkId>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Operators {
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

/// Starts so many replicas.
pub fn start(cluster: &Cluster, replicas: u32, recorder: &Recorder) -> Operators {
    let names: Vec<String> = (0..replicas).map(|index| format!("operator/{index}")).collect();
    let links = names.iter().map(|name| cluster.with(|world| world.add_link(name))).collect();
    let links = Arc::new(Mutex::new(links));
    let tasks = names.into_iter().enumerate().map(|(index, name)| {
        let (cluster, recorder, links) = (cluster.clone(), recorder.clone(), Arc::clone(&links));
        tokio::spawn(async move {
            loop {
                let link = Links(Arc::clone(&links)).now().get(index).copied();
                let Some(link) = link else { return };
                live(&cluster, link, &name, replicas, &recorder).await;
                // Whatever the dead process left running must reach nothing any more.
                let next = cluster.with(|world| world.replace_link(link));
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
async fn live(cluster: &Cluster, link: LinkId, name: &str, replicas: u32, recorder: &Recorder) {
    let client = kube::Client::new(cluster.service(link), "default");
    let lease = (replicas > 1).then(LeaseOptions::default);
    let options =
        OperatorOptions { identity: name.replace('/', "-"), lease, ..OperatorOptions::default() };
    let mut task = tokio::spawn(operator::run(client, options));
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
