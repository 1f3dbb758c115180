//! Label selectors and node selector terms.

use crate::json::{Map, Value};
use crate::scheduler::cluster::NodeInfo;

/// Whether labels satisfy a `metav1.LabelSelector`; an absent selector matches nothing.
pub fn labels_match(selector: Option<&Value>, labels: Option<&Map>) -> bool {
    let Some(selector) = selector.filter(|s| s.is_object()) else { return false };
    let exact = selector.get("matchLabels").and_then(Value::as_object);
    let label = |name: &str| labels.and_then(|l| l.get(name)).and_then(Value::as_str);
    exact.is_none_or(|exact| pairs_match(exact, labels))
        && list(selector, "matchExpressions").iter().all(|e| expression(e, label))
}

/// Whether labels hold all pairs of a map.
pub fn pairs_match(pairs: &Map, labels: Option<&Map>) -> bool {
    pairs.iter().all(|(name, value)| labels.and_then(|l| l.get(name)) == Some(value))
}

/// Whether a `metav1.LabelSelector` asks for nothing.
pub fn is_empty(selector: &Value) -> bool {
    let exact = selector.get("matchLabels").and_then(Value::as_object);
    exact.is_none_or(|e| e.is_empty()) && list(selector, "matchExpressions").is_empty()
}

/// Whether a node satisfies a `v1.NodeSelector`: one of its terms, none of which may be empty.
pub fn node_matches(selector: &Value, node: &NodeInfo) -> bool {
    list(selector, "nodeSelectorTerms").iter().any(|term| term_matches(term, node))
}

/// Whether a node satisfies one `v1.NodeSelectorTerm`.
pub fn term_matches(term: &Value, node: &NodeInfo) -> bool {
    let expressions = list(term, "matchExpressions");
    let fields = list(term, "matchFields");
    let field = |name: &str| (name == "metadata.name").then(|| node.name());
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|e| expression(e, |name| node.label(name)))
        && fields.iter().all(|e| expression(e, field))
}

/// The elements of an array field.
pub fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], |list| list.as_slice())
}

fn expression<'v>(e: &Value, value: impl Fn(&str) -> Option<&'v str>) -> bool {
    let text = |field: &str| e.get(field).and_then(Value::as_str).unwrap_or("");
    let found = value(text("key"));
    let values = list(e, "values");
    let contains = |found: &str| values.iter().any(|v| v.as_str() == Some(found));
    let compare = |holds: fn(i64, i64) -> bool| {
        let bound = values.first().and_then(Value::as_str).and_then(|v| v.parse().ok());
        let found = found.and_then(|v| v.parse().ok());
        matches!((found, bound), (Some(found), Some(bound)) if holds(found, bound))
    };
    match text("operator") {
        "In" => found.is_some_and(contains),
        "NotIn" => !found.is_some_and(contains),
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        "Gt" => compare(|a, b| a > b),
        "Lt" => compare(|a, b| a < b),
        _ => false,
    }
}
