//! Roles that gather the rules of others, chosen by their labels.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles>,
//! `k8s.io/kubernetes/pkg/controller/clusterroleaggregation`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::Status;
use crate::api::authorization::GROUP;
use crate::api::authorization::bootstrap::{AGGREGATOR, gathered, gathering};
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object};

const ROLES: GroupResource = GroupResource::new(GROUP, "clusterroles");

/// The aggregating controller.
#[derive(Debug)]
pub struct RoleAggregation;

fn is_gathering(role: &Object) -> bool {
    role.at(&["aggregationRule"]).is_some()
}

impl Controller for RoleAggregation {
    fn name(&self) -> &str {
        AGGREGATOR
    }

    fn watches(&self) -> Vec<GroupResource> {
        vec![ROLES]
    }

    fn observe(&mut self, _change: &Change, view: &View, queue: &mut Queue) {
        queue.extend(gathering().map(|name| Key::new("", name)));
        let own = view.list(&ROLES, "").filter(|role| is_gathering(role));
        queue.extend(own.map(|role| role.key().clone()));
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        // Its watch tells nothing of roles that were there before anybody asked for them.
        let mut all: BTreeMap<String, Arc<Object>> = BTreeMap::new();
        for name in gathering() {
            if let Some(role) = absent_is_fine(cx.get(&ROLES, &Key::new("", name)))? {
                all.insert(name.to_owned(), role);
            }
        }
        for role in cx.view().list(&ROLES, "") {
            all.insert(role.name().to_owned(), Arc::clone(role));
        }
        let Some(role) = all.get(&*key.name).filter(|role| is_gathering(role)) else {
            return Ok(Next::Done);
        };
        let others: Vec<&Object> = all.values().map(AsRef::as_ref).collect();
        let rules = json!(gathered(role, &others));
        let is_empty = |value: &Value| value.as_array().is_none_or(|list| list.is_empty());
        let same = role
            .at(&["rules"])
            .map_or(is_empty(&rules), |own| *own == rules || (is_empty(own) && is_empty(&rules)));
        if !same {
            absent_is_fine(cx.patch(&ROLES, key, json!({"rules": rules})))?;
        }
        Ok(Next::Done)
    }
}
