//! The API server's own Service, its Endpoints and the range of addresses: what is gone or wrong of
//! them is put right every ten seconds.
//!
//! A part of the API server. Sources: `pkg/controlplane/controller/{kubernetesservice,
//! defaultservicecidr}`, `pkg/controlplane/reconcilers/lease.go`.

use std::time::Duration;

use crate::api::Status;
use crate::api::kept::{self, Place};
use crate::controller::kinds::{ENDPOINT_SLICES, ENDPOINTS, SERVICE_CIDRS, SERVICES};
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, at, items, map_at};

const EVERY: Duration = Duration::from_secs(10);
/// What is said of the range when the server finds it fit.
const READY: &str = "Kubernetes default Service CIDR is ready";

/// The controller of the `kubernetes` Service.
#[derive(Debug)]
pub struct KubernetesService {
    place: Place,
    /// When it looks again, once something changed.
    due: Option<Duration>,
}

impl KubernetesService {
    /// Of a server that is reached there.
    pub const fn new(place: Place) -> Self {
        Self { place, due: None }
    }

    fn sync(&self, cx: &mut dyn Context) -> Result<(), Box<Status>> {
        if absent_is_fine(cx.get(&SERVICES, &key()))?.is_none() {
            cx.create(&SERVICES, kept::service_of(&self.place))?;
        }
        let wanted = kept::endpoints_of(self.place.listens);
        match absent_is_fine(cx.get(&ENDPOINTS, &key()))? {
            None => drop(cx.create(&ENDPOINTS, wanted)?),
            Some(known) => {
                if let Some(body) = mended(&known, &wanted) {
                    cx.update(&ENDPOINTS, body)?;
                }
            }
        }
        let mut wanted = kept::slice_of(self.place.listens);
        match absent_is_fine(cx.get(&ENDPOINT_SLICES, &key()))? {
            None => drop(cx.create(&ENDPOINT_SLICES, wanted)?),
            Some(known)
                if known.text(&["addressType"]) != shape::text(&wanted, &["addressType"]) =>
            {
                absent_is_fine(cx.delete(&ENDPOINT_SLICES, &key(), Value::Null))?;
                cx.create(&ENDPOINT_SLICES, wanted)?;
            }
            Some(known) => {
                let differs = |path: &[&str]| known.at(path) != at(&wanted, path);
                if [&["endpoints"][..], &["ports"], &["metadata", "labels"]]
                    .into_iter()
                    .any(differs)
                {
                    map_at(&mut wanted, &["metadata"]).remove("generation");
                    cx.update(&ENDPOINT_SLICES, wanted)?;
                }
            }
        }
        self.sync_range(cx)
    }

    fn sync_range(&self, cx: &mut dyn Context) -> Result<(), Box<Status>> {
        let key = Key::new("", kept::NAME);
        let range = match absent_is_fine(cx.get(&SERVICE_CIDRS, &key))? {
            Some(range) => range,
            None => cx.create(&SERVICE_CIDRS, kept::range_of(&self.place))?,
        };
        let own = range.at(&["spec"]) == kept::range_of(&self.place).get("spec");
        let conditions = range.items(&["status", "conditions"]);
        let known = shape::find(conditions, "Ready").map(|ready| shape::text(ready, &["status"]));
        if own && !range.is_deleting() && matches!(known, None | Some("Unknown")) {
            let ready = kept::ready(READY, &cx.timestamp());
            let status = json!({"status": {"conditions": [ready]}});
            cx.patch_status(&SERVICE_CIDRS, &key, status)?;
        }
        Ok(())
    }
}

fn key() -> Key {
    Key::new("default", kept::NAME)
}

/// Endpoints that lead to the server, if they do not. Their ports may be others.
fn mended(known: &Object, wanted: &Value) -> Option<Value> {
    let addresses = |subsets: &[Value]| -> Vec<Value> {
        let all = subsets.iter().flat_map(|subset| items(subset, &["addresses"]));
        all.map(|address| address["ip"].clone()).collect()
    };
    let mut body = known.value().clone();
    let skip = "endpointslice.kubernetes.io/skip-mirror";
    map_at(&mut body, &["metadata", "labels"]).insert(skip, "true".into());
    let subsets = known.items(&["subsets"]);
    let whole = items(wanted, &["subsets"]);
    if subsets.len() != 1 {
        map_at(&mut body, &[]).insert("subsets", whole.to_vec().into());
    } else if addresses(subsets) != addresses(whole) {
        body["subsets"][0]["addresses"] = wanted["subsets"][0]["addresses"].clone();
    }
    (body != *known.value()).then_some(body)
}

impl Controller for KubernetesService {
    fn name(&self) -> &str {
        "kube-apiserver"
    }

    fn watches(&self) -> Vec<GroupResource> {
        [&SERVICES, &ENDPOINTS, &ENDPOINT_SLICES, &SERVICE_CIDRS].map(Clone::clone).to_vec()
    }

    fn selects(&self, _resource: &GroupResource, object: &Object) -> bool {
        object.name() == kept::NAME && matches!(object.namespace(), "default" | "")
    }

    fn observe(&mut self, change: &Change, _view: &View, queue: &mut Queue) {
        // What it finds at the beginning it made itself.
        let is_first = change.old.is_none();
        if !is_first {
            queue.add(key());
        }
    }

    fn reconcile(&mut self, _key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let now = cx.now();
        let past = now.as_nanos() % EVERY.as_nanos();
        match self.due {
            Some(due) if now >= due => {
                self.sync(cx)?;
                self.due = None;
                Ok(Next::Done)
            }
            _ => {
                let rest = EVERY - Duration::from_nanos(u64::try_from(past).unwrap_or(0));
                self.due = Some(now + rest);
                Ok(Next::After(rest))
            }
        }
    }
}
