//! Reviews: questions that are posted and stored nowhere. Who am I, and may somebody do something?
//!
//! Source:
//! <https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access>.

use std::sync::Arc;

use http::request::Parts;

use crate::api::authorization::Attributes;
use crate::api::identity::Identity;
use crate::api::proposal::check_place;
use crate::api::registry::Served;
use crate::api::server::{Handled, Response, Server};
use crate::api::{Cause, Request, Status};
use crate::json::{Value, json};
use crate::object::{GroupResource, at, map_at, text};

/// Answers whose a bearer token is.
pub type OfToken = dyn Fn(&str) -> Option<Arc<Identity>> + Send + Sync;

/// Whose a bearer token is: an extension of requests to a server that gives out tokens.
#[derive(Clone)]
pub struct Tokens(pub Arc<OfToken>);

const TOKEN: GroupResource = GroupResource::new("authentication.k8s.io", "tokenreviews");
const ONE_OF: &str = "exactly one of nonResourceAttributes or resourceAttributes must be specified";

/// Answers in a review of a token what only the way of the request says: a [`Request`] does not
/// carry it.
pub(super) fn sign(parts: &Parts, resource: &GroupResource, body: &mut Value) {
    if *resource != TOKEN || !body.is_object() {
        return;
    }
    let token = at(body, &["spec", "token"]).and_then(Value::as_str).unwrap_or("");
    let known = parts.extensions.get::<Tokens>().and_then(|tokens| (tokens.0)(token));
    if let Some(user) = known {
        body["status"] = json!({"authenticated": true, "user": user.info()});
    }
}

/// Whether a kind is one of reviews.
pub(super) fn is_review(served: &Served) -> bool {
    matches!(
        (&*served.resource.group, &*served.resource.resource),
        ("authentication.k8s.io", "selfsubjectreviews" | "tokenreviews")
            | (
                "authorization.k8s.io",
                "localsubjectaccessreviews"
                    | "selfsubjectaccessreviews"
                    | "selfsubjectrulesreviews"
                    | "subjectaccessreviews"
            )
    )
}

impl Server {
    /// Answers a review.
    pub(super) fn review(&mut self, served: &Served, mut request: Request) -> Handled {
        let mut body = std::mem::take(&mut request.body);
        self.decode(served, &request, &mut body, None)?;
        let user = request.user.clone().unwrap_or_else(|| Arc::new(Identity::admin()));
        let answer = |value: Value| Ok(Response::Value { code: 201, value });
        let mut fresh = json!({"apiVersion": served.api_version(), "kind": served.kind,
                               "metadata": {}});
        match &*served.resource.resource {
            "selfsubjectreviews" => {
                fresh["metadata"]["creationTimestamp"] = self.timestamp().into();
                fresh["status"] = json!({"userInfo": user.info()});
                return answer(fresh);
            }
            "selfsubjectrulesreviews" => {
                let namespace = text(&body, &["spec", "namespace"]);
                if namespace.is_empty() {
                    return Err(Box::new(Status::bad_request("no namespace on request")));
                }
                fresh["spec"] = json!({});
                fresh["status"] = self.own_rules(&user, namespace);
                return answer(fresh);
            }
            "tokenreviews" => {
                if text(&body, &["spec", "token"]).is_empty() {
                    let message = "token is required for TokenReview in authentication";
                    return Err(Box::new(Status::bad_request(message)));
                }
                let known = text(&body, &["status", "user", "username"]);
                let status = match known.is_empty() {
                    true => self.token_status(&body),
                    false => body["status"].take(),
                };
                self.own(served, &request, None, &mut body)?;
                body["status"] = status;
                return answer(body);
            }
            _ => {}
        }
        check_place(served, &request, map_at(&mut body, &["metadata"]))?;
        let causes = wrong(served, &body);
        if !causes.is_empty() {
            // The server names no kind here.
            let mut status = Status::invalid(&served.resource.group, "", "", &causes);
            status.details.remove("kind");
            return Err(Box::new(status));
        }
        self.own(served, &request, None, &mut body)?;
        let user = match &*served.resource.resource {
            "selfsubjectaccessreviews" => user.as_ref().clone(),
            _ => subject(&body),
        };
        let decision = self.decide(&user, &asked(&body));
        body["status"] = match decision.reason.as_str() {
            "" => json!({"allowed": decision.allowed}),
            reason => json!({"allowed": decision.allowed, "reason": reason}),
        };
        answer(body)
    }
}

/// Whom a review of access is about.
fn subject(body: &Value) -> Identity {
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let extra = at(body, &["spec", "extra"]).and_then(Value::as_object).into_iter().flatten();
    Identity {
        name: text(body, &["spec", "user"]).to_owned(),
        uid: text(body, &["spec", "uid"]).to_owned(),
        groups: at(body, &["spec", "groups"]).map(texts).unwrap_or_default(),
        extra: extra.map(|(key, values)| (key.to_string(), texts(values))).collect(),
    }
}

/// What a review's field selector wants to be equal to something.
fn exact_fields(body: &Value) -> Vec<(String, String)> {
    let path = ["spec", "resourceAttributes", "fieldSelector", "requirements"];
    let all = at(body, &path).and_then(Value::as_array).into_iter().flatten();
    let exact = all.filter_map(|one| match texts_of(one, "values").as_slice() {
        [value] if one["operator"] == "In" => Some((one["key"].as_str()?.into(), value.clone())),
        _ => None,
    });
    exact.collect()
}

fn texts_of(value: &Value, field: &str) -> Vec<String> {
    let all = value.get(field).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What a review of access is about.
fn asked(body: &Value) -> Attributes {
    let of = |field: &str| text(body, &["spec", "resourceAttributes", field]).to_owned();
    if at(body, &["spec", "resourceAttributes"]).is_none() {
        let of = |field: &str| text(body, &["spec", "nonResourceAttributes", field]).to_owned();
        return Attributes { verb: of("verb"), path: Some(of("path")), ..Attributes::default() };
    }
    Attributes {
        verb: of("verb"),
        namespace: of("namespace"),
        group: of("group"),
        resource: of("resource"),
        subresource: of("subresource"),
        name: of("name"),
        path: None,
        fields: exact_fields(body),
    }
}

fn cause(field: &str, message: String) -> Cause {
    Cause::new("FieldValueInvalid", field, message)
}

/// What a review of access must not be.
fn wrong(served: &Served, body: &Value) -> Vec<Cause> {
    let resource = at(body, &["spec", "resourceAttributes"]);
    let other = at(body, &["spec", "nonResourceAttributes"]);
    // As the server prints its own struct.
    let shown = other.map_or(
        Value::Null,
        |other| json!({"Path": text(other, &["path"]), "Verb": text(other, &["verb"])}),
    );
    let mut causes = Vec::new();
    if resource.is_some() == other.is_some() {
        causes.push(cause("spec", format!("Invalid value: {shown}: {ONE_OF}")));
    }
    let names_itself = &*served.resource.resource != "selfsubjectaccessreviews";
    let groups = at(body, &["spec", "groups"]).and_then(Value::as_array);
    if names_itself
        && text(body, &["spec", "user"]).is_empty()
        && groups.is_none_or(|list| list.is_empty())
    {
        let message = "Invalid value: \"\": at least one of user or group must be specified";
        causes.push(cause("spec.user", message.into()));
    }
    if served.namespaced {
        let namespace = text(body, &["metadata", "namespace"]);
        let asked = resource.map(|resource| text(resource, &["namespace"]));
        if let Some(asked) = asked.filter(|asked| *asked != namespace) {
            let message = format!("Invalid value: \"{asked}\": must match metadata.namespace");
            causes.push(cause("spec.resourceAttributes.namespace", message));
        }
        if other.is_some() {
            let message = format!("Invalid value: {shown}: disallowed on this kind of request");
            causes.push(cause("spec.nonResourceAttributes", message));
        }
    }
    causes
}
