//! Certificate requests: their approval as an endpoint of its own, and their conditions.
//!
//! Sources: `k8s.io/kubernetes/pkg/registry/certificates/certificates`,
//! `plugin/pkg/admission/certificates/approval`.

pub mod subject;

use std::sync::Arc;

use crate::api::authorization::Attributes;
use crate::api::identity::Identity;
use crate::api::proposal::set_or_remove;
use crate::api::registry::Served;
use crate::api::server::{Handled, Server};
use crate::api::{Request, Status, Verb};
use crate::json::{Value, json};
use crate::object::{GroupResource, Object, at, map_at, text};

const REQUESTS: GroupResource =
    GroupResource::new("certificates.k8s.io", "certificatesigningrequests");

/// What others than approvers may not touch.
const DECISIONS: [&str; 2] = ["Approved", "Denied"];

impl Server {
    /// Reads a request, or changes its conditions.
    pub(super) fn approval(&mut self, served: &Arc<Served>, request: Request) -> Handled {
        if served.resource != REQUESTS {
            return Err(Box::new(Status::no_such_path()));
        }
        match request.verb {
            Verb::Get => self.read(served, &request),
            Verb::Update => self.update(served, request),
            Verb::Patch => self.patch(served, request),
            _ => Err(Box::new(Status::method_not_allowed())),
        }
    }

    /// Puts the conditions of a proposed request in order: its status keeps what approvers said,
    /// and what has no date gets one.
    pub(super) fn settle_conditions(
        &mut self,
        served: &Served,
        request: &Request,
        live: &Object,
        body: &mut Value,
    ) {
        if served.resource != REQUESTS || !matches!(&*request.subresource, "status" | "approval") {
            return;
        }
        let old = live.items(&["status", "conditions"]);
        let mut conditions = at(body, &["status", "conditions"]).and_then(Value::as_array).cloned();
        let Some(conditions) = conditions.as_mut() else { return };
        if &*request.subresource == "status" {
            for kind in DECISIONS {
                let said: Vec<&Value> = old.iter().filter(|c| is(c, kind)).collect();
                let proposed = conditions.iter().filter(|c| is(c, kind)).count();
                if said.len() == proposed {
                    let places = conditions.iter_mut().filter(|c| is(c, kind));
                    places.zip(said).for_each(|(place, said)| *place = said.clone());
                }
            }
        }
        let now = self.timestamp();
        for condition in conditions.iter_mut() {
            let Some(map) = condition.as_object() else { continue };
            let before = old
                .iter()
                .find(|c| c.get("type") == map.get("type") && c.get("status") == map.get("status"));
            let since = before.and_then(|c| c.get("lastTransitionTime")).filter(|t| !t.is_null());
            let since = since.cloned().unwrap_or_else(|| now.as_str().into());
            for (field, date) in
                [("lastUpdateTime", now.as_str().into()), ("lastTransitionTime", since)]
            {
                if condition.get(field).is_none_or(Value::is_null) {
                    map_at(condition, &[]).insert(field, date);
                }
            }
        }
        map_at(body, &["status"]).insert("conditions", conditions.clone().into());
    }

    /// Whoever approves needs the right to, for the signer that is asked.
    pub(super) fn judge_approval(
        &mut self,
        served: &Served,
        request: &Request,
        live: Option<&Object>,
    ) -> Result<(), Box<Status>> {
        let (Some(live), Some(user)) = (live, request.user.clone()) else { return Ok(()) };
        if served.resource != REQUESTS || &*request.subresource != "approval" {
            return Ok(());
        }
        let signer = live.text(&["spec", "signerName"]);
        let domain = signer.split('/').next().unwrap_or("");
        let names = [signer.to_owned(), format!("{domain}/*")];
        let may = names.into_iter().any(|name| {
            let asked = Attributes {
                verb: "approve".into(),
                group: REQUESTS.group.to_string(),
                resource: "signers".into(),
                name,
                ..Attributes::default()
            };
            self.decide(&user, &asked).allowed
        });
        if may {
            return Ok(());
        }
        let why = format!("user not permitted to approve requests with signerName \"{signer}\"");
        Err(Box::new(Status::forbidden(&REQUESTS, live.name(), &why)))
    }
}

fn is(condition: &Value, kind: &str) -> bool {
    condition.get("type").is_some_and(|own| own == kind)
}

/// A request says who makes it, whatever it was sent with.
pub(super) fn sign(request: &Request, body: &mut Value) {
    let user = request.user.clone().unwrap_or_else(|| Arc::new(Identity::admin()));
    let info = user.info();
    let spec = map_at(body, &["spec"]);
    for field in ["username", "uid", "groups", "extra"] {
        set_or_remove(spec, field, info.get(field).cloned());
    }
}

/// Nobody becomes a member of `system:masters` by a certificate of the server's own signer
/// (the CertificateSubjectRestriction plugin).
pub(super) fn check_subject(body: &Value) -> Result<(), Box<Status>> {
    const SIGNER: &str = "kubernetes.io/kube-apiserver-client";
    let of = |path: &[&str]| text(body, path);
    // What cannot be read is refused later, when the whole is validated.
    let subject = subject::subject(of(&["spec", "request"])).unwrap_or_default();
    let masters = subject.organizations.iter().any(|name| name == "system:masters");
    if of(&["spec", "signerName"]) != SIGNER || !masters {
        return Ok(());
    }
    let why = format!("use of {SIGNER} signer with system:masters group is not allowed");
    Err(Box::new(Status::forbidden(&REQUESTS, of(&["metadata", "name"]), &why)))
}

/// The top-level fields that an endpoint of requests takes from no one.
pub(super) fn reset_fields(served: &Served, subresource: &str) -> Option<&'static [&'static str]> {
    (served.resource == REQUESTS && subresource.is_empty()).then_some(&["spec", "status"])
}

/// The status that an approval leaves: the former one, with the conditions that were sent.
pub(super) fn approved(old: Option<&Value>, sent: Option<&Value>) -> Value {
    let mut status = old.cloned().unwrap_or_else(|| json!({}));
    let map = map_at(&mut status, &[]);
    match sent.and_then(|sent| sent.get("conditions")) {
        Some(conditions) => map.insert("conditions", conditions.clone()),
        None => map.remove("conditions"),
    };
    status
}
