//! Everything that the watches tell, handed on: to the cluster's own parts at once, to the
//! recorder in the order in which it was written.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use maestro_sim::api::Verb;
use maestro_sim::object::{GroupResource, Key, Object};
use maestro_sim::workload::WorkloadControl;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::claims::Claims;
use super::clock::Clock;
use super::follow::{News, Told, follow};
use super::order::Order;
use super::writers::Writers;
use crate::cluster::{Served, Sink};
use crate::event::Write;

/// How often what waits for its order is looked at.
const TICK: Duration = Duration::from_millis(50);
const DEFINITIONS: GroupResource =
    GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");

/// What a part of the cluster is told.
#[derive(Clone, Debug)]
pub enum Message {
    /// A watch told something.
    Told(Told),
    /// A fault wants a key looked at.
    Enqueue(Key),
}

/// Where everything comes together.
pub struct Feed {
    pub client: kube::Client,
    pub clock: Clock,
    pub sink: Arc<dyn Sink>,
    pub writers: Writers,
    pub claims: Claims,
    pub control: WorkloadControl,
    /// The parts and the collections that each wants to be told of.
    pub parts: Vec<(Vec<GroupResource>, UnboundedSender<Message>)>,
    /// The newest version seen.
    pub version: Arc<AtomicU64>,
    /// How many collections have been listed.
    pub listed: watch::Sender<usize>,
    pub news: (UnboundedSender<News>, UnboundedReceiver<News>),
}

impl Feed {
    /// Follows these collections, and those of every definition that appears, for ever.
    pub async fn run(mut self, collections: Vec<Served>) {
        let mut followers = JoinSet::new();
        let mut followed = BTreeSet::new();
        let mut order = Order::default();
        let wanted = collections.len();
        let mut start = |served: Served, sender: &UnboundedSender<News>| {
            if followed.insert(served.resource.clone()) {
                followers.spawn(follow(self.client.clone(), served, sender.clone()));
            }
        };
        collections.into_iter().for_each(|served| start(served, &self.news.0));
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                news = self.news.1.recv() => match news {
                    Some(News::Told(told)) => {
                        if let Some(served) = told.new.as_ref().and_then(|new| defined(&told, new)) {
                            start(served, &self.news.0);
                        }
                        self.version.fetch_max(told.version, Ordering::Relaxed);
                        let begun = *self.listed.borrow() >= wanted;
                        if let Some(new) = &told.new {
                            self.claims.saw(&told.resource, new, begun && told.old.is_none());
                        }
                        for (wanted, part) in &self.parts {
                            if wanted.contains(&told.resource) {
                                // A part that has ended needs no news.
                                let _ = part.send(Message::Told(told.clone()));
                            }
                        }
                        order.put(told.version, told, Instant::now());
                    }
                    Some(News::Listed) => self.listed.send_modify(|count| *count += 1),
                    None => return,
                },
                _ = tick.tick() => {
                    for told in order.take(Instant::now()) {
                        self.record(told);
                    }
                }
            }
        }
    }

    fn record(&self, told: Told) {
        let Some(object) = told.object() else { return };
        self.control.saw(&told.resource, object, told.new.is_some());
        let verb = match (&told.old, &told.new) {
            (None, _) => Verb::Create,
            (Some(_), Some(_)) => Verb::Update,
            (Some(_), None) => Verb::Delete,
        };
        let actor = self.writers.of(object, told.new.is_none());
        let Told { resource, old, new, .. } = told;
        self.sink.wrote(self.clock.elapsed(), Write { actor, verb, resource, old, new });
    }
}

/// The collection that a definition defines, once its names are accepted.
fn defined(told: &Told, definition: &Object) -> Option<Served> {
    if told.resource != DEFINITIONS {
        return None;
    }
    let accepted = definition.items(&["status", "conditions"]).iter().any(|condition| {
        condition.get("type").is_some_and(|t| t == "Established")
            && condition.get("status").is_some_and(|s| s == "True")
    });
    let versions = definition.items(&["spec", "versions"]);
    let stored = versions.iter().find(|v| v.get("storage").is_some_and(|s| s == true))?;
    accepted.then(|| Served {
        resource: GroupResource::owned(
            definition.text(&["spec", "group"]),
            definition.text(&["spec", "names", "plural"]),
        ),
        version: stored.get("name").and_then(|n| n.as_str()).unwrap_or("").to_owned().into(),
        namespaced: definition.text(&["spec", "scope"]) == "Namespaced",
    })
}
