//! The webhook that converts: `v1` has a size and a unit, `v2` both in one text.
//!
//! An object's `spec.how` says what else is done to it, `up-` before it on the way to `v2` alone.

use maestro_sim::json::{Map, Value, json};

/// The review's answer.
pub fn answer(review: &Value) -> Value {
    let request = &review["request"];
    let to = request["desiredAPIVersion"].as_str().unwrap_or("");
    let objects = request["objects"].as_array().cloned().unwrap_or_default();
    let how = objects.iter().find_map(|object| how(object, to)).unwrap_or_default();
    let count = objects.len();
    let mut converted: Vec<Value> =
        objects.iter().map(|object| convert(object, to, count, &how)).collect();
    let mut response = json!({"uid": request["uid"], "result": {"status": "Success"}});
    match how.as_str() {
        "few" => converted.clear(),
        "many" => converted.extend(converted.clone()),
        "null" => converted = vec![Value::Null],
        "fail" => response["result"] = json!({"status": "Failure", "message": "it cannot be"}),
        "fail-plain" => response["result"] = json!({"status": "Failure", "reason": "Odd"}),
        "fail-quiet" => response["result"] = json!({}),
        "uid" => response["uid"] = "other".into(),
        "echo" => {
            let message = told(review);
            response["result"] = json!({"status": "Failure", "message": message});
        }
        _ => {}
    }
    if !matches!(how.as_str(), "fail" | "fail-plain" | "fail-quiet" | "echo") {
        response["convertedObjects"] = converted.into();
    }
    let mut answer = json!({"apiVersion": review["apiVersion"], "kind": "ConversionReview"});
    match how.as_str() {
        "absent" => {}
        "untyped" => answer = json!({"response": response}),
        "beta" => {
            answer["apiVersion"] = "apiextensions.k8s.io/v1beta1".into();
            answer["response"] = response;
        }
        _ => answer["response"] = response,
    }
    answer
}

/// What is to be done to an object on this way.
fn how(object: &Value, to: &str) -> Option<String> {
    let how = object["spec"]["how"].as_str()?;
    match how.strip_prefix("up-") {
        Some(how) => to.ends_with("/v2").then(|| how.to_owned()),
        None => Some(how.to_owned()),
    }
}

/// A review without what is drawn or counted.
fn told(review: &Value) -> String {
    let mut review = review.clone();
    review["request"]["uid"] = Value::Null;
    for object in review["request"]["objects"].as_array_mut().into_iter().flatten() {
        if let Some(meta) = object["metadata"].as_object_mut() {
            meta.remove("managedFields");
            for drawn in ["uid", "creationTimestamp"] {
                if meta.contains_key(drawn) {
                    meta.insert(drawn, "".into());
                }
            }
        }
    }
    review.to_string()
}

fn convert(object: &Value, to: &str, count: usize, how: &str) -> Value {
    let mut out = object.clone();
    out["apiVersion"] = to.into();
    let spec = out.get_mut("spec").and_then(Value::as_object_mut);
    if let Some(spec) = spec {
        if to.ends_with("/v2") { raise(spec, count) } else { lower(spec) }
    }
    spoil(&mut out, object, how);
    out
}

fn raise(spec: &mut Map, count: usize) {
    if let Some(size) = spec.remove("size") {
        let unit = spec.remove("unit").unwrap_or_default();
        spec.insert("measure", format!("{size} {}", unit.as_str().unwrap_or("mm")).into());
    }
    spec.insert("together", count.into());
}

fn lower(spec: &mut Map) {
    spec.remove("together");
    let Some(measure) = spec.remove("measure") else { return };
    let text = measure.as_str().unwrap_or("");
    let (size, unit) = text.split_once(' ').unwrap_or((text, "mm"));
    spec.insert("size", size.parse::<i64>().unwrap_or(0).into());
    spec.insert("unit", unit.into());
}

fn spoil(out: &mut Value, object: &Value, how: &str) {
    let meta = |out: &mut Value, field: &str, value: Value| out["metadata"][field] = value;
    match how {
        "extra" => out["spec"]["unknown"] = "gone".into(),
        "version" => out["apiVersion"] = object["apiVersion"].clone(),
        "kind" => out["kind"] = "Other".into(),
        "kindless" => *out = json!({"metadata": object["metadata"]}),
        "name" => meta(out, "name", "other".into()),
        "namespace" => meta(out, "namespace", "other".into()),
        "id" => meta(out, "uid", "other".into()),
        "bare" => {
            out.as_object_mut().map(|map| map.remove("metadata"));
        }
        "text" => out["metadata"] = "text".into(),
        "marks" => {
            meta(out, "labels", json!({"by": "hook"}));
            meta(out, "annotations", json!({"noted": "yes"}));
            meta(out, "finalizers", json!(["example.com/odd"]));
            meta(out, "generation", 70.into());
            meta(out, "ownerReferences", json!([]));
        }
        "labels" => meta(out, "labels", json!({"a b": "c d"})),
        "notes" => meta(out, "annotations", json!({"a b": "c"})),
        "label" => meta(out, "labels", json!({"a": 1})),
        "labels-text" => meta(out, "labels", "text".into()),
        _ => {}
    }
}
