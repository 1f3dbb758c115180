//! What an autoscaler measures, in one cell.

use super::Moment;
use super::words::{NONE, UNKNOWN, list_at, or, text_at};
use crate::builtin::field::text;
use crate::json::Value;

/// Each metric's present and wanted value, the first two of them.
pub(super) fn metrics(scaler: &Value, _: Moment) -> Value {
    const MOST: usize = 2;
    let specs = list_at(scaler, "/spec/metrics");
    let states = list_at(scaler, "/status/currentMetrics");
    let mut all = Vec::new();
    // The first version knows the processors' use alone.
    if let Some(target) = percent(scaler, "/spec/targetCPUUtilizationPercentage") {
        let now = percent(scaler, "/status/currentCPUUtilizationPercentage");
        all.push(format!("cpu: {}/{target}", now.as_deref().unwrap_or(UNKNOWN)));
    }
    for (index, spec) in specs.iter().enumerate() {
        all.push(metric(spec, states.get(index).unwrap_or(&Value::Null)));
    }
    if all.is_empty() {
        return NONE.into();
    }
    let shown = all.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(MOST) {
        0 => shown.into(),
        more => format!("{shown} + {more} more...").into(),
    }
}

fn percent(object: &Value, place: &str) -> Option<String> {
    object.pointer(place).and_then(Value::as_i64).map(|number| format!("{number}%"))
}

fn metric(spec: &Value, state: &Value) -> String {
    let kind = text(spec, "type");
    let field = match kind {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".into(),
    };
    let place = |rest: &str| format!("/{field}/{rest}");
    let average = text_at(spec, &place("target/averageValue"));
    let now_average = or(text_at(state, &place("current/averageValue")), UNKNOWN);
    let now = or(text_at(state, &place("current/value")), UNKNOWN);
    let name = text_at(spec, &place("name"));
    match kind {
        "Pods" => format!("{now_average}/{average}"),
        "External" | "Object" if !average.is_empty() => format!("{now_average}/{average} (avg)"),
        "External" | "Object" => {
            format!("{now}/{}", or(text_at(spec, &place("target/value")), "0"))
        }
        _ if !average.is_empty() => format!("{name}: {now_average}/{average}"),
        _ => {
            let now = percent(state, &place("current/averageUtilization"));
            let target = percent(spec, &place("target/averageUtilization"));
            let (now, target) = (now.as_deref(), target.as_deref());
            format!("{name}: {}/{}", now.unwrap_or(UNKNOWN), target.unwrap_or("<auto>"))
        }
    }
}
