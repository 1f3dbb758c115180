//! IPAddresses and the Services that have them: what does not fit together is put right.
//!
//! A part of the API server. Services are gone through every three minutes, so that an IPAddress
//! that somebody deleted comes back; one that the allocator did not make, or whose Service does not
//! have it, goes. Source: `pkg/registry/core/service/ipallocator/controller/repairip.go`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::{Status, kept};
use crate::controller::kinds::{IP_ADDRESSES, SERVICES};
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View};
use crate::json::Value;
use crate::object::{GroupResource, Key, Object};

const EVERY: Duration = Duration::from_secs(180);
/// How long a Service may be in the making when its address is there already.
const GRACE: Duration = Duration::from_secs(60);
const MANAGER: &str = "ipaddress.kubernetes.io/managed-by";
const ALLOCATOR: &str = "ipallocator.k8s.io";

/// The repair controller of IPAddresses.
#[derive(Debug, Default)]
pub struct AddressRepair {
    /// IPAddresses that went: whose they were, and when the Services are gone through next.
    lost: BTreeMap<Key, (Key, Option<Duration>)>,
}

/// Whose an IPAddress is, if it is a Service's.
fn parent(address: &Object) -> Option<Key> {
    let text = |field: &str| address.text(&["spec", "parentRef", field]);
    (text("group").is_empty() && text("resource") == "services")
        .then(|| Key::new(text("namespace"), text("name")))
}

fn has(service: &Object, ip: &str) -> bool {
    service.items(&["spec", "clusterIPs"]).iter().any(|one| one == ip)
}

impl AddressRepair {
    /// Brings an IPAddress back that its Service still has.
    fn restore(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some((service, due)) = self.lost.get_mut(key) else { return Ok(Next::Done) };
        let now = cx.now();
        let Some(at) = *due else {
            let past = u64::try_from(now.as_nanos() % EVERY.as_nanos()).unwrap_or(0);
            let rest = EVERY - Duration::from_nanos(past);
            *due = Some(now + rest);
            return Ok(Next::After(rest));
        };
        if now < at {
            return Ok(Next::After(at - now));
        }
        let service = service.clone();
        let found = absent_is_fine(cx.get(&SERVICES, &service))?;
        if let Some(found) = found.filter(|found| has(found, &key.name)) {
            let told = format!("Cluster IP [IPv4]: {} is not allocated; repairing", key.name);
            cx.event(&found, "Warning", "ClusterIPNotAllocated", &told);
            let body = kept::address(&key.name, &service.namespace, &service.name);
            cx.create(&IP_ADDRESSES, body)?;
        }
        self.lost.remove(key);
        Ok(Next::Done)
    }
}

impl Controller for AddressRepair {
    fn name(&self) -> &str {
        "ipallocator-repair-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        vec![IP_ADDRESSES.clone()]
    }

    fn observe(&mut self, change: &Change, _view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.new.is_some() {
            self.lost.remove(object.key());
        } else if let Some(service) = parent(object) {
            self.lost.insert(object.key().clone(), (service, None));
        }
        queue.add(object.key().clone());
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(address) = cx.view().get(&IP_ADDRESSES, key).cloned() else {
            return self.restore(key, cx);
        };
        if address.label(MANAGER) != Some(ALLOCATOR) {
            return Ok(Next::Done);
        }
        let ip = address.name();
        let (reason, told) = match parent(&address) {
            None => (
                "IPAddressNotAllocated",
                format!(
                    "IPAddress {ip} appears to have been modified, not referencing a Service: \
                     cleaning up"
                ),
            ),
            Some(service) => {
                let found = absent_is_fine(cx.get(&SERVICES, &service))?;
                if found.as_ref().is_some_and(|found| has(found, ip)) {
                    return Ok(Next::Done);
                }
                let Key { namespace, name, .. } = &service;
                let born = cx.unix_seconds(address.text(&["metadata", "creationTimestamp"]));
                let now = cx.unix_seconds(&cx.timestamp());
                let age = now.zip(born).and_then(|(now, born)| u64::try_from(now - born).ok());
                let grace = if found.is_some() { Duration::from_secs(5) } else { GRACE };
                let age = Duration::from_secs(age.unwrap_or(0));
                if age < grace {
                    return Ok(Next::After(grace - age));
                }
                if found.is_some() {
                    let told = format!(
                        "IPAddress: {ip} for Service {namespace}/{name} has a wrong reference; \
                         cleaning up"
                    );
                    ("IPAddressWrongReference", told)
                } else {
                    let told = format!(
                        "IPAddress: {ip} for Service {namespace}/{name} appears to have leaked: \
                         cleaning up"
                    );
                    ("IPAddressNotAllocated", told)
                }
            }
        };
        cx.event(&address, "Warning", reason, &told);
        absent_is_fine(cx.delete(&IP_ADDRESSES, key, Value::Null))?;
        Ok(Next::Done)
    }
}
