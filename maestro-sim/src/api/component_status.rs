//! `componentstatuses`: what the API server finds when it asks its fellows how they are. Nothing of
//! it is stored, so that it has neither uid nor version.
//!
//! Source: `pkg/registry/core/componentstatus` of Kubernetes; deprecated since 1.19.

use std::sync::Arc;

use crate::api::read::{Filter, List};
use crate::api::registry::Served;
use crate::api::server::{Handled, Response, Server};
use crate::api::{Request, Status, Verb};
use crate::json::{Value, json};
use crate::object::{GroupResource, Object};

/// The fellows, each with the port at which it would answer.
const FELLOWS: [(&str, Option<u16>); 3] =
    [("controller-manager", Some(10257)), ("etcd-0", None), ("scheduler", Some(10259))];

/// Whether what is asked for is answered here.
pub(super) fn is_asked(served: &Served, verb: Verb) -> bool {
    served.resource.resource == "componentstatuses"
        && served.resource.group.is_empty()
        && matches!(verb, Verb::Get | Verb::List)
}

impl Server {
    /// The answer to who asks for one of them, or for all.
    pub(super) fn component_statuses(&self, served: &Served, request: &Request) -> Handled {
        let mut all = FELLOWS.iter().map(|(name, port)| (*name, self.component(name, *port)));
        if request.verb == Verb::Get {
            let found = all.find(|(name, _)| *name == request.name);
            return match found {
                Some((_, object)) => Ok(Response::Object { code: 200, object }),
                None => {
                    let resource = GroupResource::new("", "componentstatus");
                    Err(Box::new(Status::not_found(&resource, &request.name)))
                }
            };
        }
        let filter = Filter::new(served, request)?;
        Ok(Response::List(List {
            api_version: served.api_version().to_owned(),
            kind: served.list_kind.clone(),
            resource_version: 0,
            items: all.map(|(_, object)| object).filter(|one| filter.matches(one)).collect(),
            typed_items: false,
            continue_token: None,
            remaining: None,
        }))
    }

    fn component(&self, name: &str, port: Option<u16>) -> Arc<Object> {
        let absent = port.filter(|_| !self.is_with_managers());
        let condition: Value = match absent {
            None => json!({"type": "Healthy", "status": "True", "message": "ok"}),
            Some(port) => {
                let message = format!(
                    "Get \"https://127.0.0.1:{port}/healthz\": dial tcp 127.0.0.1:{port}: connect: \
                     connection refused"
                );
                json!({"type": "Healthy", "status": "False", "message": message})
            }
        };
        Arc::new(Object::new(json!({
            "apiVersion": "v1",
            "kind": "ComponentStatus",
            "metadata": {"name": name},
            "conditions": [condition],
        })))
    }
}
