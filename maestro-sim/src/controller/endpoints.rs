//! Endpoints: the addresses behind a Service in the older form, for those who still read it.
//!
//! Source: `pkg/controller/endpoint`.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::Status;
use crate::controller::endpoint_slice::{is_true, ports_for, queue_services};
use crate::controller::kinds::{ENDPOINTS, PODS, SERVICES};
use crate::controller::label_index::LabelIndex;
use crate::controller::labels::Labels;
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View, pods, shape};
use crate::json::{Map, Value, json};
use crate::object::{GroupResource, Key, Object, map_at};

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const HEADLESS: &str = "service.kubernetes.io/headless";
/// Addresses of one object.
const MOST: usize = 1000;

/// The Endpoints controller.
#[derive(Debug, Default)]
pub struct EndpointsController {
    labels: LabelIndex,
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
            queue.add(object.key().clone());
            return;
        }
        self.labels.apply(change);
        queue_services(change, view, queue);
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let known = cx.view().get(&ENDPOINTS, key).cloned();
        let Some(service) = cx.view().get(&SERVICES, key).cloned() else {
            if let Some(known) = known.filter(|known| known.label(MANAGED_BY).is_some()) {
                absent_is_fine(cx.delete(&ENDPOINTS, known.key(), Value::Null))?;
            }
            return Ok(Next::Done);
        };
        let selector = Labels::of_map(service.at(&["spec", "selector"]));
        if service.text(&["spec", "type"]) == "ExternalName" || selector == Labels::default() {
            return Ok(Next::Done);
        }
        let chosen = self.labels.select(cx.view(), &PODS, service.namespace(), &selector);
        let tolerant = is_true(&service, &["spec", "publishNotReadyAddresses"]);
        let mut addresses = BTreeMap::new();
        for pod in chosen.iter().filter(|pod| belongs(pod, tolerant)).take(MOST) {
            let ready = tolerant || pods::is_ready(pod);
            addresses.insert(
                pod.uid().to_owned(),
                (address(&service, pod), ready, ports(&service, pod)),
            );
        }
        write(cx, &service, known.as_deref(), &subsets(&addresses))?;
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

/// The ports that a pod serves, each as text to be compared by. A headless Service may have none.
fn ports(service: &Object, pod: &Object) -> BTreeSet<String> {
    let headless = service.text(&["spec", "clusterIP"]) == "None";
    if headless && service.items(&["spec", "ports"]).is_empty() {
        return BTreeSet::from([String::new()]);
    }
    let mut ports = ports_for(service, pod);
    let all = ports.as_array_mut().into_iter().flatten().map(|port| {
        if shape::text(port, &["name"]).is_empty() {
            map_at(port, &[]).remove("name");
        }
        port.to_string()
    });
    all.collect()
}

type Addresses = BTreeMap<String, (Value, bool, BTreeSet<String>)>;

/// Ports that the same addresses serve share a subset.
fn subsets(addresses: &Addresses) -> Vec<Value> {
    let mut by_port: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    for (uid, (_, _, ports)) in addresses {
        for port in ports {
            by_port.entry(port).or_default().insert(uid);
        }
    }
    let mut by_uids: BTreeMap<BTreeSet<&String>, Vec<&String>> = BTreeMap::new();
    for (port, uids) in by_port {
        by_uids.entry(uids).or_default().push(port);
    }
    let subset = |(uids, ports): (BTreeSet<&String>, Vec<&String>)| {
        let of = |wanted: bool| {
            let all = uids.iter().filter_map(|uid| addresses.get(*uid));
            let mut all: Vec<Value> =
                all.filter(|(_, ready, _)| *ready == wanted).map(|(a, _, _)| a.clone()).collect();
            all.sort_by_key(|address| shape::text(address, &["ip"]).to_owned());
            if all.is_empty() { Value::Null } else { all.into() }
        };
        let ports: Vec<Value> =
            ports.iter().filter_map(|port| serde_json::from_str(port).ok()).collect();
        let mut subset = Map::new();
        shape::put(&mut subset, "addresses", of(true));
        shape::put(&mut subset, "notReadyAddresses", of(false));
        shape::put(&mut subset, "ports", if ports.is_empty() { Value::Null } else { ports.into() });
        Value::Object(subset)
    };
    by_uids.into_iter().map(subset).collect()
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
