//! What happens to a tree between the request and the store, kind by kind.

use std::sync::Arc;

use serde_json::Value;

use crate::api::registry::{Generation, Served};
use crate::api::server::Server;
use crate::api::{Request, Status};
use crate::object::{GroupResource, Object, at, map_at};
use crate::structural::Step;
use crate::{builtin, crd, defaults, structural};

const NODES: GroupResource = GroupResource::new("", "nodes");
const CRDS: GroupResource = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");

impl Served {
    /// Prunes and defaults a proposed tree.
    pub(super) fn complete(&self, body: &mut Value) {
        if self.is_custom() {
            structural::prune(self.schema(), body);
            structural::default(self.schema(), body);
        } else {
            if self.resource == CRDS {
                crd::complete(body);
            }
            defaults::apply(&self.resource, body);
        }
    }

    /// Validates a complete tree against its rules and the former version.
    pub(super) fn check(
        &self,
        request: &Request,
        body: &Value,
        old: Option<&Value>,
    ) -> Result<(), Box<Status>> {
        let mut causes = if self.is_custom() {
            let mut causes = builtin::metadata(&self.resource, body);
            causes.extend(structural::validate(self.schema(), body, old, ""));
            causes
        } else if request.subresource == "status" {
            Vec::new()
        } else {
            builtin::validate(&self.resource, body, old)
        };
        if self.resource == CRDS && request.subresource.is_empty() {
            causes.extend(crd::check(body));
        }
        if causes.is_empty() {
            return Ok(());
        }
        // What is wrong twice is said once.
        let mut told = std::collections::BTreeSet::new();
        causes.retain(|cause| told.insert((cause.field.clone(), cause.message.clone())));
        let name = at(body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
        Err(Box::new(Status::invalid(self.told_group(), &self.kind, name, &causes)))
    }

    /// Whether a create keeps the status it was sent with: nodes register theirs.
    pub(super) fn keeps_status_on_create(&self) -> bool {
        self.resource == NODES
    }

    /// The generation after a change from `old` to `new`.
    /// Some kinds tell an empty list, which is not stored, from none at all: those in `dropped`.
    pub(super) fn next_generation(
        &self,
        old: &Value,
        new: &Value,
        dropped: &[Vec<Step>],
    ) -> Option<i64> {
        let now = at(old, &["metadata", "generation"]).and_then(Value::as_i64);
        let differs = |field: &str| old.get(field) != new.get(field);
        let annotations =
            || at(old, &["metadata", "annotations"]) != at(new, &["metadata", "annotations"]);
        let grows = match self.generation {
            Generation::None | Generation::Fixed => return now,
            Generation::Any => {
                self.differs_outside_metadata(old, new)
                    || ["labels", "annotations", "ownerReferences", "finalizers"]
                        .iter()
                        .any(|f| at(old, &["metadata", f]) != at(new, &["metadata", f]))
            }
            Generation::Spec => differs("spec"),
            Generation::SpecOrAnnotations => differs("spec") || annotations(),
            Generation::AnyButMetadata => self.differs_outside_metadata(old, new),
        };
        let grows = grows || dropped.iter().any(|steps| self.tells_empty(new, steps));
        Some(now.unwrap_or(0) + i64::from(grows))
    }

    /// Whether an empty list that was left out still counts as a change: where the real server
    /// compares with `reflect.DeepEqual`, unless a default took the list's place.
    fn tells_empty(&self, new: &Value, steps: &[Step]) -> bool {
        let exact = match (&*self.resource.group, &*self.resource.resource) {
            ("networking.k8s.io", "networkpolicies") => "spec",
            (
                "admissionregistration.k8s.io",
                "mutatingwebhookconfigurations" | "validatingwebhookconfigurations",
            ) => "webhooks",
            _ => return false,
        };
        let found = steps.iter().try_fold(new, |value, step| match step {
            Step::Name(name) => value.get(name.as_str()),
            Step::Index(index) => value.get(index),
        });
        matches!(steps.first(), Some(Step::Name(name)) if name == exact) && found.is_none()
    }

    fn differs_outside_metadata(&self, old: &Value, new: &Value) -> bool {
        let empty = serde_json::Map::new();
        let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
        let counts = |field: &str| field != "metadata" && !(self.status && field == "status");
        let changed = old.iter().any(|(k, v)| counts(k) && new.get(k) != Some(v));
        changed || new.keys().any(|k| counts(k) && !old.contains_key(k))
    }

    /// What of the metadata a status write may change: everything but the labels of a
    /// workload and the owners of a pod for built-in kinds, nothing for custom ones.
    pub(super) fn merge_status_metadata(&self, kept: &mut Value, proposed: &Value) {
        if self.is_custom() {
            return;
        }
        let mut fields = vec!["annotations", "finalizers"];
        if self.resource.group != "apps" {
            fields.push("labels");
        }
        if !self.is_pod() {
            fields.push("ownerReferences");
        }
        let meta = map_at(kept, &["metadata"]);
        for field in fields {
            match at(proposed, &["metadata", field]) {
                Some(value) => meta.insert(field.into(), value.clone()),
                None => meta.remove(field),
            };
        }
    }
}

impl Server {
    /// Serves a definition at once and writes its conditions.
    pub(super) fn crd_written(&mut self, object: &Arc<Object>) {
        self.registry.serve(object);
        let accepted = crd::accepted(object.value(), &self.timestamp());
        if accepted != *object.value() {
            let now = self.now;
            self.store.put(&CRDS, accepted, now);
        }
    }
}
