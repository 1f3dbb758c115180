//! How workloads replace their pods.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/apps/validation`.

use super::field::{self, Path, int, set, text};
use crate::api::Cause;
use crate::json::Value;

pub(super) fn deployment_strategy(strategy: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let here = path.field("rollingUpdate");
    let rolling = set(strategy, "rollingUpdate");
    match text(strategy, "type") {
        "Recreate" if rolling.is_some() => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            causes.push(field::forbidden(&here, detail));
        }
        "Recreate" | "" => {}
        "RollingUpdate" => {
            let rolling = rolling.unwrap_or(&Value::Null);
            let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
            let place = here.field("maxUnavailable");
            share(unavailable, &place, causes);
            share(surge, &here.field("maxSurge"), causes);
            if let (Some(shown), 0, 0) = (unavailable, amount(unavailable), amount(surge)) {
                causes.push(field::invalid(&place, shown, "may not be 0 when `maxSurge` is 0"));
            }
            at_most_all(unavailable, &place, causes);
        }
        _ => {
            let shown = go_strategy(strategy, &["MaxUnavailable", "MaxSurge"]);
            let allowed = ["Recreate", "RollingUpdate"];
            causes.push(field::not_supported_shown(path, &shown, &allowed));
        }
    }
}

pub(super) fn daemon_strategy(strategy: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    match text(strategy, "type") {
        "OnDelete" | "" => {}
        "RollingUpdate" => {
            let here = path.field("rollingUpdate");
            let Some(rolling) = set(strategy, "rollingUpdate") else {
                causes.push(field::required(&here, ""));
                return;
            };
            let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
            let (at_unavailable, at_surge) = (here.field("maxUnavailable"), here.field("maxSurge"));
            share(unavailable, &at_unavailable, causes);
            share(surge, &at_surge, causes);
            at_most_all(unavailable, &at_unavailable, causes);
            at_most_all(surge, &at_surge, causes);
            match (amount(unavailable), surge.map(|_| amount(surge)).unwrap_or(0)) {
                (0, 0) => {
                    let detail = "cannot be 0 when maxSurge is 0";
                    causes.push(field::required(&at_unavailable, detail));
                }
                (0, _) | (_, 0) => {}
                _ => {
                    let shown = surge.cloned().unwrap_or_default();
                    let detail = "may not be set when maxUnavailable is non-zero";
                    causes.push(field::invalid(&at_surge, &shown, detail));
                }
            }
        }
        _ => {
            let shown = go_strategy(strategy, &["MaxUnavailable", "MaxSurge"]);
            let allowed = ["RollingUpdate", "OnDelete"];
            causes.push(field::not_supported_shown(path, &shown, &allowed));
        }
    }
}

pub(super) fn stateful_strategy(strategy: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    const FIELDS: [&str; 2] = ["Partition", "MaxUnavailable"];
    let here = path.field("rollingUpdate");
    let rolling = set(strategy, "rollingUpdate");
    match text(strategy, "type") {
        "OnDelete" => {
            if let Some(rolling) = rolling {
                let detail = "only allowed for updateStrategy 'RollingUpdate'";
                causes.push(field::invalid_shown(&here, &go_struct(rolling, &FIELDS), detail));
            }
        }
        "RollingUpdate" => {
            let Some(rolling) = rolling else { return };
            field::not_negative(&here.field("partition"), int(rolling, "partition"), causes);
            let unavailable = set(rolling, "maxUnavailable");
            let place = here.field("maxUnavailable");
            if let Some(shown) = unavailable {
                share(unavailable, &place, causes);
                if amount(unavailable) == 0 {
                    causes.push(field::invalid(&place, shown, "cannot be 0"));
                }
                at_most_all(unavailable, &place, causes);
            }
        }
        "" => {}
        _ => {
            let shown = go_strategy(strategy, &FIELDS);
            let detail = "must be 'RollingUpdate' or 'OnDelete'";
            causes.push(field::invalid_shown(path, &shown, detail));
        }
    }
}

/// A strategy printed as the server's own struct, whose fields have capital letters.
fn go_strategy(strategy: &Value, fields: &[&str]) -> String {
    let rolling = match set(strategy, "rollingUpdate") {
        Some(rolling) => go_struct(rolling, fields),
        None => "null".to_owned(),
    };
    format!("{{\"Type\":{},\"RollingUpdate\":{rolling}}}", Value::from(text(strategy, "type")))
}

/// A struct printed with the names that its fields have in the server's code.
pub(super) fn go_struct(value: &Value, fields: &[&str]) -> String {
    let shown: Vec<String> = fields
        .iter()
        .map(|name| {
            let ours = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
            format!("{name:?}:{}", value.get(&ours).unwrap_or(&Value::Null))
        })
        .collect();
    format!("{{{}}}", shown.join(","))
}

/// A number or a percentage of at least 0.
pub(super) fn share(value: Option<&Value>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    match value {
        Some(Value::String(given)) if percent(given).is_none() => {
            let detail = "a valid percent string must be a numeric string followed by an ending \
                          '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
            causes.push(field::invalid(path, &given.as_str().into(), detail));
        }
        Some(value) => field::not_negative(path, value.as_i64(), causes),
        None => {}
    }
}

/// A percentage of at most 100.
pub(super) fn at_most_all(value: Option<&Value>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if let Some(value) = value
        && value.as_str().and_then(percent).is_some_and(|share| share > 100)
    {
        causes.push(field::invalid(path, value, "must not be greater than 100%"));
    }
}

fn percent(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%')?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The number, or the number before the percent sign.
fn amount(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::String(text)) => percent(text).or_else(|| text.parse().ok()).unwrap_or(0),
        other => other.and_then(Value::as_i64).unwrap_or(0),
    }
}
