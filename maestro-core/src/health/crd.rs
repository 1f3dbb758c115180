//! CustomResourceDefinition: served once Established; names another CRD holds never are.

use serde_json::Value;

use super::{Health, condition, is_true, told};

pub(super) fn check(object: &Value) -> Health {
    if let Some(names) = condition(object, "NamesAccepted")
        && names["status"] == "False"
    {
        return Health::Failed(told(names));
    }
    if is_true(object, "Established") {
        Health::Healthy
    } else {
        Health::Progressing("it is not established".to_owned())
    }
}
