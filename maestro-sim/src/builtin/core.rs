//! Config maps, secrets and role bindings.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/core/validation` and `pkg/apis/rbac/validation`.

use super::field::{self, Path};
use super::{go_json, text as form};
use crate::api::Cause;
use crate::json::{Map, Value};
use crate::object::at;

const IMMUTABLE: &str = "field is immutable when `immutable` is set";

/// What a Secret or a ConfigMap may hold in all.
const MOST: usize = 1 << 20;

fn keys(object: &Value, list: &str, causes: &mut Vec<Cause>) {
    let map = at(object, &[list]).and_then(Value::as_object);
    for key in map.into_iter().flatten().map(|(key, _)| key) {
        let problems = form::data_key(key);
        if !problems.is_empty() {
            field::each(&format!("{list}[{key}]"), key, &problems, causes);
        }
    }
}

/// The bytes that the values of a map have, encoded or not.
fn size(object: &Value, list: &str, encoded: bool) -> usize {
    let map = at(object, &[list]).and_then(Value::as_object);
    let values = map.into_iter().flatten().filter_map(|(_, value)| value.as_str());
    values.map(|text| if encoded { text.len() / 4 * 3 } else { text.len() }).sum()
}

/// Whether an object may no longer change, and what of it did.
fn frozen(object: &Value, old: Option<&Value>, lists: &[&str], causes: &mut Vec<Cause>) {
    let Some(old) = old.filter(|o| at(o, &["immutable"]) == Some(&Value::Bool(true))) else {
        return;
    };
    if at(object, &["immutable"]) != Some(&Value::Bool(true)) {
        causes.push(field::forbidden(&"immutable", IMMUTABLE));
    }
    for list in lists.iter().filter(|list| at(object, &[*list]) != at(old, &[*list])) {
        causes.push(field::forbidden(list, IMMUTABLE));
    }
}

/// A config map.
pub(super) fn config_map(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    keys(object, "data", causes);
    let data = at(object, &["data"]).and_then(Value::as_object);
    for key in data.into_iter().flatten().map(|(key, _)| key) {
        if at(object, &["binaryData", key]).is_some() {
            let detail = "duplicate of key present in binaryData";
            causes.push(field::invalid(&root.field("data").key(key), &key.as_str().into(), detail));
        }
    }
    keys(object, "binaryData", causes);
    if size(object, "data", false) + size(object, "binaryData", true) > MOST {
        causes.push(field::too_long(&"[]", MOST as u64));
    }
    frozen(object, old, &["data", "binaryData"], causes);
}

/// A secret, whose type stays.
pub(super) fn secret(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    frozen(object, old, &["data"], causes);
    keys(object, "data", causes);
    if size(object, "data", true) > MOST {
        causes.push(field::too_long(&"data", MOST as u64));
    }
    by_type(object, causes);
    let kind = |o: &Value| o.get("type").cloned().unwrap_or_default();
    if old.is_some_and(|old| kind(old) != kind(object)) {
        causes.push(field::invalid(&"type", &kind(object), "field is immutable"));
    }
}

/// What the well-known types of secrets must hold.
fn by_type(secret: &Value, causes: &mut Vec<Cause>) {
    let data = |key: &str| at(secret, &["data", key]).and_then(Value::as_str);
    let missing = |key: &str| field::required(&format!("data[{key}]"), "");
    let json = |key: &str| match data(key) {
        None => Some(missing(key)),
        Some(text) => {
            let parsed = go_json::base64(text);
            let fits = serde_json::from_slice::<Map>(&parsed).is_ok();
            let why = go_json::problem(&parsed);
            (!fits).then(|| {
                let shown = "<secret contents redacted>";
                field::invalid(&format!("data[{key}]"), &shown.into(), &why)
            })
        }
    };
    match secret.get("type").and_then(Value::as_str).unwrap_or("") {
        "kubernetes.io/service-account-token" => {
            let name = "kubernetes.io/service-account.name";
            let value = at(secret, &["metadata", "annotations", name]).and_then(Value::as_str);
            if value.is_none_or(str::is_empty) {
                causes.push(field::required(&format!("metadata.annotations[{name}]"), ""));
            }
        }
        "kubernetes.io/dockercfg" => causes.extend(json(".dockercfg")),
        "kubernetes.io/dockerconfigjson" => causes.extend(json(".dockerconfigjson")),
        "kubernetes.io/basic-auth" if data("username").is_none() && data("password").is_none() => {
            causes.extend(["username", "password"].map(missing));
        }
        "kubernetes.io/ssh-auth" if data("ssh-privatekey").is_none_or(str::is_empty) => {
            causes.push(missing("ssh-privatekey"));
        }
        "kubernetes.io/tls" => {
            let keys = ["tls.crt", "tls.key"].into_iter().filter(|key| data(key).is_none());
            causes.extend(keys.map(missing));
        }
        _ => {}
    }
}

/// A role binding, which cannot be turned to another role.
pub(super) fn role_binding(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let role = |o: &Value| o.get("roleRef").cloned().unwrap_or_default();
    if old.is_some_and(|old| role(old) != role(object)) {
        causes.push(field::invalid(&"roleRef", &role(object), "field is immutable"));
    }
}
