//! What the built-in admission plugins and allocators add to objects on their way in.
//!
//! NamespaceLifecycle, ServiceAccount, Priority, DefaultTolerationSeconds, DefaultStorageClass,
//! StorageObjectInUseProtection, and the allocation of Service cluster IPs.
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/>.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::prepare;
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::{Cause, Request, Status};
use crate::object::{GroupResource, Object, at, map_at};

const NAMESPACES: GroupResource = GroupResource::new("", "namespaces");
const PRIORITY_CLASSES: GroupResource = GroupResource::new("scheduling.k8s.io", "priorityclasses");
const STORAGE_CLASSES: GroupResource = GroupResource::new("storage.k8s.io", "storageclasses");
const CRDS: GroupResource = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");

/// The cluster IPs in use, out of 10.96.0.0/12.
#[derive(Debug, Default)]
pub struct Addresses {
    taken: BTreeSet<u32>,
    next: u32,
}

impl Addresses {
    pub(super) fn allocate(&mut self) -> String {
        loop {
            // The first address is the `kubernetes` Service's.
            self.next = if self.next >= 0x000f_fffe { 2 } else { self.next.max(1) + 1 };
            if self.taken.insert(self.next) {
                return text(self.next);
            }
        }
    }

    fn release(&mut self, address: &str) {
        if let Some(offset) = offset(address) {
            self.taken.remove(&offset);
        }
    }

    fn claim(&mut self, address: &str) -> bool {
        offset(address).is_some_and(|offset| self.taken.insert(offset))
    }
}

const BASE: u32 = 10 << 24 | 96 << 16;

fn text(offset: u32) -> String {
    std::net::Ipv4Addr::from(BASE + offset).to_string()
}

fn offset(address: &str) -> Option<u32> {
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    u32::from(address).checked_sub(BASE).filter(|offset| *offset < 1 << 20)
}

impl Server {
    pub(super) fn check_namespace(
        &self,
        served: &Served,
        request: &Request,
        name: &str,
    ) -> Result<(), Box<Status>> {
        if !served.namespaced {
            return Ok(());
        }
        let Some(namespace) = self.peek(&NAMESPACES, "", &request.namespace) else {
            return Err(Box::new(Status::not_found(&NAMESPACES, &request.namespace)));
        };
        if namespace.is_deleting() {
            let why = format!(
                "unable to create new content in namespace {} because it is being terminated",
                request.namespace
            );
            let cause = Cause::new(
                "NamespaceTerminating",
                "metadata.namespace",
                format!("namespace {} is being terminated", request.namespace),
            );
            let status = Status::forbidden(&served.resource, name, &why);
            return Err(Box::new(status.with_causes(&[cause])));
        }
        Ok(())
    }

    pub(super) fn admit_create(
        &mut self,
        served: &Served,
        body: &mut Value,
    ) -> Result<(), Box<Status>> {
        match (&*served.resource.group, &*served.resource.resource) {
            ("", "pods") => self.admit_pod(body),
            ("", "persistentvolumeclaims") => {
                self.default_class(body);
                add_finalizer(body, "kubernetes.io/pvc-protection");
                Ok(())
            }
            ("", "persistentvolumes") => {
                add_finalizer(body, "kubernetes.io/pv-protection");
                Ok(())
            }
            ("storage.k8s.io", "volumeattributesclasses") => {
                add_finalizer(body, "kubernetes.io/vac-protection");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn admit_update(
        &mut self,
        served: &Served,
        request: &Request,
        live: &Object,
        body: &mut Value,
    ) -> Result<(), Box<Status>> {
        if served.resource == GroupResource::new("", "services") && request.subresource.is_empty() {
            keep_addresses(live, body);
            prepare::families(body);
            if needs_address(body) {
                return self.allocate(served, body);
            }
        }
        if served.is_pod() && request.subresource.is_empty() {
            tolerate(body, "node.kubernetes.io/not-ready");
            tolerate(body, "node.kubernetes.io/unreachable");
        }
        if request.subresource.is_empty() {
            Self::prepare_update(served, live, body);
        }
        Ok(())
    }

    fn admit_pod(&mut self, body: &mut Value) -> Result<(), Box<Status>> {
        self.admit_account(body)?;
        let class = at(body, &["spec", "priorityClassName"]).and_then(Value::as_str);
        let (name, priority, policy) = self.priority(class)?;
        let spec = map_at(body, &["spec"]);
        if let Some(name) = name {
            spec.insert("priorityClassName".into(), name.into());
        }
        spec.insert("priority".into(), priority.into());
        spec.entry("preemptionPolicy").or_insert_with(|| policy.into());
        tolerate(body, "node.kubernetes.io/not-ready");
        tolerate(body, "node.kubernetes.io/unreachable");
        Ok(())
    }

    fn priority(&self, class: Option<&str>) -> Result<(Option<String>, i64, String), Box<Status>> {
        let policy = |class: &Object| match class.text(&["preemptionPolicy"]) {
            "" => "PreemptLowerPriority".to_owned(),
            policy => policy.to_owned(),
        };
        let Some(name) = class.filter(|c| !c.is_empty()) else {
            let classes = self.store.find(&PRIORITY_CLASSES).into_iter();
            let default = classes
                .flat_map(|t| t.objects.values())
                .find(|c| c.at(&["globalDefault"]).and_then(Value::as_bool) == Some(true));
            return Ok(match default {
                Some(c) => (Some(c.name().to_owned()), c.int(&["value"]).unwrap_or(0), policy(c)),
                None => (None, 0, "PreemptLowerPriority".to_owned()),
            });
        };
        match self.peek(&PRIORITY_CLASSES, "", name) {
            Some(c) => Ok((None, c.int(&["value"]).unwrap_or(0), policy(c))),
            None => {
                let why = format!("no PriorityClass with name {name} was found");
                Err(Box::new(Status::forbidden(&GroupResource::new("", "pods"), "", &why)))
            }
        }
    }

    fn default_class(&self, body: &mut Value) {
        if at(body, &["spec", "storageClassName"]).is_some() {
            return;
        }
        let classes = self.store.find(&STORAGE_CLASSES).into_iter();
        let default = classes.flat_map(|t| t.objects.values()).find(|class| {
            class.annotation("storageclass.kubernetes.io/is-default-class") == Some("true")
        });
        if let Some(class) = default {
            map_at(body, &["spec"]).insert("storageClassName".into(), class.name().into());
        }
    }

    pub(super) fn allocate(
        &mut self,
        served: &Served,
        body: &mut Value,
    ) -> Result<(), Box<Status>> {
        let kind = at(body, &["spec", "type"]).and_then(Value::as_str).unwrap_or("ClusterIP");
        if kind == "ExternalName" {
            return Ok(());
        }
        let asked = at(body, &["spec", "clusterIP"]).and_then(Value::as_str).unwrap_or("");
        let address = match asked {
            "None" => "None".to_owned(),
            "" => self.addresses.allocate(),
            wanted if self.addresses.claim(wanted) => wanted.to_owned(),
            wanted => {
                let name = at(body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
                let message = format!(
                    "Invalid value: [\"{wanted}\"]: failed to allocate IP {wanted}: provided IP \
                     is already allocated"
                );
                let cause = Cause::new("FieldValueInvalid", "spec.clusterIPs", message);
                return Err(Box::new(Status::invalid("", &served.kind, name, &[cause])));
            }
        };
        let spec = map_at(body, &["spec"]);
        spec.insert("clusterIP".into(), address.as_str().into());
        spec.insert("clusterIPs".into(), json!([address]));
        Ok(())
    }

    /// Frees what was given to an object that is not stored after all.
    pub(super) fn give_back(&mut self, served: &Served, body: &Value) {
        if served.resource == GroupResource::new("", "services") {
            let address = at(body, &["spec", "clusterIP"]).and_then(Value::as_str);
            self.addresses.release(address.unwrap_or(""));
        }
    }

    /// Follows a stored write: a CRD changes what is served.
    pub(super) fn after_write(&mut self, served: &Served, object: &Arc<Object>) {
        if served.resource == CRDS {
            self.crd_written(object);
        }
    }

    /// Follows a deletion: frees what the object held.
    pub(super) fn after_delete(&mut self, served: &Served, object: &Object) {
        if served.resource == CRDS {
            self.registry.unserve(object);
        } else if served.resource == GroupResource::new("", "services") {
            self.addresses.release(object.text(&["spec", "clusterIP"]));
        }
    }
}

fn needs_address(body: &Value) -> bool {
    at(body, &["spec", "clusterIP"]).and_then(Value::as_str).is_none_or(str::is_empty)
}

fn keep_addresses(live: &Object, body: &mut Value) {
    let external = at(body, &["spec", "type"]).and_then(Value::as_str) == Some("ExternalName");
    // An address that is asked for stands in the list, too.
    let asked = at(body, &["spec", "clusterIP"]).and_then(Value::as_str).unwrap_or("").to_owned();
    if !asked.is_empty() && asked != live.text(&["spec", "clusterIP"]) {
        map_at(body, &["spec"]).insert("clusterIPs".into(), json!([asked]));
    }
    if at(body, &["spec", "sessionAffinity"]).is_none_or(|affinity| affinity != "ClientIP") {
        map_at(body, &["spec"]).remove("sessionAffinityConfig");
    }
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let absent = at(body, &["spec", field]).is_none_or(|v| v == "");
        if let (true, false, Some(old)) = (absent, external, live.at(&["spec", field])) {
            map_at(body, &["spec"]).insert(field.into(), old.clone());
        }
    }
}

fn add_finalizer(body: &mut Value, finalizer: &str) {
    let meta = map_at(body, &["metadata"]);
    let list = meta.entry("finalizers").or_insert_with(|| Value::Array(Vec::new()));
    if let Some(list) = list.as_array_mut()
        && !list.iter().any(|f| f == finalizer)
    {
        list.push(finalizer.into());
    }
}

fn tolerate(body: &mut Value, taint: &str) {
    let spec = map_at(body, &["spec"]);
    let list = spec.entry("tolerations").or_insert_with(|| Value::Array(Vec::new()));
    let Some(list) = list.as_array_mut() else { return };
    let covered = list.iter().any(|t| {
        let text = |field: &str| t.get(field).and_then(Value::as_str).unwrap_or("");
        let key = text("key");
        (key == taint || key.is_empty()) && matches!(text("effect"), "NoExecute" | "")
    });
    if !covered {
        list.push(json!({"key": taint, "operator": "Exists", "effect": "NoExecute",
                         "tolerationSeconds": 300}));
    }
}
