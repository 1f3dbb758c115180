//! What happens to a tree between the request and the store, kind by kind.

use std::sync::Arc;

use crate::api::disabled;
use crate::api::pod_parts::PodPart;
use crate::api::proposal::Origin;
use crate::api::registry::{Generation, Served};
use crate::api::scale;
use crate::api::server::Server;
use crate::api::{Cause, Request, Status};
use crate::builtin::field::Path;
use crate::facts::Version;
use crate::json::Value;
use crate::managed::{self, Write};
use crate::object::{GroupResource, Object, at, map_at};
use crate::structural::Step;
use crate::{builtin, crd, defaults, structural};

const NODES: GroupResource = GroupResource::new("", "nodes");
const CRDS: GroupResource = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");

/// A status is validated by itself: the words about it leave its own name out.
fn by_itself(causes: &mut [Cause]) {
    let is_status = |field: &str| field == "status" || field.starts_with("status.");
    for cause in causes.iter_mut().filter(|cause| is_status(&cause.field)) {
        let long = format!("{} in body", cause.field);
        let short = long.strip_prefix("status").unwrap_or(&long);
        let short = short.strip_prefix('.').unwrap_or(short).to_owned();
        cause.message = cause.message.replace(&long, &short);
    }
}

impl Served {
    /// Prunes and defaults a proposed tree.
    pub(super) fn complete(&self, body: &mut Value, live: Option<&Value>) {
        if self.is_custom() {
            structural::prune(self.schema(), body);
            structural::default(self.schema(), body);
        } else {
            if self.resource == CRDS {
                crd::complete(body);
            }
            let before = (self.release != Version::default()).then(|| body.clone());
            let specs = live.and_then(|live| live.get("spec").zip(body.get("spec")));
            match specs.is_some_and(|(live, sent)| live.is_same(sent)) {
                true => defaults::apply_beside_spec(&self.resource, body),
                false => defaults::apply(&self.resource, body),
            }
            if let Some(before) = before {
                disabled::forget_defaults(self, &before, body);
            }
            // Filled in by a strategy since then, so that nobody owns it.
            if self.is_pod() && !self.release.has("PodLevelResourcesFixDefaulting") {
                defaults::whole_requests(body);
            }
        }
    }

    /// The same for what came about in a certain way: what was applied keeps its nulls.
    pub(super) fn complete_as(&self, origin: &Origin, body: &mut Value, live: Option<&Value>) {
        if self.is_custom() && matches!(origin, Origin::Apply) {
            structural::prune(self.schema(), body);
            structural::default_applied(self.schema(), body);
        } else {
            self.complete(body, live);
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
            let mut causes = builtin::metadata(self.release, &self.resource, body);
            causes.extend(self.wrong_kind(body));
            let status = request.subresource == "status";
            let paths = self.scale.as_ref();
            let beside =
                paths.map(|paths| scale::mistakes(paths, status, body)).unwrap_or_default();
            causes.extend(structural::validate(self.schema(), body, old, beside));
            structural::resources(self.schema(), body, &Path::Root, &mut causes);
            if status {
                by_itself(&mut causes);
            }
            causes
        } else if matches!(&*request.subresource, "status" | "approval") {
            builtin::status(self.release, (&self.resource, &request.subresource), body, old)
        } else {
            let (body, old) = (self.validated(body), old.map(|old| self.validated(old)));
            let part = PodPart::of(self, &request.subresource);
            builtin::validate(self.release, &self.resource, part, &body, old.as_deref())
        };
        if self.resource == CRDS && request.subresource.is_empty() {
            causes.extend(crd::check(body, old));
        }
        if causes.is_empty() {
            return Ok(());
        }
        let kind = body.get("kind").and_then(Value::as_str).unwrap_or(&self.kind);
        // What is wrong twice is said once.
        let mut told = std::collections::BTreeSet::new();
        causes.retain(|cause| told.insert((cause.field.clone(), cause.message.clone())));
        let name = at(body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
        Err(Box::new(Status::invalid(self.told_group(), kind, name, &causes)))
    }

    /// A custom object of another kind than its collection's gets as far as its validation.
    fn wrong_kind(&self, body: &Value) -> Option<Cause> {
        let kind = body.get("kind").and_then(Value::as_str).filter(|kind| *kind != self.kind)?;
        let detail = format!("must be {}", self.kind);
        Some(builtin::field::invalid(&"kind", &kind.into(), &detail))
    }

    /// Whether a create keeps the status it was sent with: nodes register theirs.
    pub(super) fn keeps_status_on_create(&self) -> bool {
        self.resource == NODES
    }

    /// The generation after a change from `old` to `new`.
    /// Some kinds tell an empty list, which is not stored, from none at all: those in `dropped`.
    pub(super) fn next_generation(
        &self,
        request: &Request,
        old: &Value,
        new: &Value,
        dropped: &[Vec<Step>],
    ) -> Option<i64> {
        let now = at(old, &["metadata", "generation"]).and_then(Value::as_i64);
        if matches!(&*request.subresource, "status" | "approval" | "finalize") {
            return now;
        }
        let differs = |field: &str| old.get(field) != new.get(field);
        let annotations =
            || at(old, &["metadata", "annotations"]) != at(new, &["metadata", "annotations"]);
        let grows = match self.generation {
            Generation::None | Generation::Fixed => return now,
            Generation::Any => {
                self.differs_outside_metadata(old, new)
                    || at(old, &["metadata", "labels"]) != at(new, &["metadata", "labels"])
            }
            Generation::Spec => differs("spec"),
            Generation::SpecOnceChanged if !differs("spec") => return now,
            Generation::SpecOnceChanged => true,
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
        let empty = crate::json::Map::new();
        let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
        let blank = |value: Option<&Value>| match value {
            Some(Value::Array(list)) => list.is_empty(),
            other => other.is_none_or(Value::is_null),
        };
        let counts = |field: &str| {
            let nothing = self.generation == Generation::Any
                && blank(old.get(field))
                && blank(new.get(field));
            field != "metadata" && !(self.status && field == "status") && !nothing
        };
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
                Some(value) => meta.insert(field, value.clone()),
                None => meta.remove(field),
            };
        }
    }
}

impl Server {
    /// Notes that the server itself wrote to a status.
    pub(super) fn own_status(&mut self, resource: &GroupResource, old: &Value, new: &mut Value) {
        let now = self.timestamp();
        if let Some(served) = self.registry.find(resource, "v1") {
            let write = Write {
                schema: served.schema(),
                typed: true,
                manager: "kube-apiserver",
                api_version: served.api_version(),
                subresource: "status",
                reset: managed::reset_fields(true, true, "status"),
                views: None,
                now: &now,
            };
            managed::update(&write, Some(old), new);
        }
    }

    /// Serves a definition at once and writes its conditions.
    pub(super) fn crd_written(&mut self, object: &Arc<Object>) {
        self.registry.serve(object);
        self.forget_converted(object);
        let now = self.timestamp();
        let mut accepted = crd::accepted(object.value(), &now);
        if accepted != *object.value() {
            self.own_status(&CRDS, object.value(), &mut accepted);
            let now = self.now;
            self.store.put(&CRDS, accepted, now);
        }
    }
}
