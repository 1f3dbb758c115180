//! Namespaces: what every new one is given, and the emptying of one that is deleted.
//!
//! Source: `pkg/controller/namespace`, `pkg/controller/serviceaccount`, KEP-5080 (pods first).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::Status;
use crate::controller::kinds::{self, CONFIG_MAPS, CRDS, NAMESPACES, PODS, SERVICE_ACCOUNTS};
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View, pods, shape};
use crate::object::{GroupResource, Key, Object, map_at};

static EVENTS: GroupResource = GroupResource::new("", "events");
const ROOT_CA: &str = "kube-root-ca.crt";
/// What the publisher of the root CA notes on what it publishes.
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when \
                           using internal endpoints such as the internal service IP or \
                           kubernetes.default.svc. No other usage is guaranteed across \
                           distributions of Kubernetes clusters.";

/// The namespace controller, with the makers of the default ServiceAccount and the root CA.
#[derive(Debug, Default)]
pub struct NamespaceController {
    custom: Vec<GroupResource>,
}

impl NamespaceController {
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

    fn content(&self, view: &View, namespace: &str) -> Vec<(GroupResource, Arc<Object>)> {
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
        let emptying = view.get(&NAMESPACES, &key).is_some_and(|n| n.is_deleting());
        if given || emptying {
            queue.add(key);
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(namespace) = cx.view().get(&NAMESPACES, key).cloned() else {
            return Ok(Next::Done);
        };
        if namespace.is_deleting() { self.empty(cx, &namespace) } else { furnish(cx, &namespace) }
    }
}

/// Makes what each namespace has from the start.
fn furnish(cx: &mut dyn Context, namespace: &Object) -> Result<Next, Box<Status>> {
    let given = [
        (&SERVICE_ACCOUNTS, "default", json!({"apiVersion": "v1", "kind": "ServiceAccount"})),
        (
            &CONFIG_MAPS,
            ROOT_CA,
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": ""},
                "metadata": {"annotations": {"kubernetes.io/description": DESCRIPTION}},
            }),
        ),
    ];
    for (resource, name, mut body) in given {
        if let Some(found) = cx.view().get(resource, &Key::new(namespace.name(), name)).cloned() {
            // The publisher of the root CA puts its words back; accounts are anyone's to edit.
            if found.at(&["data"]) != body.get("data") {
                let mut value = found.value().clone();
                map_at(&mut value, &[]).insert("data".into(), body["data"].clone());
                absent_is_fine(cx.update(resource, value))?;
            }
            continue;
        }
        let metadata = map_at(&mut body, &["metadata"]);
        metadata.insert("name".into(), name.into());
        metadata.insert("namespace".into(), namespace.name().into());
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
        let mut content = self.content(cx.view(), namespace.name());
        let has_pods = content.iter().any(|(r, _)| *r == PODS);
        let mut failed: Option<Box<Status>> = None;
        for (resource, object) in &content {
            if object.is_deleting() || (has_pods && *resource != PODS) {
                continue;
            }
            let options = json!({"propagationPolicy": "Background"});
            if let Err(status) = absent_is_fine(cx.delete(resource, object.key(), options)) {
                failed = failed.or(Some(status));
            }
        }
        write_conditions(cx, namespace, &content, failed.as_deref())?;
        if let Some(status) = failed {
            return Err(status);
        }
        // The view may be behind on what was just deleted; each deletion wakes this pass again.
        content.retain(|(r, _)| *r != EVENTS);
        if !content.is_empty() {
            return Ok(Next::After(Duration::from_secs(15)));
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
        map_at(&mut body, &["spec"]).insert("finalizers".into(), left.into());
        absent_is_fine(cx.update_sub(&NAMESPACES, "finalize", body))?;
        Ok(Next::Done)
    }
}

/// The five conditions by which a stuck deletion explains itself.
fn write_conditions(
    cx: &mut dyn Context,
    namespace: &Object,
    content: &[(GroupResource, Arc<Object>)],
    failed: Option<&Status>,
) -> Result<(), Box<Status>> {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut finalizers: BTreeMap<String, usize> = BTreeMap::new();
    for (resource, object) in content {
        *kinds.entry(resource.to_string()).or_default() += 1;
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
    let mut conditions = namespace.items(&["status", "conditions"]).to_vec();
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
