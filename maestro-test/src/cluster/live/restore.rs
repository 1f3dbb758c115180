//! Taking out of a cluster that outlives a run what the run made there.
//!
//! The cluster may be in use: what others make meanwhile is theirs. A run's own is what the answers
//! to its requests said was created, by the kit, its kubelets or its operator, and what came of
//! that: dependents by their owner references, what is in a namespace, the objects of a custom
//! kind, claims on its storage, and the events about all of these.
//!
//! The operator is still there when custom objects go, newest first, as whoever uninstalls it would
//! do it: their finalizers are its own to remove. Everything else goes after it, nodes and
//! definitions at the end. Not every API server has controllers beside it, envtest's has none: what
//! is held up by a finalizer that nobody removes is let go of.
//!
//! Source of who removes what:
//! <https://kubernetes.io/docs/concepts/architecture/garbage-collection/>,
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/>.

mod found;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use maestro_sim::api::{Options, PatchType, Request, Verb};
use maestro_sim::json::json;
use tokio::time::{Instant, sleep};

use self::found::{Found, due, is_bare};
use super::claims::Claims;
use super::hand::Hand;
use super::{LOOK, SETUP, discover, follow};

/// How long operators have to let go of their custom objects.
const FAREWELL: Duration = Duration::from_secs(60);
/// How long the rest may take to go.
const REST: Duration = Duration::from_secs(120);
/// How long an object is being deleted before its finalizers count as nobody's.
const STUCK: Duration = Duration::from_secs(10);
/// The most objects that are named when some remain.
const MOST_NAMED: usize = 10;

/// What removes a run's traces.
pub struct Restore<'a> {
    client: &'a kube::Client,
    hand: &'a Hand,
    /// UIDs of what is the run's, in the order of their creation as far as that is known.
    own: Vec<String>,
    /// The same, and what came of it, also when it is gone.
    known: BTreeSet<String>,
}

impl<'a> Restore<'a> {
    /// Takes these, in the order in which they were made, for the run's own, and claims for theirs.
    pub fn new(
        client: &'a kube::Client,
        hand: &'a Hand,
        own: Vec<String>,
        claims: &Claims,
    ) -> Self {
        let mut known: BTreeSet<String> = own.iter().cloned().collect();
        known.extend(claims.of(&known));
        Self { client, hand, own, known }
    }

    /// What there still is of the run.
    async fn found(&mut self) -> Result<Vec<Found>, String> {
        let kinds = discover(self.client).await?;
        let mut all = Vec::new();
        for served in kinds.into_values().flatten() {
            // What is no longer served has gone with its definition.
            let listed = follow::list(self.client, &served).await;
            let (_, objects) = match listed {
                Err(kube::Error::Api(status)) if status.code == 404 => continue,
                listed => listed.map_err(|error| error.to_string())?,
            };
            all.extend(objects.into_values().map(|object| Found::new(&served, object)));
        }
        Ok(found::of_run(&mut self.known, all))
    }

    /// Removes the custom objects while their operators live, one after the other. What does not
    /// go is cleared away with the rest.
    pub async fn retire(&mut self) {
        let end = Instant::now() + FAREWELL;
        let Ok(found) = self.found().await else { return };
        let custom: BTreeMap<&str, &Found> = found
            .iter()
            .filter(|one| one.is_custom && !one.has_owner(&self.known))
            .map(|one| (one.object.uid(), one))
            .collect();
        for one in self.own.iter().rev().filter_map(|uid| custom.get(uid.as_str())) {
            if self.delete(one).await.is_err() {
                continue;
            }
            while Instant::now() < end && self.is_there(one).await {
                sleep(LOOK).await;
            }
        }
    }

    /// Removes what is left. `end_kubelets` is called once, before the nodes go.
    ///
    /// # Errors
    /// When something does not go: what, and what was refused last.
    pub async fn clear(&mut self, end_kubelets: impl FnOnce()) -> Result<(), String> {
        let end = Instant::now() + REST;
        let mut end_kubelets = Some(end_kubelets);
        let mut deleting: BTreeMap<String, Instant> = BTreeMap::new();
        let mut refused = None;
        loop {
            let now = Instant::now();
            let found = match self.found().await {
                Err(why) if now >= end => return Err(why),
                Err(_) => {
                    sleep(LOOK).await;
                    continue;
                }
                Ok(found) if found.is_empty() => return Ok(()),
                Ok(found) => found,
            };
            if now >= end {
                let why: Vec<String> =
                    [Some(remaining(&found)), refused].into_iter().flatten().collect();
                return Err(why.join("; "));
            }
            for one in found.iter().filter(|one| one.object.is_deleting()) {
                deleting.entry(one.object.uid().to_owned()).or_insert(now);
            }
            let is_stuck = |one: &Found| {
                deleting.get(one.object.uid()).is_some_and(|since| now >= *since + STUCK)
            };
            if is_bare(&found)
                && let Some(end_kubelets) = end_kubelets.take()
            {
                end_kubelets();
            }
            for one in due(&found, &self.known, is_stuck) {
                refused = self.delete(one).await.err().or(refused);
            }
            for one in found.iter().filter(|one| is_stuck(one)) {
                refused = self.let_go(one, &found).await.err().or(refused);
            }
            sleep(LOOK).await;
        }
    }

    fn request(&self, verb: Verb, one: &Found) -> Request {
        let key = one.object.key();
        Request {
            version: one.served.version.clone(),
            ..Request::new(SETUP, verb, one.served.resource.clone(), &key.namespace, &key.name)
        }
    }

    async fn send(&self, request: &Request) -> Result<(), String> {
        match self.hand.send(request).await {
            // It went, or was made anew, before it was its turn.
            Err(status) if matches!(status.code, 404 | 409) => Ok(()),
            Err(status) => Err(format!("{} {}: {status}", request.resource, request.name)),
            Ok(_) => Ok(()),
        }
    }

    async fn delete(&self, one: &Found) -> Result<(), String> {
        let mut body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
            "preconditions": {"uid": one.object.uid()}});
        if one.is("", "pods") {
            body["gracePeriodSeconds"] = 0.into();
        }
        self.send(&Request { body, ..self.request(Verb::Delete, one) }).await
    }

    /// Removes the finalizers of an object that waits for nobody, those of a namespace only when
    /// nothing of the run is in it any more.
    async fn let_go(&self, one: &Found, found: &[Found]) -> Result<(), String> {
        if one.object.finalizers().next().is_some() {
            let meta = json!({"uid": one.object.uid(), "finalizers": null});
            let patch = Request {
                patch: Some(PatchType::Merge),
                body: json!({ "metadata": meta }),
                options: Options { field_manager: Some(SETUP.into()), ..Options::default() },
                ..self.request(Verb::Patch, one)
            };
            self.send(&patch).await?;
        }
        let name = one.object.name();
        if one.is("", "namespaces") && !found.iter().any(|one| one.object.namespace() == name) {
            let mut body = one.object.value().clone();
            body["spec"] = json!({"finalizers": []});
            let finalize =
                Request { subresource: "finalize".into(), body, ..self.request(Verb::Update, one) };
            self.send(&finalize).await?;
        }
        Ok(())
    }

    async fn is_there(&self, one: &Found) -> bool {
        let found = self.hand.send(&self.request(Verb::Get, one)).await;
        let uid = |value| maestro_sim::object::Object::new(value).uid().to_owned();
        found.is_ok_and(|(_, value)| uid(value) == one.object.uid())
    }
}

/// What is told when something does not go.
fn remaining(found: &[Found]) -> String {
    let mut names: Vec<String> = found.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    if found.len() > MOST_NAMED {
        names.push(format!("and {} more", found.len() - MOST_NAMED));
    }
    format!("what the run made is left in the cluster after {REST:?}: {}", names.join(", "))
}
