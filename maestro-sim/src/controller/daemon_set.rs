//! DaemonSet: one pod on every node that fits.
//!
//! Source: `pkg/controller/daemon`.

pub mod placement;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::expect::Expectations;
use crate::controller::kinds::{CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS};
use crate::controller::labels::Labels;
use crate::controller::own::{Claim, absent_is_fine, controlled_by, controller_ref};
use crate::controller::revision::{self, History};
use crate::controller::{Change, Context, Controller, Next, Queue, View, batch, pods, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, map_at};

const REVISION_LABEL: &str = "controller-revision-hash";
/// Annotation by which the API server counts templates, and the label that tells it to pods.
const GENERATION: &str = "deprecated.daemonset.template.generation";
const GENERATION_LABEL: &str = "pod-template-generation";

/// The DaemonSet controller.
#[derive(Debug, Default)]
pub struct DaemonSetController {
    expected: Expectations,
}

impl Controller for DaemonSetController {
    fn name(&self) -> &str {
        "daemonset-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        [&DAEMON_SETS, &PODS, &NODES, &CONTROLLER_REVISIONS].map(Clone::clone).to_vec()
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.resource == DAEMON_SETS {
            queue.add(object.key().clone());
        } else if change.resource == NODES {
            let fit = |o: &Arc<Object>| (o.labels().cloned(), o.at(&["spec", "taints"]).cloned());
            if change.old.as_ref().map(fit) != change.new.as_ref().map(fit) {
                queue.extend(view.list(&DAEMON_SETS, "").map(|d| d.key().clone()));
            }
        } else if change.resource == PODS
            && let Some(set) = controlled_by(view, &DAEMON_SETS, object)
        {
            if change.old.is_none() {
                self.expected.created(&set);
            }
            if change.new.is_none() || object.is_deleting() {
                self.expected.deleted(&set, object.key());
            }
            queue.add(set);
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(set) = cx.view().get(&DAEMON_SETS, key).cloned() else {
            self.expected.forget(key);
            return Ok(Next::Done);
        };
        let selector = Labels::of(set.at(&["spec", "selector"]));
        if selector.is_empty() || set.is_deleting() {
            return Ok(Next::Done);
        }
        let history = revision::sync(cx, &DAEMON_SETS, &set, &selector)?;
        let claim = Claim { resource: &DAEMON_SETS, owner: &set, selector: &selector };
        let all = claim.run(cx, &PODS, |_| true)?;
        let pass = Pass::new(cx, &set, &history, &all);
        let outcome = match self.expected.satisfied(key, cx.now()) {
            true => pass.act(cx, &mut self.expected),
            false => Ok(()),
        };
        let soon = pass.write_status(cx)?;
        outcome?;
        let used = |r: &Object| {
            let name = r.label(REVISION_LABEL);
            r.name() == history.update.name() || all.iter().any(|p| p.label(REVISION_LABEL) == name)
        };
        revision::truncate(cx, &set, &history.all, used)?;
        Ok(soon)
    }
}

/// One node, what belongs there, and the pods that are there.
struct Place {
    node: String,
    run: bool,
    stay: bool,
    pods: Vec<Arc<Object>>,
}

struct Pass<'a> {
    set: &'a Object,
    history: &'a History,
    hash: &'a str,
    places: Vec<Place>,
}

impl<'a> Pass<'a> {
    fn new(cx: &dyn Context, set: &'a Object, history: &'a History, all: &[Arc<Object>]) -> Self {
        let mut by_node: BTreeMap<&str, Vec<Arc<Object>>> = BTreeMap::new();
        for pod in all {
            by_node.entry(placement::node_of(pod)).or_default().push(Arc::clone(pod));
        }
        let template = set.at(&["spec", "template"]).cloned().unwrap_or_default();
        let nodes = cx.view().list(&NODES, "");
        let places = nodes.map(|node| {
            let (run, stay) = placement::placed(&template, node);
            let pods = by_node.remove(node.name()).unwrap_or_default();
            Place { node: node.name().to_owned(), run, stay, pods }
        });
        let places = places.collect();
        let hash = history.update.label(REVISION_LABEL).unwrap_or("");
        Self { set, history, hash, places }
    }

    fn min_ready(&self) -> i64 {
        shape::min_ready(self.set)
    }

    fn is_new(&self, pod: &Object) -> bool {
        pod.label(REVISION_LABEL) == Some(self.hash)
    }

    fn act(&self, cx: &mut dyn Context, expected: &mut Expectations) -> Result<(), Box<Status>> {
        let mut missing = Vec::new();
        let mut doomed: Vec<Arc<Object>> = Vec::new();
        for place in &self.places {
            let failed = place.pods.iter().filter(|p| pods::is_terminated(p) && !p.is_deleting());
            let live = place.pods.iter().filter(|p| !p.is_deleting() && !pods::is_terminated(p));
            let mut live: Vec<_> = live.cloned().collect();
            doomed.extend(failed.cloned());
            live.sort_by_key(|p| p.text(&["metadata", "creationTimestamp"]).to_owned());
            if place.run && place.pods.is_empty() {
                missing.push(place.node.as_str());
            } else if !place.stay {
                doomed.append(&mut live);
            } else {
                doomed.extend(live.into_iter().skip(1));
            }
        }
        if missing.is_empty() && doomed.is_empty() {
            doomed = self.outdated(cx);
        }
        expected.creates(self.set.key(), missing.len(), cx.now());
        expected.also_deletes(self.set.key(), doomed.iter().map(|p| p.key().clone()));
        for pod in &doomed {
            let options = shape::only_uid(pod.uid());
            if absent_is_fine(cx.delete(&PODS, pod.key(), options))?.is_some() {
                let message = format!("Deleted pod: {}", pod.name());
                cx.event(self.set, "Normal", "SuccessfulDelete", &message);
            } else {
                expected.deleted(self.set.key(), pod.key());
            }
        }
        let count = missing.len();
        let (made, failed) = batch::slow_start(count, |i| self.create(cx, missing[i]));
        (made..count).for_each(|_| expected.created(self.set.key()));
        failed.map_or(Ok(()), Err)
    }

    /// RollingUpdate: old pods, as many as may be unavailable; unavailable old ones are free.
    fn outdated(&self, cx: &dyn Context) -> Vec<Arc<Object>> {
        if self.set.text(&["spec", "updateStrategy", "type"]) == "OnDelete" {
            return Vec::new();
        }
        let wanted = self.places.iter().filter(|p| p.run).count();
        let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
        let limit = self.set.at(&["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"]);
        let mut room = limit.map_or(1, |v| shape::scaled(v, wanted, true)).max(1);
        let (mut free, mut candidates) = (Vec::new(), Vec::new());
        for place in self.places.iter().filter(|p| p.run) {
            let live = place.pods.iter().find(|p| pods::is_active(p));
            let available = live.is_some_and(|p| pods::is_available(cx, p, self.min_ready()));
            room -= i64::from(!available);
            match live.filter(|p| !self.is_new(p)) {
                Some(pod) if available => candidates.push(Arc::clone(pod)),
                Some(pod) => free.push(Arc::clone(pod)),
                None => {}
            }
        }
        free.extend(candidates.into_iter().take(usize::try_from(room).unwrap_or(0)));
        free
    }

    fn create(&self, cx: &mut dyn Context, node: &str) -> Result<(), Box<Status>> {
        let template = revision::template(&self.history.update);
        let owner = controller_ref(&DAEMON_SETS, self.set);
        let mut body = shape::pod_from_template(&template, self.set.namespace(), owner);
        let prefix = format!("{}-", self.set.name());
        map_at(&mut body, &["metadata"]).insert("generateName", prefix.into());
        let labels = map_at(&mut body, &["metadata", "labels"]);
        labels.insert(REVISION_LABEL, self.hash.into());
        if let Some(generation) = self.set.annotation(GENERATION) {
            labels.insert(GENERATION_LABEL, generation.into());
        }
        let spec = map_at(&mut body, &["spec"]);
        spec.insert("tolerations", placement::tolerations(&template).into());
        placement::pin(spec, node);
        match cx.create(&PODS, body) {
            Ok(pod) => {
                let message = format!("Created pod: {}", pod.name());
                cx.event(self.set, "Normal", "SuccessfulCreate", &message);
                Ok(())
            }
            Err(status) => {
                let message = format!("Error creating: {}", status.message);
                cx.event(self.set, "Warning", "FailedCreate", &message);
                Err(status)
            }
        }
    }

    fn write_status(&self, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let [mut desired, mut current, mut misplaced, mut ready, mut available, mut updated] =
            [0; 6];
        let mut soon: Option<i64> = None;
        for place in &self.places {
            let mut live = place.pods.iter().filter(|p| pods::is_active(p));
            let pod = live.next();
            if !place.run {
                misplaced += i64::from(pod.is_some() && !place.stay);
                continue;
            }
            desired += 1;
            let Some(pod) = pod else { continue };
            current += 1;
            ready += i64::from(pods::is_ready(pod));
            let left = pods::until_available(cx, pod, self.min_ready());
            available += i64::from(left == Some(0));
            updated += i64::from(self.is_new(pod));
            if let Some(left) = left.filter(|l| *l > 0) {
                soon = Some(soon.map_or(left, |s| s.min(left)));
            }
        }
        let mut status = json!({
            "observedGeneration": self.set.generation(), "desiredNumberScheduled": desired,
            "currentNumberScheduled": current, "numberMisscheduled": misplaced,
            "numberReady": ready,
        });
        let optional = [
            ("numberAvailable", available),
            ("numberUnavailable", desired - available),
            ("updatedNumberScheduled", updated),
            ("collisionCount", self.history.collisions),
        ];
        for (field, value) in optional.into_iter().filter(|(_, v)| *v > 0) {
            status[field] = Value::from(value);
        }
        shape::write_status(cx, &DAEMON_SETS, self.set, status).transpose()?;
        Ok(soon.map_or(Next::Done, |s| Next::After(Duration::from_secs(s.unsigned_abs()))))
    }
}
