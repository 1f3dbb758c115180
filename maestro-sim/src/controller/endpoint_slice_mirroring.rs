//! EndpointSlices that mirror Endpoints which people wrote for Services without a selector.
//!
//! Source: `pkg/controller/endpointslicemirroring`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::api::Status;
use crate::builtin::address;
use crate::controller::endpoint_slice::track::Tracker;
use crate::controller::endpoint_slice::{MANAGER, SERVICE_NAME, TRIGGERED};
use crate::controller::endpoints::Repack;
use crate::controller::kinds::{ENDPOINT_SLICES, ENDPOINTS, SERVICES};
use crate::controller::label_index::LabelIndex;
use crate::controller::labels::Labels;
use crate::controller::own::{absent_is_fine, controller_ref};
use crate::controller::{Change, Context, Controller, Next, Queue, View, shape};
use crate::json::{Map, Value, json};
use crate::object::{GroupResource, Key, Object, at, map_at};

/// The longest wait for a view that is behind.
const LONGEST: Duration = Duration::from_secs(100);
/// Addresses of one subset.
const MOST: usize = 1000;
const MANAGED_BY: &str = "endpointslicemirroring-controller.k8s.io";
/// The label of Endpoints that nobody shall mirror.
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Endpoints with this annotation are no addresses, but a lock.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The EndpointSliceMirroring controller. Its view holds the Endpoints that may be mirrored, the
/// Services without a selector, and all slices.
#[derive(Debug, Default)]
pub struct EndpointSliceMirroringController {
    labels: LabelIndex,
    tracker: Tracker,
    services: BTreeSet<Key>,
}

impl Controller for EndpointSliceMirroringController {
    fn name(&self) -> &str {
        "endpoint-slice-mirroring-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        [&ENDPOINTS, &SERVICES, &ENDPOINT_SLICES].map(Clone::clone).to_vec()
    }

    fn selects(&self, resource: &GroupResource, object: &Object) -> bool {
        if *resource == SERVICES {
            return Labels::of_map(object.at(&["spec", "selector"])) == Labels::default();
        }
        if *resource == ENDPOINT_SLICES {
            // One that others took is still there, which is not as if it were gone.
            return true;
        }
        object.label(SKIP) != Some("true") && object.annotation(LEADER).is_none()
    }

    fn heeds(&self, resource: &GroupResource, _old: &Object, new: &Object) -> bool {
        *resource != ENDPOINTS || self.services.contains(new.key())
    }

    fn observe(&mut self, change: &Change, _view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.resource != ENDPOINT_SLICES {
            if change.resource == SERVICES && change.new.is_some() {
                self.services.insert(object.key().clone());
            } else if change.resource == SERVICES {
                self.services.remove(object.key());
            }
            queue.add(object.key().clone());
            return;
        }
        self.labels.apply(change);
        self.tracker.observe(change, MANAGED_BY, queue);
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let view = cx.view();
        let endpoints = view.get(&ENDPOINTS, key).filter(|_| view.get(&SERVICES, key).is_some());
        let endpoints = endpoints.cloned();
        let service = json!({SERVICE_NAME: &*key.name});
        let selector = Labels::of_map(Some(&service));
        let mut slices = self.labels.select(view, &ENDPOINT_SLICES, &key.namespace, &selector);
        slices.retain(|slice| slice.label(MANAGER) == Some(MANAGED_BY));
        let Some(endpoints) = endpoints else {
            self.tracker.forget(key);
            for slice in slices {
                absent_is_fine(cx.delete(&ENDPOINT_SLICES, slice.key(), Value::Null))?;
            }
            return Ok(Next::Done);
        };
        if let Some(next) = self.tracker.wait(key, &slices, LONGEST) {
            return Ok(next);
        }
        let wanted = wanted(&endpoints, cx);
        let plan = Plan::new(&endpoints, wanted, slices);
        self.carry_out(key, plan, cx)?;
        Ok(Next::Done)
    }
}

impl EndpointSliceMirroringController {
    fn carry_out(
        &mut self,
        key: &Key,
        plan: Plan,
        cx: &mut dyn Context,
    ) -> Result<(), Box<Status>> {
        for body in plan.create {
            let written = match cx.create(&ENDPOINT_SLICES, body) {
                // Nothing is made any more in a namespace that goes.
                Err(status) if status.reason == "Forbidden" => return Ok(()),
                answer => answer?,
            };
            self.tracker.wrote(key, &written);
        }
        for body in plan.update {
            let written = cx.update(&ENDPOINT_SLICES, body)?;
            self.tracker.wrote(key, &written);
        }
        for slice in plan.delete {
            absent_is_fine(cx.delete(&ENDPOINT_SLICES, slice.key(), Value::Null))?;
            self.tracker.deleted(key, &slice);
        }
        Ok(())
    }
}

/// The family of a slice's addresses, and its ports as text.
type Sort = (&'static str, BTreeSet<String>);

/// By what an endpoint is known: its address, host name, and the object it is the address of.
type Known = [String; 4];

/// What one slice shall hold.
#[derive(Debug, Default)]
struct Group {
    ports: Vec<Value>,
    endpoints: BTreeMap<Known, Value>,
}

fn known(endpoint: &Value) -> Known {
    let address = endpoint["addresses"].get(0).and_then(Value::as_str).unwrap_or("");
    let text = |path: &[&str]| shape::text(endpoint, path).to_owned();
    let target = |field: &str| text(&["targetRef", field]);
    [address.to_owned(), text(&["hostname"]), target("namespace"), target("name")]
}

/// What the addresses of Endpoints are as endpoints, an address family and a set of ports each.
fn wanted(endpoints: &Object, cx: &mut dyn Context) -> BTreeMap<Sort, Group> {
    let mut packed = Repack::default();
    for (place, subset) in endpoints.items(&["subsets"]).iter().enumerate() {
        let list = |field: &str| crate::object::items(subset, &[field]);
        for (field, ready) in [("addresses", true), ("notReadyAddresses", false)] {
            for address in list(field) {
                packed.add(address, ready, list("ports"), place);
            }
        }
    }
    let mut groups: BTreeMap<Sort, Group> = BTreeMap::new();
    let (mut invalid, mut skipped) = (0, 0);
    for subset in packed.subsets() {
        let list = |field: &str| crate::object::items(&subset, &[field]).iter();
        let ports: Vec<Value> = list("ports").map(port).collect();
        let ready = list("addresses").map(|address| (address, true));
        let addresses = ready.chain(list("notReadyAddresses").map(|address| (address, false)));
        let mut added = 0;
        for (address, ready) in addresses {
            if added >= MOST {
                skipped += 1;
            } else if let Some((family, endpoint)) = endpoint(address, ready) {
                let group = groups.entry((family, as_text(&ports))).or_default();
                group.ports.clone_from(&ports);
                group.endpoints.insert(known(&endpoint), endpoint);
                added += 1;
            } else {
                invalid += 1;
            }
        }
    }
    if invalid > 0 {
        let told =
            format!("Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices");
        cx.event(endpoints, "Warning", "InvalidIPAddress", &told);
    }
    if skipped > 0 {
        let told = format!(
            "A max of {MOST} addresses can be mirrored to EndpointSlices per Endpoints subset. {} \
             addresses were skipped",
            skipped + invalid
        );
        cx.event(endpoints, "Warning", "TooManyAddressesToMirror", &told);
    }
    groups
}

fn as_text(ports: &[Value]) -> BTreeSet<String> {
    ports.iter().map(Value::to_string).collect()
}

/// A port of Endpoints as slices have it.
fn port(port: &Value) -> Value {
    let mut port = port.clone();
    if port.get("name").is_none() {
        port["name"] = "".into();
    }
    port
}

/// An address of Endpoints as an endpoint, and its family; `None` if it is no address.
fn endpoint(address: &Value, ready: bool) -> Option<(&'static str, Value)> {
    let ip = match address::loose(shape::text(address, &["ip"]))? {
        IpAddr::V6(ip) => ip.to_canonical(),
        ip @ IpAddr::V4(_) => ip,
    };
    let mut endpoint = json!({"addresses": [ip.to_string()], "conditions": {"ready": ready}});
    for field in ["targetRef", "nodeName", "hostname"] {
        if let Some(value) = address.get(field) {
            endpoint[field] = value.clone();
        }
    }
    Some((if ip.is_ipv4() { "IPv4" } else { "IPv6" }, endpoint))
}

/// What is to be written.
#[derive(Debug, Default)]
struct Plan {
    create: Vec<Value>,
    update: Vec<Value>,
    delete: Vec<Arc<Object>>,
}

impl Plan {
    fn new(endpoints: &Object, wanted: BTreeMap<Sort, Group>, slices: Vec<Arc<Object>>) -> Self {
        let mut plan = Self::default();
        let mut existing: BTreeMap<Sort, Vec<Arc<Object>>> = BTreeMap::new();
        for slice in slices {
            let family = if slice.text(&["addressType"]) == "IPv6" { "IPv6" } else { "IPv4" };
            existing.entry((family, as_text(slice.items(&["ports"])))).or_default().push(slice);
        }
        for (sort, group) in wanted {
            let mut same = existing.remove(&sort).unwrap_or_default().into_iter();
            let first = same.next();
            plan.delete.extend(same);
            match first {
                Some(first) if is_so(&first, endpoints, &group) => {}
                Some(first) => {
                    let mut body = named(slice(endpoints, sort.0, group), first.name());
                    map_at(&mut body, &["metadata"]).remove("generateName");
                    plan.update.push(body);
                }
                None => plan.create.push(slice(endpoints, sort.0, group)),
            }
        }
        plan.delete.extend(existing.into_values().flatten());
        plan.recycle();
        if endpoints.is_deleting() {
            plan.create.clear();
        }
        plan
    }

    /// A slice that would go becomes one of its family that would be made.
    fn recycle(&mut self) {
        for body in std::mem::take(&mut self.create) {
            let family = shape::text(&body, &["addressType"]);
            match self.delete.iter().position(|s| s.text(&["addressType"]) == family) {
                Some(place) => {
                    let slice = self.delete.remove(place);
                    self.update.push(named(body, slice.name()));
                }
                None => self.create.push(body),
            }
        }
    }
}

fn named(mut body: Value, name: &str) -> Value {
    map_at(&mut body, &["metadata"]).insert("name", name.into());
    body
}

/// The annotations of Endpoints that slices have, too.
fn annotations(endpoints: &Object) -> Map {
    let all = endpoints.at(&["metadata", "annotations"]).and_then(Value::as_object);
    let mut all = all.cloned().unwrap_or_default();
    all.remove(TRIGGERED);
    all.remove(APPLIED);
    all
}

fn slice(endpoints: &Object, family: &str, group: Group) -> Value {
    let mut labels = endpoints.labels().cloned().unwrap_or_default();
    labels.insert(SERVICE_NAME, endpoints.name().into());
    labels.insert(MANAGER, MANAGED_BY.into());
    let list: Vec<Value> = group.endpoints.into_values().take(MOST).collect();
    let mut body = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "generateName": format!("{}-", endpoints.name()), "namespace": endpoints.namespace(),
            "labels": labels, "ownerReferences": [controller_ref(&ENDPOINTS, endpoints)],
        },
        "addressType": family, "ports": group.ports, "endpoints": list,
    });
    let annotations = annotations(endpoints);
    if !annotations.is_empty() {
        body["metadata"]["annotations"] = annotations.into();
    }
    body
}

/// Whether a slice holds what it shall.
fn is_so(slice: &Object, endpoints: &Object, group: &Group) -> bool {
    let mut labels = slice.labels().cloned().unwrap_or_default();
    labels.remove(MANAGER);
    labels.remove(SERVICE_NAME);
    let noted = slice.at(&["metadata", "annotations"]).and_then(Value::as_object);
    let other = |owner: &Value| {
        let text = |field: &str| shape::text(owner, &[field]);
        text("kind") == "Endpoints"
            && text("name") == endpoints.name()
            && text("uid") != endpoints.uid()
    };
    let held = slice.items(&["endpoints"]);
    labels == endpoints.labels().cloned().unwrap_or_default()
        && noted.cloned().unwrap_or_default() == annotations(endpoints)
        && !slice.owners().iter().any(other)
        && held.len() == group.endpoints.len()
        && held.iter().all(|e| group.endpoints.get(&known(e)).is_some_and(|w| is_alike(e, w)))
}

/// Whether two endpoints of one address are alike in what is mirrored.
fn is_alike(a: &Value, b: &Value) -> bool {
    let target = |endpoint: &Value| {
        let mut target = at(endpoint, &["targetRef"]).cloned();
        if let Some(map) = target.as_mut().and_then(Value::as_object_mut) {
            map.remove("resourceVersion");
        }
        target
    };
    ["nodeName", "zone", "conditions"].iter().all(|field| a.get(*field) == b.get(*field))
        && target(a) == target(b)
}
