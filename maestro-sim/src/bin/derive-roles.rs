//! Makes the table of bootstrap roles from what a fresh API server holds.
//!
//! `derive-roles DIR > maestro-sim/src/facts/roles-1.37.txt`, where DIR holds `clusterroles.json`,
//! `clusterrolebindings.json`, `roles.json` and `rolebindings.json` (`kubectl get --raw
//! /apis/rbac.authorization.k8s.io/v1/…` of a server that nobody has written to). A line is the
//! kind, the name below its namespace, and the rest of the object without what every one of them
//! carries: the label and the annotation of the bootstrap, and what the server itself wrote.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, Value};

const KINDS: [(&str, &str); 4] = [
    ("ClusterRole", "clusterroles"),
    ("ClusterRoleBinding", "clusterrolebindings"),
    ("Role", "roles"),
    ("RoleBinding", "rolebindings"),
];

fn main() -> ExitCode {
    let Some(dir) = std::env::args().nth(1) else {
        eprintln!("usage: derive-roles DIR");
        return ExitCode::from(64);
    };
    match derive(Path::new(&dir)) {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("derive-roles: {error}");
            ExitCode::from(1)
        }
    }
}

fn derive(dir: &Path) -> Result<String, String> {
    let mut out = String::new();
    for (kind, resource) in KINDS {
        let path = dir.join(format!("{resource}.json"));
        let told = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let text = std::fs::read(&path).map_err(|e| told(&e))?;
        let list: Value = serde_json::from_slice(&text).map_err(|e| told(&e))?;
        let items = list.get("items").and_then(Value::as_array);
        for object in items.ok_or_else(|| told(&"there are no items"))? {
            out.push_str(&line(kind, object));
        }
    }
    Ok(out)
}

fn line(kind: &str, object: &Value) -> String {
    let meta = |field: &str| object.pointer(&format!("/metadata/{field}"));
    let text = |field: &str| meta(field).and_then(Value::as_str).unwrap_or("");
    let mut rest: Map<String, Value> = object.as_object().cloned().unwrap_or_default();
    rest.remove("metadata");
    let mut labels = meta("labels").and_then(Value::as_object).cloned().unwrap_or_default();
    labels.remove("kubernetes.io/bootstrapping");
    if !labels.is_empty() {
        rest.insert("labels".into(), Value::Object(labels));
    }
    format!("{kind} {}/{} {}\n", text("namespace"), text("name"), Value::Object(rest))
}
