//! Who asks: a user as the server knows one, whatever they proved it with.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/authentication/>.

use std::collections::BTreeMap;

use crate::builtin::text;
use crate::json::{Map, Value, json};

/// Members may do everything, whatever the roles say.
pub const MASTERS: &str = "system:masters";
/// Everybody who is known.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Everybody who is not.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The name of whoever proves nothing.
pub const ANONYMOUS: &str = "system:anonymous";

const ACCOUNT: &str = "system:serviceaccount:";

/// A user: an extension of HTTP requests whose sender was authenticated.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The name, such as `system:serviceaccount:default:builder`.
    pub name: String,
    /// The UID, empty for none.
    pub uid: String,
    /// The groups it belongs to.
    pub groups: Vec<String>,
    /// What else its authenticator said of it.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Identity {
    /// The administrator that every cluster has. A client inside the simulation that says nothing
    /// else of itself acts as this one.
    pub fn admin() -> Self {
        Self {
            name: "kubernetes-admin".into(),
            groups: vec![MASTERS.into(), AUTHENTICATED.into()],
            ..Self::default()
        }
    }

    /// Whoever proves nothing.
    pub fn anonymous() -> Self {
        let groups = vec![UNAUTHENTICATED.into()];
        Self { name: ANONYMOUS.into(), groups, ..Self::default() }
    }

    /// A service account by its namespace and name, without a UID.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let mut groups = account_groups(namespace);
        groups.push(AUTHENTICATED.into());
        Self { name: format!("{ACCOUNT}{namespace}:{name}"), groups, ..Self::default() }
    }

    /// Whether it may do everything.
    pub fn is_master(&self) -> bool {
        self.belongs_to(MASTERS)
    }

    /// Whether it is in a group.
    pub fn belongs_to(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// As reviews and admission show it: a `UserInfo` of authentication.k8s.io/v1.
    pub fn info(&self) -> Value {
        let mut info = Map::new();
        info.insert("username", self.name.as_str().into());
        if !self.uid.is_empty() {
            info.insert("uid", self.uid.as_str().into());
        }
        if !self.groups.is_empty() {
            info.insert("groups", json!(self.groups));
        }
        if !self.extra.is_empty() {
            info.insert("extra", json!(self.extra));
        }
        Value::Object(info)
    }
}

/// The groups of every account of a namespace.
pub fn account_groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")]
}

/// Namespace and name of the account that a user name stands for.
pub fn account_of(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT)?.split_once(':')?;
    (text::label(namespace).is_empty() && text::is_subdomain(name)).then_some((namespace, name))
}
