//! Job: done when Complete; Failed is final, for a Job never comes back from it.
//! A CronJob's or a user's suspension is neither: the Job has not run yet.

use serde_json::Value;

use super::{Health, condition, is_true, number, told};

pub(super) fn check(object: &Value) -> Health {
    for kind in ["Failed", "FailureTarget"] {
        if let Some(failed) = condition(object, kind)
            && failed["status"] == "True"
        {
            return Health::Failed(told(failed));
        }
    }
    if is_true(object, "Complete") {
        return Health::Healthy;
    }
    if object["spec"]["suspend"] == true {
        return Health::Progressing("it is suspended".to_owned());
    }
    let succeeded = number(object, "/status/succeeded", 0);
    let wanted = number(object, "/spec/completions", 1);
    Health::Progressing(format!("{succeeded} of {wanted} pods succeeded"))
}
