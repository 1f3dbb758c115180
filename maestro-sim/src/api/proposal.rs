//! What a proposed tree may say, and what is put back from the live object.

use crate::api::certificate::approved;
use crate::api::pod_parts::PodPart;
use crate::api::registry::Served;
use crate::api::{Cause, PatchType, Request, Status, Verb};
use crate::builtin;
use crate::fields::of;
use crate::json::{Map, Value, json};
use crate::object::{Object, at, map_at};
use crate::typed;

/// How a proposed tree came about, which decides who owns its fields.
pub(super) enum Origin {
    /// The body itself, or a patch of the live object.
    Update,
    /// Server-side apply: ownership is already recorded.
    Apply,
}

/// Name and namespace of the body must be those of the URL; the namespace is filled in.
pub(super) fn check_place(
    served: &Served,
    request: &Request,
    meta: &mut Map,
) -> Result<(), Box<Status>> {
    let given = meta.get("namespace").and_then(Value::as_str).unwrap_or("");
    if !served.namespaced {
        meta.remove("namespace");
    } else if given.is_empty() {
        meta.insert("namespace", request.namespace.as_str().into());
    } else if given != request.namespace {
        let message = "the namespace of the provided object does not match the namespace sent on \
                       the request";
        return Err(Box::new(Status::bad_request(message)));
    }
    let name = meta.get("name").and_then(Value::as_str).unwrap_or("");
    if !request.name.is_empty() && name != request.name {
        if name.is_empty() {
            let message = format!(
                "the name of the object ({} based on URL) was undeterminable: name must be provided",
                request.name
            );
            return Err(Box::new(Status::bad_request(message)));
        }
        let message = format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            request.name
        );
        return Err(Box::new(Status::bad_request(message)));
    }
    Ok(())
}

/// 500 for a version that is no number.
pub(super) fn unreadable(version: &str) -> Box<Status> {
    let message = format!("strconv.ParseUint: parsing \"{version}\": invalid syntax");
    Box::new(Status::new(500, "", message))
}

/// That an object is not the one that was meant: its `UID` or `ResourceVersion` is another.
pub(super) fn unmet(what: &str, asked: &str, is: &str) -> String {
    format!("Precondition failed: {what} in precondition: {asked}, {what} in object meta: {is}")
}

/// The same as the real server's storage tells it.
pub(super) fn refused_by_storage(served: &Served, live: &Object, why: &str) -> String {
    format!(
        "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: \
         {why}",
        storage_key(served, live)
    )
}

/// Where the real server keeps an object; some of its errors tell.
fn storage_key(served: &Served, live: &Object) -> String {
    let group = &*served.resource.group;
    let resource = match (group, &*served.resource.resource) {
        ("", "services") => "services/specs".to_owned(),
        ("", "endpoints") => "services/endpoints".to_owned(),
        ("", "nodes") => "minions".to_owned(),
        ("networking.k8s.io", "ingresses") => "ingress".to_owned(),
        ("apiextensions.k8s.io" | "apiregistration.k8s.io", resource) => {
            format!("{group}/{resource}")
        }
        (_, resource) if served.is_custom() => format!("{group}/{resource}"),
        (_, resource) => resource.to_owned(),
    };
    match live.namespace() {
        "" => format!("/registry/{resource}/{}", live.name()),
        namespace => format!("/registry/{resource}/{namespace}/{}", live.name()),
    }
}

pub(super) fn preconditions(
    served: &Served,
    request: &Request,
    live: &Object,
    body: &Value,
) -> Result<(), Box<Status>> {
    let text = |field: &str| at(body, &["metadata", field]).and_then(Value::as_str).unwrap_or("");
    let version = text("resourceVersion");
    if !version.is_empty() && version.parse::<u64>().is_err() {
        return Err(unreadable(version));
    }
    if !version.is_empty()
        && version != "0"
        && version != live.text(&["metadata", "resourceVersion"])
    {
        return Err(Box::new(Status::modified(&served.resource, live.name())));
    }
    let uid = text("uid");
    if !uid.is_empty() && uid != live.uid() {
        if request.patch.is_some_and(|kind| kind != PatchType::Apply) {
            let detail = "field is immutable";
            let cause = builtin::field::invalid(&"metadata.uid", &uid.into(), detail);
            let group = served.told_group();
            return Err(Box::new(Status::invalid(group, &served.kind, live.name(), &[cause])));
        }
        let mut why = unmet("UID", uid, live.uid());
        if request.verb == Verb::Update {
            why = refused_by_storage(served, live, &why);
        }
        return Err(Box::new(Status::conflict(&served.resource, live.name(), &why)));
    }
    if request.verb == Verb::Update && version.is_empty() && !served.unconditional_update {
        let causes = [Cause::new(
            "FieldValueInvalid",
            "metadata.resourceVersion",
            "Invalid value: 0: must be specified for an update",
        )];
        // The server names the collection here, where everywhere else it names the kind.
        let (group, plural) = (&served.resource.group, &served.resource.resource);
        return Err(Box::new(Status::invalid(group, plural, &request.name, &causes)));
    }
    Ok(())
}

/// Puts back what this endpoint may not change.
pub(super) fn carry_over(
    served: &Served,
    request: &Request,
    live: &Object,
    body: &mut Value,
) -> Result<(), Box<Status>> {
    let old = live.value();
    if matches!(&*request.subresource, "status" | "approval") {
        let fields = map_at(body, &["metadata"]).remove("managedFields");
        let mut status = map_at(body, &[]).remove("status");
        if request.subresource == "approval" {
            status = Some(approved(old.get("status"), status.as_ref()));
        }
        let mut kept = unchanged(old);
        served.merge_status_metadata(&mut kept, body);
        set_or_remove(map_at(&mut kept, &[]), "status", status);
        set_or_remove(map_at(&mut kept, &["metadata"]), "managedFields", fields);
        *body = kept;
    } else if let Some(part) = PodPart::of(served, &request.subresource) {
        part.carry_over(served.release, old, body);
    } else if served.status {
        set_or_remove(map_at(body, &[]), "status", old.get("status").cloned());
    }
    let meta = map_at(body, &["metadata"]);
    let fixed = [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "selfLink",
    ];
    for field in fixed {
        set_or_remove(meta, field, at(old, &["metadata", field]).cloned());
    }
    if live.is_deleting() {
        no_new_finalizers(served, live, body)?;
    }
    Ok(())
}

/// The live tree without its status and its managed fields.
fn unchanged(live: &Value) -> Value {
    let mut kept = live.clone();
    map_at(&mut kept, &[]).remove("status");
    map_at(&mut kept, &["metadata"]).remove("managedFields");
    kept
}

fn no_new_finalizers(served: &Served, live: &Object, body: &Value) -> Result<(), Box<Status>> {
    let proposed = at(body, &["metadata", "finalizers"]).and_then(Value::as_array);
    let new: Vec<&str> = proposed
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|f| !live.finalizers().any(|old| old == *f))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let listed: Vec<String> = new.iter().map(|f| format!("\"{f}\"")).collect();
    let message = format!(
        "Forbidden: no new finalizers can be added if the object is being deleted, found new \
         finalizers []string{{{}}}",
        listed.join(", ")
    );
    let cause = Cause::new("FieldValueForbidden", "metadata.finalizers", message);
    let (group, kind) = (&served.resource.group, &served.kind);
    Err(Box::new(Status::invalid(group, kind, live.name(), &[cause])))
}

/// Whether an object under deletion has nothing left that holds it.
pub(super) fn is_finished(body: &Value) -> bool {
    let holds = at(body, &["metadata", "finalizers"])
        .and_then(Value::as_array)
        .is_some_and(|finalizers| !finalizers.is_empty());
    let grace = at(body, &["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64);
    at(body, &["metadata", "deletionTimestamp"]).is_some() && !holds && grace.unwrap_or(0) == 0
}

pub(super) fn reset_status(served: &Served, body: &mut Value) {
    // Custom objects lose the status they were sent with; built-in ones begin with an empty one.
    if let (false, Some(map)) = (served.keeps_status_on_create(), body.as_object_mut()) {
        map.remove("status");
        if !served.is_custom() {
            typed::fill(served.schema(), map);
        }
    }
}

/// Whether the status that a custom object is sent with is of another type than it should be.
pub(super) fn has_unfit_status(served: &Served, body: &Value) -> bool {
    body.get("status").is_some_and(|status| {
        let found = of::problems(served.schema(), &json!({ "status": status.clone() }));
        found.iter().any(|problem| problem.contains(": expected "))
    })
}

pub(super) fn set_generation(body: &mut Value, generation: Option<i64>) {
    let meta = map_at(body, &["metadata"]);
    set_or_remove(meta, "generation", generation.map(Value::from));
}

pub(super) fn set_or_remove(map: &mut Map, field: &str, value: Option<Value>) {
    match value {
        Some(value) => map.insert(field, value),
        None => map.remove(field),
    };
}
