//! Pod: Running and Ready, or Succeeded.

use serde_json::Value;

use super::{Health, condition, is_true, told};

pub(super) fn check(object: &Value) -> Health {
    let status = &object["status"];
    match status["phase"].as_str().unwrap_or("Pending") {
        "Succeeded" => Health::Healthy,
        "Failed" => Health::Failed(told(status)),
        "Running" if is_true(object, "Ready") => Health::Healthy,
        "Running" => Health::Progressing(
            condition(object, "Ready").map_or_else(|| "it is not ready".to_owned(), told),
        ),
        phase => Health::Progressing(
            waiting(object).unwrap_or_else(|| format!("it is {}", phase.to_lowercase())),
        ),
    }
}

/// Why the first container that waits does so.
fn waiting(object: &Value) -> Option<String> {
    let statuses = object["status"]["containerStatuses"].as_array()?;
    let reason = statuses.iter().find_map(|one| one["state"]["waiting"]["reason"].as_str())?;
    Some(format!("its containers wait: {reason}"))
}
