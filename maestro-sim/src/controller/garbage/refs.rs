//! How an owner reference stands: whether its owner is there, going, or gone.

use crate::api::Status;
use crate::controller::garbage::{FOREGROUND, GarbageCollector};
use crate::controller::own::absent_is_fine;
use crate::controller::{Context, shape};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object};

/// What a reference means for its dependent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The owner is there.
    Solid,
    /// The owner is gone, or another object has its name.
    Dangling,
    /// The owner is being deleted in the foreground.
    WaitsForDependents,
    /// Nothing is served under the reference's kind, so nothing can be said.
    Unknown,
}

impl GarbageCollector {
    /// Looks one reference up: in the view, else live.
    pub(super) fn standing(
        &self,
        cx: &mut dyn Context,
        object: &Object,
        owner: &Value,
    ) -> Result<Standing, Box<Status>> {
        let text = |field: &str| shape::text(owner, &[field]);
        let Some((resource, namespaced)) = self.collection(text("apiVersion"), text("kind")) else {
            return Ok(Standing::Unknown);
        };
        if namespaced && object.namespace().is_empty() {
            let message = format!(
                "ownerRef [{}/{}, namespace: , name: {}, uid: {}] does not exist in namespace \"\"",
                text("apiVersion"),
                text("kind"),
                text("name"),
                text("uid"),
            );
            cx.event(object, "Warning", "OwnerRefInvalidNamespace", &message);
            return Ok(Standing::Solid);
        }
        let namespace = if namespaced { object.namespace() } else { "" };
        let key = Key::new(namespace, text("name"));
        let seen = cx.view().get(resource, &key).cloned();
        let found = match seen.filter(|o| o.uid() == text("uid")) {
            Some(found) => Some(found),
            None => absent_is_fine(cx.get(resource, &key))?,
        };
        Ok(match found.filter(|o| o.uid() == text("uid")) {
            None => Standing::Dangling,
            Some(o) if o.is_deleting() && o.finalizers().any(|f| f == FOREGROUND) => {
                Standing::WaitsForDependents
            }
            Some(_) => Standing::Solid,
        })
    }
}

/// Takes one finalizer off the version of an object that the API server has now.
pub fn drop_finalizer(
    cx: &mut dyn Context,
    resource: &GroupResource,
    object: &Object,
    finalizer: &str,
) -> Result<(), Box<Status>> {
    let Some(live) = absent_is_fine(cx.get(resource, object.key()))? else { return Ok(()) };
    if live.uid() != object.uid() || !live.finalizers().any(|f| f == finalizer) {
        return Ok(());
    }
    let left: Vec<&str> = live.finalizers().filter(|f| *f != finalizer).collect();
    let patch = json!({"metadata": {
        "resourceVersion": live.resource_version().to_string(), "finalizers": left,
    }});
    absent_is_fine(cx.patch(resource, object.key(), patch)).map(drop)
}
