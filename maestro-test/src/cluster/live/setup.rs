//! What scenarios rely on, added to a cluster before they begin.

use std::time::Duration;

use maestro_sim::api::{Request, Verb};
use maestro_sim::boot;
use maestro_sim::json::{Value, json};
use maestro_sim::object::{GroupResource, Object};

use super::{LOOK, Live, SETUP, Spec};

/// How long a fresh cluster may take until everything that Maestro adds to it stands.
pub const START: Duration = Duration::from_secs(60);
/// How long the controllers of a cluster that was there before have to make the account that pods
/// run as. Where nobody does, as on envtest's API server, no other controllers are waited for.
const ALONE: Duration = Duration::from_secs(15);

impl Live {
    /// Adds what scenarios rely on, and waits until pods can run.
    pub(super) async fn set_up(&self, spec: &Spec) -> Result<(), String> {
        let nodes = spec.nodes;
        if nodes > 0 && !spec.provisions {
            let classes = GroupResource::new("storage.k8s.io", "storageclasses");
            self.create(classes, boot::storage_class()).await?;
            let driver = json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver",
                "metadata": {"name": boot::PROVISIONER}, "spec": {"attachRequired": false}});
            self.create(GroupResource::new("storage.k8s.io", "csidrivers"), driver).await?;
        }
        let get = |resource: &'static str, namespace: &str, name: &str| {
            let resource = GroupResource::new("", resource);
            Request::new(SETUP, Verb::Get, resource, namespace, name)
        };
        let account = get("serviceaccounts", "default", "default");
        let within = if spec.after.is_some() { ALONE } else { START };
        let account = tokio::time::timeout(within, self.follow(&account, |_| true)).await;
        let alone = spec.after.is_some() && account.is_err();
        if account.is_err() && !alone {
            return Err(format!("the service account default is not there after {within:?}"));
        }
        for number in 1..=nodes {
            let node = get("nodes", "", &format!("node-{number}"));
            let is_ready = |node: &Object| ready(node, alone);
            let ready = tokio::time::timeout(START, self.follow(&node, is_ready)).await;
            ready.map_err(|_| format!("the node {} is not ready after {START:?}", node.name))?;
        }
        Ok(())
    }

    /// Waits until an object is there and as it is wanted.
    async fn follow(&self, request: &Request, is_wanted: impl Fn(&Object) -> bool) {
        let found =
            async || self.hand.send(request).await.ok().map(|(_, value)| Object::new(value));
        while !found().await.is_some_and(|object| is_wanted(&object)) {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn create(&self, resource: GroupResource, body: Value) -> Result<(), String> {
        let request = Request { body, ..Request::new(SETUP, Verb::Create, resource, "", "") };
        match self.hand.send(&request).await {
            Err(status) if status.reason != "AlreadyExists" => Err(status.to_string()),
            _ => Ok(()),
        }
    }
}

/// Whether a Node is ready, and pods may be put there: its taint is a controller's to remove.
fn ready(node: &Object, alone: bool) -> bool {
    let ready = node.items(&["status", "conditions"]).iter().any(|condition| {
        let is = |field: &str, value: &str| condition.get(field).is_some_and(|f| f == value);
        is("type", "Ready") && is("status", "True")
    });
    ready && (alone || node.items(&["spec", "taints"]).is_empty())
}
