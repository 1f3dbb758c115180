//! The scale subresource: an object's replicas as an `autoscaling/v1` Scale.
//!
//! Source: the `ScaleREST` of `k8s.io/kubernetes/pkg/registry/apps` and the scale handler of
//! `k8s.io/apimachinery/pkg/util/managedfields`.

use std::sync::Arc;

use crate::api::registry::{ScalePaths, Served};
use crate::api::server::{Handled, Response, Server};
use crate::api::{Cause, PatchType, Request, Status, Verb, failure};
use crate::builtin::field;
use crate::json::{Value, json};
use crate::object::{Object, at, map_at};
use crate::patch;
use crate::selector::LabelSelector;
use crate::typed::go_type;

/// What stands for the replicas of a custom object that has none, while its Scale is changed.
const UNSET: i64 = i32::MIN as i64;

impl Server {
    pub(super) fn scale(&mut self, served: &Arc<Served>, request: Request) -> Handled {
        let Some(paths) = served.scale.clone() else {
            return Err(Box::new(Status::no_such_path()));
        };
        let live = self.existing(served, &request)?;
        let mut current = scale_of(served, &live, &paths);
        if served.is_custom()
            && let Err(missing) = has_replicas(&live, &paths)
        {
            if request.verb == Verb::Get {
                return Err(missing);
            }
            current["spec"]["replicas"] = UNSET.into();
        }
        let proposed = match (request.verb, request.patch) {
            (Verb::Get, _) => return Ok(Response::Value { code: 200, value: current }),
            (Verb::Update, _) | (Verb::Patch, Some(PatchType::Apply)) => request.body.clone(),
            (Verb::Patch, Some(PatchType::Json)) => {
                patch::json(&current, &request.body).map_err(|e| failure::of_patch(&e))?
            }
            (Verb::Patch, Some(_)) => {
                let mut value = current;
                patch::merge(&mut value, &request.body);
                value
            }
            _ => return Err(Box::new(Status::method_not_allowed())),
        };
        let replicas = replicas(served, &request, &proposed)?;
        if replicas == UNSET {
            let place = format!(".{}", paths.spec.join("."));
            let message = format!("the spec replicas field {place:?} cannot be empty");
            return Err(Box::new(Status::bad_request(message)));
        }
        let place: Vec<&str> = paths.spec.iter().map(String::as_str).collect();
        let applies = request.patch == Some(PatchType::Apply);
        let mut body = if applies {
            json!({"apiVersion": served.api_version(), "kind": served.kind,
                   "metadata": {"name": request.name}})
        } else {
            live.value().clone()
        };
        if let Some((last, parents)) = place.split_last() {
            map_at(&mut body, parents).insert(*last, replicas.into());
        }
        let version = at(&proposed, &["metadata", "resourceVersion"]).and_then(Value::as_str);
        match version.filter(|v| !v.is_empty()) {
            Some(asked) => {
                map_at(&mut body, &["metadata"]).insert("resourceVersion", asked.into());
            }
            None if applies => {}
            None => {
                let version = live.resource_version().to_string();
                map_at(&mut body, &["metadata"]).insert("resourceVersion", version.into());
            }
        }
        let answer = if applies {
            self.patch(served, Request { body, ..request })
                .map_err(|status| in_scale(served, status))?
        } else {
            self.update(served, Request { verb: Verb::Update, patch: None, body, ..request })?
        };
        let value = match &answer {
            Response::Object { object, .. } => scale_of(served, object, &paths),
            Response::Value { value, .. } => scale_of(served, &Object::new(value.clone()), &paths),
            _ => return Ok(answer),
        };
        Ok(Response::Value { code: 200, value })
    }
}

/// A custom object without replicas has no Scale to read.
fn has_replicas(object: &Object, paths: &ScalePaths) -> Result<(), Box<Status>> {
    let path: Vec<&str> = paths.spec.iter().map(String::as_str).collect();
    if object.at(&path).is_some() {
        return Ok(());
    }
    let why = format!("the spec replicas field \".{}\" does not exist", path.join("."));
    let mut status = Status::new(500, "InternalError", format!("Internal error occurred: {why}"));
    status.details.insert("causes", json!([{"message": why}]));
    status.has_details = true;
    Err(Box::new(status))
}

/// How many replicas a Scale asks for.
fn replicas(served: &Served, request: &Request, scale: &Value) -> Result<i64, Box<Status>> {
    let asked = at(scale, &["spec", "replicas"]).unwrap_or(&Value::Null);
    let kind = match asked {
        Value::String(_) => "string".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
        Value::Number(n) if n.as_i64().is_none_or(|n| i32::try_from(n).is_err()) => {
            format!("number {n}")
        }
        _ => String::new(),
    };
    if !kind.is_empty() {
        let why = format!(
            "json: cannot unmarshal {kind} into Go struct field ScaleSpec.spec.replicas of type int32"
        );
        if request.verb != Verb::Patch {
            let message = format!("Scale in version \"v1\" cannot be handled as a Scale: {why}");
            return Err(Box::new(Status::bad_request(message)));
        }
        let text = Value::from(scale.to_string());
        let cause =
            Cause::new("FieldValueInvalid", "patch", format!("Invalid value: {text}: {why}"));
        return Err(Box::new(Status::invalid("", "", "", &[cause])));
    }
    let replicas = asked.as_i64().unwrap_or(0);
    // What a custom object's may be, its own validation says.
    if replicas < 0 && !served.is_custom() {
        let message = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        let cause = Cause::new("FieldValueInvalid", "spec.replicas", message);
        return Err(Box::new(Status::invalid("autoscaling", "Scale", &request.name, &[cause])));
    }
    Ok(replicas)
}

/// What of a custom object a Scale could not show: replicas have to be numbers, a selector a text.
///
/// Source: `ValidateScaleSpec` and `ValidateScaleStatus` of
/// `k8s.io/apiextensions-apiserver/pkg/registry/customresource`.
pub(super) fn mistakes(paths: &ScalePaths, status: bool, body: &Value) -> Vec<Cause> {
    let spec = (!status).then(|| of_replicas(body, &paths.spec)).flatten();
    let selector = paths.selector.as_ref().and_then(|path| {
        let wrong = match nested(body, path) {
            Ok(None | Some(Value::String(_))) => return None,
            Ok(Some(other)) => unlike(path, other, "string"),
            Err(why) => why,
        };
        Some(field::invalid(&format!(".{}", path.join(".")), &"".into(), &wrong))
    });
    [spec, of_replicas(body, &paths.status), selector].into_iter().flatten().collect()
}

/// A value by its path, as Go's accessors find it.
fn nested<'v>(body: &'v Value, path: &[String]) -> Result<Option<&'v Value>, String> {
    let mut here = body;
    for (index, step) in path.iter().enumerate() {
        here = match here {
            Value::Object(map) => match map.get(step) {
                Some(value) => value,
                None => return Ok(None),
            },
            Value::Null => return Ok(None),
            other => return Err(unlike(&path[..=index], other, "map[string]interface{}")),
        };
    }
    Ok(Some(here))
}

/// What an accessor says of a value of another type.
fn unlike(path: &[String], found: &Value, expected: &str) -> String {
    let kind = if found.is_null() { "<nil>" } else { go_type(found) };
    let (place, shown) = (path.join("."), patch::go_print(found));
    format!(".{place} accessor error: {shown} is of the type {kind}, expected {expected}")
}

/// What is wrong with replicas.
fn of_replicas(body: &Value, path: &[String]) -> Option<Cause> {
    let (shown, why) = match nested(body, path) {
        Ok(None) => return None,
        Ok(Some(value)) => match value.as_i64() {
            Some(count) if count < 0 => (count, "should be a non-negative integer".to_owned()),
            Some(count) if count > i64::from(i32::MAX) => {
                (count, format!("should be less than or equal to {}", i32::MAX))
            }
            Some(_) => return None,
            None => (0, unlike(path, value, "int64")),
        },
        Err(why) => (0, why),
    };
    let place = format!(".{}", path.join("."));
    Some(field::invalid(&place, &shown.into(), &why))
}

/// What is wrong with an object's replicas, told of its Scale.
fn in_scale(served: &Served, mut status: Box<Status>) -> Box<Status> {
    let (from, to) = (format!("using {}", served.api_version()), "using autoscaling/v1");
    status.message = status.message.replace(&from, to);
    if let Some(causes) = status.details.get_mut("causes").and_then(Value::as_array_mut) {
        for cause in causes {
            if let Some(Value::String(message)) = cause.get_mut("message") {
                *message = message.replace(&from, to);
            }
        }
    }
    status
}

/// `autoscaling/v1` Scale of an object.
pub(super) fn scale_of(served: &Served, object: &Object, paths: &ScalePaths) -> Value {
    let read = |path: &[String]| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        object.at(&path).cloned()
    };
    let selector = match paths.selector.as_deref().and_then(read) {
        Some(Value::String(text)) => text.into(),
        Some(selector) => {
            LabelSelector::from_value(&selector).map(|s| s.to_string()).unwrap_or_default()
        }
        None => String::new(),
    };
    let replicas = |path: &[String]| read(path).and_then(|v| v.as_i64()).unwrap_or(0);
    let mut status = json!({"replicas": replicas(&paths.status)});
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    let mut meta = json!({"name": object.name(), "uid": object.uid(),
        "resourceVersion": object.resource_version().to_string()});
    if served.namespaced {
        meta["namespace"] = object.namespace().into();
    }
    if let Some(created) = object.at(&["metadata", "creationTimestamp"]) {
        meta["creationTimestamp"] = created.clone();
    }
    let mut spec = json!({});
    // None are not told.
    if let wanted @ 1.. = replicas(&paths.spec) {
        spec["replicas"] = wanted.into();
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta,
           "spec": spec, "status": status})
}
