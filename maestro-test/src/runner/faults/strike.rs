//! What a fault has at hand while it strikes: cluster, links, pods, and its stream of randomness.

use std::sync::Arc;

use maestro_sim::api::{Request, Verb};
use maestro_sim::link::{LinkId, Trouble};
use maestro_sim::object::GroupResource;
use maestro_sim::rng::Stream;
use maestro_sim::workload::{Wake, WorkloadControl};

use crate::cluster::{Cluster, Shared};
use crate::event::{FAULT, Happening};
use crate::runner::Recorder;
use crate::runner::operator::Links;
use crate::scenario::NumberRange;

/// Where faults strike.
pub struct Field {
    pub cluster: Shared,
    pub control: WorkloadControl,
    pub links: Links,
    pub recorder: Recorder,
}

/// One strike of one fault.
pub struct Strike<'a> {
    /// The fault's word.
    pub word: &'static str,
    pub field: &'a Field,
    /// The fault's own stream.
    pub stream: &'a mut Stream,
}

/// What a strike changed until it heals.
pub struct Lasting {
    /// What it struck.
    pub target: String,
    undo: Box<dyn FnOnce() + Send>,
}

impl Lasting {
    /// Something that ends with `undo`.
    pub fn new(target: String, undo: impl FnOnce() + Send + 'static) -> Self {
        Self { target, undo: Box::new(undo) }
    }

    /// Ends it.
    pub fn heal(self) {
        (self.undo)();
    }
}

impl Strike<'_> {
    /// Tells what was struck.
    pub fn tell(&self, target: impl Into<String>) {
        let what = Happening::Fault { kind: self.word, target: target.into() };
        self.field.recorder.tell(self.field.cluster.now(), what);
    }

    /// A number below `bound`; 0 when that is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        below(self.stream, bound)
    }

    /// A number of the range, both ends included.
    pub fn between(&mut self, range: NumberRange) -> u32 {
        range.low + self.below((range.high - range.low).saturating_add(1))
    }

    /// One of these; `None` when there is none.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let bound = u32::try_from(all.len()).unwrap_or(u32::MAX);
        all.get(usize::try_from(self.below(bound)).ok()?).copied()
    }

    /// The present link of each replica of the operator.
    pub fn operators(&self) -> Vec<LinkId> {
        self.field.links.now()
    }

    /// The links of an end of a partition, as scenarios name it.
    pub fn links_of(&self, end: &str) -> Vec<LinkId> {
        if end == "operator" {
            return self.operators();
        }
        if let Some(index) = end.strip_prefix("operator/").and_then(|n| n.parse::<usize>().ok()) {
            return self.operators().get(index).copied().into_iter().collect();
        }
        self.field.cluster.with_links(|links| {
            let is_meant = |name: &str| match end {
                "nodes" => name.starts_with("kubelet"),
                "controllers" => !name.starts_with("kubelet") && !name.starts_with("operator"),
                node => name.strip_prefix("kubelet").is_some_and(|n| n.get(1..) == Some(node)),
            };
            links.all().filter(|(_, link)| is_meant(&link.name)).map(|(id, _)| id).collect()
        })
    }

    /// Something goes wrong with links until it heals, also with those that replace them.
    pub fn trouble(&self, target: &str, links: &[LinkId], trouble: &Trouble) -> Lasting {
        self.tell(target);
        let number = self.field.cluster.trouble(links, trouble);
        let cluster = Arc::clone(&self.field.cluster);
        Lasting::new(target.to_owned(), move || cluster.heal(number))
    }

    /// Lets kubelets feel what was just set on the control.
    pub fn wake(&self, wakes: &[Wake]) {
        self.field.cluster.wake(wakes);
    }

    /// Makes a request; whether it got what it asked for.
    pub fn send(&self, request: Request) -> bool {
        send(&*self.field.cluster, request)
    }
}

/// A number below `bound`; 0 when that is 0.
pub fn below(stream: &mut Stream, bound: u32) -> u32 {
    u32::try_from(stream.below(u64::from(bound))).unwrap_or(0)
}

/// A fault's request about an object.
pub fn request(resource: GroupResource, namespace: &str, name: &str, verb: Verb) -> Request {
    Request { ..Request::new(FAULT, verb, resource, namespace, name) }
}

/// Whether a fault got what it asked for; a pod that is already gone is no failure.
pub fn send(cluster: &dyn Cluster, request: Request) -> bool {
    cluster.send(request).is_ok()
}
