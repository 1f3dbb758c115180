//! LimitRanges.
//!
//! Source: `ValidateLimitRange` of `k8s.io/kubernetes/pkg/apis/core/validation`.

use super::field::{self, Path};
use super::text as form;
use crate::api::Cause;
use crate::json::Value;
use crate::quantity::Quantity;
use crate::quota::resources::amounts;

/// A limit range.
pub(super) fn range(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let spec = root.field("spec");
    let all = spec.field("limits");
    let limits = object.pointer("/spec/limits").and_then(Value::as_array);
    let mut seen = Vec::new();
    for (index, limit) in limits.into_iter().flatten().enumerate() {
        let path = all.index(index);
        let kind = field::text(limit, "type");
        let problems = form::key(kind);
        field::each(&path.field("type"), kind, &problems, causes);
        if seen.contains(&kind) {
            causes.push(field::duplicate(&path.field("type"), &kind.into()));
        }
        seen.push(kind);
        one(limit, kind, &path, causes);
    }
}

fn one(limit: &Value, kind: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for name in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        let place = path.field(name);
        for name in limit.get(name).and_then(Value::as_object).into_iter().flat_map(|m| m.keys()) {
            let here = place.key(name);
            if matches!(kind, "Pod" | "Container") {
                super::pod::resource_name(name, &here, causes);
                continue;
            }
            let problems = form::key(name);
            field::each(&here, name, &problems, causes);
            if problems.is_empty() && !name.contains('/') && !super::pod::is_standard(name) {
                let detail = "must be a standard resource type or fully qualified";
                causes.push(field::invalid(&here, &name.as_str().into(), detail));
            }
        }
    }
    if kind == "Pod" {
        for name in ["default", "defaultRequest"] {
            let set = limit.get(name).and_then(Value::as_object).is_some_and(|m| !m.is_empty());
            if set {
                let detail = "may not be specified when `type` is 'Pod'";
                causes.push(field::forbidden(&path.field(name), detail));
            }
        }
    }
    let bounded = |name: &str| limit.get(name).is_some_and(|list| list.get("storage").is_some());
    if kind == "PersistentVolumeClaim" && !bounded("min") && !bounded("max") {
        let detail =
            "either minimum or maximum storage value is required, but neither was provided";
        causes.push(field::required(&path.field("limits"), detail));
    }
    let of = |name: &str| match (kind, name) {
        ("Pod", "default" | "defaultRequest") => Default::default(),
        _ => amounts(limit.get(name)),
    };
    let lists = ["min", "max", "default", "defaultRequest", "maxLimitRequestRatio"].map(of);
    let mut names: Vec<&String> = lists.iter().flat_map(|list| list.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let [min, max, default, request, ratio] =
            [0, 1, 2, 3, 4].map(|index: usize| lists[index].get(name).copied());
        let mut wrong = |at: &str, shown: Quantity, detail: String| {
            let list = path.field(at);
            causes.push(field::invalid(&list.key(name), &shown.to_string().into(), &detail));
        };
        for (at, low, high, says) in [
            ("min", min, max, ["min value", "max value"]),
            ("defaultRequest", min, request, ["min value", "default request value"]),
            ("defaultRequest", request, max, ["default request value", "max value"]),
            ("defaultRequest", request, default, ["default request value", "default limit value"]),
            ("default", min, default, ["min value", "default value"]),
            ("default", default, max, ["default value", "max value"]),
        ] {
            let (Some(low), Some(high)) = (low, high) else { continue };
            let less = says[0] == "min value" && at != "min";
            if low > high {
                // The server shows the value that the list holds, or its bound.
                let shown = match at {
                    "defaultRequest" => request.unwrap_or(low),
                    "default" if less => low,
                    "default" => high,
                    _ => low,
                };
                wrong(at, shown, format!("{} {low} is greater than {} {high}", says[0], says[1]));
            }
        }
        if let Some(ratio) = ratio.filter(|ratio| *ratio < Quantity::units(1)) {
            wrong("maxLimitRequestRatio", ratio, format!("ratio {ratio} is less than 1"));
        }
        if let (Some(ratio), Some(min), Some(max)) = (ratio, min, max) {
            let float = |amount: Quantity| amount.milli_value() as f64;
            let most = float(max) / float(min);
            if float(ratio) / 1000.0 > most {
                let detail = format!("ratio {ratio} is greater than max/min = {most:.6}");
                wrong("maxLimitRequestRatio", ratio, detail);
            }
        }
    }
}
