//! Endpoints: the addresses behind a Service in the older form, for those who still read it.
//!
//! Source: `pkg/controller/endpoint`.

mod repack;

pub use repack::Repack;

use std::collections::BTreeSet;

use crate::api::Status;
use crate::controller::endpoint_slice::{is_true, ports_for, queue_services};
use crate::controller::kinds::{ENDPOINTS, PODS, SERVICES};
use crate::controller::label_index::LabelIndex;
use crate::controller::labels::Labels;
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View, pods, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, map_at};

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const HEADLESS: &str = "service.kubernetes.io/headless";
/// Addresses of one object.
const MOST: usize = 1000;

/// The Endpoints controller.
#[derive(Debug, Default)]
pub struct EndpointsController {
    labels: LabelIndex,
    /// Services that went, and whose Endpoints have yet to.
    deserted: BTreeSet<Key>,
}

impl Controller for EndpointsController {
    fn name(&self) -> &str {
        "endpoint-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        [&SERVICES, &PODS, &ENDPOINTS].map(Clone::clone).to_vec()
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.resource != PODS {
            if change.resource == SERVICES && change.new.is_none() {
                self.deserted.insert(object.key().clone());
            }
            queue.add(object.key().clone());
            return;
        }
        self.labels.apply(change);
        queue_services(change, view, queue);
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let known = cx.view().get(&ENDPOINTS, key).cloned();
        let deserted = self.deserted.remove(key);
        let Some(service) = cx.view().get(&SERVICES, key).cloned() else {
            // They go with their Service, whoever wrote them; without it anyone may write some.
            if deserted || known.is_some_and(|known| known.label(MANAGED_BY).is_some()) {
                let answer = absent_is_fine(cx.delete(&ENDPOINTS, key, Value::Null));
                answer.inspect_err(|_| _ = self.deserted.insert(key.clone()))?;
            }
            return Ok(Next::Done);
        };
        let selector = Labels::of_map(service.at(&["spec", "selector"]));
        if service.text(&["spec", "type"]) == "ExternalName" || selector == Labels::default() {
            return Ok(Next::Done);
        }
        let chosen = self.labels.select(cx.view(), &PODS, service.namespace(), &selector);
        let tolerant = is_true(&service, &["spec", "publishNotReadyAddresses"]);
        let mut packed = Repack::default();
        for pod in chosen.iter().filter(|pod| belongs(pod, tolerant)).take(MOST) {
            let Some(ports) = ports(&service, pod) else { continue };
            packed.add(&address(&service, pod), tolerant || pods::is_ready(pod), &ports, 0);
        }
        write(cx, &service, known.as_deref(), &packed.subsets())?;
        Ok(Next::Done)
    }
}

fn belongs(pod: &Object, tolerant: bool) -> bool {
    !pods::is_terminated(pod)
        && !pod.text(&["status", "podIP"]).is_empty()
        && (tolerant || !pod.is_deleting())
}

fn address(service: &Object, pod: &Object) -> Value {
    let mut address = json!({
        "ip": pod.text(&["status", "podIP"]),
        "nodeName": pod.text(&["spec", "nodeName"]),
        "targetRef": {
            "kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid(),
        },
    });
    let host = pod.text(&["spec", "hostname"]);
    if !host.is_empty() && pod.text(&["spec", "subdomain"]) == service.name() {
        address["hostname"] = host.into();
    }
    address
}

/// The ports that a pod serves. One that serves none belongs to a headless Service without ports
/// alone.
fn ports(service: &Object, pod: &Object) -> Option<Vec<Value>> {
    let headless = service.text(&["spec", "clusterIP"]) == "None";
    if headless && service.items(&["spec", "ports"]).is_empty() {
        return Some(Vec::new());
    }
    let mut ports = ports_for(service, pod);
    let ports = ports.as_array_mut().map(std::mem::take).unwrap_or_default();
    let plain = ports.into_iter().map(|mut port| {
        if shape::text(&port, &["name"]).is_empty() {
            map_at(&mut port, &[]).remove("name");
        }
        port
    });
    Some(plain.collect()).filter(|ports: &Vec<Value>| !ports.is_empty())
}

fn write(
    cx: &mut dyn Context,
    service: &Object,
    known: Option<&Object>,
    subsets: &[Value],
) -> Result<(), Box<Status>> {
    let mut labels = service.labels().cloned().unwrap_or_default();
    labels.insert(MANAGED_BY, "endpoint-controller".into());
    if matches!(service.text(&["spec", "clusterIP"]), "" | "None") {
        labels.insert(HEADLESS, "".into());
    }
    let Some(known) = known else {
        let body = json!({
            "apiVersion": "v1", "kind": "Endpoints",
            "metadata": {
                "name": service.name(), "namespace": service.namespace(), "labels": labels,
            },
            "subsets": subsets,
        });
        return match cx.create(&ENDPOINTS, body) {
            // Nothing is made any more in a namespace that goes.
            Err(status) if status.reason == "Forbidden" => Ok(()),
            answer => answer.map(drop),
        };
    };
    if known.items(&["subsets"]) == subsets && known.labels() == Some(&labels) {
        return Ok(());
    }
    let mut body = known.value().clone();
    let subsets = if subsets.is_empty() { Value::Null } else { subsets.to_vec().into() };
    shape::put(map_at(&mut body, &[]), "subsets", subsets);
    map_at(&mut body, &["metadata"]).insert("labels", labels.into());
    cx.update(&ENDPOINTS, body).map(drop)
}
