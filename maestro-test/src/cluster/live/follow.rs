//! One collection of a real API server, listed and then watched for as long as it is served.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use http::Request;
use kube::core::WatchEvent;
use maestro_sim::json::Value;
use maestro_sim::object::{GroupResource, Key, Object};
use tokio::sync::mpsc::UnboundedSender;

use crate::cluster::Served;

/// How long to wait before a collection is asked for again that could not be read.
const RETRY: Duration = Duration::from_millis(200);
/// Objects of one page of a list.
const PAGE: usize = 500;
/// How long one watch is asked to last, in seconds.
const WATCH_SECONDS: u32 = 280;

/// What a watch told of one object.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its collection.
    pub resource: GroupResource,
    /// The version that made the change.
    pub version: u64,
    /// The object before; `None` when it appeared.
    pub old: Option<Arc<Object>>,
    /// The object after; `None` when it is gone.
    pub new: Option<Arc<Object>>,
}

impl Told {
    /// The newest version of the object.
    pub fn object(&self) -> Option<&Arc<Object>> {
        self.new.as_ref().or(self.old.as_ref())
    }
}

/// What comes of following a collection.
#[derive(Debug)]
pub enum News {
    /// An object changed.
    Told(Told),
    /// A collection was listed for the first time.
    Listed,
}

/// Follows one collection until nobody listens.
pub async fn follow(client: kube::Client, served: Served, news: UnboundedSender<News>) {
    let mut follower = Follower { client, served, news, known: BTreeMap::new() };
    let mut listed = false;
    while !follower.news.is_closed() {
        match follower.list().await {
            Ok(version) => {
                if !std::mem::replace(&mut listed, true) {
                    // Nobody listens any more: the loop ends.
                    let _ = follower.news.send(News::Listed);
                }
                follower.watch(version).await;
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {
                // A kind that is no longer served has no objects any more.
                follower.replace(BTreeMap::new(), 0);
                tokio::time::sleep(RETRY).await;
            }
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

fn path(served: &Served) -> String {
    let Served { resource, version, .. } = served;
    match &*resource.group {
        "" => format!("/api/{version}/{}", resource.resource),
        group => format!("/apis/{group}/{version}/{}", resource.resource),
    }
}

/// Everything in a collection, and the version of the list.
pub async fn list(
    client: &kube::Client,
    served: &Served,
) -> Result<(u64, BTreeMap<Key, Arc<Object>>), kube::Error> {
    let mut all = BTreeMap::new();
    let mut page = String::new();
    loop {
        let uri = format!("{}?limit={PAGE}&continue={page}", path(served));
        let request = Request::get(uri).body(Vec::new()).map_err(kube::Error::HttpError)?;
        let mut list: Value = client.request(request).await?;
        let text = |path: &str| list.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let version = text("/metadata/resourceVersion");
        let version = version.and_then(|v| v.parse().ok()).unwrap_or(0);
        let next = text("/metadata/continue").unwrap_or_default();
        // Objects of a list do not say what they are; the list does.
        let api_version = text("/apiVersion").unwrap_or_default();
        let kind = text("/kind").unwrap_or_default();
        let kind = kind.strip_suffix("List").unwrap_or(&kind);
        let items = list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
        for mut item in items.unwrap_or_default() {
            if let Some(map) = item.as_object_mut() {
                map.entry("apiVersion").or_insert_with(|| api_version.as_str().into());
                map.entry("kind").or_insert_with(|| kind.into());
            }
            let object = Arc::new(Object::new(item));
            all.insert(object.key().clone(), object);
        }
        if next.is_empty() {
            return Ok((version, all));
        }
        page = next;
    }
}

struct Follower {
    client: kube::Client,
    served: Served,
    news: UnboundedSender<News>,
    known: BTreeMap<Key, Arc<Object>>,
}

impl Follower {
    /// Lists everything, tells of what changed since, and returns the version of the list.
    async fn list(&mut self) -> Result<u64, kube::Error> {
        let (version, all) = list(&self.client, &self.served).await?;
        self.replace(all, version);
        Ok(version)
    }

    /// Takes in a whole list.
    fn replace(&mut self, all: BTreeMap<Key, Arc<Object>>, version: u64) {
        let gone: Vec<Key> =
            self.known.keys().filter(|key| !all.contains_key(*key)).cloned().collect();
        for key in gone {
            let old = self.known.remove(&key);
            // When it went is not known; it was after its last version.
            let last = old.as_ref().map_or(0, |old| old.resource_version());
            self.tell(version.max(last), old, None);
        }
        for (key, new) in all {
            let old = self.known.insert(key, Arc::clone(&new));
            if old.as_ref().is_none_or(|old| old.resource_version() != new.resource_version()) {
                self.tell(new.resource_version(), old, Some(new));
            }
        }
    }

    fn tell(&self, version: u64, old: Option<Arc<Object>>, new: Option<Arc<Object>>) {
        let resource = self.served.resource.clone();
        // Nobody listens any more: the loop ends.
        let _ = self.news.send(News::Told(Told { resource, version, old, new }));
    }

    /// Watches from a version on until the watch ends, for whatever reason.
    async fn watch(&mut self, version: u64) {
        let query = format!(
            "watch=true&resourceVersion={version}&allowWatchBookmarks=true\
             &timeoutSeconds={WATCH_SECONDS}"
        );
        let Ok(request) = Request::get(format!("{}?{query}", path(&self.served))).body(Vec::new())
        else {
            return;
        };
        let Ok(events) = self.client.request_events::<Value>(request).await else { return };
        let mut events = std::pin::pin!(events);
        while let Some(Ok(event)) = events.next().await {
            match event {
                WatchEvent::Added(value) | WatchEvent::Modified(value) => {
                    let new = Arc::new(Object::new(value));
                    let old = self.known.insert(new.key().clone(), Arc::clone(&new));
                    self.tell(new.resource_version(), old, Some(new));
                }
                WatchEvent::Deleted(value) => {
                    let last = Object::new(value);
                    self.known.remove(last.key());
                    self.tell(last.resource_version(), Some(Arc::new(last)), None);
                }
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(_) => return,
            }
            if self.news.is_closed() {
                return;
            }
        }
    }
}
