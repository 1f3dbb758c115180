//! What a node may do: whoever is called `system:node:NAME` and belongs to `system:nodes`.
//!
//! Of secrets, config maps, claims, volumes and accounts a node may read what its pods need, and of
//! itself what is its own. All else is what the bootstrap role `system:node` says, which nobody is
//! bound to. What a node may write is narrowed further by the plugin NodeRestriction.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/node/>,
//! `k8s.io/kubernetes/plugin/pkg/auth/authorizer/node`.

mod graph;

pub(in crate::api) use graph::{maps, secrets};

use super::resolve::CLUSTER_ROLES;
use super::{Attributes, quoted, rules};
use crate::api::identity::Identity;
use crate::store::Store;

/// The group of all nodes.
const NODES: &str = "system:nodes";
/// Where nodes keep their leases.
pub(in crate::api) const LEASES: &str = "kube-node-lease";

/// The node that a user is, if it is one; its name may be empty.
pub(in crate::api) fn node_of(user: &Identity) -> Option<&str> {
    let name = user.name.strip_prefix("system:node:")?;
    user.belongs_to(NODES).then_some(name)
}

/// Whether a node may do something; if not, why, which may be nothing.
pub(super) fn decide(store: &Store, node: &str, asked: &Attributes) -> Result<(), String> {
    if node.is_empty() {
        return Err("unknown node for user \"system:node:\"".into());
    }
    if asked.path.is_some() {
        return by_role(store, asked);
    }
    let at = At { store, node, asked };
    match (&*asked.group, &*asked.resource) {
        ("", "secrets" | "configmaps") => at.read_one(),
        ("", "persistentvolumeclaims") if asked.subresource == "status" => {
            at.verbs(&["update", "patch"], "can only get/update/patch this type")?;
            at.related()
        }
        ("", "persistentvolumeclaims" | "persistentvolumes")
        | ("resource.k8s.io", "resourceclaims")
        | ("storage.k8s.io", "volumeattachments") => at.get(),
        ("", "serviceaccounts") => at.account(),
        ("coordination.k8s.io", "leases") => at.lease(),
        ("storage.k8s.io", "csinodes") => at.csi_node(),
        ("resource.k8s.io", "resourceslices") => at.slice(),
        ("", "nodes") => at.itself(),
        ("", "pods") => at.pod(),
        ("certificates.k8s.io", "podcertificaterequests") => at.certificate(),
        _ => by_role(store, asked),
    }
}

fn by_role(store: &Store, asked: &Attributes) -> Result<(), String> {
    let role = store.named(&CLUSTER_ROLES, "", "system:node");
    let rules = role.map_or(&[][..], |role| role.items(&["rules"]));
    if rules.iter().any(|rule| rules::allows(rule, asked)) { Ok(()) } else { no("") }
}

fn no(why: impl Into<String>) -> Result<(), String> {
    Err(why.into())
}

/// One question of one node.
struct At<'a> {
    store: &'a Store,
    node: &'a str,
    asked: &'a Attributes,
}

impl At<'_> {
    fn verbs(&self, allowed: &[&str], why: &str) -> Result<(), String> {
        if allowed.contains(&&*self.asked.verb) { Ok(()) } else { no(why) }
    }

    fn whole(&self, why: &str) -> Result<(), String> {
        if self.asked.subresource.is_empty() { Ok(()) } else { no(why) }
    }

    /// Whether what is asked for belongs to the node, or to a pod on it.
    fn related(&self) -> Result<(), String> {
        if self.asked.name.is_empty() {
            return no("No Object name found");
        }
        match graph::is_related(self.store, self.node, self.asked) {
            true => Ok(()),
            false => {
                let node = self.node;
                no(format!("no relationship found between node '{node}' and this object"))
            }
        }
    }

    fn get(&self) -> Result<(), String> {
        self.verbs(&["get"], "can only get individual resources of this type")?;
        self.whole("cannot get subresource")?;
        self.related()
    }

    fn read_one(&self) -> Result<(), String> {
        self.verbs(&["get", "list", "watch"], "can only read resources of this type")?;
        self.whole("cannot read subresource")?;
        if self.asked.namespace.is_empty() {
            return no("can only read namespaced object of this type");
        }
        self.related()
    }

    fn account(&self) -> Result<(), String> {
        if self.asked.verb == "get" && self.asked.subresource.is_empty() {
            return self.read_one();
        }
        if self.asked.verb != "create" || self.asked.name.is_empty() {
            return no("can only create tokens for individual service accounts");
        }
        if self.asked.subresource != "token" {
            return no("can only create token subresource of serviceaccount");
        }
        self.related()
    }

    /// Whether it is about an object of the node's own name, as far as that is known.
    fn own(&self, why: &str) -> Result<(), String> {
        let known = self.asked.verb != "create";
        if known && self.asked.name != self.node { no(why) } else { Ok(()) }
    }

    fn lease(&self) -> Result<(), String> {
        let why = "can only get, create, update, patch, or delete a node lease";
        self.verbs(&["get", "create", "update", "patch", "delete"], why)?;
        if self.asked.namespace != LEASES {
            return no(format!("can only access leases in the {LEASES:?} system namespace"));
        }
        self.own("can only access node lease with the same name as the requesting node")
    }

    fn csi_node(&self) -> Result<(), String> {
        match &*self.asked.subresource {
            "" => {
                let why = "can only get, create, update, patch, or delete a CSINode";
                self.verbs(&["get", "create", "update", "patch", "delete"], why)?;
            }
            "status" => return no("CSINode status access requires CSIVolumeHealth feature"),
            _ => return no("cannot authorize CSINode subresources"),
        }
        self.own("can only access CSINode with the same name as the requesting node")
    }

    fn slice(&self) -> Result<(), String> {
        self.whole("cannot authorize ResourceSlice subresources")?;
        match &*self.asked.verb {
            "create" => Ok(()),
            "get" | "update" | "patch" | "delete" => self.related(),
            "watch" | "list" | "deletecollection" => self.selects(
                "spec.nodeName",
                "can only list/watch/deletecollection resourceslices with nodeName field selector",
            ),
            _ => no("only the following verbs are allowed for a ResourceSlice: get, watch, list, \
                     create, update, patch, delete, deletecollection"),
        }
    }

    /// Whether a collection is narrowed to what is the node's.
    fn selects(&self, field: &str, why: &str) -> Result<(), String> {
        let mut terms = self.asked.fields.iter();
        let own = terms.any(|(asked, value)| asked == field && value == self.node);
        if own { Ok(()) } else { no(why) }
    }

    fn itself(&self) -> Result<(), String> {
        match (&*self.asked.subresource, &*self.asked.verb) {
            ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Ok(()),
            ("", "get" | "list" | "watch") => match (&*self.asked.name, self.node) {
                (name, node) if name == node => Ok(()),
                ("", node) => {
                    no(format!("node '{node}' cannot read all nodes, only its own Node object"))
                }
                (name, node) => {
                    no(format!("node '{node}' cannot read '{name}', only its own Node object"))
                }
            },
            _ => no(""),
        }
    }

    fn pod(&self) -> Result<(), String> {
        match (&*self.asked.subresource, &*self.asked.verb) {
            ("", "get") => self.get(),
            ("", "list" | "watch") => {
                let why = "can only list/watch pods with spec.nodeName field selector";
                match self.selects("spec.nodeName", why) {
                    Err(_) if !self.asked.name.is_empty() => self.related(),
                    decided => decided,
                }
            }
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => {
                Ok(())
            }
            _ => no(""),
        }
    }

    fn certificate(&self) -> Result<(), String> {
        self.whole("nodes may not access the status subresource of PodCertificateRequests")?;
        match &*self.asked.verb {
            "create" => Ok(()),
            "get" => self.related(),
            "list" | "watch" => self.selects(
                "spec.nodeName",
                "can only list/watch podcertificaterequests with nodeName field selector",
            ),
            verb => no(format!("nodes may not {verb} podcertificaterequests")),
        }
    }
}

/// What the admission of a user that is no certain node says.
pub(in crate::api) fn undetermined(user: &Identity) -> String {
    format!("could not determine node from user {}", quoted(&user.name))
}
