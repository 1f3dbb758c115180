//! What the server's strategies set on a new or changed object after admission: nobody owns it.
//!
//! Source: `PrepareForCreate` and `PrepareForUpdate` of `k8s.io/kubernetes/pkg/registry`.

use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::{Request, Status};
use crate::api::{app_armor, label_keys};
use crate::defaults;
use crate::json::{Map, Value, json};
use crate::kubelet::needs::qos_class;
use crate::object::{Object, at, map_at};

/// The annotation in which a DaemonSet counts the versions of its template.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// A pod with gates says why it is not scheduled.
fn gated(pod: &mut Value, now: &str) {
    let gates = at(pod, &["spec", "schedulingGates"]).and_then(Value::as_array);
    if gates.is_none_or(|list| list.is_empty()) {
        return;
    }
    let condition = json!({"type": "PodScheduled", "status": "False", "lastProbeTime": null,
        "lastTransitionTime": now, "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates"});
    map_at(pod, &["status"]).insert("conditions", json!([condition]));
}

impl Server {
    /// Answers whether what is stored lacks something that every reader of the kind fills in.
    pub(super) fn prepare_create(
        &mut self,
        served: &Served,
        request: &Request,
        body: &mut Value,
    ) -> Result<bool, Box<Status>> {
        match (&*served.resource.group, &*served.resource.resource) {
            ("", "namespaces") => {
                let spec = map_at(body, &["spec"]);
                let finalizers = spec.entry("finalizers").or_insert(Value::Null);
                let own = Value::from("kubernetes");
                match finalizers {
                    Value::Array(all) if all.contains(&own) => {}
                    Value::Array(all) => all.push(own),
                    none => *none = json!([own]),
                }
                map_at(body, &["status"]).insert("phase", "Active".into());
            }
            ("", "services") => {
                self.new_service(served, body, request.options.dry_run)?;
            }
            ("", "pods") => {
                match served.release.has("PodLevelResourcesFixDefaulting") {
                    true => defaults::whole_resources(body),
                    false => defaults::whole_requests(body),
                }
                let class = qos_class(body);
                map_at(body, &["status"]).insert("qosClass", class.into());
                gated(body, &self.timestamp());
                label_keys::settle(body);
                let told = app_armor::settle(body);
                if request.options.warn {
                    self.warnings.extend(told);
                }
            }
            ("", "persistentvolumes") => {
                let now = self.timestamp();
                let status = map_at(body, &["status"]);
                status.insert("phase", "Pending".into());
                status.insert("lastPhaseTransitionTime", now.into());
            }
            // The phase is cleared after defaults were filled in.
            ("", "serviceaccounts") => names_alone(body),
            ("", "persistentvolumeclaims") => {
                sources(map_at(body, &["spec"]));
                return Ok(true);
            }
            ("batch", "jobs") => return Ok(defaults::tie_job(body)),
            ("apps", "daemonsets") => {
                let notes = map_at(body, &["metadata", "annotations"]);
                notes.insert(TEMPLATE_GENERATION, "1".into());
            }
            ("apiextensions.k8s.io", _) => {
                let first = storage_version(body);
                let status = map_at(body, &["status"]);
                status.insert("acceptedNames", json!({"plural": "", "kind": ""}));
                status.insert("conditions", Value::Null);
                status.insert("storedVersions", first.into_iter().collect());
            }
            _ => {}
        }
        Ok(false)
    }

    /// What a change of the object itself, not of a subresource, brings with it.
    pub(super) fn prepare_update(served: &Served, live: &Object, body: &mut Value) {
        let id = (&*served.resource.group, &*served.resource.resource);
        if id == ("", "serviceaccounts") {
            names_alone(body);
        }
        if id == ("", "persistentvolumeclaims") {
            sources(map_at(body, &["spec"]));
        }
        if id == ("", "namespaces") {
            // Only its own endpoints change these.
            if let Some(finalizers) = live.at(&["spec", "finalizers"]) {
                map_at(body, &["spec"]).insert("finalizers", finalizers.clone());
            }
        }
        if id == ("apiextensions.k8s.io", "customresourcedefinitions")
            && let Some(version) = storage_version(body)
        {
            // Whatever was stored in may be there still.
            let stored = map_at(body, &["status"]).entry("storedVersions").or_insert(json!([]));
            if let Some(all) = stored.as_array_mut().filter(|all| !all.contains(&version)) {
                all.push(version);
            }
        }
        if id == ("apps", "daemonsets") {
            let before = live.annotation(TEMPLATE_GENERATION).and_then(|n| n.parse::<i64>().ok());
            let template = |o: &Value| at(o, &["spec", "template"]).cloned();
            let grown = template(live.value()) != template(body);
            let count = before.unwrap_or(1) + i64::from(grown);
            map_at(body, &["metadata", "annotations"])
                .insert(TEMPLATE_GENERATION, count.to_string().into());
        }
    }
}

/// Of the secrets of an account their names are kept.
fn names_alone(account: &mut Value) {
    let secrets = account.get_mut("secrets").and_then(Value::as_array_mut);
    for secret in secrets.into_iter().flatten().filter_map(Value::as_object_mut) {
        secret.retain(|field, _| field == "name");
    }
}

/// A claim says twice what its volume begins with, in an old field and in a new one; what either
/// cannot say goes.
fn sources(spec: &mut Map) {
    let known = |source: &Value| {
        let of = |name: &str| source.get(name).and_then(Value::as_str).unwrap_or("");
        matches!(
            (of("apiGroup"), of("kind")),
            ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot")
        )
    };
    if spec.get("dataSource").is_some_and(|source| !known(source)) {
        spec.remove("dataSource");
    }
    let elsewhere = |source: &Value| {
        source.get("namespace").and_then(Value::as_str).is_some_and(|name| !name.is_empty())
    };
    if spec.get("dataSourceRef").is_some_and(elsewhere) {
        spec.remove("dataSourceRef");
    }
    for (from, to) in [("dataSource", "dataSourceRef"), ("dataSourceRef", "dataSource")] {
        if let (Some(source), None) = (spec.get(from).cloned(), spec.get(to)) {
            spec.insert(to.to_owned(), source);
        }
    }
}

fn storage_version(crd: &Value) -> Option<Value> {
    let versions = at(crd, &["spec", "versions"]).and_then(Value::as_array)?;
    let stored = versions.iter().find(|v| v.get("storage") == Some(&Value::Bool(true)))?;
    stored.get("name").cloned()
}
