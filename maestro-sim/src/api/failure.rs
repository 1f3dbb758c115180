//! What a refused patch or apply answers.

use crate::api::{Cause, Status};
use crate::managed::ApplyError;
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
