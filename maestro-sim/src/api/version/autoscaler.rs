//! `autoscaling/v1`: one CPU target, and annotations for all that the version has no field for.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/autoscaling/v1/conversion.go`.

use crate::json::{Map, Name, Value, json};
use crate::object::{at, map_at};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// From `autoscaling/v2` to `autoscaling/v1`.
pub(super) fn to_v1(value: &mut Value) {
    drop_notes(value);
    let spec = map_at(value, &["spec"]);
    let metrics = list(spec.remove("metrics"));
    let behavior = spec.remove("behavior").filter(|behavior| !behavior.is_null());
    if let Some(target) = metrics.iter().filter(|metric| is_cpu(metric)).find_map(utilization) {
        spec.insert("targetCPUUtilizationPercentage", target);
    }
    let status = map_at(value, &["status"]);
    let current = list(status.remove("currentMetrics"));
    let conditions = list(status.remove("conditions"));
    let used = current.iter().find(|metric| is_cpu(metric));
    let used = used.and_then(|metric| metric.pointer("/resource/current/averageUtilization"));
    if let Some(used) = used.filter(|used| !used.is_null()) {
        status.insert("currentCPUUtilizationPercentage", used.clone());
    }
    let others: Vec<Value> = metrics
        .iter()
        .filter(|metric| !is_cpu(metric) || utilization(metric).is_none())
        .map(|metric| flat(metric, &TARGET))
        .collect();
    let current: Vec<Value> = current.iter().map(|metric| flat(metric, &USED)).collect();
    note(value, METRICS, others);
    note(value, CURRENT, current);
    note(value, CONDITIONS, conditions);
    if let Some(behavior) = behavior {
        let text = written(&internal(&behavior));
        map_at(value, &["metadata", "annotations"]).insert(BEHAVIOR, text.into());
    }
}

/// From `autoscaling/v1` to `autoscaling/v2`.
pub(super) fn to_v2(value: &mut Value) {
    let spec = map_at(value, &["spec"]);
    let target = spec.remove("targetCPUUtilizationPercentage").filter(|target| !target.is_null());
    let status = map_at(value, &["status"]);
    let used = status.remove("currentCPUUtilizationPercentage").filter(|used| !used.is_null());
    // This version writes no replicas as none.
    if status.get("currentReplicas").is_some_and(|count| *count == 0) {
        status.remove("currentReplicas");
    }
    let read = |name: &str| {
        let text = at(value, &["metadata", "annotations", name]).and_then(Value::as_str)?;
        serde_json::from_str::<Value>(text).ok()
    };
    let others = read(METRICS).map(|all| list(Some(all)));
    let (current, conditions) = (read(CURRENT), read(CONDITIONS));
    let behavior = read(BEHAVIOR);
    let mut metrics: Vec<Value> =
        others.into_iter().flatten().map(|metric| deep(&metric, &TARGET)).collect();
    if let Some(target) = target {
        metrics.push(json!({"type": "Resource", "resource": {"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": target}}}));
    }
    let current = match (current, used) {
        (Some(all), _) => list(Some(all)).iter().map(|metric| deep(metric, &USED)).collect(),
        (None, Some(used)) => vec![json!({"type": "Resource", "resource": {"name": "cpu",
            "current": {"averageUtilization": used}}})],
        (None, None) => Vec::new(),
    };
    put(map_at(value, &["spec"]), "metrics", metrics);
    if let Some(behavior) = behavior {
        map_at(value, &["spec"]).insert("behavior", external(&behavior));
    }
    put(map_at(value, &["status"]), "currentMetrics", current);
    put(map_at(value, &["status"]), "conditions", list(conditions));
    drop_notes(value);
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(all)) => all.into_vec(),
        _ => Vec::new(),
    }
}

fn put(map: &mut Map, name: &str, all: Vec<Value>) {
    if !all.is_empty() {
        map.insert(name.to_owned(), all.into());
    }
}

fn note(value: &mut Value, name: &str, all: Vec<Value>) {
    if !all.is_empty() {
        let text = written(&Value::from(all));
        map_at(value, &["metadata", "annotations"]).insert(name.to_owned(), text.into());
    }
}

/// The order of the fields in Go's types, which is that of the annotations' text.
const ORDER: [&str; 38] = [
    "type",
    "status",
    "lastTransitionTime",
    "reason",
    "message",
    "object",
    "pods",
    "resource",
    "containerResource",
    "external",
    "kind",
    "target",
    "metricName",
    "metricSelector",
    "targetValue",
    "currentValue",
    "name",
    "targetAverageUtilization",
    "currentAverageUtilization",
    "targetAverageValue",
    "currentAverageValue",
    "selector",
    "averageValue",
    "container",
    "apiVersion",
    "matchExpressions",
    "key",
    "operator",
    "values",
    "ScaleUp",
    "ScaleDown",
    "StabilizationWindowSeconds",
    "SelectPolicy",
    "Policies",
    "Tolerance",
    "Type",
    "Value",
    "PeriodSeconds",
];

fn written(value: &Value) -> String {
    match value {
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(written).collect();
            format!("[{}]", all.join(","))
        }
        Value::Object(map) => {
            let place = |name: &str| ORDER.iter().position(|known| *known == name);
            let mut fields: Vec<(&Name, &Value)> = map.iter().collect();
            fields.sort_by_key(|(name, _)| place(name));
            let fields = fields.iter().map(|(name, value)| {
                // Labels are sorted by their names, whatever they are called.
                let text = match name.as_str() {
                    "matchLabels" => value.to_string(),
                    _ => written(value),
                };
                format!("{}:{text}", Value::from(name.as_str()))
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

fn drop_notes(value: &mut Value) {
    let meta = map_at(value, &["metadata"]);
    let Some(Value::Object(notes)) = meta.get_mut("annotations") else { return };
    for name in [METRICS, CURRENT, CONDITIONS, BEHAVIOR] {
        notes.remove(name);
    }
    if notes.is_empty() {
        meta.remove("annotations");
    }
}

fn is_cpu(metric: &Value) -> bool {
    metric["type"] == "Resource" && metric["resource"]["name"] == "cpu"
}

fn utilization(metric: &Value) -> Option<Value> {
    let target = metric.pointer("/resource/target/averageUtilization");
    target.filter(|target| !target.is_null()).cloned()
}

/// How a version nests what the other has side by side: the field that is taken apart, and the
/// names of an average value, an average utilization and a value beside it.
struct Nest {
    field: &'static str,
    average: &'static str,
    utilization: &'static str,
    value: &'static str,
}

const TARGET: Nest = Nest {
    field: "target",
    average: "targetAverageValue",
    utilization: "targetAverageUtilization",
    value: "targetValue",
};
const USED: Nest = Nest {
    field: "current",
    average: "currentAverageValue",
    utilization: "currentAverageUtilization",
    value: "currentValue",
};

/// The field that a metric's type stands for.
fn source_of(metric: &Value) -> Option<&'static str> {
    Some(match metric["type"].as_str()? {
        "Object" => "object",
        "Pods" => "pods",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "External" => "external",
        _ => return None,
    })
}

/// A metric of `v2` as `v1` writes it.
fn flat(metric: &Value, nest: &Nest) -> Value {
    let Some(name) = source_of(metric) else { return metric.clone() };
    let source = &metric[name];
    let mut out = Map::new();
    let average = if name == "object" { "averageValue" } else { nest.average };
    for (field, value) in source.as_object().into_iter().flatten() {
        match field.as_str() {
            "metric" => {
                out.insert("metricName", value["name"].clone());
                let selector = if name == "external" { "metricSelector" } else { "selector" };
                if let Some(given) = value.get("selector").filter(|given| !given.is_null()) {
                    out.insert(selector, given.clone());
                }
            }
            "describedObject" => {
                out.insert("target", value.clone());
            }
            field if field == nest.field => {
                for (from, to) in [
                    ("averageUtilization", nest.utilization),
                    ("averageValue", average),
                    ("value", nest.value),
                ] {
                    if let Some(value) = value.get(from).filter(|value| !value.is_null()) {
                        out.insert(to, value.clone());
                    }
                }
            }
            other => {
                out.insert(other.to_owned(), value.clone());
            }
        }
    }
    json!({"type": metric["type"], name: out})
}

/// A metric of `v1` as `v2` writes it.
fn deep(metric: &Value, nest: &Nest) -> Value {
    let Some(name) = source_of(metric) else { return metric.clone() };
    let source = metric[name].as_object().cloned().unwrap_or_default();
    let (mut out, mut named, mut inner) = (Map::new(), Map::new(), Map::new());
    for (field, value) in source {
        match field.as_str() {
            "metricName" => named.insert("name", value),
            "selector" | "metricSelector" => named.insert("selector", value),
            "target" if name == "object" => out.insert("describedObject", value),
            field if field == nest.utilization => inner.insert("averageUtilization", value),
            field if field == nest.average => inner.insert("averageValue", value),
            "averageValue" if name == "object" => inner.insert("averageValue", value),
            field if field == nest.value => inner.insert("value", value),
            _ => out.insert(field, value),
        };
    }
    if !named.is_empty() {
        out.insert("metric", named.into());
    }
    if nest.field == "target" {
        let kind = match () {
            () if inner.contains_key("averageUtilization") => "Utilization",
            () if inner.contains_key("averageValue") => "AverageValue",
            () => "Value",
        };
        inner.insert("type", kind.into());
    }
    out.insert(nest.field, inner.into());
    json!({"type": metric["type"], name: out})
}

/// The annotation of the behaviour holds Go's own names of the fields, absent ones included.
fn internal(behavior: &Value) -> Value {
    let rules = |name: &str| match &behavior[name] {
        Value::Null => Value::Null,
        rules => {
            let policies = rules["policies"].as_array().map(|all| {
                all.iter()
                    .map(|one| {
                        json!({"Type": one["type"], "Value": one["value"],
                               "PeriodSeconds": one["periodSeconds"]})
                    })
                    .collect::<Vec<_>>()
            });
            json!({"StabilizationWindowSeconds": rules["stabilizationWindowSeconds"],
                   "SelectPolicy": rules["selectPolicy"], "Policies": policies,
                   "Tolerance": rules["tolerance"]})
        }
    };
    json!({"ScaleUp": rules("scaleUp"), "ScaleDown": rules("scaleDown")})
}

fn external(behavior: &Value) -> Value {
    let mut out = Map::new();
    for (from, to) in [("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown")] {
        let Some(rules) = behavior[from].as_object() else { continue };
        let mut told = Map::new();
        for (from, to) in [
            ("StabilizationWindowSeconds", "stabilizationWindowSeconds"),
            ("SelectPolicy", "selectPolicy"),
            ("Tolerance", "tolerance"),
        ] {
            if let Some(value) = rules.get(from).filter(|value| !value.is_null()) {
                told.insert(to, value.clone());
            }
        }
        let policies = list(rules.get("Policies").cloned()).into_iter().map(|one| {
            json!({"type": one["Type"], "value": one["Value"],
                   "periodSeconds": one["PeriodSeconds"]})
        });
        put(&mut told, "policies", policies.collect());
        out.insert(to, told.into());
    }
    out.into()
}
