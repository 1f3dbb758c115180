//! On which nodes a DaemonSet's pods belong.

use crate::controller::labels::Labels;
use crate::controller::node_lifecycle::tolerates;
use crate::controller::shape;
use crate::json::{Array, Value, json};
use crate::object::{Object, at};

/// The tolerations every daemon pod gets: key and effect.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// The tolerations of a daemon pod: the template's and the automatic ones.
pub fn tolerations(template: &Value) -> Array {
    let own = at(template, &["spec", "tolerations"]).and_then(Value::as_array);
    let mut all = own.cloned().unwrap_or_default();
    let automatic =
        TOLERATED.map(|(key, effect)| json!({"key": key, "operator": "Exists", "effect": effect}));
    for toleration in automatic {
        if !all.contains(&toleration) {
            all.push(toleration);
        }
    }
    all
}

/// Whether a pod should be started on the node, and whether one that is there may stay.
pub fn placed(template: &Value, node: &Object) -> (bool, bool) {
    if !selected(template, node) {
        return (false, false);
    }
    let tolerations = tolerations(template);
    let repels = |effect: &str| {
        node.items(&["spec", "taints"]).iter().any(|taint| {
            shape::text(taint, &["effect"]) == effect
                && !tolerations.iter().any(|t| tolerates(t, taint))
        })
    };
    (!repels("NoSchedule") && !repels("NoExecute"), !repels("NoExecute"))
}

fn selected(template: &Value, node: &Object) -> bool {
    let simple = at(template, &["spec", "nodeSelector"]).and_then(Value::as_object);
    let simple = simple.is_none_or(|s| s.iter().all(|(k, v)| node.label(k) == v.as_str()));
    let path = [
        "spec",
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
    ];
    let terms = at(template, &path).and_then(Value::as_array);
    simple && terms.is_none_or(|terms| terms.iter().any(|term| fits(term, node)))
}

fn fits(term: &Value, node: &Object) -> bool {
    let labels = Labels::of(Some(&json!({"matchExpressions": term.get("matchExpressions")})));
    let fields = Labels::of(Some(&json!({"matchExpressions": term.get("matchFields")})));
    let name = json!({"metadata.name": node.name()});
    labels.matches(node.labels()) && fields.matches(name.as_object())
}

/// Pins a pod to its node the way the scheduler understands.
pub fn pin(spec: &mut crate::json::Map, node: &str) {
    let term = json!([{"matchFields": [
        {"key": "metadata.name", "operator": "In", "values": [node]},
    ]}]);
    let affinity = spec.entry("affinity").or_insert_with(|| json!({}));
    affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
        json!({"nodeSelectorTerms": term});
}

/// The node a daemon pod is bound or pinned to.
pub fn node_of(pod: &Object) -> &str {
    let bound = pod.text(&["spec", "nodeName"]);
    if !bound.is_empty() {
        return bound;
    }
    let path = [
        "spec",
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
    ];
    let terms = pod.items(&path).iter();
    let fields = terms.filter_map(|t| t.get("matchFields")?.as_array()).flatten();
    fields
        .filter(|f| shape::text(f, &["key"]) == "metadata.name")
        .find_map(|f| f.get("values")?.get(0)?.as_str())
        .unwrap_or("")
}
