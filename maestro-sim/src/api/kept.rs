//! What an API server keeps in the store about itself: where it is reached, the range of Services'
//! addresses, and who has which of them.
//!
//! A cluster pays for that when somebody first asks: as the bootstrap roles, these objects were
//! always there, so that no watch tells of them. Sources: `pkg/controlplane/reconcilers`,
//! `pkg/controlplane/controller/{kubernetesservice,defaultservicecidr}`,
//! `pkg/registry/core/service/ipallocator`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::api::addresses::pool::{Range, ranges_of};
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::{Request, Verb};
use crate::json::{Array, Value, json};
use crate::object::{GroupResource, Key, Object, map_at};
use crate::rng::Stream;
use crate::time::{rfc3339, since_start};

const SERVICES: GroupResource = GroupResource::new("", "services");
const ENDPOINTS: GroupResource = GroupResource::new("", "endpoints");
const SLICES: GroupResource = GroupResource::new("discovery.k8s.io", "endpointslices");
const RANGES: GroupResource = GroupResource::new("networking.k8s.io", "servicecidrs");
const ADDRESSES: GroupResource = GroupResource::new("networking.k8s.io", "ipaddresses");
/// Who writes it.
const SERVER: &str = "kube-apiserver";
/// What the server's Service, its Endpoints and the range of addresses are called.
pub const NAME: &str = "kubernetes";
/// The finalizer of ServiceCIDRs.
pub const PROTECTION: &str = "networking.k8s.io/service-cidr-finalizer";

/// Where a server is reached.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// As its Endpoints say.
    pub listens: SocketAddr,
    /// The range of Services' addresses, of which its own has the first.
    pub services: Range,
}

/// What the server keeps, and what of that nobody has asked for yet.
#[derive(Debug)]
pub struct Kept {
    /// Where the server is reached, as its Endpoints say.
    pub listens: SocketAddr,
    waiting: Vec<GroupResource>,
    seed: u64,
    /// When the server began.
    since: Duration,
    versions: [u64; 3],
    /// Whether a controller manager runs, which protects ranges.
    managed: bool,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            // Before the nodes' addresses, at the usual port.
            listens: SocketAddr::new(Ipv4Addr::new(172, 16, 0, 2).into(), 6443),
            waiting: Vec::new(),
            seed: 0,
            since: Duration::ZERO,
            versions: [0; 3],
            managed: false,
        }
    }
}

impl Kept {
    /// The server listens there. A loopback address is nobody else's, and Endpoints have none.
    pub fn reach(&mut self, listens: SocketAddr) {
        let ip = listens.ip();
        if !ip.is_loopback() && !ip.is_unspecified() {
            self.listens.set_ip(ip);
        }
        self.listens.set_port(listens.port());
    }

    fn waits(&self, resource: &GroupResource) -> bool {
        self.waiting.iter().any(|waiting| waiting == resource)
    }

    fn done(&mut self, resource: &GroupResource) {
        self.waiting.retain(|waiting| waiting != resource);
    }
}

/// The Service that stands for the server.
pub fn service_of(place: &Place) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": NAME, "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "clusterIP": place.services.first(), "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
            "type": "ClusterIP", "ports": [{
                "name": "https", "port": 443, "protocol": "TCP", "targetPort": place.listens.port()}],
        },
    })
}

/// Its Endpoints.
pub fn endpoints_of(place: SocketAddr) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": NAME, "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{
            "addresses": [{"ip": place.ip().to_string()}],
            "ports": [{"name": "https", "port": place.port(), "protocol": "TCP"}]}],
    })
}

/// Its EndpointSlice.
pub fn slice_of(place: SocketAddr) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": NAME, "namespace": "default", "generation": 1,
            "labels": {"kubernetes.io/service-name": NAME}},
        "addressType": if place.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{"addresses": [place.ip().to_string()], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "port": place.port(), "protocol": "TCP"}],
    })
}

/// The range of Services' addresses.
pub fn range_of(place: &Place) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": NAME},
        "spec": {"cidrs": [place.services.to_string()]},
    })
}

/// The condition of a range that Services may have addresses of.
pub fn ready(message: &str, since: &str) -> Value {
    json!({"type": "Ready", "status": "True", "reason": "", "message": message,
        "lastTransitionTime": since})
}

/// What says that a Service has an address.
pub fn address(ip: &str, namespace: &str, name: &str) -> Value {
    let v6 = ip.parse().is_ok_and(|ip: IpAddr| ip.is_ipv6());
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
        "metadata": {"name": ip, "labels": {
            "ipaddress.kubernetes.io/ip-family": if v6 { "IPv6" } else { "IPv4" },
            "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}},
        "spec": {"parentRef": {"resource": "services", "namespace": namespace, "name": name}},
    })
}

/// The addresses of a Service in the cluster.
fn addresses(service: &Value) -> impl Iterator<Item = &str> {
    let all = crate::object::items(service, &["spec", "clusterIPs"]).iter();
    all.filter_map(Value::as_str).filter(|ip| !ip.is_empty() && *ip != "None")
}

/// Who set the conditions of the range.
fn conditions_of(manager: &str, fields: &[&str], time: &str) -> Value {
    let mut owned = json!({".": {}, "f:status": {}, "f:type": {}});
    for field in fields {
        owned[*field] = json!({});
    }
    json!({
        "manager": manager, "operation": "Apply", "apiVersion": "networking.k8s.io/v1",
        "time": time, "fieldsType": "FieldsV1", "subresource": "status",
        "fieldsV1": {"f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": owned}}},
    })
}

impl Server {
    /// From now on the server keeps these objects. The version of each is given out now, so that
    /// it is older than what follows.
    pub fn keep_itself(&mut self, seed: u64) {
        self.kept.seed = seed;
        self.kept.since = self.now;
        self.kept.waiting = vec![ENDPOINTS, SLICES, RANGES, ADDRESSES];
        self.kept.versions[0] = self.store.reserve();
    }

    /// Its Service is there: so are its Endpoints.
    pub fn keep_place(&mut self) {
        self.kept.versions[1] = self.store.reserve();
        self.kept.versions[2] = self.store.reserve();
    }

    /// From now on a controller manager runs beside the server.
    pub fn is_managed(&mut self) {
        self.kept.managed = true;
    }

    /// Whether a controller manager, and with it a scheduler, runs beside the server.
    pub(super) fn is_with_managers(&self) -> bool {
        self.kept.managed
    }

    /// Puts what somebody asks for into the store, if nobody has before.
    pub(super) fn hold_kept(&mut self, resource: &GroupResource) {
        if !self.kept.waits(resource) {
            return;
        }
        self.kept.done(resource);
        let (place, since) = (self.kept.listens, self.kept.since);
        let [range, endpoints, slice] = self.kept.versions;
        if *resource == ENDPOINTS {
            self.hold_one(resource, endpoints_of(place), (since, endpoints));
        } else if *resource == SLICES {
            self.hold_one(resource, slice_of(place), (since, slice));
        } else if *resource == RANGES {
            self.hold_one(resource, self.range_as_kept(), (since, range));
        } else {
            self.hold_addresses();
        }
    }

    fn hold_one(&mut self, resource: &GroupResource, value: Value, at: (Duration, u64)) {
        let Some(served) = self.registry.find(resource, "v1") else { return };
        let name = crate::object::text(&value, &["metadata", "name"]);
        let drawn = format!("{}/{name}", resource.resource);
        let uid = Stream::new(self.kept.seed, &drawn).uuid();
        self.hold(&served, value, uid, at);
    }

    /// The range with what was made of it since: its condition, and its finalizer.
    fn range_as_kept(&self) -> Value {
        let mut range = range_of(&self.own_place());
        let since = rfc3339(self.kept.since);
        let own = conditions_of(
            "kubernetes-service-cidr-controller",
            if self.kept.managed { &[] } else { &["f:lastTransitionTime", "f:message"] },
            &since,
        );
        let mut fields = vec![own];
        let message = if self.kept.managed {
            let all = ["f:lastTransitionTime", "f:message", "f:reason"];
            fields.push(conditions_of("service-cidr-controller", &all, &since));
            let finalizer = format!("v:{PROTECTION:?}");
            fields.push(json!({
                "manager": "kube-controller-manager", "operation": "Update",
                "apiVersion": "networking.k8s.io/v1", "time": since, "fieldsType": "FieldsV1",
                "fieldsV1": {"f:metadata": {"f:finalizers": {".": {}, finalizer: {}}}},
            }));
            range["metadata"]["finalizers"] = json!([PROTECTION]);
            "Kubernetes Service CIDR is ready"
        } else {
            "Kubernetes default Service CIDR is ready"
        };
        range["status"] = json!({"conditions": [ready(message, &since)]});
        range["metadata"]["managedFields"] = fields.into();
        range
    }

    fn hold_addresses(&mut self) {
        let services = self.store.find(&SERVICES).map(|table| &table.objects);
        let mut all = Vec::new();
        for service in services.into_iter().flat_map(|objects| objects.values()) {
            let born = since_start(service.text(&["metadata", "creationTimestamp"]));
            for ip in addresses(service.value()) {
                let version = self.addresses.version(ip).unwrap_or(0).max(1);
                let value = address(ip, service.namespace(), service.name());
                all.push((value, (born, version)));
            }
        }
        for (value, at) in all {
            self.hold_one(&ADDRESSES, value, at);
        }
    }

    /// Puts an object in that the server itself wrote when the cluster was this old, under a
    /// version that was given out then: nobody is told.
    pub(super) fn hold(
        &mut self,
        served: &Served,
        mut value: Value,
        uid: String,
        (at, version): (Duration, u64),
    ) {
        let request = Request::new(SERVER, Verb::Create, served.resource.clone(), "", "");
        let more = map_at(&mut value, &["metadata"]).remove("managedFields");
        // Nobody owns a status, nor what is there because of others.
        let mut own = value.clone();
        let fields = map_at(&mut own, &[]);
        fields.remove("status");
        map_at(&mut own, &["metadata"]).remove("finalizers");
        let now = std::mem::replace(&mut self.now, at);
        // A built-in kind waits for no webhook.
        let _ = self.own(served, &request, None, &mut own);
        self.now = now;
        let owned = crate::object::items(&own, &["metadata", "managedFields"]).iter().cloned();
        let more = more.as_ref().and_then(Value::as_array).into_iter().flatten().cloned();
        let managed: Array = more.chain(owned).collect();
        let meta = map_at(&mut value, &["metadata"]);
        meta.insert("managedFields", managed.into());
        meta.insert("uid", uid.into());
        meta.insert("creationTimestamp", rfc3339(at).into());
        meta.insert("resourceVersion", version.to_string().into());
        self.store.hold(&served.resource, value);
    }

    /// The ranges out of which Services get addresses now.
    pub(super) fn address_ranges(&self) -> Vec<Range> {
        let keeps = self.kept.versions != [0; 3];
        if !keeps || self.kept.waits(&RANGES) {
            return vec![self.settings.services];
        }
        let table = self.store.find(&RANGES);
        let all = table.into_iter().flat_map(|table| table.objects.values());
        let mut all: Vec<Range> = all.flat_map(|range| ranges_of(range)).collect();
        all.sort_by_key(|range| *range != self.settings.services);
        all
    }

    /// Says who has the addresses that a Service is stored with.
    pub(super) fn note_addresses(&mut self, served: &Served, service: &Value) {
        if served.resource != SERVICES {
            return;
        }
        for ip in addresses(service) {
            if self.addresses.version(ip) != Some(0) {
                continue;
            }
            if self.kept.waits(&ADDRESSES) {
                let version = self.store.reserve();
                self.addresses.note(ip, version);
                continue;
            }
            let text = |field: &str| crate::object::text(service, &["metadata", field]);
            let body = address(ip, text("namespace"), text("name"));
            self.by_itself(Verb::Create, "", body);
            self.addresses.note(ip, self.store.version());
        }
    }

    /// Frees an address that a Service had.
    pub(super) fn forget_address(&mut self, ip: &str) {
        if self.kept.waits(&ADDRESSES) || self.peek(&ADDRESSES, "", ip).is_none() {
            return self.addresses.release(ip);
        }
        self.by_itself(Verb::Delete, ip, Value::Null);
    }

    /// Does something to an IPAddress within another request.
    fn by_itself(&mut self, verb: Verb, name: &str, body: Value) {
        let noticed = std::mem::take(&mut self.noticed);
        let request = Request { body, ..Request::new(SERVER, verb, ADDRESSES, "", name) };
        // What stands in its way is put right later, by the repair of addresses.
        let _ = self.dispatch(request);
        self.noticed = noticed;
    }

    /// An IPAddress was written: whoever wrote it, the address is taken.
    pub(super) fn address_written(&mut self, served: &Served, object: &Object) {
        if served.resource == ADDRESSES && self.addresses.version(object.name()).is_none() {
            self.addresses.note(object.name(), object.resource_version());
        }
    }

    /// An IPAddress is gone: so is the hold on its address, unless a Service has it.
    pub(super) fn address_gone(&mut self, served: &Served, object: &Object) {
        if served.resource != ADDRESSES {
            return;
        }
        let parent = |field: &str| object.text(&["spec", "parentRef", field]);
        let key = Key::new(parent("namespace"), parent("name"));
        let service = self.store.get(&SERVICES, &key);
        if service.is_none_or(|one| addresses(one.value()).all(|ip| ip != object.name())) {
            self.addresses.release(object.name());
        }
    }
}
