//! An ordinary kube-rs operator, written as its users write them: it mirrors each ConfigMap
//! labelled `mirror=yes` into a Secret.
//!
//! It uses what makes a run hard to repeat: owned and watched kinds, a finalizer, an event
//! recorder, several reconciliations at a time, maps with std's random keys.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::finalizer::{Event as Finalizing, finalizer};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Client, Resource as _, ResourceExt as _};

/// The operator's error: whatever kube says.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request failed.
    #[error("request: {0}")]
    Request(#[from] kube::Error),
    /// The finalizer could not be kept.
    #[error("finalizer: {0}")]
    Finalizer(String),
}

struct Shared {
    client: Client,
    recorder: Recorder,
}

/// Runs the operator until it is dropped.
pub async fn run(client: Client, identity: &str) {
    let mirrored = watcher::Config::default().labels("mirror=yes");
    let reporter = Reporter { controller: "mirror".into(), instance: Some(identity.into()) };
    let shared = Arc::new(Shared {
        recorder: Recorder::new(client.clone(), reporter),
        client: client.clone(),
    });
    Controller::new(Api::<ConfigMap>::all(client.clone()), mirrored)
        .owns(Api::<Secret>::all(client.clone()), watcher::Config::default())
        .watches(Api::<Service>::all(client), watcher::Config::default(), |service: Service| {
            let namespace = service.namespace().unwrap_or_default();
            service.annotations().get("mirror").map(|name| ObjectRef::new(name).within(&namespace))
        })
        .with_config(Config::default().concurrency(3))
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(5)), shared)
        .for_each(|_| futures::future::ready(()))
        .await;
}

async fn reconcile(source: Arc<ConfigMap>, shared: Arc<Shared>) -> Result<Action, Error> {
    let namespace = source.namespace().unwrap_or_default();
    let api: Api<ConfigMap> = Api::namespaced(shared.client.clone(), &namespace);
    finalizer(&api, "mirror.example.com/cleanup", source, |event| async {
        match event {
            Finalizing::Apply(source) => mirror(&source, &shared).await,
            Finalizing::Cleanup(_) => Ok(Action::await_change()),
        }
    })
    .await
    .map_err(|error| Error::Finalizer(error.to_string()))
}

async fn mirror(source: &ConfigMap, shared: &Shared) -> Result<Action, Error> {
    let namespace = source.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(shared.client.clone(), &namespace);
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(source.name_any()),
            owner_references: source.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        string_data: source.data.clone(),
        ..Secret::default()
    };
    let params = PatchParams::apply("mirror").force();
    api.patch(&source.name_any(), &params, &Patch::Apply(secret)).await?;
    let event = Event {
        type_: EventType::Normal,
        reason: "Mirrored".into(),
        note: Some(format!("mirrored {}", source.name_any())),
        action: "Mirror".into(),
        secondary: None,
    };
    shared.recorder.publish(&event, &source.object_ref(&())).await?;
    Ok(Action::requeue(Duration::from_secs(300)))
}
