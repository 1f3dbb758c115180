//! The simulated cluster: everything in memory, under virtual time, from the seed.

use std::sync::Arc;
use std::time::Duration;

use maestro_sim::api::webhook::Trouble;
use maestro_sim::api::{Request, Status};
use maestro_sim::link::LinkId;
use maestro_sim::links::Links;
use maestro_sim::object::{Key, Object};
use maestro_sim::rng::Stream;
use maestro_sim::sim;
use maestro_sim::workload::Wake;

use super::{Cluster, Served};

/// A running simulation.
#[derive(Clone)]
pub struct Sim(pub sim::Cluster);

impl Cluster for Sim {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn stream(&self, name: &str) -> Stream {
        self.0.with(|world| world.stream(name))
    }

    fn served(&self, kind: &str, group: Option<&str>) -> Option<Served> {
        self.0.with(|world| {
            let registry = &world.server.registry;
            let found = registry.all().find(|served| {
                served.kind == kind && group.is_none_or(|group| served.resource.group == group)
            })?;
            Some(Served {
                resource: found.resource.clone(),
                version: registry.preferred(&found.resource),
                namespaced: found.namespaced,
            })
        })
    }

    fn send(&self, request: Request) -> Result<(), Box<Status>> {
        self.0.with(|world| world.direct(request)).map(drop)
    }

    fn find(&self, served: &Served, key: &Key) -> Option<Arc<Object>> {
        self.0.with(|world| world.server.store.get(&served.resource, key).cloned())
    }

    fn client(&self, link: LinkId) -> kube::Client {
        kube::Client::new(self.0.service(link), "default")
    }

    fn links(&self, act: &mut dyn FnMut(&mut Links)) {
        self.0.with(|world| act(&mut world.links));
    }

    fn crash(&self, link: LinkId) {
        self.0.with(|world| world.crash(link));
    }

    fn wake(&self, wakes: &[Wake]) {
        self.0.with(|world| {
            for wake in wakes {
                if let Some(actor) = world.find_actor(&format!("kubelet-{}", wake.node)) {
                    world.enqueue(actor, wake.pod.clone());
                }
            }
        });
    }

    fn trouble_webhooks(&self, of: Option<&str>, trouble: Trouble) -> Option<u64> {
        Some(self.0.with(|world| world.server.webhooks.trouble(of, trouble)))
    }

    fn heal_webhooks(&self, number: u64) {
        self.0.with(|world| world.server.webhooks.heal(number));
    }

    fn compact(&self) {
        self.0.with(|world| {
            let version = world.server.store.version();
            world.server.store.compact(version);
        });
    }
}
