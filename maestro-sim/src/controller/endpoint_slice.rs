//! EndpointSlices: the addresses behind a Service that selects pods.
//!
//! Source: `pkg/controller/endpointslice`, `k8s.io/endpointslice`.

pub(super) mod track;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::controller::kinds::{ENDPOINT_SLICES, NODES, PODS, SERVICES};
use crate::controller::label_index::LabelIndex;
use crate::controller::labels::Labels;
use crate::controller::own::{absent_is_fine, controller_ref};
use crate::controller::{Change, Context, Controller, Next, Queue, View, pods, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, map_at};
use track::Tracker;

const MOST: usize = 100;
const MANAGED_BY: &str = "endpointslice-controller.k8s.io";
pub(super) const MANAGER: &str = "endpointslice.kubernetes.io/managed-by";
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";
pub(super) const TRIGGERED: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// The longest wait for a view that is behind.
const LONGEST: Duration = Duration::from_secs(1000);

/// The EndpointSlice controller.
#[derive(Debug, Default)]
pub struct EndpointSliceController {
    labels: LabelIndex,
    tracker: Tracker,
    /// By service and pod, the endpoint that was made last.
    built: BTreeMap<Key, BTreeMap<Key, Built>>,
}

/// An endpoint and what it was made of.
#[derive(Debug)]
struct Built {
    service: Arc<Object>,
    pod: Arc<Object>,
    node: Option<Arc<Object>>,
    ports: Value,
    /// The ports as text: endpoints are grouped by it.
    group: String,
    endpoint: Value,
}

impl Built {
    fn new(service: &Arc<Object>, pod: &Arc<Object>, node: Option<&Arc<Object>>) -> Self {
        let ports = ports_for(service, pod);
        Self {
            group: ports.to_string(),
            ports,
            endpoint: endpoint(service, pod, node),
            service: Arc::clone(service),
            pod: Arc::clone(pod),
            node: node.cloned(),
        }
    }

    /// Whether it was made of just these.
    fn is_of(&self, service: &Arc<Object>, pod: &Arc<Object>, node: Option<&Arc<Object>>) -> bool {
        Arc::ptr_eq(&self.service, service)
            && Arc::ptr_eq(&self.pod, pod)
            && self.node.as_ref().map(Arc::as_ptr) == node.map(Arc::as_ptr)
    }
}

impl Controller for EndpointSliceController {
    fn name(&self) -> &str {
        "endpointslice-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        [&SERVICES, &PODS, &ENDPOINT_SLICES, &NODES].map(Clone::clone).to_vec()
    }

    fn heeds(&self, resource: &GroupResource, old: &Object, new: &Object) -> bool {
        *resource != PODS || is_other_endpoint(old, new)
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.resource == SERVICES {
            queue.add(object.key().clone());
        } else if change.resource == ENDPOINT_SLICES {
            self.tracker.observe(change, MANAGED_BY, queue);
        } else if change.resource == PODS {
            if let (Some(old), Some(new)) = (&change.old, &change.new)
                && !is_other_endpoint(old, new)
            {
                return;
            }
            self.labels.apply(change);
            queue_services(change, view, queue);
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(service) = cx.view().get(&SERVICES, key).cloned() else {
            self.tracker.forget(key);
            self.built.remove(key);
            return Ok(Next::Done);
        };
        let selector = Labels::of_map(service.at(&["spec", "selector"]));
        let external = service.text(&["spec", "type"]) == "ExternalName";
        if service.is_deleting() || external || selector == Labels::default() {
            return Ok(Next::Done);
        }
        let slices = slices(cx.view(), &service);
        if let Some(next) = self.tracker.wait(key, &slices, LONGEST) {
            return Ok(next);
        }
        let chosen = self.labels.select(cx.view(), &PODS, service.namespace(), &selector);
        let trigger = self.tracker.trigger(&service, &chosen);
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        let mut known = self.built.remove(key).unwrap_or_default();
        let mut built = BTreeMap::new();
        for pod in chosen.iter().filter(|p| has_address(p)) {
            let node = cx.view().get(&NODES, &Key::new("", pod.text(&["spec", "nodeName"])));
            let one = known.remove(pod.key()).filter(|one| one.is_of(&service, pod, node));
            let one = one.unwrap_or_else(|| Built::new(&service, pod, node));
            let group = groups
                .entry(one.group.clone())
                .or_insert_with(|| Group { ports: one.ports.clone(), endpoints: BTreeMap::new() });
            group.endpoints.insert(pod.uid().to_owned(), one.endpoint.clone());
            built.insert(pod.key().clone(), one);
        }
        self.built.insert(key.clone(), built);
        let service: &Object = &service;
        Pass { service, trigger, tracker: &mut self.tracker }.sync(cx, groups, slices)?;
        Ok(Next::Done)
    }
}

/// Puts the Services in the queue that select a pod, or did before it changed.
pub(super) fn queue_services(change: &Change, view: &View, queue: &mut Queue) {
    for pod in change.old.iter().chain(&change.new) {
        let services = view.list(&SERVICES, pod.namespace());
        let selecting =
            services.filter(|s| Labels::of_map(s.at(&["spec", "selector"])).matches(pod.labels()));
        queue.extend(selecting.map(|s| s.key().clone()));
    }
}

/// Whether an update of a pod changes its endpoint, or which services it belongs to
/// (`k8s.io/endpointslice/util`, `podEndpointsChanged`).
fn is_other_endpoint(old: &Object, new: &Object) -> bool {
    let text = |path: &[&str]| old.text(path) != new.text(path);
    old.uid() != new.uid()
        || pods::is_ready(old) != pods::is_ready(new)
        || old.is_deleting() != new.is_deleting()
        || pods::is_terminated(old) != pods::is_terminated(new)
        || text(&["status", "podIP"])
        || text(&["spec", "nodeName"])
        || text(&["spec", "hostname"])
        || text(&["spec", "subdomain"])
        || old.labels() != new.labels()
}

/// Endpoints that share their resolved ports.
struct Group {
    ports: Value,
    endpoints: BTreeMap<String, Value>,
}

fn has_address(pod: &Object) -> bool {
    !pod.text(&["status", "podIP"]).is_empty() && !pods::is_terminated(pod)
}

pub(super) fn is_true(object: &Object, path: &[&str]) -> bool {
    object.at(path).and_then(Value::as_bool) == Some(true)
}

fn endpoint(service: &Object, pod: &Object, node_object: Option<&Arc<Object>>) -> Value {
    let serving = pods::is_ready(pod);
    let publish = is_true(service, &["spec", "publishNotReadyAddresses"]);
    let ready = publish || (serving && !pod.is_deleting());
    let node = pod.text(&["spec", "nodeName"]);
    let mut endpoint = json!({
        "addresses": [pod.text(&["status", "podIP"])],
        "conditions": {"ready": ready, "serving": serving, "terminating": pod.is_deleting()},
        "targetRef": {
            "kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid(),
        },
    });
    if !node.is_empty() {
        endpoint["nodeName"] = node.into();
        if let Some(zone) = node_object.and_then(|n| n.label("topology.kubernetes.io/zone")) {
            endpoint["zone"] = zone.into();
        }
    }
    let host = pod.text(&["spec", "hostname"]);
    if !host.is_empty() && pod.text(&["spec", "subdomain"]) == service.name() {
        endpoint["hostname"] = host.into();
    }
    endpoint
}

/// The service's ports as this pod serves them: a named target port is looked up in the pod.
pub(super) fn ports_for(service: &Object, pod: &Object) -> Value {
    let ports = service.items(&["spec", "ports"]).iter().filter_map(|port| {
        let target = port.get("targetPort").unwrap_or(&port["port"]);
        let number = match target.as_str() {
            Some(name) => named_port(pod, name)?,
            None if target == &json!(0) => port["port"].clone(),
            None => target.clone(),
        };
        let protocol = port.get("protocol").cloned().unwrap_or_else(|| "TCP".into());
        let mut found =
            json!({"name": shape::text(port, &["name"]), "port": number, "protocol": protocol});
        if let Some(app) = port.get("appProtocol") {
            found["appProtocol"] = app.clone();
        }
        Some(found)
    });
    ports.collect()
}

fn named_port(pod: &Object, name: &str) -> Option<Value> {
    let containers = pod.items(&["spec", "containers"]).iter();
    let all = containers.filter_map(|c| c.get("ports")?.as_array()).flatten();
    all.filter(|p| shape::text(p, &["name"]) == name).find_map(|p| p.get("containerPort").cloned())
}

/// The slices of a Service that this controller manages.
fn slices(view: &View, service: &Object) -> Vec<Arc<Object>> {
    let owned = view.owned(&ENDPOINT_SLICES, service.uid());
    let ours =
        owned.into_iter().filter(|s| s.label(MANAGER) == Some(MANAGED_BY) && !s.is_deleting());
    ours.collect()
}

/// One pass over a Service.
struct Pass<'a> {
    service: &'a Object,
    /// The time of the change that is told of.
    trigger: Option<String>,
    tracker: &'a mut Tracker,
}

impl Pass<'_> {
    /// Keeps endpoints in the slices they are in, fills slices that have room, then makes new ones.
    fn sync(
        &mut self,
        cx: &mut dyn Context,
        mut groups: BTreeMap<String, Group>,
        mut slices: Vec<Arc<Object>>,
    ) -> Result<(), Box<Status>> {
        if groups.is_empty() {
            // A service without pods keeps one empty slice.
            groups.insert(String::new(), Group { ports: json!([]), endpoints: BTreeMap::new() });
        }
        let mut plans: Vec<(Option<Arc<Object>>, Value, Vec<Value>)> = Vec::new();
        for group in groups.values_mut() {
            let (same, others): (Vec<_>, Vec<_>) = slices
                .into_iter()
                .partition(|s| Value::from(s.items(&["ports"]).to_vec()) == group.ports);
            slices = others;
            let mut mine: Vec<_> = same
                .into_iter()
                .map(|slice| {
                    let uids = slice.items(&["endpoints"]).iter();
                    let uids = uids.map(|e| shape::text(e, &["targetRef", "uid"]));
                    let kept: Vec<_> = uids.filter_map(|uid| group.endpoints.remove(uid)).collect();
                    (Some(slice), group.ports.clone(), kept)
                })
                .collect();
            let mut rest = std::mem::take(&mut group.endpoints).into_values();
            for (_, _, endpoints) in &mut mine {
                let room = MOST.saturating_sub(endpoints.len());
                endpoints.extend(rest.by_ref().take(room));
            }
            let rest: Vec<Value> = rest.collect();
            mine.extend(rest.chunks(MOST).map(|c| (None, group.ports.clone(), c.to_vec())));
            if mine.is_empty() {
                mine.push((None, group.ports.clone(), Vec::new()));
            }
            plans.extend(mine);
        }
        plans.extend(slices.into_iter().map(|s| (Some(s), json!([]), Vec::new())));
        let filled = plans.iter().filter(|(_, _, e)| !e.is_empty()).count();
        let mut spare = usize::from(filled == 0);
        let (kept, surplus): (Vec<_>, Vec<_>) = plans
            .into_iter()
            .partition(|(_, _, e)| !e.is_empty() || std::mem::take(&mut spare) == 1);
        // A slice that would go becomes one that would be made.
        let mut surplus = surplus.into_iter().filter_map(|(slice, _, _)| slice);
        for (slice, ports, endpoints) in kept {
            let slice = slice.or_else(|| surplus.next());
            self.write(cx, slice.as_deref(), (ports, endpoints))?;
        }
        for slice in surplus {
            absent_is_fine(cx.delete(&ENDPOINT_SLICES, slice.key(), Value::Null))?;
            self.tracker.deleted(self.service.key(), &slice);
        }
        Ok(())
    }

    fn write(
        &mut self,
        cx: &mut dyn Context,
        slice: Option<&Object>,
        (ports, endpoints): (Value, Vec<Value>),
    ) -> Result<(), Box<Status>> {
        let Some(slice) = slice else { return self.create(cx, &ports, &endpoints) };
        let mut body = slice.value().clone();
        let map = map_at(&mut body, &[]);
        map.insert("ports", ports);
        map.insert("endpoints", endpoints.into());
        map_at(&mut body, &["metadata", "labels"]).extend(labels(self.service));
        if body == *slice.value() {
            return Ok(());
        }
        let annotations = map_at(&mut body, &["metadata", "annotations"]);
        shape::put(annotations, TRIGGERED, json!(self.trigger));
        if annotations.is_empty() {
            map_at(&mut body, &["metadata"]).remove("annotations");
        }
        let written = cx.update(&ENDPOINT_SLICES, body)?;
        self.tracker.wrote(self.service.key(), &written);
        Ok(())
    }

    fn create(
        &mut self,
        cx: &mut dyn Context,
        ports: &Value,
        endpoints: &[Value],
    ) -> Result<(), Box<Status>> {
        let service = self.service;
        let family = service.items(&["spec", "ipFamilies"]).first().and_then(Value::as_str);
        let mut body = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "generateName": format!("{}-", service.name()), "namespace": service.namespace(),
                "labels": Value::Object(labels(service)),
                "ownerReferences": [controller_ref(&SERVICES, service)],
            },
            "addressType": family.unwrap_or("IPv4"), "ports": ports, "endpoints": endpoints,
        });
        if let Some(trigger) = &self.trigger {
            body["metadata"]["annotations"] = json!({TRIGGERED: trigger});
        }
        let written = cx.create(&ENDPOINT_SLICES, body)?;
        self.tracker.wrote(service.key(), &written);
        Ok(())
    }
}

fn labels(service: &Object) -> crate::json::Map {
    let mut labels = service.labels().cloned().unwrap_or_default();
    labels.insert(SERVICE_NAME, service.name().into());
    labels.insert(MANAGER, MANAGED_BY.into());
    let ip = service.text(&["spec", "clusterIP"]);
    if ip.is_empty() || ip == "None" {
        labels.insert("service.kubernetes.io/headless", "".into());
    }
    labels
}
