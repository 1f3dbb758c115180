//! ServiceCIDRs: they are ready, and protected while Services have addresses of them alone.
//!
//! Source: `pkg/controller/servicecidrs`, KEP-1880.

use std::sync::Arc;
use std::time::Duration;

use crate::api::{Status, kept};
use crate::builtin::address::Network;
use crate::controller::kinds::{SERVICE_CIDRS, SERVICES};
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View, shape};
use crate::json::json;
use crate::object::{GroupResource, Key, Object, map_at};

/// How long whoever gives out addresses may take to hear that a range goes.
const GRACE: Duration = Duration::from_secs(10);
const USED: &str = "There are still IPAddresses referencing the ServiceCIDR, please remove them or \
                    create a new ServiceCIDR";

/// The ServiceCIDR controller. It watches Services from when a range is first deleted.
#[derive(Debug, Default)]
pub struct ServiceCidrController {
    watches: bool,
    grew: bool,
}

fn networks(range: &Object) -> impl Iterator<Item = Network> {
    range.items(&["spec", "cidrs"]).iter().filter_map(|cidr| Network::loose(cidr.as_str()?))
}

/// Whether no address would be left without a range if one went: all of it is in others, or
/// nobody has an address of it that is in no other.
fn may_go(view: &View, range: &Object) -> bool {
    let others = || view.list(&SERVICE_CIDRS, "").filter(|other| other.name() != range.name());
    let within = |network: &Network| {
        let larger = |other: &Arc<Object>| networks(other).any(|one| one.covers(*network));
        others().any(larger)
    };
    if networks(range).all(|network| within(&network)) {
        return true;
    }
    let services = view.list(&SERVICES, "");
    let mut used = services.flat_map(|service| service.items(&["spec", "clusterIPs"]));
    !used.any(|ip| {
        let ip = ip.as_str().and_then(|ip| ip.parse().ok());
        ip.is_some_and(|ip| {
            let holds = |range: &Object| networks(range).any(|network| network.holds(ip));
            holds(range) && !others().any(|other| holds(other))
        })
    })
}

/// Says in the condition of a range whether it is ready.
fn say(
    cx: &mut dyn Context,
    range: &Object,
    (status, reason, message): (&str, &str, &str),
) -> Result<(), Box<Status>> {
    let known = shape::find(range.items(&["status", "conditions"]), "Ready");
    let is_so = known.is_some_and(|known| {
        ["status", "reason", "message"].map(|field| shape::text(known, &[field]))
            == [status, reason, message]
    });
    if is_so {
        return Ok(());
    }
    let mut conditions = range.list(&["status", "conditions"]);
    let mut ready = kept::ready(message, &cx.timestamp());
    ready["status"] = status.into();
    ready["reason"] = reason.into();
    shape::drop_condition(&mut conditions, "Ready");
    conditions.push(ready);
    let body = json!({"status": {"conditions": conditions}});
    absent_is_fine(cx.patch_status(&SERVICE_CIDRS, range.key(), body)).map(drop)
}

fn protect(cx: &mut dyn Context, range: &Object, wanted: bool) -> Result<(), Box<Status>> {
    if range.finalizers().any(|finalizer| finalizer == kept::PROTECTION) == wanted {
        return Ok(());
    }
    let mut all = range.list(&["metadata", "finalizers"]);
    match wanted {
        true => all.push(kept::PROTECTION.into()),
        false => all.retain(|finalizer| finalizer != kept::PROTECTION),
    }
    let mut body = json!({"metadata": {"resourceVersion": range.resource_version().to_string()}});
    map_at(&mut body, &["metadata"]).insert("finalizers", all.into());
    absent_is_fine(cx.patch(&SERVICE_CIDRS, range.key(), body)).map(drop)
}

impl Controller for ServiceCidrController {
    fn name(&self) -> &str {
        "service-cidr-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        let services = self.watches.then(|| SERVICES.clone());
        [SERVICE_CIDRS.clone()].into_iter().chain(services).collect()
    }

    fn grew(&mut self) -> bool {
        std::mem::take(&mut self.grew)
    }

    fn heeds(&self, resource: &GroupResource, _old: &Object, _new: &Object) -> bool {
        *resource == SERVICE_CIDRS
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        if change.resource == SERVICE_CIDRS {
            let going = change.new.as_ref().is_some_and(|new| new.is_deleting());
            self.grew |= going && !self.watches;
            self.watches |= going;
            // Whether one may go depends on the others.
            queue.extend(change.object().map(|range| range.key().clone()));
        }
        let going = view.list(&SERVICE_CIDRS, "").filter(|range| range.is_deleting());
        queue.extend(going.map(|range| range.key().clone()));
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(range) = cx.view().get(&SERVICE_CIDRS, key).cloned() else {
            return Ok(Next::Done);
        };
        if !range.is_deleting() {
            protect(cx, &range, true)?;
            say(cx, &range, ("True", "", "Kubernetes Service CIDR is ready"))?;
            return Ok(Next::Done);
        }
        if self.grew {
            // It does not see yet who has addresses.
            return Ok(Next::After(Duration::from_millis(1)));
        }
        if !may_go(cx.view(), &range) {
            say(cx, &range, ("False", "Terminating", USED))?;
            return Ok(Next::Done);
        }
        let since = cx.unix_seconds(range.text(&["metadata", "deletionTimestamp"]));
        let age = cx.unix_seconds(&cx.timestamp()).zip(since).map_or(0, |(now, since)| now - since);
        let rest = GRACE.saturating_sub(Duration::from_secs(u64::try_from(age).unwrap_or(0)));
        if !rest.is_zero() {
            return Ok(Next::After(rest));
        }
        protect(cx, &range, false)?;
        Ok(Next::Done)
    }
}
