//! Subresources other than status: scale, binding, eviction, approval, finalize, and the parts of a
//! pod.

use std::sync::Arc;

use crate::api::pod_parts::PodPart;
use crate::api::proposal::{refused_by_storage, unmet};
use crate::api::registry::Served;
use crate::api::server::{Handled, Response, Server};
use crate::api::{Request, Status, Verb};
use crate::json::{Value, json};
use crate::object::{GroupResource, Object, at, map_at};
use crate::selector::LabelSelector;

const PODS: GroupResource = GroupResource::new("", "pods");
const BUDGETS: GroupResource = GroupResource::new("policy", "poddisruptionbudgets");

impl Server {
    pub(super) fn subresource(&mut self, served: &Arc<Served>, request: Request) -> Handled {
        match &*request.subresource {
            "scale" => self.scale(served, request),
            "binding" if served.is_pod() => self.bind(served, &request),
            "eviction" if served.is_pod() => self.evict(served, request),
            "token" => self.token(served, request),
            "approval" => self.approval(served, request),
            "log" if served.is_pod() => self.log(served, &request),
            "exec" | "attach" | "portforward" if served.is_pod() => self.connect(served, &request),
            "finalize" if served.is_namespace() => self.update(served, request),
            part if PodPart::of(served, part).is_some() => match request.verb {
                Verb::Get => self.read(served, &request),
                Verb::Patch => self.patch(served, request),
                _ => self.update(served, request),
            },
            _ => Err(Box::new(Status::no_such_path())),
        }
    }

    fn bind(&mut self, served: &Arc<Served>, request: &Request) -> Handled {
        if at(&request.body, &["metadata", "name"]).is_none_or(|name| *name != request.name) {
            return Err(wrong_name("Binding"));
        }
        let text = |path: &[&str]| at(&request.body, path).and_then(Value::as_str).unwrap_or("");
        let target = text(&["target", "name"]);
        let wrong = wrong_target(text(&["target", "kind"]), target);
        match wrong.as_slice() {
            [] => {}
            [one] => return Err(Box::new(Status::new(500, "", one))),
            all => return Err(Box::new(Status::new(500, "", format!("[{}]", all.join(", "))))),
        }
        let live = self.existing(served, request)?;
        let version = live.resource_version().to_string();
        let demands =
            [("UID", "uid", live.uid()), ("ResourceVersion", "resourceVersion", &version)];
        for (what, field, is) in demands {
            let asked = text(&["metadata", field]);
            if !asked.is_empty() && asked != is {
                let why = refused_by_storage(served, &live, &unmet(what, asked, is));
                return Err(Box::new(Status::conflict(&served.resource, &request.name, &why)));
            }
        }
        let conflict = |why: String| {
            Err(Box::new(Status::conflict(
                &GroupResource::new("", "pods/binding"),
                &request.name,
                &why,
            )))
        };
        if live.is_deleting() {
            return conflict(format!(
                "pod {} is being deleted, cannot be assigned to a host",
                request.name
            ));
        }
        let node = live.text(&["spec", "nodeName"]);
        if !node.is_empty() {
            return conflict(format!(
                "pod {} is already assigned to node \"{node}\"",
                request.name
            ));
        }
        if !live.items(&["spec", "schedulingGates"]).is_empty() {
            return conflict(format!("pod {} has non-empty .spec.schedulingGates", request.name));
        }
        let mut value = live.value().clone();
        map_at(&mut value, &["spec"]).insert("nodeName", target.into());
        if self.registry.version().has("ClearingNominatedNodeNameAfterBinding") {
            map_at(&mut value, &["status"]).remove("nominatedNodeName");
        }
        let copies_labels = self.registry.version().has("PodTopologyLabelsAdmission");
        for field in ["annotations", "labels"] {
            if field == "labels" && !copies_labels {
                continue;
            }
            let told = at(&request.body, &["metadata", field]).and_then(Value::as_object);
            if let Some(told) = told.filter(|told| !told.is_empty()) {
                map_at(&mut value, &["metadata", field]).extend(told.clone());
            }
        }
        self.copy_topology(&mut value);
        let now = self.timestamp();
        let _ = set_condition(&mut value, "PodScheduled", &now);
        if !request.options.dry_run {
            let object = self.put(served, value)?;
            self.after_write(served, &object);
        }
        let answer = json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
                            "status": "Success", "code": 201});
        Ok(Response::Value { code: 201, value: answer })
    }

    fn evict(&mut self, served: &Arc<Served>, mut request: Request) -> Handled {
        let told = request.body.pointer("/deleteOptions/dryRun").and_then(Value::as_array);
        request.options.dry_run |= told.is_some_and(|told| told.iter().any(|name| name == "All"));
        self.restrict_node(served, &request, None, Some(&request.body))?;
        let live = self.existing(served, &request)?;
        if at(&request.body, &["metadata", "name"]).is_none_or(|name| *name != request.name) {
            return Err(wrong_name("Eviction"));
        }
        let phase = live.text(&["status", "phase"]);
        let skips = matches!(phase, "Pending" | "Succeeded" | "Failed") || live.is_deleting();
        if !skips {
            self.spend_budget(&live, request.options.dry_run)?;
        }
        if !request.options.dry_run {
            self.mark_evicted(served, &live)?;
        }
        let body = request.body.get("deleteOptions").cloned().unwrap_or(Value::Null);
        let delete = Request { verb: Verb::Delete, subresource: "".into(), body, ..request };
        self.delete(served, &delete)?;
        let answer = json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
                            "status": "Success", "code": 201});
        Ok(Response::Value { code: 201, value: answer })
    }

    /// The pod says why it goes (KEP 3329).
    fn mark_evicted(&mut self, served: &Arc<Served>, live: &Object) -> Result<(), Box<Status>> {
        let mut value = live.value().clone();
        let now = self.timestamp();
        let condition = set_condition(&mut value, "DisruptionTarget", &now);
        if let Some(Value::Object(condition)) = condition {
            condition.insert("reason", "EvictionByEvictionAPI".into());
            condition.insert("message", "Eviction API: evicting".into());
        }
        if value != *live.value() {
            let object = self.put(served, value)?;
            self.after_write(served, &object);
        }
        Ok(())
    }

    /// Takes one disruption from the pod's budget, or refuses.
    fn spend_budget(&mut self, pod: &Object, dry_run: bool) -> Result<(), Box<Status>> {
        let budgets: Vec<Arc<Object>> = self
            .store
            .find(&BUDGETS)
            .into_iter()
            .flat_map(|table| table.objects.values())
            .filter(|b| b.namespace() == pod.namespace() && covers(b, pod))
            .cloned()
            .collect();
        let budget = match budgets.as_slice() {
            [] => return Ok(()),
            [one] => one,
            _ => {
                let message = "This pod has more than one PodDisruptionBudget, which the \
                               eviction subresource does not support.";
                return Err(Box::new(Status::new(500, "", message)));
            }
        };
        let observed = budget.int(&["status", "observedGeneration"]).unwrap_or(0);
        if observed < budget.generation() {
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            let why = format!(
                "The disruption budget {} is still being processed by the server.",
                budget.name()
            );
            let cause = crate::api::Cause::new("DisruptionBudget", "", why);
            return Err(Box::new(Status::too_many_requests(message, 10).with_causes(&[cause])));
        }
        let allowed = budget.int(&["status", "disruptionsAllowed"]).unwrap_or(0);
        if allowed <= 0 {
            let healthy = budget.int(&["status", "currentHealthy"]).unwrap_or(0);
            let desired = budget.int(&["status", "desiredHealthy"]).unwrap_or(0);
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            let why = format!(
                "The disruption budget {} needs {desired} healthy pods and has {healthy} currently",
                budget.name()
            );
            let cause = crate::api::Cause::new("DisruptionBudget", "", why);
            let status = Status::new(429, "TooManyRequests", message).with_causes(&[cause]);
            return Err(Box::new(status));
        }
        if dry_run {
            return Ok(());
        }
        let mut value = budget.value().clone();
        let now = self.timestamp();
        map_at(&mut value, &["status"]).insert("disruptionsAllowed", (allowed - 1).into());
        map_at(&mut value, &["status", "disruptedPods"]).insert(pod.name(), now.as_str().into());
        if allowed == 1 {
            no_more_disruptions(&mut value, &now);
        }
        self.own_status(&BUDGETS, budget.value(), &mut value);
        let now = self.now;
        self.store.put(&BUDGETS, value, now);
        Ok(())
    }
}

/// The condition of a budget that allows nothing more.
fn no_more_disruptions(budget: &mut Value, now: &str) {
    let status = map_at(budget, &["status"]);
    let generation = status.get("observedGeneration").cloned().unwrap_or_else(|| 0.into());
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(list) = conditions.as_array_mut() else { return };
    let known = |c: &Value, field: &str, value: &str| c.get(field).is_some_and(|v| v == value);
    let held = list.iter().find(|c| known(c, "type", "DisruptionAllowed"));
    let since = held
        .filter(|c| known(c, "status", "False"))
        .and_then(|c| c.get("lastTransitionTime").cloned())
        .unwrap_or_else(|| now.into());
    list.retain(|c| !known(c, "type", "DisruptionAllowed"));
    list.push(json!({"type": "DisruptionAllowed", "status": "False",
        "observedGeneration": generation, "lastTransitionTime": since,
        "reason": "InsufficientPods", "message": ""}));
}

/// What is asked of a pod names it twice.
fn wrong_name(kind: &str) -> Box<Status> {
    let message = format!("name in URL does not match name in {kind} object");
    Box::new(Status::bad_request(message))
}

fn covers(budget: &Object, pod: &Object) -> bool {
    budget
        .at(&["spec", "selector"])
        .and_then(|selector| LabelSelector::from_value(selector).ok())
        .is_some_and(|selector| selector.matches(pod.labels()))
}

/// Puts a condition that is true into a pod and returns it.
fn set_condition<'a>(pod: &'a mut Value, kind: &str, now: &str) -> Option<&'a mut Value> {
    let status = map_at(pod, &["status"]);
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let list = conditions.as_array_mut()?;
    list.retain(|c| c.get("type").and_then(Value::as_str) != Some(kind));
    list.push(json!({"type": kind, "status": "True", "lastProbeTime": null,
                     "lastTransitionTime": now}));
    list.last_mut()
}

impl Served {
    /// Whether this is the core Pod.
    pub fn is_pod(&self) -> bool {
        self.resource == PODS
    }

    /// Whether this is the core Namespace.
    pub fn is_namespace(&self) -> bool {
        self.resource == GroupResource::new("", "namespaces")
    }
}

/// What is wrong with what a pod is bound to.
fn wrong_target(kind: &str, name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if !matches!(kind, "" | "Node") {
        wrong.push(format!(
            "target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\""
        ));
    }
    if name.is_empty() {
        wrong.push("target.name: Required value".to_owned());
    } else if matches!(kind, "" | "Node") {
        let told = crate::builtin::text::subdomain(name).into_iter();
        wrong.extend(told.map(|why| format!("target.name: Invalid value: {name:?}: {why}")));
    }
    wrong
}
