//! The words of cells: ages, selectors, lists that are cut short.

use super::Moment;
use crate::builtin::field::{list, text};
use crate::json::{Name, Value};
use crate::object::{GroupResource, at};
use crate::selector::LabelSelector;
use crate::time::unix_seconds;

pub(super) const NONE: &str = "<none>";
pub(super) const UNKNOWN: &str = "<unknown>";
pub(super) const UNSET: &str = "<unset>";

/// Text at a place, or nothing.
pub(super) fn text_at<'v>(object: &'v Value, place: &str) -> &'v str {
    object.pointer(place).and_then(Value::as_str).unwrap_or("")
}

/// A number at a place, or 0.
pub(super) fn int_at(object: &Value, place: &str) -> i64 {
    object.pointer(place).and_then(Value::as_i64).unwrap_or(0)
}

/// A list at a place, or an empty one.
pub(super) fn list_at<'v>(object: &'v Value, place: &str) -> &'v [Value] {
    object.pointer(place).and_then(Value::as_array).map_or(&[], |list| list.as_slice())
}

/// The text, or other words where there is none.
pub(super) fn or<'t>(text: &'t str, other: &'t str) -> &'t str {
    if text.is_empty() { other } else { text }
}

/// How long ago a time was.
pub(super) fn since(time: &str, now: Moment) -> String {
    unix_seconds(time).map_or_else(|| UNKNOWN.to_owned(), |then| human(now.0 - then))
}

/// A span of time with two units at most (`k8s.io/apimachinery/pkg/util/duration`).
pub(super) fn human(seconds: i64) -> String {
    let two = |whole: i64, unit: &str, rest: i64, small: &str| match rest {
        0 => format!("{whole}{unit}"),
        rest => format!("{whole}{unit}{rest}{small}"),
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        ..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < 120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => two(hours / 24, "d", hours % 24, "h"),
        _ if hours < 2 * 8760 => format!("{}d", hours / 24),
        _ if hours < 8 * 8760 => two(hours / 8760, "y", hours / 24 % 365, "d"),
        _ => format!("{}y", hours / 8760),
    }
}

/// A plain map of labels.
pub(super) fn labels(object: &Value, place: &str) -> String {
    let map = object.pointer(place).and_then(Value::as_object);
    let pair = |(key, value): (&Name, &Value)| format!("{key}={}", value.as_str().unwrap_or(""));
    let pairs: Vec<String> = map.into_iter().flatten().map(pair).collect();
    or(&pairs.join(","), NONE).to_owned()
}

/// A `metav1.LabelSelector`.
pub(super) fn selector(value: Option<&Value>) -> Option<String> {
    LabelSelector::from_value(value.unwrap_or(&Value::Null)).ok().map(|s| s.to_string())
}

/// A list of which only the first three are told.
pub(super) fn cut(all: &[String], empty: &str) -> String {
    const MOST: usize = 3;
    let shown = all.iter().take(MOST).cloned().collect::<Vec<_>>().join(",");
    match all.len().saturating_sub(MOST) {
        0 => or(&shown, empty).to_owned(),
        more => format!("{shown} + {more} more..."),
    }
}

/// The short names of access modes, in their own order.
pub(super) fn modes(modes: &[Value]) -> String {
    const SHORT: [(&str, &str); 4] = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let has = |name: &str| modes.iter().any(|mode| mode == name);
    let found: Vec<&str> =
        SHORT.iter().filter(|(name, _)| has(name)).map(|(_, short)| *short).collect();
    found.join(",")
}

/// Names and images of containers.
pub(super) fn containers(object: &Value, place: &str, field: &str) -> Value {
    let each: Vec<&str> = list_at(object, place).iter().map(|c| text(c, field)).collect();
    each.join(",").into()
}

/// Which condition holds.
pub(super) fn condition<'v>(object: &'v Value, kind: &str) -> &'v str {
    let conditions = list_at(object, "/status/conditions");
    conditions.iter().find(|c| text(c, "type") == kind).map_or("", |c| text(c, "status"))
}

/// The addresses a load balancer gave, in order.
pub(super) fn balancer(object: &Value) -> String {
    let ingress = list_at(object, "/status/loadBalancer/ingress");
    let address = |entry| or(text(entry, "ip"), text(entry, "hostname"));
    let mut found: Vec<&str> = ingress.iter().map(address).filter(|a| !a.is_empty()).collect();
    found.sort_unstable();
    found.dedup();
    found.join(",")
}

/// The storage class that claims get when they name none: the youngest of those marked so.
pub(super) fn default_class<'v>(
    resource: &GroupResource,
    objects: &[&'v Value],
) -> Option<&'v Value> {
    const MARKS: [&str; 2] = [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    ];
    if (&*resource.group, &*resource.resource) != ("storage.k8s.io", "storageclasses") {
        return None;
    }
    let marked = |object: &&&Value| {
        MARKS.iter().any(|mark| {
            at(object, &["metadata", "annotations", mark]).is_some_and(|value| value == "true")
        })
    };
    let made = |object: &Value| text_at(object, "/metadata/creationTimestamp").to_owned();
    let name = |object: &Value| std::cmp::Reverse(text_at(object, "/metadata/name").to_owned());
    objects.iter().filter(marked).copied().max_by_key(|object| (made(object), name(object)))
}

/// The subjects of one kind in a binding.
pub(super) fn subjects(object: &Value, kind: &str) -> Value {
    let named = |subject: &Value| match kind {
        "ServiceAccount" => format!("{}/{}", text(subject, "namespace"), text(subject, "name")),
        _ => text(subject, "name").to_owned(),
    };
    let all = list(object, "subjects").iter().filter(|s| text(s, "kind") == kind).map(named);
    all.collect::<Vec<_>>().join(", ").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let spans = [
            (-5, "<invalid>"),
            (-1, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (3600, "60m"),
            (3 * 3600 + 60, "3h1m"),
            (9 * 3600, "9h"),
            (50 * 3600, "2d2h"),
            (100 * 86_400, "100d"),
            (800 * 86_400, "2y70d"),
            (9 * 365 * 86_400, "9y"),
        ];
        for (seconds, expected) in spans {
            assert_eq!(human(seconds), expected, "{seconds}");
        }
    }
}
