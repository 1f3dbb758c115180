//! Namespace: Active.

use serde_json::Value;

use super::Health;

pub(super) fn check(object: &Value) -> Health {
    match object["status"]["phase"].as_str() {
        Some("Active") => Health::Healthy,
        _ => Health::Progressing("it is not active".to_owned()),
    }
}
