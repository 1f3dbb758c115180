//! CREATE, UPDATE and PATCH: one pipeline from a proposed tree to a stored version.
//!
//! Order as in the real server: decode, carry over what clients may not set, default, prune,
//! mutate by admission, validate, record field ownership, compare, store.

use std::sync::Arc;

use crate::api::conversion::Freshness;
use crate::api::decode;
use crate::api::disabled;
use crate::api::failure;
use crate::api::proposal::{
    Origin, carry_over, check_place, has_unfit_status, is_finished, preconditions, reset_status,
    set_generation, unreadable,
};
use crate::api::registry::{Generation, Served};
use crate::api::server::{Handled, Response, Server};
use crate::api::version::Views;
use crate::api::writer::write_of;
use crate::api::{PatchType, Request, Status, Verb};
use crate::json::Value;
use crate::managed::{self, Write};
use crate::object::{Object, at, map_at};
use crate::patch;
use crate::typed;

impl Server {
    pub(super) fn create(&mut self, served: &Arc<Served>, mut request: Request) -> Handled {
        let mut body = std::mem::take(&mut request.body);
        self.decode(served, &request, &mut body, None)?;
        let body = self.fresh(served, &request, body)?;
        self.insert(served, &request, body, &Origin::Update)
    }

    /// Checks a body that creates an object and fills its metadata.
    fn fresh(
        &mut self,
        served: &Served,
        request: &Request,
        mut body: Value,
    ) -> Result<Value, Box<Status>> {
        let meta = map_at(&mut body, &["metadata"]);
        let version = meta.get("resourceVersion").and_then(Value::as_str).unwrap_or("");
        if !version.is_empty() && version.parse::<u64>().is_err() {
            return Err(unreadable(version));
        }
        // It is the store that wants none, when all others have had their say.
        let kept = request.verb == Verb::Create && !matches!(version, "" | "0");
        check_place(served, request, meta)?;
        for field in [
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "selfLink",
            "deletionGracePeriodSeconds",
        ] {
            meta.remove(field);
        }
        if !kept {
            meta.remove("resourceVersion");
        }
        let uid = self.uids.uuid();
        let now = self.timestamp();
        let meta = map_at(&mut body, &["metadata"]);
        meta.insert("uid", uid.into());
        meta.insert("creationTimestamp", now.into());
        Ok(body)
    }

    fn name(
        &mut self,
        served: &Served,
        request: &Request,
        body: &mut Value,
    ) -> Result<(), Box<Status>> {
        let text = |body: &Value, field: &str| {
            at(body, &["metadata", field]).and_then(Value::as_str).unwrap_or("").to_owned()
        };
        if !request.name.is_empty() || !text(body, "name").is_empty() {
            return Ok(());
        }
        let base = text(body, "generateName");
        if base.is_empty() {
            // Validation says that one of both is required.
            return Ok(());
        }
        let cut: String = base.chars().take(58).collect();
        for _ in 0..8 {
            let name = format!("{cut}{}", self.names.suffix(5));
            if self.peek(served.stored(), &request.namespace, &name).is_none() {
                map_at(body, &["metadata"]).insert("name", name.into());
                return Ok(());
            }
        }
        let status = Status::already_exists(&served.resource, &cut).retry_after(1);
        Err(Box::new(status))
    }

    fn insert(
        &mut self,
        served: &Arc<Served>,
        request: &Request,
        mut body: Value,
        origin: &Origin,
    ) -> Handled {
        let unfit = served.is_custom() && served.status && has_unfit_status(served, &body);
        if served.status {
            reset_status(served, &mut body);
        }
        served.complete_as(origin, &mut body, None);
        // Ownership is recorded of what the client sent: nobody owns what admission adds.
        if matches!(origin, Origin::Update) {
            self.own(served, request, None, &mut body)?;
            if unfit {
                // Nothing can be read off what its type does not fit, which it was then.
                managed::keep(&Value::Null, &mut body);
            }
        }
        self.admit_creation(request)?;
        let name = at(&body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
        self.check_namespace(served, request, name)?;
        self.admit_create(served, request, &mut body)?;
        self.restrict_node(served, request, None, Some(&body))?;
        self.mutate(served, request, None, &mut body, |server, body| {
            server.admit_create(served, request, body)
        })?;
        self.check_escalation(served, request, None, &body)?;
        self.name(served, request, &mut body)?;
        disabled::drop_fields(served, &mut body, None);
        let unsettled = self.prepare_create(served, request, &mut body)?;
        if !matches!(served.generation, Generation::None | Generation::SpecOnceChanged) {
            set_generation(&mut body, Some(1));
        }
        let checked = served
            .check(request, &body, None)
            .and_then(|()| {
                self.warn(served, request, &body, None);
                self.judge(served, request, None, &body)
            })
            // A webhook converts it before anybody looks whether there is such a name.
            .and_then(|()| self.converted_to_keep(served, &body, true))
            .and_then(|kept| self.must_be_new(served, request, &body).map(|()| kept));
        if checked.is_err() || request.options.dry_run {
            self.give_back(served, &body, None);
        }
        let kept = checked?;
        if unsettled {
            served.complete(&mut body, None);
        }
        self.forget_empty(served, &mut body);
        if request.options.dry_run {
            let value = kept.and_then(|kept| kept.shown).unwrap_or(Ok(body))?;
            return Ok(Response::Value { code: 201, value });
        }
        self.note_addresses(served, &body);
        let object = match kept {
            Some(kept) => self.put_kept(served, kept),
            None => self.put(served, body)?,
        };
        if unsettled {
            self.unsettled.insert(object.resource_version());
        }
        self.after_write(served, &object);
        Ok(Response::Object { code: 201, object })
    }

    fn forget_empty(&self, served: &Served, body: &mut Value) {
        if self.noticed.empties {
            typed::forget_empty(served.schema(), body);
        }
    }

    fn must_be_new(
        &self,
        served: &Served,
        request: &Request,
        body: &Value,
    ) -> Result<(), Box<Status>> {
        if !request.options.dry_run && at(body, &["metadata", "resourceVersion"]).is_some() {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Box::new(Status::new(500, "", message)));
        }
        let name = at(body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
        let existing = self.store.named(served.stored(), &request.namespace, name);
        let Some(existing) = existing else { return Ok(()) };
        let mut status = Status::already_exists(&served.resource, name);
        if existing.is_deleting() {
            status.message = format!("object is being deleted: {}", status.message);
        }
        Err(Box::new(status))
    }

    pub(super) fn update(&mut self, served: &Arc<Served>, mut request: Request) -> Handled {
        let mut body = std::mem::take(&mut request.body);
        let live = self.found(served, &request.namespace, &request.name, Freshness::Known)?;
        self.decode(served, &request, &mut body, live.as_ref().map(|live| live.value()))?;
        check_place(served, &request, map_at(&mut body, &["metadata"]))?;
        let Some(live) = live else {
            if served.create_on_update && request.subresource.is_empty() {
                let body = self.fresh(served, &request, body)?;
                return self.insert(served, &request, body, &Origin::Update);
            }
            return Err(Box::new(Status::not_found(&served.resource, &request.name)));
        };
        self.replace(served, &request, &live, body, &Origin::Update)
    }

    pub(super) fn patch(&mut self, served: &Arc<Served>, mut request: Request) -> Handled {
        let body = std::mem::take(&mut request.body);
        let Some(kind) = request.patch else {
            return Err(Box::new(Status::new(415, "UnsupportedMediaType", "no patch type")));
        };
        if kind == PatchType::Apply {
            return self.apply(served, &request, body);
        }
        if request.options.force.is_some() {
            let cause = crate::api::Cause::new(
                "FieldValueForbidden",
                "force",
                "Forbidden: may not be specified for non-apply patch",
            );
            let status = Status::invalid("meta.k8s.io", "PatchOptions", "", &[cause]);
            return Err(Box::new(status));
        }
        let live = self.existing(served, &request)?;
        let custom = served.is_custom();
        if kind == PatchType::Merge && !body.is_object() {
            let message = format!(
                "error decoding patch: json: cannot unmarshal {} into Go value of type \
                 map[string]interface {{}}",
                crate::typed::json_type(&body)
            );
            return Err(Box::new(Status::bad_request(message)));
        }
        if kind == PatchType::Strategic && custom {
            let message = "the body of the request was in an unknown format - accepted media \
                           types include: application/json-patch+json, \
                           application/merge-patch+json, application/apply-patch+yaml";
            return Err(Box::new(Status::new(415, "UnsupportedMediaType", message)));
        }
        let make = || match kind {
            PatchType::Json => patch::json(live.value(), &body),
            PatchType::Merge => {
                let mut value = live.value().clone();
                patch::merge(&mut value, &body);
                Ok(value)
            }
            _ => patch::strategic(served.schema(), live.value(), &body),
        };
        let mut patched = make().map_err(|e| failure::of_patch(&e))?;
        let sources = (live.value(), &body);
        self.decode_patched(served, &request, &mut patched, sources, || make().ok())?;
        check_place(served, &request, map_at(&mut patched, &["metadata"]))?;
        self.replace(served, &request, &live, patched, &Origin::Update)
    }

    fn apply(&mut self, served: &Arc<Served>, request: &Request, mut body: Value) -> Handled {
        let Some(manager) = request.options.field_manager.clone().filter(|m| !m.is_empty()) else {
            let cause = crate::api::Cause::new(
                "FieldValueRequired",
                "fieldManager",
                "Required value: is required for apply patch",
            );
            let status = Status::invalid("meta.k8s.io", "PatchOptions", "", &[cause]);
            return Err(Box::new(status));
        };
        decode::applied_type(served, &body)?;
        if at(&body, &["metadata", "managedFields"]).is_some() {
            let message = "metadata.managedFields must be nil";
            return Err(Box::new(Status::bad_request(message)));
        }
        let in_body = at(&body, &["metadata", "namespace"]).is_some();
        let name = at(&body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
        // What is there has a name already.
        let is_named = in_body
            || !name.is_empty()
            || self.peek(served.stored(), &request.namespace, &request.name).is_none();
        if is_named {
            let meta = map_at(&mut body, &["metadata"]);
            check_place(served, request, meta)?;
            if !in_body {
                // Nobody applies the namespace of the URL.
                meta.remove("namespace");
            }
        }
        let live = self.found(served, &request.namespace, &request.name, Freshness::Known)?;
        if live.is_none() && !request.subresource.is_empty() {
            return Err(Box::new(Status::not_found(&served.resource, &request.name)));
        }
        let applied_uid = at(&body, &["metadata", "uid"]).and_then(Value::as_str);
        if live.is_none() && applied_uid.is_some_and(|uid| !uid.is_empty()) {
            let uid = applied_uid.unwrap_or("");
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was \
                 found"
            );
            return Err(Box::new(Status::conflict(&served.resource, &request.name, &why)));
        }
        let now = self.timestamp();
        let force = request.options.force.unwrap_or(false);
        let views = Views::new(self, served);
        let write = Write { views: views.as_dyn(), ..write_of(served, request, &manager, &now) };
        let merged = managed::apply(&write, live.as_ref().map(|o| o.value()), &body, force);
        views.complete()?;
        let merged = merged.map_err(|e| failure::of_apply(&e))?;
        self.strictly_applied(request)?;
        let merged = self.decode_merged(served, merged, live.as_ref().map(|live| live.value()))?;
        match live {
            Some(live) => self.replace(served, request, &live, merged, &Origin::Apply),
            None => {
                let fields = at(&merged, &["metadata", "managedFields"]).cloned();
                let mut body = self.fresh(served, request, merged)?;
                if let Some(fields) = fields {
                    map_at(&mut body, &["metadata"]).insert("managedFields", fields);
                }
                self.insert(served, request, body, &Origin::Apply)
            }
        }
    }

    /// Stores a proposed version of a live object.
    fn replace(
        &mut self,
        served: &Arc<Served>,
        request: &Request,
        live: &Arc<Object>,
        mut body: Value,
        origin: &Origin,
    ) -> Handled {
        preconditions(served, request, live, &body)?;
        let is_update = matches!(origin, Origin::Update);
        let owned = is_update && self.own_as_sent(served, request, live, &mut body)?;
        carry_over(served, request, live, &mut body)?;
        self.settle_conditions(served, request, live, &mut body);
        let settled = !self.unsettled.contains(&live.resource_version());
        let before = settled.then(|| live.value());
        served.complete_as(origin, &mut body, before);
        if is_update && !owned {
            self.own(served, request, Some(live.value()), &mut body)?;
        }
        self.admit_update(served, request, live, &mut body)?;
        self.restrict_node(served, request, Some(live.value()), Some(&body))?;
        self.mutate(served, request, Some(live.value()), &mut body, |server, body| {
            server.admit_update(served, request, live, body)
        })?;
        self.check_escalation(served, request, Some(live), &body)?;
        disabled::drop_fields(served, &mut body, Some(live.value()));
        let dropped = &self.noticed.dropped;
        let generation = served.next_generation(request, live.value(), &body, dropped);
        set_generation(&mut body, generation);
        let checked = served.check(request, &body, Some(live.value())).and_then(|()| {
            self.warn(served, request, &body, Some(live.value()));
            self.judge(served, request, Some(live), &body)
        });
        if checked.is_err() {
            self.give_back(served, &body, Some(live));
        }
        checked?;
        self.forget_empty(served, &mut body);
        served.fit(&mut body);
        map_at(&mut body, &["metadata"])
            .insert("resourceVersion", live.resource_version().to_string().into());
        let kept = self.converted_to_keep(served, &body, false)?;
        let is_same = match &kept {
            Some(kept) => self
                .store
                .get(served.stored(), live.key())
                .is_some_and(|stored| *stored.value() == kept.value),
            None => managed::is_same_but_times(live.value(), &body),
        };
        if settled && is_same {
            return Ok(Response::Object { code: 200, object: Arc::clone(live) });
        }
        if request.options.dry_run {
            let value = kept.and_then(|kept| kept.shown).unwrap_or(Ok(body))?;
            return Ok(Response::Value { code: 200, value });
        }
        self.unsettled.remove(&live.resource_version());
        let held = served.is_namespace()
            && at(&body, &["spec", "finalizers"])
                .and_then(Value::as_array)
                .is_some_and(|list| !list.is_empty());
        if is_finished(&body) && !held {
            // The last finalizer went: the object is gone, and the answer shows what was sent.
            self.take_out(served, live.key());
            self.after_delete(served, live);
            return Ok(Response::Value { code: 200, value: body });
        }
        self.note_addresses(served, &body);
        let object = match kept {
            Some(kept) => self.put_kept(served, kept),
            None => self.put(served, body)?,
        };
        self.let_go(served, live, Some(object.value()));
        self.after_write(served, &object);
        Ok(Response::Object { code: 200, object })
    }
}

#[cfg(test)]
mod sharing_tests;
