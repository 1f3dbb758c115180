//! One reconcile of one instance: decide from the journal, run what is to be run, repair drift in
//! between, say how it stands.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::EventType;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::instances::Kind;
use super::journal::{self, Owner};
use super::live::Live;
use super::memory::Memory;
use super::world::key_of;
use super::{CLEANUP_FINALIZER, Core, Error, advance, clock, drift, history, status, triggers};
use crate::execution::choose::{Decision, Desired, Start, baseline, decide, first_version};
use crate::execution::history::LIMIT;
use crate::execution::{Moment, PlanExecution};
use crate::framework::{FrameworkVersionSpec, GROUP, VERSION};
use crate::machine::Observed;
use crate::parameters;
use crate::task::ObjectKey;

/// More decisions in one reconcile than any instance needs; a guard against deciding in circles.
const MOST_DECISIONS: usize = 16;
/// How long to wait for a Framework version that is not there.
const BLOCKED: Duration = Duration::from_secs(30);

/// What one reconcile works on.
pub(super) struct Work<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) instance: Value,
    pub(super) owner: Owner<'a>,
    pub(super) memory: &'a mut Memory,
}

/// What came of a reconcile, for the status.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) wake: Option<Moment>,
    pub(super) blocked: Option<(String, String)>,
    pub(super) version: Option<Arc<FrameworkVersionSpec>>,
    pub(super) released: bool,
}

/// Reconciles an instance; the wait until it must be looked at again, if any.
pub(super) async fn reconcile(
    kind: &Kind,
    object: &Live,
    memory: &mut Memory,
) -> Result<Option<Duration>, Error> {
    let resource = &kind.served.resource;
    let key = key_of(&resource.api_version, &resource.kind, object);
    let instance = object.clone().into_value(&resource.api_version, &resource.kind);
    let deleting = instance["metadata"]["deletionTimestamp"].is_string();
    if deleting && !has_finalizer(&instance) {
        return Ok(None);
    }
    let uid = object.uid().unwrap_or_default();
    kind.core.world.ensure(&journal::api_version(), "PlanExecution").await?;
    kind.core.world.ensure(&journal::api_version(), "FrameworkVersion").await?;
    if !deleting && !has_finalizer(&instance) {
        hold(kind, &key, &instance).await?;
    }
    let owner = Owner {
        api_version: &resource.api_version,
        kind: &resource.kind,
        namespace: &key.namespace,
        name: &key.name,
        uid: &uid,
    };
    let mut work = Work { core: &kind.core, instance, owner, memory };
    let outcome = drive(&mut work, &kind.framework).await?;
    if outcome.released {
        let_go(kind, &key, &work.instance).await?;
        return Ok(None);
    }
    let change = status::write(&mut work, kind, &key, &outcome).await?;
    let now = clock::now();
    Ok(earlier(outcome.wake, change).map(|wake| wake.since(now).max(Duration::from_millis(1))))
}

async fn drive(work: &mut Work<'_>, framework: &str) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    for _ in 0..MOST_DECISIONS {
        // Each decision asks anew; what an earlier one wanted to be woken for may be done.
        outcome.wake = None;
        let history = journal::history(&work.core.world, work.memory, &work.owner).await?;
        let Some((version, desired)) = desire(work, framework, &history, &mut outcome).await?
        else {
            return Ok(outcome);
        };
        outcome.version = Some(version.clone());
        match decide(&version.spec, &desired, &history) {
            Decision::Start(start) => begin(work, &start).await?,
            Decision::Supersede(at, why) => {
                let Some(run) = history.get(at) else { break };
                supersede(work, run, why).await?;
            }
            Decision::Continue(at) => {
                let Some(run) = history.get(at) else { break };
                let before = run.state();
                let wake = advance::advance(work, framework, run, desired.suspended).await?;
                outcome.wake = earlier(outcome.wake, wake.at);
                if !wake.over || before == wake.state {
                    return Ok(outcome);
                }
            }
            Decision::Rest => {
                if !desired.suspended && !desired.deleting {
                    let wake = drift::repair(work, framework, &history).await?;
                    outcome.wake = earlier(outcome.wake, wake);
                    let limit = version.spec.history_limit.unwrap_or(LIMIT);
                    history::prune(work, framework, &history, limit).await?;
                }
                return Ok(outcome);
            }
            Decision::Release => {
                history::sweep(work, framework, &history).await?;
                outcome.released = true;
                return Ok(outcome);
            }
        }
    }
    outcome.wake = Some(clock::now().after(Duration::from_secs(1)));
    Ok(outcome)
}

/// What the instance asks for; none, with a reason in the outcome, when that cannot be had.
async fn desire(
    work: &Work<'_>,
    framework: &str,
    history: &[PlanExecution],
    outcome: &mut Outcome,
) -> Result<Option<(Arc<FrameworkVersionSpec>, Desired)>, Error> {
    let spec = &work.instance["spec"];
    let metadata = &work.instance["metadata"];
    let deleting = metadata["deletionTimestamp"].is_string();
    let covered = baseline(history).and_then(|one| one.spec.framework_version.clone());
    let sticky = covered.clone().or_else(|| first_version(history));
    let asked = spec["version"].as_str().map(str::to_owned).or_else(|| sticky.clone());
    let name = match asked {
        Some(name) => name,
        None => match current(work.core, framework).await? {
            Some(version) => version,
            None => return Ok(block(outcome, "NoFramework", "the framework does not exist")),
        },
    };
    let mut found = snapshot(work.core, framework, &name).await?;
    if found.is_none() && deleting {
        // What was never run needs no cleanup; what was, needs the version it ran.
        found = snapshot(work.core, framework, &sticky.clone().unwrap_or_default()).await?;
        if found.is_none() {
            outcome.released = true;
            return Ok(None);
        }
    }
    let Some(version) = found else {
        let text = format!("the framework {framework} has no version {name}");
        return Ok(block(outcome, "NoVersion", &text));
    };
    if let (Some(from), false) = (&covered, deleting)
        && let Some(why) = not_upgradable(&version, from)
    {
        return Ok(block(outcome, "NotUpgradable", &why));
    }
    let given = match parameters::resolve(&version.spec, spec) {
        Ok(given) => given,
        Err(_) if deleting => json!({}),
        Err(errors) => {
            let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
            return Ok(block(outcome, "InvalidParameters", &texts.join("; ")));
        }
    };
    let mut desired = Desired {
        generation: metadata["generation"].as_i64().unwrap_or_default(),
        version: version.version.clone(),
        parameters: without_nulls(given),
        deleting,
        suspended: spec["suspend"] == true && !deleting,
        fired: Vec::new(),
    };
    let asked = triggers::ask(work, &version, &desired, history).await?;
    desired.fired = asked.fired;
    outcome.wake = earlier(outcome.wake, asked.wake);
    Ok(Some((version, desired)))
}

fn block<T>(outcome: &mut Outcome, reason: &str, message: &str) -> Option<T> {
    outcome.blocked = Some((reason.to_owned(), message.to_owned()));
    outcome.wake = Some(clock::now().after(BLOCKED));
    None
}

/// Null says that a parameter is not set; the journal leaves it out.
fn without_nulls(given: Value) -> BTreeMap<String, Value> {
    match given {
        Value::Object(fields) => {
            let fields: Map<String, Value> = fields;
            fields.into_iter().filter(|(_, value)| !value.is_null()).collect()
        }
        _ => BTreeMap::new(),
    }
}

fn not_upgradable(version: &FrameworkVersionSpec, from: &str) -> Option<String> {
    let range = version.spec.upgradable_from.as_deref()?;
    let to = semver::Version::parse(&version.version).ok()?;
    let from_version = semver::Version::parse(from).ok()?;
    let allowed = semver::VersionReq::parse(range).ok()?.matches(&from_version);
    (to > from_version && !allowed)
        .then(|| format!("version {to} can be reached from {range} only, not from {from}"))
}

async fn begin(work: &mut Work<'_>, start: &Start) -> Result<(), Error> {
    journal::create(work.core, work.memory, &work.owner, start).await?;
    let note = format!("plan {} covers generation {}", start.plan, start.generation);
    let reason = format!("{:?}", start.cause);
    work.core.events.tell(&work.instance, EventType::Normal, &reason, &note).await;
    Ok(())
}

async fn supersede(work: &mut Work<'_>, run: &PlanExecution, why: String) -> Result<(), Error> {
    let observed = Observed { superseded: Some(why), ..Observed::default() };
    advance::stop(work, run, &observed).await
}

/// The version a Framework has at present.
async fn current(core: &Core, framework: &str) -> Result<Option<String>, Error> {
    let api = kube::Api::<crate::framework::Framework>::all(core.client.clone());
    Ok(api.get_opt(framework).await?.map(|framework| framework.spec.version))
}

/// A snapshot of a Framework, if there is one of that version. It never changes, so it is read
/// from its object once.
pub(super) async fn snapshot(
    core: &Core,
    framework: &str,
    version: &str,
) -> Result<Option<Arc<FrameworkVersionSpec>>, Error> {
    let key = ObjectKey {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: "FrameworkVersion".to_owned(),
        namespace: String::new(),
        name: crate::framework::FrameworkVersion::object_name(framework, version),
    };
    let Some(value) = core.world.get(&key) else { return Ok(None) };
    let lock = || core.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((from, read)) = lock().get(&key)
        && Arc::ptr_eq(from, &value)
    {
        return Ok(Some(read.clone()));
    }
    let read = Arc::new(FrameworkVersionSpec::deserialize(&value["spec"])?);
    lock().insert(key, (value, read.clone()));
    Ok(Some(read))
}

fn has_finalizer(instance: &Value) -> bool {
    let finalizers = instance["metadata"]["finalizers"].as_array();
    finalizers.is_some_and(|all| all.iter().any(|one| one == CLEANUP_FINALIZER))
}

async fn hold(kind: &Kind, key: &ObjectKey, instance: &Value) -> Result<(), Error> {
    let mut finalizers = instance["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    finalizers.push(json!(CLEANUP_FINALIZER));
    set_finalizers(kind, key, instance, &finalizers).await
}

async fn let_go(kind: &Kind, key: &ObjectKey, instance: &Value) -> Result<(), Error> {
    let mut finalizers = instance["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    finalizers.retain(|one| one != CLEANUP_FINALIZER);
    set_finalizers(kind, key, instance, &finalizers).await
}

async fn set_finalizers(
    kind: &Kind,
    key: &ObjectKey,
    instance: &Value,
    finalizers: &[Value],
) -> Result<(), Error> {
    let api = kind.core.world.api(&kind.served, &key.namespace);
    let body = json!({"metadata": {
        "finalizers": finalizers,
        "uid": instance["metadata"]["uid"],
        "resourceVersion": instance["metadata"]["resourceVersion"],
    }});
    match api.patch(&key.name, &PatchParams::default(), &Patch::Merge(&body)).await {
        Ok(_) => Ok(()),
        // It is gone, or has changed, which is an event of its own.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(kube::Error::Api(status)) if status.is_conflict() => {
            Err(Error::Changed(format!("{} {}", key.kind, key.name)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The earlier of two moments, if there is any.
pub(super) fn earlier(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
