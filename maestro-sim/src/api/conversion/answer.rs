//! What a conversion webhook may answer, and what is said of the rest.
//!
//! Source: `webhook_converter.go` of `k8s.io/apiextensions-apiserver/pkg/apiserver/conversion`.

use crate::builtin;
use crate::json::{Map, Value};
use crate::object::text;
use crate::typed::go_type;

/// What is wrong with an answer.
pub(super) enum Wrong {
    /// It says that it failed, or is no answer to what was asked.
    Failed(String),
    /// Its objects are not those that were asked for.
    Returned(String),
    /// The object cannot be read at all.
    Unreadable(String),
}

impl Wrong {
    /// In the server's words; `head` names the webhook by the version that it was to convert from.
    pub(super) fn told(self, head: &str) -> String {
        match self {
            Self::Failed(why) => format!("{head} failed: {why}"),
            Self::Returned(what) => format!("{head} returned {what}"),
            Self::Unreadable(why) => why,
        }
    }
}

/// The converted object of an answer, with the metadata that no webhook may change put back.
/// `uid` is that of the request, none for reviews of a version that does not look at it.
pub(super) fn read(
    answer: &Value,
    uid: Option<&str>,
    original: &Value,
    to: &str,
) -> Result<Value, Wrong> {
    let objects = objects(answer, uid).map_err(Wrong::Failed)?;
    let [object] = objects else {
        return Err(Wrong::Returned(format!("{} objects, expected 1", objects.len())));
    };
    if object.is_null() {
        return Err(Wrong::Unreadable("unexpected end of JSON input".into()));
    }
    if text(object, &["kind"]).is_empty() {
        return Err(Wrong::Unreadable(format!("Object 'Kind' is missing in '{object}'")));
    }
    let index = |why: String| Wrong::Returned(format!("invalid object at index 0: {why}"));
    let found = text(object, &["apiVersion"]);
    if found != to {
        let why = format!("invalid groupVersion (expected {to}, received {found})");
        return Err(index(why));
    }
    let (expected, found) = (text(original, &["kind"]), text(object, &["kind"]));
    if expected != found {
        return Err(index(format!("invalid kind (expected {expected}, received {found})")));
    }
    for (field, name) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let of = |object| text(object, &["metadata", field]);
        let (expected, found) = (of(original), of(object));
        if expected != found {
            let why = format!("must have the same {name}: {expected} != {found}");
            return Err(Wrong::Returned(format!("invalid object: {why}")));
        }
    }
    restored(original, object).map_err(|why| Wrong::Returned(format!("invalid metadata: {why}")))
}

/// The objects of an answer that says that it succeeded.
fn objects<'a>(answer: &'a Value, uid: Option<&str>) -> Result<&'a [Value], String> {
    let (version, kind) = (text(answer, &["apiVersion"]), text(answer, &["kind"]));
    if uid.is_some() && (version, kind) == ("apiextensions.k8s.io/v1beta1", "ConversionReview") {
        let why = "converting (v1beta1.ConversionReview) to (v1.ConversionReview): unknown \
                   conversion";
        return Err(why.into());
    }
    if uid.is_some() && (version, kind) != ("apiextensions.k8s.io/v1", "ConversionReview") {
        let slash = if version.contains('/') { "" } else { "/" };
        return Err(format!(
            "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got \
             {slash}{version}, Kind={kind}"
        ));
    }
    let Some(response) = answer.get("response").filter(|r| r.is_object()) else {
        return Err("no response provided".into());
    };
    let found = text(response, &["uid"]);
    if let Some(uid) = uid.filter(|uid| *uid != found) {
        return Err(format!("expected response.uid={uid:?}, got {found:?}"));
    }
    let status = text(response, &["result", "status"]);
    if status != "Success" {
        return Err(match text(response, &["result", "message"]) {
            "" => format!("response.result.status was '{status}', not 'Success'"),
            message => message.to_owned(),
        });
    }
    let objects = response.get("convertedObjects").and_then(Value::as_array);
    Ok(objects.map_or(&[], |all| all.as_slice()))
}

/// A converted object with the metadata of the original, but for labels and annotations.
fn restored(original: &Value, converted: &Value) -> Result<Value, String> {
    let Some(found) = converted.get("metadata") else {
        return Err("missing metadata in converted object".into());
    };
    let Some(found) = found.as_object() else {
        let go = go_type(found);
        return Err(format!("invalid metadata of type {go} in converted object"));
    };
    let kept = original.get("metadata").and_then(Value::as_object);
    let mut meta = kept.cloned().unwrap_or_default();
    for name in ["labels", "annotations"] {
        let told = match found.get(name) {
            None | Some(Value::Null) => {
                meta.remove(name);
                continue;
            }
            Some(Value::Object(told)) => told,
            Some(other) => {
                let go = go_type(other);
                return Err(format!("invalid metadata.{name} of type {go} in converted object"));
            }
        };
        for (key, value) in told {
            if !value.is_string() {
                let go = go_type(value);
                return Err(format!(
                    "metadata.{name}[{key}] must be a string, but is {go} in converted object"
                ));
            }
        }
        let before = meta.get(name).and_then(Value::as_object);
        if before != Some(told) {
            check(name, told)?;
        }
        meta.insert(name, told.clone().into());
    }
    let mut out = converted.clone();
    out["metadata"] = meta.into();
    Ok(out)
}

/// Labels and annotations that a webhook changed have to be such.
fn check(name: &str, map: &Map) -> Result<(), String> {
    let causes = builtin::marks(name, map);
    let told: Vec<String> =
        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
    match told.as_slice() {
        [] => Ok(()),
        [only] => Err(only.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}
