//! Effects: the machine's actions as requests, and what their answers mean.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::api::Preconditions;
use kube::api::{Api, DeleteParams, EvictParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::live::Live;
use super::{Core, Error, FIELD_MANAGER};
use crate::machine::{Action, Outcome, Seen};
use crate::task::{ObjectKey, PatchKind};

/// Sends one action. Only what says something of the action itself is an outcome; whatever says
/// something of the connection or the server's state of health is a hindrance.
pub(super) async fn perform(core: &Core, action: &Action) -> Outcome {
    core.metrics.count("maestro_effects_total", name(action));
    let result = match action {
        Action::Apply { object } => apply(core, object).await.map(Some),
        Action::Create { object } => create(core, object).await,
        Action::Delete { key, uid } => return delete(core, key, uid, &deletion(uid)).await,
        Action::Evict { key, uid, force: true } => {
            let params = DeleteParams { grace_period_seconds: Some(0), ..deletion(uid) };
            return delete(core, key, uid, &params).await;
        }
        Action::Evict { key, uid, force: false } => return evict(core, key, uid).await,
        Action::Patch { key, kind, body } => patch(core, key, *kind, body).await.map(Some),
        Action::Scale { key, replicas } => scale(core, key, *replicas).await,
    };
    match result {
        Ok(Some(object)) => Outcome::Done(Seen::of(&object)),
        Ok(None) => Outcome::Hindered("it vanished in between".to_owned()),
        Err(error) => judge(action, &error),
    }
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::Apply { .. } => "apply",
        Action::Create { .. } => "create",
        Action::Delete { .. } => "delete",
        Action::Evict { .. } => "evict",
        Action::Patch { .. } => "patch",
        Action::Scale { .. } => "scale",
    }
}

/// Whether an error will go away by itself.
fn judge(action: &Action, error: &Error) -> Outcome {
    let text = error.to_string();
    let Error::Api(api) = error else { return Outcome::Hindered(text) };
    let kube::Error::Api(status) = &**api else { return Outcome::Hindered(text) };
    // The test of a JSON patch fails when the object changed in between.
    let raced = matches!(action, Action::Patch { kind: PatchKind::Json, .. }) && status.code == 422;
    // A kind or a namespace may come into being yet, and a quota or a webhook may relent.
    match status.code {
        400 | 405 | 413 | 415 | 422 if !raced => Outcome::Refused(status.message.clone()),
        _ => Outcome::Hindered(status.message.clone()),
    }
}

/// Server-side applies an object, and notes the answer.
pub(super) async fn apply(core: &Core, object: &Value) -> Result<Arc<Value>, Error> {
    let key = ObjectKey::of(object).ok_or_else(|| Error::Changed("an object".to_owned()))?;
    let api = core.world.api_of(&key).await?;
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let applied = api.patch(&key.name, &params, &Patch::Apply(object)).await?;
    note(core, &key, applied)
}

async fn create(core: &Core, object: &Value) -> Result<Option<Arc<Value>>, Error> {
    let key = ObjectKey::of(object).ok_or_else(|| Error::Changed("an object".to_owned()))?;
    let api = core.world.api_of(&key).await?;
    let body = Live::from(object.clone());
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run: false };
    match api.create(&params, &body).await {
        Ok(created) => note(core, &key, created).map(Some),
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            Ok(core.world.read(&key).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// How what was seen, and nothing else, is deleted.
fn deletion(uid: &str) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
        ..DeleteParams::background()
    }
}

/// Asks for an eviction. A budget that forbids it now may allow it later.
async fn evict(core: &Core, key: &ObjectKey, uid: &str) -> Outcome {
    let gone = Outcome::Done(Seen { uid: uid.to_owned(), generation: 0 });
    let api = Api::<Pod>::namespaced(core.client.clone(), &key.namespace);
    let params = EvictParams {
        delete_options: Some(DeleteParams { propagation_policy: None, ..deletion(uid) }),
        post_options: PostParams::default(),
    };
    match api.evict(&key.name, &params).await {
        Ok(_) => gone,
        Err(kube::Error::Api(status)) if status.code == 404 => {
            core.world.note_gone(key);
            gone
        }
        Err(kube::Error::Api(status)) if status.code == 409 => {
            // The pod that was seen is gone: another bears its name.
            let _ = core.world.read(key).await;
            gone
        }
        Err(error) => Outcome::Hindered(error.to_string()),
    }
}

async fn delete(core: &Core, key: &ObjectKey, uid: &str, params: &DeleteParams) -> Outcome {
    let gone = Seen { uid: uid.to_owned(), generation: 0 };
    let sent = match core.world.api_of(key).await {
        Ok(api) => api.delete(&key.name, params).await.map_err(Error::from),
        Err(error) => Err(error),
    };
    match sent {
        Ok(either) => {
            if let Some(object) = either.left() {
                // It stays until its finalizers are gone.
                let _ = note(core, key, object);
            }
            Outcome::Done(gone)
        }
        Err(Error::Api(error)) if is_status(&error, 404) => {
            core.world.note_gone(key);
            Outcome::Done(gone)
        }
        Err(Error::Api(error)) if is_status(&error, 409) => {
            // Another object bears the name now: look at it before anything is deleted.
            let _ = core.world.read(key).await;
            Outcome::Hindered("another object bears its name".to_owned())
        }
        Err(error) => judge(&Action::Delete { key: key.clone(), uid: uid.to_owned() }, &error),
    }
}

async fn patch(
    core: &Core,
    key: &ObjectKey,
    kind: PatchKind,
    body: &Value,
) -> Result<Arc<Value>, Error> {
    let api = core.world.api_of(key).await?;
    let params =
        PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patched = match kind {
        PatchKind::Merge => api.patch(&key.name, &params, &Patch::Merge(body)).await?,
        PatchKind::Strategic => api.patch(&key.name, &params, &Patch::Strategic(body)).await?,
        PatchKind::Json => {
            let operations = serde_json::from_value(body.clone())?;
            api.patch(&key.name, &params, &Patch::Json::<()>(operations)).await?
        }
    };
    note(core, key, patched)
}

async fn scale(core: &Core, key: &ObjectKey, replicas: i64) -> Result<Option<Arc<Value>>, Error> {
    let api = core.world.api_of(key).await?;
    let body = json!({"spec": {"replicas": replicas}});
    let params =
        PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch_scale(&key.name, &params, &Patch::Merge(&body)).await?;
    // The answer is a Scale; the workload itself tells the generation to wait for.
    core.world.read(key).await
}

fn note(core: &Core, key: &ObjectKey, object: Live) -> Result<Arc<Value>, Error> {
    let value = Arc::new(object.into_value(&key.api_version, &key.kind));
    core.world.note(&value);
    Ok(value)
}

fn is_status(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}
