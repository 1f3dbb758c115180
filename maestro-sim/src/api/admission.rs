//! What the built-in admission plugins and allocators add to objects on their way in.
//!
//! NamespaceLifecycle, ServiceAccount, NodeRestriction, Priority, PodSecurity, PodTopologyLabels,
//! DefaultTolerationSeconds, DefaultStorageClass, DefaultIngressClass, RuntimeClass,
//! StorageObjectInUseProtection, and the allocation of Service cluster IPs.
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/>.

pub(crate) mod authorizer;
pub(in crate::api) mod call;
mod expression;
mod limits;
mod matching;
mod meter;
mod mutation;
mod nodes;
mod pod_security;
mod policy;
mod priority;
mod quota;
mod runtime;
mod webhook;

use std::sync::Arc;

use self::call::Call;
use self::priority::{PRIORITY_CLASSES, keep_priority};
use crate::api::certificate;
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::settings::Plugin;
use crate::api::{Cause, Request, Status};
use crate::json::{Value, json};
use crate::object::{GroupResource, Object, at, map_at};

const NAMESPACES: GroupResource = GroupResource::new("", "namespaces");
const INGRESS_CLASSES: GroupResource = GroupResource::new("networking.k8s.io", "ingressclasses");
const RUNTIME_CLASSES: GroupResource = GroupResource::new("node.k8s.io", "runtimeclasses");
const STORAGE_CLASSES: GroupResource = GroupResource::new("storage.k8s.io", "storageclasses");
const CRDS: GroupResource = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");

impl Server {
    /// Whether an admission plugin is on.
    pub(super) const fn plugin(&self, plugin: Plugin) -> bool {
        self.settings.plugins.has(plugin)
    }

    pub(super) fn check_namespace(
        &self,
        served: &Served,
        request: &Request,
        name: &str,
    ) -> Result<(), Box<Status>> {
        if !served.namespaced || !self.plugin(Plugin::NamespaceLifecycle) {
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
        request: &Request,
        body: &mut Value,
    ) -> Result<(), Box<Status>> {
        match (&*served.resource.group, &*served.resource.resource) {
            ("", "pods") => {
                if self.plugin(Plugin::LimitRanger) {
                    self.fill_limits(request, body);
                }
                self.admit_pod(body)
            }
            ("", "persistentvolumeclaims") => {
                if self.plugin(Plugin::DefaultStorageClass) {
                    self.default_class(body);
                }
                self.protect(body, "kubernetes.io/pvc-protection");
                Ok(())
            }
            ("", "nodes") => {
                if self.plugin(Plugin::TaintNodesByCondition) {
                    taint_new(body);
                }
                Ok(())
            }
            ("certificates.k8s.io", "certificatesigningrequests") => {
                certificate::sign(request, body);
                certificate::check_subject(body)
            }
            ("networking.k8s.io", "ingresses") => {
                if self.plugin(Plugin::DefaultIngressClass) {
                    self.default_ingress_class(body);
                }
                Ok(())
            }
            ("", "persistentvolumes") => {
                self.protect(body, "kubernetes.io/pv-protection");
                Ok(())
            }
            ("storage.k8s.io", "volumeattributesclasses") => {
                self.protect(body, "kubernetes.io/vac-protection");
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
            let dry = request.options.dry_run;
            self.changed_service(served, live, body, dry)?;
        }
        if served.is_pod() && request.subresource.is_empty() {
            if self.plugin(Plugin::Priority) {
                keep_priority(live.value(), body);
            }
            self.tolerate_lost_nodes(body);
            self.copy_topology(body);
        }
        if request.subresource.is_empty() {
            Self::prepare_update(served, live, body);
        }
        Ok(())
    }

    /// What validating plugins say of a proposed object, after it was found valid.
    pub(super) fn judge(
        &mut self,
        served: &Served,
        request: &Request,
        old: Option<&Object>,
        body: &Value,
    ) -> Result<(), Box<Status>> {
        if self.plugin(Plugin::LimitRanger) {
            self.check_limits(served, request, old, body)?;
        }
        if self.plugin(Plugin::PodSecurity) {
            self.judge_security(served, request, old, body)?;
        }
        if served.resource == PRIORITY_CLASSES && self.plugin(Plugin::Priority) {
            self.only_default(request, old, body)?;
        }
        if served.is_pod() && old.is_none() && self.plugin(Plugin::RuntimeClass) {
            self.judge_runtime(body)?;
        }
        if self.plugin(Plugin::CertificateApproval) {
            self.judge_approval(served, request, old)?;
        }
        if let Some(call) = Call::of(served, request, old.map(Object::value), Some(body)) {
            self.check_policies(&call)?;
            self.ask_validating(&call)?;
        }
        match self.plugin(Plugin::ResourceQuota) {
            true => self.admit_quota(served, request, old, body),
            false => Ok(()),
        }
    }

    /// What validating plugins say of a deletion.
    pub(super) fn judge_deletion(
        &mut self,
        served: &Served,
        request: &Request,
        live: &Object,
    ) -> Result<(), Box<Status>> {
        self.restrict_node(served, request, Some(live.value()), None)?;
        match Call::of(served, request, Some(live.value()), None) {
            Some(call) => {
                self.ask_of_deletion(&call)?;
                self.check_policies(&call)?;
                self.ask_validating(&call)
            }
            None => Ok(()),
        }
    }

    fn admit_pod(&mut self, body: &mut Value) -> Result<(), Box<Status>> {
        if self.plugin(Plugin::ServiceAccount) {
            self.admit_account(body)?;
        }
        if self.plugin(Plugin::Priority) {
            self.admit_priority(body)?;
        }
        self.tolerate_lost_nodes(body);
        if self.plugin(Plugin::RuntimeClass) {
            self.admit_runtime(body)?;
        }
        self.copy_topology(body);
        Ok(())
    }

    fn protect(&self, body: &mut Value, finalizer: &str) {
        if self.plugin(Plugin::StorageObjectInUseProtection) {
            add_finalizer(body, finalizer);
        }
    }

    fn tolerate_lost_nodes(&self, body: &mut Value) {
        if self.plugin(Plugin::DefaultTolerationSeconds) {
            tolerate(body, "node.kubernetes.io/not-ready");
            tolerate(body, "node.kubernetes.io/unreachable");
        }
    }

    fn default_class(&self, body: &mut Value) {
        if at(body, &["spec", "storageClassName"]).is_some() {
            return;
        }
        const MARKS: [&str; 2] = [
            "storageclass.kubernetes.io/is-default-class",
            "storageclass.beta.kubernetes.io/is-default-class",
        ];
        if let Some(class) = self.newest_marked(&STORAGE_CLASSES, &MARKS) {
            map_at(body, &["spec"]).insert("storageClassName", class.name().into());
        }
    }

    /// The class of a new Ingress that names none, neither in a field nor as of old.
    fn default_ingress_class(&self, body: &mut Value) {
        let named = at(body, &["spec", "ingressClassName"]);
        if named
            .or_else(|| at(body, &["metadata", "annotations", "kubernetes.io/ingress.class"]))
            .is_some()
        {
            return;
        }
        let marks = ["ingressclass.kubernetes.io/is-default-class"];
        if let Some(class) = self.newest_marked(&INGRESS_CLASSES, &marks) {
            map_at(body, &["spec"]).insert("ingressClassName", class.name().into());
        }
    }

    /// Of the objects on which one of these annotations is true, the newest; of equally new ones
    /// the first by name.
    fn newest_marked(&self, classes: &GroupResource, marks: &[&str]) -> Option<Arc<Object>> {
        let all = self.store.find(classes)?.objects.values();
        let marked = all.filter(|class| marks.iter().any(|m| class.annotation(m) == Some("true")));
        let born = |class: &&Arc<Object>| {
            let text = class.text(&["metadata", "creationTimestamp"]).to_owned();
            (std::cmp::Reverse(text), class.name().to_owned())
        };
        marked.min_by_key(born).map(Arc::clone)
    }

    /// Follows a stored write: a CRD changes what is served.
    pub(super) fn after_write(&mut self, served: &Served, object: &Arc<Object>) {
        if served.resource == CRDS {
            self.crd_written(object);
        }
        self.address_written(served, object);
    }

    /// Follows a deletion: frees what the object held.
    pub(super) fn after_delete(&mut self, served: &Served, object: &Object) {
        if served.resource == CRDS {
            self.registry.unserve(object);
            self.forget_converted(object);
        }
        self.address_gone(served, object);
        self.let_go(served, object, None);
    }
}

fn add_finalizer(body: &mut Value, finalizer: &str) {
    let meta = map_at(body, &["metadata"]);
    let list = meta.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut()
        && !list.iter().any(|f| f == finalizer)
    {
        list.push(finalizer.into());
    }
}

/// A new node is not ready until somebody says so (the TaintNodesByCondition plugin).
fn taint_new(body: &mut Value) {
    let key = "node.kubernetes.io/not-ready";
    let spec = map_at(body, &["spec"]);
    let list = spec.entry("taints").or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else { return };
    let has = |taint: &Value| taint["key"] == key && taint["effect"] == "NoSchedule";
    if !list.iter().any(has) {
        list.push(json!({"key": key, "effect": "NoSchedule"}));
    }
}

fn tolerate(body: &mut Value, taint: &str) {
    let covers = |toleration: &Value| {
        let text = |field: &str| toleration.get(field).and_then(Value::as_str).unwrap_or("");
        let key = text("key");
        (key == taint || key.is_empty()) && matches!(text("effect"), "NoExecute" | "")
    };
    let list = at(body, &["spec", "tolerations"]).and_then(Value::as_array);
    // A spec that needs nothing stays the one that is stored.
    if list.is_some_and(|list| list.iter().any(covers)) {
        return;
    }
    let list = map_at(body, &["spec"]).entry("tolerations").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.push(json!({"key": taint, "operator": "Exists", "effect": "NoExecute",
                         "tolerationSeconds": 300}));
    }
}
