//! The ServiceAccount admission plugin: pods run as an account that exists, with its token mounted.
//!
//! Source: `k8s.io/kubernetes/plugin/pkg/admission/serviceaccount`.

use std::sync::Arc;

use crate::api::Status;
use crate::api::authorization::node;
use crate::api::server::Server;
use crate::builtin::MIRROR;
use crate::builtin::text as form;
use crate::json::{Value, json};
use crate::object::{GroupResource, Object, at, map_at, text};

const ACCOUNTS: GroupResource = GroupResource::new("", "serviceaccounts");
const PODS: GroupResource = GroupResource::new("", "pods");
/// Where every container finds the token.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// A mirror pod stands for one that runs without an account, and so has nothing of one.
fn mirror(body: &Value) -> Result<(), Box<Status>> {
    let projects = |volume: &Value| {
        let sources = at(volume, &["projected", "sources"]).and_then(Value::as_array);
        sources.is_some_and(|all| all.iter().any(|s| s.get("serviceAccountToken").is_some()))
    };
    let volumes = at(body, &["spec", "volumes"]).and_then(Value::as_array);
    let why = if !text(body, &["spec", "serviceAccountName"]).is_empty() {
        "a mirror pod may not reference service accounts"
    } else if !node::secrets(&Object::new(body.clone())).is_empty() {
        "a mirror pod may not reference secrets"
    } else if volumes.is_some_and(|all| all.iter().any(projects)) {
        "a mirror pod may not use ServiceAccountToken volume projections"
    } else {
        return Ok(());
    };
    let pod = text(body, &["metadata", "name"]);
    Err(Box::new(Status::forbidden(&PODS, pod, why)))
}

impl Server {
    pub(super) fn admit_account(&mut self, body: &mut Value) -> Result<(), Box<Status>> {
        if at(body, &["metadata", "annotations", MIRROR]).is_some() {
            return mirror(body);
        }
        let namespace = text(body, &["metadata", "namespace"]).to_owned();
        let spec = map_at(body, &["spec"]);
        let given = spec.get("serviceAccountName").and_then(Value::as_str).unwrap_or("");
        let name = if given.is_empty() { "default" } else { given }.to_owned();
        spec.insert("serviceAccountName", name.as_str().into());
        spec.insert("serviceAccount", name.as_str().into());
        let found = self.store.named(&ACCOUNTS, &namespace, &name).map(Arc::clone);
        let Some(account) = found else {
            let pod = text(body, &["metadata", "name"]);
            let found = match form::segment(&name)[..] {
                [] => format!("serviceaccount \"{name}\" not found"),
                ref all => format!("invalid resource name \"{name}\": [{}]", all.join(" ")),
            };
            let why = format!("error looking up service account {namespace}/{name}: {found}");
            return Err(Box::new(Status::forbidden(&PODS, pod, &why)));
        };
        secrets(&account, body);
        if mounts_token(&account, body) {
            self.mount_token(body);
        }
        Ok(())
    }

    /// Adds the volume of the token and mounts it where a container mounts nothing there.
    fn mount_token(&mut self, body: &mut Value) {
        let volume = existing_volume(body)
            .unwrap_or_else(|| format!("kube-api-access-{}", self.names.suffix(5)));
        let spec = map_at(body, &["spec"]);
        let mount = json!({"name": volume, "readOnly": true, "mountPath": TOKEN_PATH});
        let mut needed = false;
        for list in ["initContainers", "containers"] {
            let containers = spec.get_mut(list).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                let mounts = map_at(container, &[]).entry("volumeMounts");
                let Some(mounts) = mounts.or_insert_with(|| json!([])).as_array_mut() else {
                    continue;
                };
                if !mounts.iter().any(|m| m.get("mountPath").is_some_and(|p| p == TOKEN_PATH)) {
                    mounts.push(mount.clone());
                    needed = true;
                }
            }
        }
        let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
        if let (true, Some(volumes)) = (needed, volumes.as_array_mut())
            && !volumes.iter().any(|v| v.get("name").is_some_and(|name| *name == volume))
        {
            volumes.push(token_volume(&volume));
        }
        if spec.get("volumes").and_then(Value::as_array).is_some_and(|list| list.is_empty()) {
            spec.remove("volumes");
        }
    }
}

/// A pod without pull secrets takes its account's.
fn secrets(account: &Object, body: &mut Value) {
    let spec = map_at(body, &["spec"]);
    let own = spec.get("imagePullSecrets").and_then(Value::as_array);
    let theirs = account.items(&["imagePullSecrets"]);
    if own.is_none_or(|list| list.is_empty()) && !theirs.is_empty() {
        spec.insert("imagePullSecrets", theirs.to_vec().into());
    }
}

fn mounts_token(account: &Object, body: &Value) -> bool {
    let asked = at(body, &["spec", "automountServiceAccountToken"]).and_then(Value::as_bool);
    let offered = account.at(&["automountServiceAccountToken"]).and_then(Value::as_bool);
    asked.or(offered).unwrap_or(true)
}

fn existing_volume(body: &Value) -> Option<String> {
    let volumes = at(body, &["spec", "volumes"]).and_then(Value::as_array)?;
    let names = volumes.iter().filter_map(|v| v.get("name")?.as_str());
    names.into_iter().find(|name| name.starts_with("kube-api-access-")).map(str::to_owned)
}

fn token_volume(name: &str) -> Value {
    let namespace = json!({"apiVersion": "v1", "fieldPath": "metadata.namespace"});
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt",
                       "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
    ]}})
}
