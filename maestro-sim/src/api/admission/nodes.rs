//! NodeRestriction: what a node may write of what it is authorized to write at all.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction>,
//! `k8s.io/kubernetes/plugin/pkg/admission/noderestriction`.

mod mirror;
mod write;

use super::call::Operation;
use crate::api::authorization::node::{node_of, undetermined};
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::settings::Plugin;
use crate::api::{Request, Status, Verb};
use crate::builtin::MIRROR;
use crate::json::Value;
use crate::object::{GroupResource, Object, items, text};

const PODS: GroupResource = GroupResource::new("", "pods");
const NODES: GroupResource = GroupResource::new("", "nodes");
/// Why something is refused: forbidden for a reason, or another answer.
enum No {
    Forbidden(String),
    Other(Box<Status>),
}

fn no<T>(why: impl Into<String>) -> Result<T, No> {
    Err(No::Forbidden(why.into()))
}

/// What the server does not find in its caches it names by the kind.
fn unknown(kind: &'static str, name: &str) -> No {
    No::Other(Box::new(Status::not_found(&GroupResource::new("", kind), name)))
}

/// One write of a node.
struct Write<'a> {
    node: &'a str,
    request: &'a Request,
    operation: Operation,
    old: &'a Value,
    new: &'a Value,
}

impl Server {
    /// Refuses what a node may not write; everybody else may, as far as this is concerned. The body
    /// of a subresource stands in `new`.
    pub(in crate::api) fn restrict_node(
        &self,
        served: &Served,
        request: &Request,
        old: Option<&Value>,
        new: Option<&Value>,
    ) -> Result<(), Box<Status>> {
        let Some(user) = request.user.as_deref().filter(|user| !user.is_master()) else {
            return Ok(());
        };
        let Some(node) = node_of(user).filter(|_| self.plugin(Plugin::NodeRestriction)) else {
            return Ok(());
        };
        let operation = match (old, new) {
            (_, None) => Operation::Delete,
            (Some(_), Some(_)) if request.verb != Verb::Create => Operation::Update,
            _ => Operation::Create,
        };
        let null = &Value::Null;
        let (old, new) = (old.unwrap_or(null), new.unwrap_or(null));
        let write = Write { node, request, operation, old, new };
        let decided = match node {
            "" => no(undetermined(user)),
            _ => self.restrict(served, &write),
        };
        decided.map_err(|why| match why {
            No::Other(status) => status,
            No::Forbidden(why) => {
                let own = |field: &str| text(new, &["metadata", field]);
                let names = [request.name.as_str(), own("name"), own("generateName"), "Unknown"];
                let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or("");
                Box::new(Status::forbidden(&served.resource, name, &why))
            }
        })
    }

    fn restrict(&self, served: &Served, write: &Write<'_>) -> Result<(), No> {
        let subresource = &*write.request.subresource;
        match (&*served.resource.group, &*served.resource.resource, subresource) {
            ("", "pods", "") => self.restrict_pod(write),
            ("", "pods", "status") => write.pod_status(),
            ("", "pods", "eviction") => self.restrict_eviction(write),
            ("", "pods", other) => no(format!(
                "unexpected pod subresource {other:?}, only 'status' and 'eviction' are allowed"
            )),
            ("", "nodes", _) => write.node(),
            ("", "persistentvolumeclaims", "status") => write.claim_status(),
            ("", "persistentvolumeclaims", _) => no("may only update PVC status"),
            ("", "serviceaccounts", "token") => self.restrict_token(write),
            ("coordination.k8s.io", "leases", _) => write.lease(),
            ("storage.k8s.io", "csinodes", _) => {
                write.own("can only access CSINode with the same name as the requesting node")
            }
            ("resource.k8s.io", "resourceslices", _) => write.slice(),
            ("certificates.k8s.io", "certificatesigningrequests", "") => write.certificate(),
            ("certificates.k8s.io", "podcertificaterequests", _) => self.restrict_request(write),
            _ => Ok(()),
        }
    }

    fn pod(&self, namespace: &str, name: &str) -> Result<&Object, No> {
        self.peek(&PODS, namespace, name).ok_or_else(|| unknown("pod", name))
    }

    fn restrict_pod(&self, write: &Write<'_>) -> Result<(), No> {
        let node = write.node;
        match write.operation {
            Operation::Create => write.mirror(self.peek(&NODES, "", node)),
            Operation::Delete => match text(write.old, &["spec", "nodeName"]) == node {
                true => Ok(()),
                false => no(format!(
                    "node {node:?} can only delete pods with spec.nodeName set to itself"
                )),
            },
            Operation::Update => no(format!(
                "unexpected operation \"UPDATE\", node {node:?} can only create and delete mirror \
                 pods"
            )),
        }
    }

    fn restrict_eviction(&self, write: &Write<'_>) -> Result<(), No> {
        let pod = self.pod(&write.request.namespace, &write.request.name)?;
        match pod.text(&["spec", "nodeName"]) == write.node {
            true => Ok(()),
            false => no(format!(
                "node {} can only evict pods with spec.nodeName set to itself",
                write.node
            )),
        }
    }

    /// A token is asked for a pod that the node runs, and for whom that pod wants it.
    fn restrict_token(&self, write: &Write<'_>) -> Result<(), No> {
        let of = |field: &str| text(write.new, &["spec", "boundObjectRef", field]);
        if of("apiVersion") != "v1" || of("kind") != "Pod" || of("name").is_empty() {
            return no("node requested token not bound to a pod");
        }
        let uid = of("uid");
        if uid.is_empty() {
            return no("node requested token with a pod binding without a uid");
        }
        let pod = self.pod(&write.request.namespace, of("name"))?;
        if pod.uid() != uid {
            return no(format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. \
                 The object might have been deleted and then recreated"
            ));
        }
        if pod.text(&["spec", "nodeName"]) != write.node {
            return no("node requested token bound to a pod scheduled on a different node");
        }
        let audience = match items(write.new, &["spec", "audiences"]) {
            [] => "",
            [one] => one.as_str().unwrap_or(""),
            _ => return no("node may only request 0 or 1 audiences"),
        };
        let wants = pod.items(&["spec", "volumes"]).iter().any(|volume| {
            let sources = items(volume, &["projected", "sources"]).iter();
            let mut own = sources.filter_map(|source| source.get("serviceAccountToken"));
            own.any(|token| text(token, &["audience"]) == audience)
                || self.driver_wants(pod, volume, audience)
        });
        if wants {
            return Ok(());
        }
        let user = format!("system:node:{}", write.node);
        no(format!("{user} is not authorized to request tokens for audience {audience:?}"))
    }

    /// Whether the driver of a pod's volume asks for tokens with an audience.
    fn driver_wants(&self, pod: &Object, volume: &Value, audience: &str) -> bool {
        let find = |group: &str, plural: &str, namespace: &str, name: &str| {
            self.peek(&GroupResource::owned(group, plural), namespace, name)
        };
        let claim = match text(volume, &["persistentVolumeClaim", "claimName"]) {
            "" if volume.get("ephemeral").is_some() => {
                format!("{}-{}", pod.name(), text(volume, &["name"]))
            }
            name => name.to_owned(),
        };
        let driver = if claim.is_empty() {
            text(volume, &["csi", "driver"])
        } else {
            let claim = find("", "persistentvolumeclaims", pod.namespace(), &claim);
            let name = claim.map_or("", |claim| claim.text(&["spec", "volumeName"]));
            find("", "persistentvolumes", "", name)
                .map_or("", |volume| volume.text(&["spec", "csi", "driver"]))
        };
        find("storage.k8s.io", "csidrivers", "", driver).is_some_and(|driver| {
            let wanted = driver.items(&["spec", "tokenRequests"]);
            wanted.iter().any(|request| text(request, &["audience"]) == audience)
        })
    }

    /// A request for a pod's certificate is for a pod that the node runs.
    fn restrict_request(&self, write: &Write<'_>) -> Result<(), No> {
        let of = |field: &str| text(write.new, &["spec", field]);
        let (node, namespace) = (write.node, write.request.namespace.as_str());
        if of("nodeName") != node {
            return no(format!(
                "PodCertificateRequest.Spec.NodeName={:?}, which is not the requesting node {node:?}",
                of("nodeName")
            ));
        }
        let place = format!("{namespace}/{}", of("podName"));
        let Some(pod) = self.peek(&PODS, namespace, of("podName")) else {
            return no(format!(
                "while retrieving pod {place:?} named in the PodCertificateRequest: pod {:?} not \
                 found",
                of("podName")
            ));
        };
        if pod.text(&["spec", "nodeName"]) != node {
            return no(format!(
                "pod {place:?} is not running on node {node:?} named in the PodCertificateRequest"
            ));
        }
        if pod.annotation(MIRROR).is_some() {
            return no(format!("pod {place:?} is a mirror pod"));
        }
        let signer = of("signerName");
        let wants = pod.items(&["spec", "volumes"]).iter().any(|volume| {
            let mut sources = items(volume, &["projected", "sources"]).iter();
            sources.any(|source| text(source, &["podCertificate", "signerName"]) == signer)
        });
        if wants {
            return Ok(());
        }
        no(format!(
            "pod {place:?} does not mount a podCertificate projected volume for signer {signer:?}"
        ))
    }
}
