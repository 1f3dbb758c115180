//! Acting as somebody else: the headers, and who may.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/>, KEP-5284,
//! `k8s.io/apiserver/pkg/endpoints/filters/impersonation`.

use http::HeaderMap;

use super::Attributes;
use crate::api::Status;
use crate::api::http::percent_decode;
use crate::api::identity::{
    ANONYMOUS, AUTHENTICATED, Identity, MASTERS, UNAUTHENTICATED, account_groups, account_of,
};
use crate::api::server::Server;
use crate::builtin::text::is_subdomain;
use crate::facts::Version;

const AUTHENTICATION: &str = "authentication.k8s.io";

/// The feature by which whoever acts as somebody may do no more than is said of what they do so.
const CONSTRAINED: &str = "ConstrainedImpersonation";

/// Whom the headers name; nobody where there are none.
pub(super) fn wanted(
    version: Version,
    headers: &HeaderMap,
) -> Result<Option<Identity>, Box<Status>> {
    if !headers.keys().any(|name| name.as_str().starts_with("impersonate-")) {
        return Ok(None);
    }
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let one = |name: &str| headers.get(name).map(text).unwrap_or_default();
    let mut user = Identity {
        name: one("impersonate-user"),
        uid: one("impersonate-uid"),
        groups: headers.get_all("impersonate-group").iter().map(text).collect(),
        extra: Default::default(),
    };
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix("impersonate-extra-") {
            user.extra
                .entry(percent_decode(key, false).into_owned())
                .or_default()
                .push(text(value));
        }
    }
    if !user.name.is_empty() {
        return Ok(Some(user));
    }
    if user == Identity::default() {
        return Ok(None);
    }
    let message = match version.has(CONSTRAINED) {
        true => format!("requested {} without impersonating a user name", in_go(&user)),
        false => format!("requested [{}] without impersonating a user", references(&user)),
    };
    Err(Box::new(Status::bad_request(message)))
}

/// What is asked for as Go prints references to objects: kind, namespace, name, UID, version,
/// resource version and field.
fn references(user: &Identity) -> String {
    let mut all: Vec<String> =
        user.groups.iter().map(|group| format!("{{Group  {group}    }}")).collect();
    let of = |kind: &str, name: &str, field: &str| {
        format!("{{{kind}  {name}  {AUTHENTICATION}/v1  {field}}}")
    };
    for (key, values) in &user.extra {
        all.extend(values.iter().map(|value| of("UserExtra", value, key)));
    }
    if !user.uid.is_empty() {
        all.push(of("UID", &user.uid, ""));
    }
    all.join(" ")
}

/// A user as Go's `%#v` prints it.
fn in_go(user: &Identity) -> String {
    let strings = |list: &[String]| {
        let quoted: Vec<String> = list.iter().map(|text| format!("{text:?}")).collect();
        format!("[]string{{{}}}", quoted.join(", "))
    };
    let groups = match user.groups.as_slice() {
        [] => "[]string(nil)".to_owned(),
        groups => strings(groups),
    };
    let extra: Vec<String> =
        user.extra.iter().map(|(key, values)| format!("{key:?}:{}", strings(values))).collect();
    let extra = match extra.is_empty() {
        true => "map[string][]string(nil)".to_owned(),
        false => format!("map[string][]string{{{}}}", extra.join(", ")),
    };
    format!(
        "&user.DefaultInfo{{Name:{:?}, UID:{:?}, Groups:{groups}, Extra:{extra}}}",
        user.name, user.uid
    )
}

fn node_of(user: &str) -> Option<&str> {
    user.strip_prefix("system:node:").filter(|name| is_subdomain(name))
}

/// One way of acting as somebody else. All but the last are bound to what is done as them.
struct Mode {
    name: &'static str,
    applies: fn(&Identity) -> bool,
}

fn only_named(user: &Identity) -> bool {
    user.uid.is_empty() && user.groups.is_empty() && user.extra.is_empty()
}

/// In the order in which they are tried.
const MODES: [Mode; 3] = [
    Mode {
        name: "arbitrary-node",
        applies: |user| only_named(user) && node_of(&user.name).is_some(),
    },
    Mode {
        name: "serviceaccount",
        applies: |user| only_named(user) && account_of(&user.name).is_some(),
    },
    Mode {
        name: "user-info",
        applies: |user| node_of(&user.name).is_none() && account_of(&user.name).is_none(),
    },
];

impl Server {
    /// Whom a request is carried out as, if its sender may act as them.
    pub(super) fn impersonate(
        &mut self,
        sender: &Identity,
        wanted: &Identity,
        asked: &Attributes,
    ) -> Result<Identity, Box<Status>> {
        if !self.registry.version().has(CONSTRAINED) {
            return self.act_as(sender, wanted, "impersonate", "");
        }
        let mut first = None;
        for mode in MODES.iter().filter(|mode| (mode.applies)(wanted)) {
            let verb = format!("impersonate-on:{}:{}", mode.name, asked.verb);
            let on = Attributes { verb, ..asked.clone() };
            let tried = self.authorize(sender, &on).and_then(|()| {
                self.act_as(sender, wanted, &format!("impersonate:{}", mode.name), AUTHENTICATION)
            });
            match tried {
                Ok(user) => return Ok(user),
                Err(status) => first = first.or(Some(status)),
            }
        }
        let last = self.act_as(sender, wanted, "impersonate", "");
        last.map_err(|status| first.unwrap_or(status))
    }

    /// Checks every part of whom a sender wants to be. `group` is the API group of users and
    /// groups, which the old way keeps in the core.
    fn act_as(
        &mut self,
        sender: &Identity,
        wanted: &Identity,
        verb: &str,
        group: &str,
    ) -> Result<Identity, Box<Status>> {
        let bound = !group.is_empty();
        let mut user = wanted.clone();
        let part = |group: &str, resource: &str, name: &str| Attributes {
            verb: verb.into(),
            group: group.into(),
            resource: resource.into(),
            name: name.into(),
            ..Attributes::default()
        };
        let mut named = part(group, "users", &wanted.name);
        if let Some(node) = node_of(&wanted.name).filter(|_| bound) {
            named = part(group, "nodes", node);
            user.groups = vec!["system:nodes".into()];
        }
        if let Some((namespace, name)) = account_of(&wanted.name) {
            named = part(group, "serviceaccounts", name);
            named.namespace = namespace.into();
            if wanted.groups.is_empty() {
                user.groups = account_groups(namespace);
            }
        }
        self.authorize(sender, &named)?;
        if !wanted.uid.is_empty() {
            self.authorize(sender, &part(AUTHENTICATION, "uids", &wanted.uid))?;
        }
        for name in &wanted.groups {
            let asked = part(group, "groups", name);
            if bound && name.is_empty() {
                let why = "impersonating the empty string group is not allowed";
                return Err(asked.forbidden(sender, why));
            }
            if bound && name == MASTERS {
                let why = "impersonating the system:masters group is not allowed";
                return Err(asked.forbidden(sender, why));
            }
            self.authorize(sender, &asked)?;
        }
        for (key, values) in &wanted.extra {
            for value in values {
                let mut asked = part(AUTHENTICATION, "userextras", value);
                asked.subresource.clone_from(key);
                self.authorize(sender, &asked)?;
            }
        }
        let also = match wanted.name.as_str() {
            ANONYMOUS => Some(UNAUTHENTICATED),
            _ if user.belongs_to(UNAUTHENTICATED) => None,
            _ => Some(AUTHENTICATED),
        };
        if let Some(also) = also.filter(|group| !user.belongs_to(group)) {
            user.groups.push(also.into());
        }
        Ok(user)
    }
}
