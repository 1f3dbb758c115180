//! PersistentVolumeClaim: Bound, or unbound because its class waits for a first consumer, which
//! cannot be told from the claim: so Pending is progress, and Lost is failure.

use serde_json::Value;

use super::{Health, is_true};

pub(super) fn check(object: &Value) -> Health {
    match object["status"]["phase"].as_str().unwrap_or("Pending") {
        "Bound" if is_true(object, "Resizing") => {
            Health::Progressing("its volume is being resized".to_owned())
        }
        "Bound" => Health::Healthy,
        "Lost" => Health::Failed("its volume is lost".to_owned()),
        _ => Health::Progressing("it is not bound".to_owned()),
    }
}
