//! How controllers end, and what is said when a watch does.

use std::future::Future;
use std::hash::Hash;
use std::pin::pin;

use futures::FutureExt;
use futures::future::{Shared, select};
use kube::runtime::reflector::{Lookup, Store};
use kube::runtime::watcher;

use super::Shutdown;

/// Waits until a controller has ended, which it does after the shutdown when the reconciles under
/// way have. Before its store has listed everything it has begun none, and waits for the store
/// alone: for ever, where the server does not answer.
pub(super) async fn until_ended<K>(
    work: impl Future<Output = ()>,
    store: Store<K>,
    shutdown: Shared<Shutdown>,
) where
    K: Lookup + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    let idle = async {
        shutdown.await;
        if store.wait_until_ready().now_or_never().is_some() {
            std::future::pending::<()>().await;
        }
    };
    select(pin!(work), pin!(idle)).await;
}

/// An error with what caused it: the first of them alone seldom says what to do.
pub(super) fn why(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Many an error says what its cause says.
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// Tells of a watch that is begun anew. That the kinds are not there is for a person to mend.
pub(super) fn interrupted(error: &watcher::Error) {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    };
    if status.is_some_and(|status| status.code == 404) {
        tracing::error!("the server has no Frameworks: apply what `maestro crds` prints");
    } else {
        tracing::warn!(error = why(error), "the watch of Frameworks was interrupted");
    }
}

/// A shared shutdown as kube's runtime takes it.
pub(super) trait MapToUnit {
    fn map_to_unit(self) -> impl Future<Output = ()> + Send + Sync + 'static;
}

impl MapToUnit for Shared<Shutdown> {
    fn map_to_unit(self) -> impl Future<Output = ()> + Send + Sync + 'static {
        let (done, ended) = tokio::sync::watch::channel(());
        let task = tokio::spawn(async move {
            self.await;
            drop(done);
        });
        let mut ended = ended;
        async move {
            let _ = ended.changed().await;
            drop(task);
        }
    }
}
