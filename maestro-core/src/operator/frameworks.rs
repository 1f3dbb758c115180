//! The controller of Frameworks: snapshots, the package's CRD, and the start and end of the
//! controller of the package's kind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::{self, Shared};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::events::EventType;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use super::ending::{MapToUnit, interrupted, until_ended, why};
use super::kinds::Served;
use super::{Core, Error, FIELD_MANAGER, FRAMEWORK_FINALIZER, Shutdown, clock, instances};
use crate::framework::{
    Framework, FrameworkVersion, FrameworkVersionSpec, GROUP, PACKAGE_GROUP, VERSION,
};
use crate::health::{Health, health};
use crate::package::crd::crd_value;

/// The annotation of a CRD that names the Framework it was made from.
const FRAMEWORK: &str = "maestro.dev/framework";
/// How often a Framework that is being deleted looks for instances that are left.
const LEFT: Duration = Duration::from_secs(5);
/// How soon a CRD that was refused is tried again.
const REFUSED: Duration = Duration::from_secs(300);

struct Packages {
    core: Arc<Core>,
    shutdown: Shared<Shutdown>,
    /// Controllers of packages' kinds, by the Framework's name.
    running: Mutex<BTreeMap<String, instances::Controller>>,
    failures: Mutex<BTreeMap<String, u32>>,
}

/// Runs until the shutdown, and until every reconcile under way has ended.
pub(super) async fn run(core: Arc<Core>, shutdown: Shared<Shutdown>) -> Result<(), Error> {
    let frameworks = Api::<Framework>::all(core.client.clone());
    let crds = Api::<CustomResourceDefinition>::all(core.client.clone());
    let packages = Arc::new(Packages {
        core,
        shutdown: shutdown.clone(),
        running: Mutex::default(),
        failures: Mutex::default(),
    });
    let of_crd = |crd: CustomResourceDefinition| {
        crd.annotations().get(FRAMEWORK).map(|name| ObjectRef::<Framework>::new(name))
    };
    let mine = watcher::Config::default().labels("app.kubernetes.io/managed-by=maestro");
    let controller = Controller::new(frameworks, watcher::Config::default());
    let store = controller.store();
    let work = controller
        .watches(crds, mine, of_crd)
        .graceful_shutdown_on(shutdown.clone().map_to_unit())
        .run(
            |framework, packages| Box::pin(async move { reconcile(framework, packages).await }),
            backoff,
            packages.clone(),
        )
        .for_each(|result| {
            use kube::runtime::controller::Error as Failure;
            match result {
                Err(Failure::ReconcilerFailed(error, object)) => {
                    tracing::warn!(%object, error = why(&error), "a reconcile failed and is repeated");
                }
                Err(Failure::QueueError(error)) => interrupted(&error),
                // What was queued and is gone by now needs no reconcile.
                Err(_) | Ok(_) => {}
            }
            future::ready(())
        });
    until_ended(work, store, shutdown.clone()).await;
    if shutdown.peek().is_none() {
        return Err(Error::Ended);
    }
    let running = std::mem::take(&mut *packages.running());
    for controller in running.into_values() {
        controller.ended().await;
    }
    Ok(())
}

impl Packages {
    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, instances::Controller>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, name: &str) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(name.to_owned()).or_insert(0);
        *count = count.saturating_add(1);
        *count
    }

    fn succeed(&self, name: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "kube's runtime calls it so")]
fn backoff(framework: Arc<Framework>, _: &Error, packages: Arc<Packages>) -> Action {
    let failures = packages.fail(&framework.name_any());
    let wait = Duration::from_secs(1).saturating_mul(2u32.saturating_pow(failures - 1));
    Action::requeue(wait.min(Duration::from_secs(60)))
}

async fn reconcile(framework: Arc<Framework>, packages: Arc<Packages>) -> Result<Action, Error> {
    let action = if framework.metadata.deletion_timestamp.is_some() {
        dismiss(&framework, &packages).await?
    } else {
        serve(&framework, &packages).await?
    };
    packages.succeed(&framework.name_any());
    Ok(action)
}

/// A Framework's kind is served and controlled.
async fn serve(framework: &Framework, packages: &Packages) -> Result<Action, Error> {
    let core = &packages.core;
    if !framework.finalizers().iter().any(|one| one == FRAMEWORK_FINALIZER) {
        let mut finalizers = framework.finalizers().to_vec();
        finalizers.push(FRAMEWORK_FINALIZER.to_owned());
        set_finalizers(core, framework, &finalizers).await?;
    }
    if let Some(why) = take_snapshot(core, framework).await? {
        go_on(framework, packages).await?;
        report(core, framework, false, "VersionIsImmutable", &why).await?;
        return Ok(Action::await_change());
    }
    let crd = match apply_crd(core, framework).await? {
        Ok(crd) => crd,
        Err(why) => {
            go_on(framework, packages).await?;
            report(core, framework, false, "InvalidCustomResourceDefinition", &why).await?;
            // What refuses it may be an admission webhook or policy, whose change is not watched.
            return Ok(Action::requeue(REFUSED));
        }
    };
    match health(&crd) {
        Health::Healthy => {}
        Health::Progressing(why) => {
            report(core, framework, false, "Establishing", &why).await?;
            // The CRD is watched; this is for the answer that was lost.
            return Ok(Action::requeue(Duration::from_secs(30)));
        }
        Health::Failed(why) => {
            report(core, framework, false, "NamesNotAccepted", &why).await?;
            return Ok(Action::await_change());
        }
    }
    control(framework, packages);
    report(core, framework, true, "Established", "instances can be created").await?;
    Ok(Action::await_change())
}

/// Starts the controller of a Framework's kind, unless it runs.
fn control(framework: &Framework, packages: &Packages) {
    let name = framework.name_any();
    let mut running = packages.running();
    if running.get(&name).is_none_or(instances::Controller::is_over) {
        let (core, shutdown) = (packages.core.clone(), packages.shutdown.clone());
        running.insert(name.clone(), instances::start(core, &name, served(framework), shutdown));
    }
}

/// A Framework's new spec is refused. Its instances run on all the same, each at the version that
/// it names, if their kind is served: also when the operator starts only now.
async fn go_on(framework: &Framework, packages: &Packages) -> Result<(), Error> {
    let live = packages.core.world.read(&crd_key(framework)).await?;
    let is_own = |crd: &Value| {
        crd["metadata"]["annotations"][FRAMEWORK] == framework.name_any()
            && crd["spec"]["names"]["kind"] == framework.spec.names.kind
    };
    if live.is_some_and(|crd| is_own(&crd) && matches!(health(&crd), Health::Healthy)) {
        control(framework, packages);
    }
    Ok(())
}

/// A Framework goes when no instance of its kind is left, and its CRD with it.
async fn dismiss(framework: &Framework, packages: &Packages) -> Result<Action, Error> {
    let core = &packages.core;
    let name = framework.name_any();
    if !framework.finalizers().iter().any(|one| one == FRAMEWORK_FINALIZER) {
        return Ok(Action::await_change());
    }
    let api = core.world.api(&served(framework), "");
    let left = match api.list(&ListParams::default().limit(1)).await {
        Ok(list) => list.items.len(),
        Err(kube::Error::Api(status)) if status.code == 404 => 0,
        Err(error) => return Err(error.into()),
    };
    if left > 0 {
        control(framework, packages);
        let why = format!("instances of {} are left; delete them first", framework.spec.names.kind);
        report(core, framework, false, "InstancesLeft", &why).await?;
        return Ok(Action::requeue(LEFT));
    }
    packages.running().remove(&name);
    let crds = Api::<CustomResourceDefinition>::all(core.client.clone());
    if let Some(crd) = crds.get_opt(&framework.spec.crd_name()).await?
        && crd.annotations().get(FRAMEWORK) == Some(&name)
        && crd.metadata.deletion_timestamp.is_none()
    {
        let params = DeleteParams {
            preconditions: Some(kube::api::Preconditions {
                uid: crd.metadata.uid,
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        ignore_missing(crds.delete(&framework.spec.crd_name(), &params).await.map(|_| ()))?;
    }
    let mut finalizers = framework.finalizers().to_vec();
    finalizers.retain(|one| one != FRAMEWORK_FINALIZER);
    ignore_missing_error(set_finalizers(core, framework, &finalizers).await)?;
    Ok(Action::await_change())
}

/// Makes the immutable snapshot of the present spec; a reason, if there is a different one.
async fn take_snapshot(core: &Core, framework: &Framework) -> Result<Option<String>, Error> {
    let name = framework.name_any();
    let spec = FrameworkVersionSpec::of(&name, &framework.spec);
    let object_name = FrameworkVersion::object_name(&name, &spec.version);
    let api = Api::<FrameworkVersion>::all(core.client.clone());
    let kind = format!("{GROUP}/{VERSION}");
    core.world.ensure(&kind, "FrameworkVersion").await?;
    let known = crate::task::ObjectKey {
        api_version: kind.clone(),
        kind: "FrameworkVersion".to_owned(),
        namespace: String::new(),
        name: object_name.clone(),
    };
    let existing = match core.world.get(&known) {
        Some(value) => Some(value["spec"]["digest"].as_str().unwrap_or_default().to_owned()),
        None => {
            let mut snapshot = FrameworkVersion::new(&object_name, spec.clone());
            snapshot.metadata.owner_references =
                framework.controller_owner_ref(&()).map(|owner| vec![owner]);
            match api.create(&PostParams::default(), &snapshot).await {
                Ok(created) => {
                    let mut value = serde_json::to_value(&created)?;
                    super::world::complete(&mut value, &kind, "FrameworkVersion");
                    core.world.note(&Arc::new(value));
                    None
                }
                Err(kube::Error::Api(status)) if status.is_already_exists() => {
                    core.world.read(&known).await?.map(|value| {
                        value["spec"]["digest"].as_str().unwrap_or_default().to_owned()
                    })
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    Ok(existing.filter(|digest| *digest != spec.digest).map(|_| {
        format!("version {} was released with another spec; raise spec.version", spec.version)
    }))
}

/// Applies the package's CRD where it differs; why it is refused, if it is.
async fn apply_crd(core: &Core, framework: &Framework) -> Result<Result<Value, String>, Error> {
    let mut desired = crd_value(&framework.spec);
    desired["metadata"]["annotations"] = json!({FRAMEWORK: framework.name_any()});
    let name = framework.spec.crd_name();
    if let Some(live) = core.world.read(&crd_key(framework)).await?
        && super::drift::covers(&live, &desired)
    {
        return Ok(Ok((*live).clone()));
    }
    let api = Api::<CustomResourceDefinition>::all(core.client.clone());
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch(&name, &params, &Patch::Apply(&desired)).await {
        Ok(applied) => {
            let mut value = serde_json::to_value(&applied)?;
            super::world::complete(
                &mut value,
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
            );
            Ok(Ok(value))
        }
        Err(kube::Error::Api(status)) if status.code == 422 || status.code == 400 => {
            Ok(Err(status.message.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

fn crd_key(framework: &Framework) -> crate::task::ObjectKey {
    crate::task::ObjectKey {
        api_version: "apiextensions.k8s.io/v1".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        namespace: String::new(),
        name: framework.spec.crd_name(),
    }
}

fn served(framework: &Framework) -> Served {
    let names = &framework.spec.names;
    let gvk = GroupVersionKind::gvk(PACKAGE_GROUP, VERSION, &names.kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, &names.plural);
    Served { resource, namespaced: true }
}

async fn set_finalizers(
    core: &Core,
    framework: &Framework,
    finalizers: &[String],
) -> Result<(), Error> {
    let body = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": framework.metadata.resource_version,
    }});
    let api = Api::<Framework>::all(core.client.clone());
    let name = framework.name_any();
    match api.patch(&name, &PatchParams::default(), &Patch::Merge(&body)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_conflict() => {
            Err(Error::Changed(format!("Framework {name}")))
        }
        Err(error) => Err(error.into()),
    }
}

fn ignore_missing(result: Result<(), kube::Error>) -> Result<(), Error> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map_err(Error::from),
    }
}

fn ignore_missing_error(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::Api(error)) if matches!(&*error, kube::Error::Api(status) if status.code == 404) => {
            Ok(())
        }
        other => other,
    }
}

/// Says how a Framework stands, unless its status says so already.
async fn report(
    core: &Core,
    framework: &Framework,
    ready: bool,
    reason: &str,
    message: &str,
) -> Result<(), Error> {
    let generation = framework.metadata.generation.unwrap_or_default();
    let old = serde_json::to_value(framework.status.clone().unwrap_or_default())?;
    let was = &old["conditions"][0];
    let word = if ready { "True" } else { "False" };
    let since = if was["status"] == word {
        was["lastTransitionTime"].clone()
    } else {
        let now = clock::now().timestamp();
        json!(jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string())
    };
    let mut next = json!({
        "observedGeneration": generation,
        "conditions": [{
            "type": "Ready", "status": word, "reason": reason, "message": message,
            "observedGeneration": generation, "lastTransitionTime": since,
        }],
    });
    if ready {
        next["currentVersion"] = json!(framework.spec.version);
    } else if !old["currentVersion"].is_null() {
        next["currentVersion"] = old["currentVersion"].clone();
    }
    if old == next {
        return Ok(());
    }
    let api = Api::<Framework>::all(core.client.clone());
    let body = json!({"status": next});
    let patched = api
        .patch_status(&framework.name_any(), &PatchParams::default(), &Patch::Merge(&body))
        .await;
    ignore_missing(patched.map(|_| ()))?;
    if was["reason"] != reason {
        let mut object = serde_json::to_value(framework)?;
        super::world::complete(&mut object, &format!("{GROUP}/{VERSION}"), "Framework");
        let kind = if ready { EventType::Normal } else { EventType::Warning };
        core.events.tell(&object, kind, reason, message).await;
    }
    Ok(())
}
