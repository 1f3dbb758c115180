//! Makes the table of bootstrap roles from what a fresh API server holds.
//!
//! `derive-roles DIR > maestro-sim/src/facts/roles-1.37.txt`, and `derive-roles DIR BASE >
//! maestro-sim/src/facts/roles-1.34.txt` for what differs in another version: those that are
//! others, and `- KIND NAMESPACE/NAME` for those that it lacks. DIR and BASE hold
//! `clusterroles.json`, `clusterrolebindings.json`, `roles.json` and `rolebindings.json`
//! (`kubectl get --raw /apis/rbac.authorization.k8s.io/v1/…` of a server that nobody has written
//! to). A line is the kind, the name below its namespace, and the rest of the object without what
//! every one of them carries: the label and the annotation of the bootstrap, and what the server
//! itself wrote.

use std::path::Path;
use std::process::ExitCode;

use maestro_sim::json::{Map, Value};

const KINDS: [(&str, &str); 4] = [
    ("ClusterRole", "clusterroles"),
    ("ClusterRoleBinding", "clusterrolebindings"),
    ("Role", "roles"),
    ("RoleBinding", "rolebindings"),
];

fn main() -> ExitCode {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    let derived = match folders.as_slice() {
        [dir] => derive(Path::new(dir)),
        [dir, base] => differences(Path::new(dir), Path::new(base)),
        _ => {
            eprintln!("usage: derive-roles DIR [BASE]");
            return ExitCode::from(64);
        }
    };
    match derived {
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

fn differences(dir: &Path, base: &Path) -> Result<String, String> {
    let (own, known) = (derive(dir)?, derive(base)?);
    let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let mut out = String::new();
    let present: Vec<String> = own.lines().map(name).collect();
    for line in known.lines().filter(|line| !present.contains(&name(line))) {
        out.push_str(&format!("- {}\n", name(line)));
    }
    let known: Vec<&str> = known.lines().collect();
    out.extend(own.lines().filter(|line| !known.contains(line)).map(|line| format!("{line}\n")));
    Ok(out)
}

fn line(kind: &str, object: &Value) -> String {
    let meta = |field: &str| object.pointer(&format!("/metadata/{field}"));
    let text = |field: &str| meta(field).and_then(Value::as_str).unwrap_or("");
    let mut rest: Map = object.as_object().cloned().unwrap_or_default();
    rest.remove("metadata");
    let mut labels = meta("labels").and_then(Value::as_object).cloned().unwrap_or_default();
    labels.remove("kubernetes.io/bootstrapping");
    if !labels.is_empty() {
        rest.insert("labels", Value::Object(labels));
    }
    format!("{kind} {}/{} {}\n", text("namespace"), text("name"), Value::Object(rest))
}
