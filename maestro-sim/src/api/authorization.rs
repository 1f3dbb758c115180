//! Who may do what: role-based access control over the roles and bindings in the store, and before
//! it what nodes may do.
//!
//! A client without an identity, and every member of `system:masters`, may do everything and costs
//! nothing here. Source: <https://kubernetes.io/docs/reference/access-authn-authz/rbac/>,
//! `k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac`.

pub mod bootstrap;
pub mod enter;
mod escalation;
mod impersonate;
pub(in crate::api) mod node;
pub(crate) mod resolve;
pub mod rules;

use std::borrow::Cow;

use crate::api::identity::Identity;
use crate::api::server::Server;
use crate::api::settings::Authorizer;
use crate::api::{Request, Status, Verb};
use crate::object::GroupResource;

/// The group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// What somebody wants to do, as authorizers see it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// The verb, of a resource or, in lower case, of HTTP.
    pub verb: String,
    /// The namespace, empty for none.
    pub namespace: String,
    /// The API group.
    pub group: String,
    /// The collection; empty for a path that is no resource.
    pub resource: String,
    /// The subresource, empty for none.
    pub subresource: String,
    /// The object's name, empty for none.
    pub name: String,
    /// The path, of what is no resource.
    pub path: Option<String>,
    /// Which fields a collection is narrowed by, and to what.
    pub fields: Vec<(String, String)>,
}

/// What an authorizer says.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// By which rule, or what went wrong on the way.
    pub reason: String,
}

impl Attributes {
    /// Of a request to the API.
    pub fn of(request: &Request) -> Self {
        let collection = matches!(request.verb, Verb::List | Verb::Watch);
        let by_field = request.options.field_selector.as_deref().filter(|_| collection);
        let name = match by_field.and_then(exact_name) {
            Some(name) if request.name.is_empty() => name.to_owned(),
            _ => request.name.clone(),
        };
        // A namespace itself lies in itself.
        let is_namespace = request.resource == GroupResource::new("", "namespaces");
        let namespace = if is_namespace { &name } else { &request.namespace };
        Self {
            verb: request.verb.as_str().to_owned(),
            namespace: namespace.clone(),
            group: request.resource.group.to_string(),
            resource: request.resource.resource.to_string(),
            subresource: request.subresource.to_string(),
            name,
            path: None,
            fields: match request.verb {
                Verb::List | Verb::Watch | Verb::DeleteCollection => {
                    exact_fields(request.options.field_selector.as_deref().unwrap_or(""))
                }
                _ => Vec::new(),
            },
        }
    }

    /// The resource with its subresource, as rules write it.
    pub fn combined(&self) -> Cow<'_, str> {
        match self.subresource.as_str() {
            "" => Cow::Borrowed(&self.resource),
            subresource => Cow::Owned(format!("{}/{subresource}", self.resource)),
        }
    }

    /// 403, in the words of the server.
    pub fn forbidden(&self, user: &Identity, reason: &str) -> Box<Status> {
        let user = quoted(&user.name);
        let what = match &self.path {
            Some(path) => format!("User {user} cannot {} path {}", self.verb, quoted(path)),
            None => {
                let place = match self.namespace.as_str() {
                    "" => "at the cluster scope".to_owned(),
                    namespace => format!("in the namespace {}", quoted(namespace)),
                };
                let (resource, group) = (quoted(&self.combined()), quoted(&self.group));
                format!(
                    "User {user} cannot {} resource {resource} in API group {group} {place}",
                    self.verb
                )
            }
        };
        // What could be read as markup is told as text.
        let mut why = what.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        if !reason.is_empty() {
            why = format!("{why}: {reason}");
        }
        let resource = GroupResource::owned(&self.group, &self.resource);
        let mut status = Status::forbidden(&resource, &self.name, &why);
        status.has_details = true;
        Box::new(status)
    }
}

/// The name that a field selector asks for, if it asks for one that may stand in a path.
pub(super) fn exact_name(selector: &str) -> Option<&str> {
    let terms = selector.split(',').filter_map(|term| term.trim().split_once('='));
    let asked =
        |(field, value): (&str, &'_ str)| field.trim_end() == "metadata.name" && !value.is_empty();
    let (_, value) = terms.into_iter().find(|term| asked(*term))?;
    let name = value.trim_start_matches('=');
    let is_segment = !matches!(name, "" | "." | "..") && !name.contains(['/', '%']);
    is_segment.then_some(name)
}

/// What a field selector wants to be equal to something.
fn exact_fields(selector: &str) -> Vec<(String, String)> {
    let terms = selector.split(',').filter_map(|term| term.split_once('='));
    let exact = terms.filter(|(field, _)| !field.ends_with('!'));
    let pair = |(field, value): (&str, &str)| {
        (field.trim().to_owned(), value.trim_start_matches('=').trim().to_owned())
    };
    exact.map(pair).collect()
}

/// Text as Go's `%q` writes it.
pub(super) fn quoted(text: &str) -> String {
    format!("{text:?}")
}

impl Server {
    /// Whether somebody may do something.
    pub(crate) fn decide(&mut self, user: &Identity, asked: &Attributes) -> Decision {
        if user.is_master() {
            return Decision { allowed: true, reason: String::new() };
        }
        self.hold_roles();
        let mut reasons = Vec::new();
        for authorizer in &self.settings.authorizers {
            let decision = self.ask_authorizer(*authorizer, user, asked);
            if decision.allowed {
                return decision;
            }
            reasons.extend((!decision.reason.is_empty()).then_some(decision.reason));
        }
        Decision { allowed: false, reason: reasons.join("\n") }
    }

    fn ask_authorizer(
        &self,
        authorizer: Authorizer,
        user: &Identity,
        asked: &Attributes,
    ) -> Decision {
        match authorizer {
            Authorizer::Rbac => resolve::decide(&self.store, user, asked),
            Authorizer::Node => {
                let Some(node) = node::node_of(user) else { return Decision::default() };
                match node::decide(&self.store, node, asked) {
                    Ok(()) => Decision { allowed: true, reason: String::new() },
                    Err(why) if why.is_empty() => Decision::default(),
                    Err(why) => Decision { allowed: false, reason: format!("node: {why}") },
                }
            }
            Authorizer::AlwaysAllow => Decision { allowed: true, reason: String::new() },
            Authorizer::AlwaysDeny => {
                Decision { allowed: false, reason: "Everything is forbidden.".into() }
            }
        }
    }

    /// Refuses what somebody may not do.
    pub(crate) fn authorize(
        &mut self,
        user: &Identity,
        asked: &Attributes,
    ) -> Result<(), Box<Status>> {
        let decision = self.decide(user, asked);
        match decision.allowed {
            true => Ok(()),
            false => Err(asked.forbidden(user, &decision.reason)),
        }
    }

    /// Refuses a request whose sender is known and may not make it.
    pub(super) fn admit_sender(&mut self, request: &Request) -> Result<(), Box<Status>> {
        match &request.user {
            Some(user) if !user.is_master() => {
                let user = std::sync::Arc::clone(user);
                self.authorize(&user, &Attributes::of(request))
            }
            _ => Ok(()),
        }
    }

    /// A PUT or an apply that creates needs the right to create as well.
    pub(super) fn admit_creation(&mut self, request: &Request) -> Result<(), Box<Status>> {
        match &request.user {
            Some(user) if !user.is_master() && request.verb != Verb::Create => {
                let user = std::sync::Arc::clone(user);
                let asked = Attributes { verb: "create".into(), ..Attributes::of(request) };
                self.authorize(&user, &asked)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
