//! The controller of one package's kind: its instances' reconciles, queued by kube's runtime and
//! woken by whatever happens to an instance, its executions and its objects.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::Shared;
use futures::{FutureExt, Stream, StreamExt, future, stream};
use kube::ResourceExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::controller::{self, Action, applier};
use kube::runtime::reflector::{ObjectRef, store};
use kube::runtime::watcher::{self, watcher};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::ending::{until_ended, why};
use super::kinds::Served;
use super::live::Live;
use super::memory::Memory;
use super::{Core, Error, Shutdown, instance};

/// The longest wait before a failed reconcile is repeated.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// How long a reconcile waits for what else happens: what moves a pod moves its set and its budget
/// next. It never waits longer, whatever goes on happening.
const TOGETHER: Duration = Duration::from_millis(100);

/// One package's kind and what is remembered of its instances.
pub(super) struct Kind {
    pub(super) core: Arc<Core>,
    /// The Framework's name.
    pub(super) framework: String,
    /// How the kind is served.
    pub(super) served: Served,
    /// Memories by the instance's UID; each is taken out while its instance is reconciled.
    memories: Mutex<BTreeMap<String, Memory>>,
}

/// A running controller; it ends when this is dropped.
pub(super) struct Controller {
    task: JoinHandle<()>,
    core: Arc<Core>,
    kind: String,
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.task.abort();
        self.core.world.remove_route(&self.kind);
    }
}

impl Controller {
    /// Waits until the controller has ended of itself, after a shutdown.
    pub(super) async fn ended(mut self) {
        let _ = (&mut self.task).await;
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

/// Starts the controller of a kind.
pub(super) fn start(
    core: Arc<Core>,
    framework: &str,
    served: Served,
    shutdown: Shared<Shutdown>,
) -> Controller {
    let name = served.resource.kind.clone();
    let kind = Arc::new(Kind {
        core: core.clone(),
        framework: framework.to_owned(),
        served,
        memories: Mutex::default(),
    });
    let task = tokio::spawn(work(kind, shutdown));
    Controller { task, core, kind: name }
}

async fn work(kind: Arc<Kind>, shutdown: Shared<Shutdown>) {
    let core = kind.core.clone();
    let resource = kind.served.resource.clone();
    let api = core.world.api(&kind.served, "");
    let mut writer = store::Writer::new(resource.clone());
    let reader = writer.as_reader();
    let (route, routed) = mpsc::unbounded_channel();
    core.world.add_route(&resource.kind, &kind.served, route);
    let own = watcher(api, watcher::Config::default()).default_backoff().flat_map({
        let kind = kind.clone();
        move |event| {
            let touched = match event {
                Ok(event) => {
                    writer.apply_watcher_event(&event);
                    kind.touched(&event)
                }
                Err(error) => {
                    tracing::warn!(
                        kind = kind.name(),
                        error = why(&error),
                        "a watch was interrupted"
                    );
                    Vec::new()
                }
            };
            stream::iter(touched)
        }
    });
    let routed = stream::unfold(routed, |mut routed: mpsc::UnboundedReceiver<_>| async move {
        routed.recv().await.map(|target| (target, routed))
    });
    let queue = gathered(stream::select(Box::pin(own), Box::pin(routed)), TOGETHER)
        .map(Ok::<ObjectRef<Live>, watcher::Error>)
        .take_until(shutdown.clone());
    let config = controller::Config::default().concurrency(core.concurrency);
    let reconcile =
        |object: Arc<Live>, kind: Arc<Kind>| Box::pin(async move { reconcile(object, kind).await });
    let work = applier(reconcile, backoff, kind.clone(), reader.clone(), Box::pin(queue), config)
        .for_each(|result| {
            if let Err(controller::Error::ReconcilerFailed(error, object)) = result {
                tracing::warn!(%object, error = why(&error), "a reconcile failed and is repeated");
            }
            future::ready(())
        });
    until_ended(work, reader, shutdown).await;
}

/// The items of a stream without what is repeated within a while of the first.
fn gathered<T: PartialEq>(
    items: impl Stream<Item = T> + Unpin,
    within: Duration,
) -> impl Stream<Item = T> {
    let chunks = stream::unfold(items, move |mut items| async move {
        let mut chunk = vec![items.next().await?];
        tokio::time::sleep(within).await;
        while let Some(Some(item)) = items.next().now_or_never() {
            if !chunk.contains(&item) {
                chunk.push(item);
            }
        }
        Some((stream::iter(chunk), items))
    });
    chunks.flatten()
}

impl Kind {
    /// The kind's name.
    pub(super) fn name(&self) -> &str {
        &self.served.resource.kind
    }

    fn touched(&self, event: &watcher::Event<Live>) -> Vec<ObjectRef<Live>> {
        match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                vec![ObjectRef::from_obj_with(object, self.served.resource.clone())]
            }
            watcher::Event::Delete(object) => {
                self.memories().remove(&object.uid().unwrap_or_default());
                Vec::new()
            }
            watcher::Event::Init | watcher::Event::InitDone => Vec::new(),
        }
    }

    fn memories(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Memory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn reconcile(object: Arc<Live>, kind: Arc<Kind>) -> Result<Action, Error> {
    let uid = object.uid().unwrap_or_default();
    let mut memory = kind.memories().remove(&uid).unwrap_or_default();
    kind.core.metrics.count("maestro_reconciles_total", kind.name());
    let result = instance::reconcile(&kind, &object, &mut memory).await;
    match &result {
        Ok(_) => memory.failures = 0,
        Err(_) => {
            memory.failures = memory.failures.saturating_add(1);
            kind.core.metrics.count("maestro_reconcile_errors_total", kind.name());
        }
    }
    kind.memories().insert(uid, memory);
    result.map(|wait| wait.map_or_else(Action::await_change, Action::requeue))
}

/// Deterministic exponential backoff; what was changed in between is looked at again at once.
fn backoff(object: Arc<Live>, error: &Error, kind: Arc<Kind>) -> Action {
    let failures = kind
        .memories()
        .get(&object.uid().unwrap_or_default())
        .map_or(1, |memory| memory.failures.max(1));
    let first = if matches!(error, Error::Changed(_)) { 100 } else { 1000 };
    let wait = Duration::from_millis(first).saturating_mul(2u32.saturating_pow(failures - 1));
    Action::requeue(wait.min(LONGEST_BACKOFF))
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::unbounded;
    use tokio::time::{Instant, sleep};

    use super::*;

    /// What is sent at which millisecond, and what comes when.
    #[tokio::test(start_paused = true)]
    async fn what_happens_together_comes_once_and_is_never_put_off() {
        let (sender, items) = unbounded();
        let start = Instant::now();
        let sending = async move {
            // Something happens every 30 ms for a while, and once more later.
            for (index, item) in ["a", "b", "a", "a", "c", "a"].into_iter().enumerate() {
                sender.unbounded_send(item).unwrap();
                sleep(Duration::from_millis(if index == 4 { 200 } else { 30 })).await;
            }
        };
        let came = gathered(items, TOGETHER).map(|item| (item, start.elapsed().as_millis()));
        let (came, ()) = future::join(came.collect::<Vec<_>>(), sending).await;
        assert_eq!(came, [("a", 100), ("b", 100), ("c", 220), ("a", 420)]);
    }
}
