//! What a refused patch or apply answers, and a read of what cannot be decoded.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::api::registry::Served;
use crate::api::{Cause, Status};
use crate::managed::ApplyError;
use crate::object::{Key, Object};
use crate::patch::PatchError;

/// The answer to a patch that cannot be applied.
pub(super) fn of_patch(error: &PatchError) -> Box<Status> {
    let message = error.to_string();
    Box::new(match error.code() {
        400 => Status::bad_request(message),
        413 => Status::new(413, "RequestEntityTooLarge", message),
        500 => Status::new(500, "", message),
        code => {
            // The server keeps to itself what was wrong.
            let message = "the server rejected our request due to an error in our request";
            let mut status = Status::new(code, "Invalid", message);
            status.has_details = true;
            status
        }
    })
}

/// The answer to a server-side apply that cannot be merged.
pub(super) fn of_apply(error: &ApplyError) -> Box<Status> {
    let message = error.to_string();
    Box::new(match error {
        ApplyError::Conflicts(conflicts) => {
            let causes: Vec<Cause> = conflicts
                .iter()
                .map(|c| Cause::new("FieldManagerConflict", &c.field, c.message.clone()))
                .collect();
            Status::new(409, "Conflict", message).with_causes(&causes)
        }
        ApplyError::BadRequest(_) => Status::bad_request(message),
        ApplyError::Invalid(_) => Status::new(error.code(), "", message),
    })
}

/// Where the real server keeps the objects of a custom kind, as its errors name it.
fn storage_key(served: &Served, key: &Key) -> String {
    let (group, plural) = (&served.resource.group, &served.resource.resource);
    match &*key.namespace {
        "" => format!("/{group}/{plural}/{}", key.name),
        namespace => format!("/{group}/{plural}/{namespace}/{}", key.name),
    }
}

fn storage_error(key: &str, why: &str) -> String {
    format!(
        "StorageError: corrupt object, Code: 7, Key: {key}, ResourceVersion: 0, \
         AdditionalErrorMsg: {why}"
    )
}

/// The answer to a read or a deletion of one object in the store that cannot be decoded.
pub(super) fn corrupt(served: &Served, key: &Key, why: &str) -> Box<Status> {
    let why = storage_error(&storage_key(served, key), why);
    let status = Status::new(500, "InternalError", format!("Internal error occurred: {why}"));
    Box::new(status.with_causes(&[Cause::new("", "", why)]))
}

/// The answer to a list with objects that cannot be decoded, each with why.
pub(super) fn unreadable_list(served: &Served, all: &[(Arc<Object>, String)]) -> Box<Status> {
    const MOST: usize = 100;
    let mut causes: Vec<Cause> = all
        .iter()
        .take(MOST)
        .map(|(object, why)| {
            let key = format!("/registry{}", storage_key(served, object.key()));
            Cause::new("UnexpectedServerResponse", &key, storage_error(&key, why))
        })
        .collect();
    let first = causes.first().map_or("", |cause| cause.message.as_str());
    let resource = &served.resource;
    let mut message = format!("failed to read one or more {resource} from the storage: {first}");
    if causes.len() > 1 {
        let _ = write!(message, " (and {} more)", causes.len() - 1);
    }
    if all.len() > MOST {
        causes.push(Cause::new("FieldValueTooMany", "", "too many errors, the list is truncated"));
    }
    let status = Status::new(500, "StorageReadError", message).about(resource, "list");
    Box::new(status.with_causes(&causes))
}
