//! Namespaces: what every new one is given, and the emptying of one that is deleted.
//!
//! Source: `pkg/controller/namespace`, `pkg/controller/serviceaccount`, KEP-5080 (pods first).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::kinds::{self, CONFIG_MAPS, CRDS, NAMESPACES, PODS, SERVICE_ACCOUNTS};
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View, pods, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, map_at};

static EVENTS: GroupResource = GroupResource::new("", "events");
const ROOT_CA: &str = "kube-root-ca.crt";
/// What the publisher of the root CA notes on what it publishes.
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when \
                           using internal endpoints such as the internal service IP or \
                           kubernetes.default.svc. No other usage is guaranteed across \
                           distributions of Kubernetes clusters.";

/// What is in a namespace.
type Content = (GroupResource, Arc<Object>);

/// How long what was made last in a namespace may take to be seen, in seconds.
const DELAY_SECS: i64 = 5;
/// How long finalizers are given, in seconds.
const FINALIZER_SECS: i64 = 15;

/// The namespace controller, with the makers of the default ServiceAccount and the root CA.
#[derive(Debug, Default)]
pub struct NamespaceController {
    custom: Vec<GroupResource>,
    authority: String,
}

impl NamespaceController {
    /// One that publishes a certificate (PEM) as the root CA.
    pub fn new(authority: &str) -> Self {
        Self { authority: authority.to_owned(), ..Self::default() }
    }

    /// Also empties this namespaced collection when a namespace is deleted.
    pub fn watch(&mut self, resource: GroupResource) {
        if !self.custom.contains(&resource) {
            self.custom.push(resource);
        }
    }

    fn collections(&self) -> impl Iterator<Item = &GroupResource> {
        let built_in = kinds::ALL.iter().filter(|k| k.namespaced).map(|k| &k.resource);
        built_in.chain([&EVENTS]).chain(&self.custom)
    }

    fn content(&self, view: &View, namespace: &str) -> Vec<Content> {
        self.collections()
            .flat_map(|r| view.list(r, namespace).map(|o| (r.clone(), Arc::clone(o))))
            .collect()
    }
}

impl Controller for NamespaceController {
    fn name(&self) -> &str {
        "namespace-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        [&NAMESPACES, &CRDS].into_iter().chain(self.collections()).cloned().collect()
    }

    fn heeds(&self, resource: &GroupResource, old: &Object, new: &Object) -> bool {
        let ours = *resource == NAMESPACES || *resource == CRDS;
        let published = *resource == CONFIG_MAPS && new.name() == ROOT_CA;
        ours || published || old.is_deleting() != new.is_deleting()
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.resource == NAMESPACES {
            queue.add(object.key().clone());
            return;
        }
        if change.resource == CRDS {
            let namespaced = object.text(&["spec", "scope"]) == "Namespaced";
            if namespaced && pods::has_condition(object, "Established") {
                let group = object.text(&["spec", "group"]);
                let plural = object.text(&["spec", "names", "plural"]);
                self.watch(GroupResource::owned(group, plural));
            }
            return;
        }
        let key = Key::new("", object.namespace());
        let given = (change.resource == SERVICE_ACCOUNTS && object.name() == "default")
            || (change.resource == CONFIG_MAPS && object.name() == ROOT_CA);
        if given && view.get(&NAMESPACES, &key).is_some_and(|n| !n.is_deleting()) {
            queue.add(key);
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(namespace) = cx.view().get(&NAMESPACES, key).cloned() else {
            return Ok(Next::Done);
        };
        if namespace.is_deleting() {
            self.empty(cx, &namespace)
        } else {
            furnish(cx, &namespace, &self.authority)
        }
    }
}

/// Makes what each namespace has from the start.
fn furnish(cx: &mut dyn Context, namespace: &Object, authority: &str) -> Result<Next, Box<Status>> {
    let given = [
        (&SERVICE_ACCOUNTS, "default", json!({"apiVersion": "v1", "kind": "ServiceAccount"})),
        (
            &CONFIG_MAPS,
            ROOT_CA,
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": authority},
                "metadata": {"annotations": {"kubernetes.io/description": DESCRIPTION}},
            }),
        ),
    ];
    for (resource, name, mut body) in given {
        if let Some(found) = cx.view().get(resource, &Key::new(namespace.name(), name)).cloned() {
            // The publisher of the root CA puts its words back; accounts are anyone's to edit.
            if found.at(&["data"]) != body.get("data") {
                let mut value = found.value().clone();
                map_at(&mut value, &[]).insert("data", body["data"].clone());
                absent_is_fine(cx.update(resource, value))?;
            }
            continue;
        }
        let metadata = map_at(&mut body, &["metadata"]);
        metadata.insert("name", name.into());
        metadata.insert("namespace", namespace.name().into());
        match cx.create(resource, body) {
            Err(status) if !matches!(status.reason, "AlreadyExists" | "NotFound") => {
                return Err(status);
            }
            _ => {}
        }
    }
    Ok(Next::Done)
}

impl NamespaceController {
    /// Deletes the content, pods before all else; takes the finalizer off once nothing is left.
    fn empty(&self, cx: &mut dyn Context, namespace: &Object) -> Result<Next, Box<Status>> {
        let held = namespace.items(&["spec", "finalizers"]);
        if !held.iter().any(|f| f == "kubernetes") {
            return Ok(Next::Done);
        }
        let since = cx.unix_seconds(namespace.text(&["metadata", "deletionTimestamp"]));
        let age = pods::now_unix(cx) - since.unwrap_or(0);
        if age < DELAY_SECS {
            return Ok(Next::After(Duration::from_secs((DELAY_SECS - age).unsigned_abs())));
        }
        let content = self.content(cx.view(), namespace.name());
        let (all_pods, others): (Vec<_>, Vec<_>) = content.into_iter().partition(|c| c.0 == PODS);
        let (mut left, mut failed) = delete_all(cx, &all_pods);
        let estimate = estimate(&left, age);
        if !left.is_empty() && estimate == 0 && failed.is_none() {
            failed = Some(Box::new(unexpected(namespace.name())));
        }
        if left.is_empty() {
            (left, failed) = delete_all(cx, &others);
            write_conditions(cx, namespace, &left, failed.as_deref())?;
        } else {
            // What remains is told only once the pods are gone.
            write_conditions(cx, namespace, &[], failed.as_deref())?;
        }
        if let Some(status) = failed {
            return Err(status);
        }
        if !left.is_empty() {
            let estimate = if estimate == 0 { FINALIZER_SECS } else { estimate };
            return Ok(Next::After(Duration::from_secs((estimate / 2 + 1).unsigned_abs())));
        }
        let live = match absent_is_fine(cx.get(&NAMESPACES, namespace.key()))? {
            Some(live) if live.uid() == namespace.uid() => live,
            _ => return Ok(Next::Done),
        };
        let mut body = live.value().clone();
        let left: Vec<Value> = live
            .items(&["spec", "finalizers"])
            .iter()
            .filter(|f| *f != "kubernetes")
            .cloned()
            .collect();
        map_at(&mut body, &["spec"]).insert("finalizers", left.into());
        absent_is_fine(cx.update_sub(&NAMESPACES, "finalize", body))?;
        Ok(Next::Done)
    }
}

/// Deletes everything; returns what stays behind, and the first failure.
fn delete_all(cx: &mut dyn Context, content: &[Content]) -> (Vec<Content>, Option<Box<Status>>) {
    let (mut left, mut failed) = (Vec::new(), None);
    for (resource, object) in content {
        if !object.is_deleting() {
            let options = json!({"propagationPolicy": "Background"});
            if let Err(status) = absent_is_fine(cx.delete(resource, object.key(), options)) {
                failed = failed.or(Some(status));
            }
        }
        let runs = *resource == PODS
            && !object.text(&["spec", "nodeName"]).is_empty()
            && !pods::is_terminated(object);
        if runs || object.finalizers().next().is_some() {
            left.push((resource.clone(), Arc::clone(object)));
        }
    }
    (left, failed)
}

/// How long pods may take, in seconds: the longest grace of those that run, until it is over.
fn estimate(left: &[Content], age: i64) -> i64 {
    let running = left.iter().filter(|(of, pod)| *of == PODS && !pods::is_terminated(pod));
    let grace = running
        .map(|(_, pod)| pod.int(&["spec", "terminationGracePeriodSeconds"]).unwrap_or(30))
        .max()
        .unwrap_or(0);
    let held = left.iter().any(|(_, object)| object.finalizers().next().is_some());
    match (age < grace, held) {
        (true, _) => grace,
        (false, true) => FINALIZER_SECS,
        (false, false) => 0,
    }
}

/// Pods that should have ended.
fn unexpected(namespace: &str) -> Status {
    let message = format!(
        "unexpected items still remain in namespace: {namespace} for gvr: /v1, Resource=pods"
    );
    Status::new(500, "InternalError", message)
}

/// The five conditions by which a stuck deletion explains itself.
fn write_conditions(
    cx: &mut dyn Context,
    namespace: &Object,
    content: &[Content],
    failed: Option<&Status>,
) -> Result<(), Box<Status>> {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut finalizers: BTreeMap<String, usize> = BTreeMap::new();
    for (resource, object) in content {
        let kind = format!("{}.{}", resource.resource, resource.group);
        *kinds.entry(kind).or_default() += 1;
        for finalizer in object.finalizers() {
            *finalizers.entry(finalizer.to_owned()).or_default() += 1;
        }
    }
    let kinds: Vec<_> =
        kinds.iter().map(|(k, n)| format!("{k} has {n} resource instances")).collect();
    let finalizers: Vec<_> =
        finalizers.iter().map(|(f, n)| format!("{f} in {n} resource instances")).collect();
    let remaining = format!("Some resources are remaining: {}", kinds.join(", "));
    let held = format!(
        "Some content in the namespace has finalizers remaining: {}",
        finalizers.join(", ")
    );
    let failure =
        failed.map(|s| format!("Failed to delete all resource types, 1 remaining: {}", s.message));
    let rows = [
        (
            "NamespaceDeletionDiscoveryFailure",
            None,
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            failure.map(|m| ("ContentDeletionFailed", m)),
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining",
            (!kinds.is_empty()).then_some(("SomeResourcesRemain", remaining)),
            "ContentRemoved",
            "All content successfully removed",
        ),
        (
            "NamespaceFinalizersRemaining",
            (!finalizers.is_empty()).then_some(("SomeFinalizersRemain", held)),
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ];
    let mut conditions = namespace.list(&["status", "conditions"]);
    let now = cx.timestamp();
    for (kind, bad, reason, message) in rows {
        let new = match &bad {
            Some((reason, message)) => shape::condition(kind, "True", reason, message, &now),
            None => shape::condition(kind, "False", reason, message, &now),
        };
        shape::set_condition(&mut conditions, new);
    }
    let status = json!({"phase": "Terminating", "conditions": conditions});
    match shape::write_status(cx, &NAMESPACES, namespace, status) {
        Some(answer) => absent_is_fine(answer).map(drop),
        None => Ok(()),
    }
}
