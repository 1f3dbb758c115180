//! From a user to the rules that bindings give them.
//!
//! Source: `k8s.io/kubernetes/pkg/registry/rbac/validation/rule.go`.

use std::sync::Arc;

use super::node::node_of;
use super::{Attributes, Decision, GROUP, rules};
use crate::api::identity::{Identity, account_of};
use crate::api::server::Server;
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, at};
use crate::store::Store;

pub(super) const CLUSTER_ROLES: GroupResource = GroupResource::new(GROUP, "clusterroles");
pub(super) const ROLES: GroupResource = GroupResource::new(GROUP, "roles");
pub(super) const CLUSTER_BINDINGS: GroupResource = GroupResource::new(GROUP, "clusterrolebindings");
pub(super) const BINDINGS: GroupResource = GroupResource::new(GROUP, "rolebindings");

/// Where a rule comes from: a binding, and which of its subjects it is about.
pub(super) struct Source<'s> {
    binding: &'s Object,
    subject: &'s Value,
}

impl Source<'_> {
    /// As reasons name it.
    pub(super) fn text(&self) -> String {
        let namespace = self.binding.namespace();
        let (kind, name) = match namespace {
            "" => ("ClusterRoleBinding", self.binding.name().to_owned()),
            namespace => ("RoleBinding", format!("{}/{namespace}", self.binding.name())),
        };
        let role = |field: &str| self.binding.text(&["roleRef", field]);
        let of = |field: &str| at(self.subject, &[field]).and_then(Value::as_str).unwrap_or("");
        let subject = match of("kind") {
            "ServiceAccount" => {
                let own = of("namespace");
                format!("{}/{}", of("name"), if own.is_empty() { namespace } else { own })
            }
            _ => of("name").to_owned(),
        };
        format!(
            "{kind} {name:?} of {} {:?} to {} {subject:?}",
            role("kind"),
            role("name"),
            of("kind")
        )
    }
}

/// A rule with its source, or why a role has none.
pub(super) type Found<'s> = Result<(&'s Source<'s>, &'s Value), String>;

/// Whether a subject of a binding is this user.
fn is_meant(user: &Identity, subject: &Value, namespace: &str) -> bool {
    let text = |field: &str| subject.get(field).and_then(Value::as_str).unwrap_or("");
    match text("kind") {
        "User" => user.name == text("name"),
        "Group" => user.belongs_to(text("name")),
        "ServiceAccount" => {
            let own = text("namespace");
            let place = if own.is_empty() { namespace } else { own };
            !place.is_empty() && account_of(&user.name) == Some((place, text("name")))
        }
        _ => false,
    }
}

/// Several errors as one text.
pub(super) fn aggregate(errors: &[String]) -> String {
    let mut once: Vec<&str> = Vec::new();
    for error in errors {
        if !once.contains(&error.as_str()) {
            once.push(error);
        }
    }
    match once.as_slice() {
        [one] => (*one).to_owned(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// The role that a reference means; none where there is none.
pub(super) fn role_of(
    store: &Store,
    reference: &Value,
    namespace: &str,
) -> Result<Arc<Object>, String> {
    let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or("");
    let (roles, namespace, singular) = match text("kind") {
        "Role" => (ROLES, namespace, "role"),
        "ClusterRole" => (CLUSTER_ROLES, "", "clusterrole"),
        kind => return Err(format!("unsupported role reference kind: {kind:?}")),
    };
    let found = store.named(&roles, namespace, text("name"));
    found.cloned().ok_or_else(|| format!("{singular}.{GROUP} {:?} not found", text("name")))
}

/// Shows every rule that holds for a user in a namespace, until the visitor has enough.
pub(super) fn visit_rules(
    store: &Store,
    user: &Identity,
    namespace: &str,
    visit: &mut dyn FnMut(Found<'_>) -> bool,
) {
    let in_cluster = store.find(&CLUSTER_BINDINGS).into_iter();
    let everywhere = in_cluster.flat_map(|table| table.objects.values());
    let in_namespace = store.find(&BINDINGS).filter(|_| !namespace.is_empty());
    let first = Key::new(namespace, "");
    let here = in_namespace.into_iter().flat_map(|table| {
        let from = table.objects.range(first.clone()..);
        from.take_while(|(key, _)| &*key.namespace == namespace).map(|(_, object)| object)
    });
    for binding in everywhere.chain(here) {
        let place = binding.namespace();
        let subjects = binding.items(&["subjects"]);
        let Some(subject) = subjects.iter().find(|one| is_meant(user, one, place)) else {
            continue;
        };
        let reference = binding.at(&["roleRef"]).unwrap_or(&Value::Null);
        let role = match role_of(store, reference, place) {
            Ok(role) => role,
            Err(error) => match visit(Err(error)) {
                true => continue,
                false => return,
            },
        };
        let source = Source { binding, subject };
        if !role.items(&["rules"]).iter().all(|rule| visit(Ok((&source, rule)))) {
            return;
        }
    }
}

/// Whether a user who is no master may do something, by the roles in a store.
pub(crate) fn decide(store: &Store, user: &Identity, asked: &Attributes) -> Decision {
    let mut errors = Vec::new();
    let mut reason = None;
    visit_rules(store, user, &asked.namespace, &mut |found| match found {
        Ok((source, rule)) if rules::allows(rule, asked) => {
            reason = Some(format!("RBAC: allowed by {}", source.text()));
            false
        }
        Ok(_) => true,
        Err(error) => {
            errors.push(error);
            true
        }
    });
    match reason {
        Some(reason) => Decision { allowed: true, reason },
        None if errors.is_empty() => Decision::default(),
        // Of an authorizer that decides nothing the server says which it is.
        None => {
            let reason = format!("rbac: RBAC: {}", aggregate(&errors));
            Decision { allowed: false, reason }
        }
    }
}

/// What decisions need of a store, apart from it.
pub(crate) fn book(store: &Store) -> Store {
    store.only(&[CLUSTER_ROLES, ROLES, CLUSTER_BINDINGS, BINDINGS])
}

impl Server {
    /// What somebody may do in a namespace, as a review of it answers.
    pub(in crate::api) fn own_rules(&mut self, user: &Identity, namespace: &str) -> Value {
        self.hold_roles();
        let (rules, mut errors) = self.rules_for(user, namespace);
        let is_node = node_of(user).is_some();
        if is_node {
            errors.insert(0, "node authorizer does not support user rule resolution".to_owned());
        }
        let of = |kind: &str, fields: &[&str]| -> Vec<Value> {
            let chosen = rules.iter().filter(|rule| {
                rule.get(kind).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
            });
            let part = |rule: &Value| {
                let kept = fields.iter().filter_map(|field| {
                    rule.get(*field).map(|value| ((*field).to_owned(), value.clone()))
                });
                Value::Object(kept.collect())
            };
            chosen.map(part).collect()
        };
        let mut status = json!({
            "resourceRules":
                of("resources", &["verbs", "apiGroups", "resources", "resourceNames"]),
            "nonResourceRules": of("nonResourceURLs", &["verbs", "nonResourceURLs"]),
            "incomplete": is_node,
        });
        if !errors.is_empty() {
            status["evaluationError"] = aggregate(&errors).into();
        }
        status
    }

    /// All rules that hold for a user in a namespace, and what went wrong on the way.
    pub(super) fn rules_for(&self, user: &Identity, namespace: &str) -> (Vec<Value>, Vec<String>) {
        let (mut rules, mut errors) = (Vec::new(), Vec::new());
        visit_rules(&self.store, user, namespace, &mut |found| {
            match found {
                Ok((_, rule)) => rules.push(rule.clone()),
                Err(error) => errors.push(error),
            }
            true
        });
        (rules, errors)
    }
}
