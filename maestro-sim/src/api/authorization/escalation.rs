//! Nobody gives away rights that they do not have: checks on writing roles and bindings.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping>,
//! `k8s.io/kubernetes/pkg/registry/rbac`.

use std::sync::Arc;

use super::resolve::{BINDINGS, CLUSTER_BINDINGS, CLUSTER_ROLES, ROLES, aggregate, role_of};
use super::{Attributes, GROUP, rules};
use crate::api::identity::Identity;
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::{Request, Status};
use crate::json::{Value, json};
use crate::object::{Object, at, items, map_at};

fn aggregates(role: &Value) -> bool {
    !items(role, &["aggregationRule", "clusterRoleSelectors"]).is_empty()
}

/// Whether a change touches only what a garbage collector touches.
fn is_collection_only(old: &Value, new: &Value) -> bool {
    let bare = |value: &Value| {
        let mut value = value.clone();
        let meta = map_at(&mut value, &["metadata"]);
        for field in ["ownerReferences", "finalizers", "selfLink", "managedFields"] {
            meta.remove(field);
        }
        value
    };
    bare(old) == bare(new)
}

impl Server {
    /// Refuses roles and bindings that give what their writer does not have.
    pub(in crate::api) fn check_escalation(
        &mut self,
        served: &Served,
        request: &Request,
        old: Option<&Object>,
        body: &Value,
    ) -> Result<(), Box<Status>> {
        if served.resource.group != GROUP {
            return Ok(());
        }
        let Some(user) = request.user.as_ref().filter(|user| !user.is_master()) else {
            return Ok(());
        };
        if old.is_some_and(|old| is_collection_only(old.value(), body)) {
            return Ok(());
        }
        let user = Arc::clone(user);
        let name = at(body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
        let refuse = |why: String| Status::forbidden(&served.resource, name, &why);
        let granted = match &served.resource {
            kind if *kind == CLUSTER_ROLES || *kind == ROLES => {
                if self.may_escalate(&user, request) {
                    return Ok(());
                }
                items(body, &["rules"]).to_vec()
            }
            kind if *kind == CLUSTER_BINDINGS || *kind == BINDINGS => {
                let reference = at(body, &["roleRef"]).unwrap_or(&Value::Null);
                if self.may_bind(&user, request, reference) {
                    return Ok(());
                }
                let role = role_of(&self.store, reference, &request.namespace);
                // The answer names the role as if it were a binding.
                let role = role.map_err(|_| {
                    let absent = at(reference, &["name"]).and_then(Value::as_str).unwrap_or("");
                    Box::new(Status::not_found(&served.resource, absent))
                })?;
                role.items(&["rules"]).to_vec()
            }
            _ => return Ok(()),
        };
        self.confirm(&user, request, &granted).map_err(|why| Box::new(refuse(why)))?;
        let gathers = aggregates(body) || old.is_some_and(|old| aggregates(old.value()));
        if served.resource == CLUSTER_ROLES && gathers {
            let all = [
                json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
                json!({"nonResourceURLs": ["*"], "verbs": ["*"]}),
            ];
            let why = "must have cluster-admin privileges to use the aggregationRule";
            self.confirm(&user, request, &all).map_err(|_| Box::new(refuse(why.into())))?;
        }
        Ok(())
    }

    fn may_escalate(&mut self, user: &Identity, request: &Request) -> bool {
        let asked = Attributes { verb: "escalate".into(), ..Attributes::of(request) };
        self.decide(user, &asked).allowed
    }

    fn may_bind(&mut self, user: &Identity, request: &Request, reference: &Value) -> bool {
        let text =
            |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
        let resource = match text("kind").as_str() {
            "ClusterRole" => "clusterroles",
            "Role" => "roles",
            _ => return false,
        };
        let asked = Attributes {
            verb: "bind".into(),
            namespace: request.namespace.clone(),
            group: text("apiGroup"),
            resource: resource.into(),
            name: text("name"),
            ..Attributes::default()
        };
        self.decide(user, &asked).allowed
    }

    /// Whether somebody has all the rights that rules give; else which they lack.
    fn confirm(&self, user: &Identity, request: &Request, granted: &[Value]) -> Result<(), String> {
        let (own, errors) = self.rules_for(user, &request.namespace);
        let rights = granted.iter().flat_map(rules::rights);
        let missing: Vec<_> =
            rights.filter(|right| !own.iter().any(|rule| rules::covers(rule, right))).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let groups: Vec<&str> = user.groups.iter().map(String::as_str).collect();
        let mut why = format!(
            "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            user.name,
            rules::go_list(&groups),
            rules::told(&missing)
        );
        if !errors.is_empty() {
            why.push_str(&format!("; resolution errors: [{}]", aggregate(&errors)));
        }
        Err(why)
    }
}
