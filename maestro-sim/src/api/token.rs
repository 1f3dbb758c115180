//! Tokens of service accounts: asked for, bound to objects, and read again.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>,
//! KEP-1205, `k8s.io/kubernetes/pkg/registry/core/serviceaccount/storage/token.go` and
//! `pkg/serviceaccount/claims.go`.

mod jwt;

use std::sync::{Arc, OnceLock};

use crate::api::identity::Identity;
use crate::api::proposal::set_or_remove;
use crate::api::registry::Served;
use crate::api::server::{Handled, Response, Server};
use crate::api::{Cause, Request, Status};
use crate::builtin::field;
use crate::json::{Map, Value, json};
use crate::object::{GroupResource, Object, at, map_at, text};
use crate::time::{rfc3339, unix};

pub use jwt::Secret;

const ACCOUNTS: GroupResource = GroupResource::new("", "serviceaccounts");
const PODS: GroupResource = GroupResource::new("", "pods");
const NODES: GroupResource = GroupResource::new("", "nodes");
const SECRETS: GroupResource = GroupResource::new("", "secrets");
const REQUEST: GroupResource = GroupResource::new("authentication.k8s.io", "TokenRequest");

/// The lifetime that kubelets ask for in pods' projected tokens. Such a token is good for a year,
/// and its use after this time is only noted.
const PROJECTED_SECS: i64 = 3607;
const YEAR_SECS: i64 = 365 * 24 * 60 * 60;
const LEAST_SECS: i64 = 600;
const MOST_SECS: i64 = 1 << 32;
/// How far clocks may be apart, and how long what is deleted still vouches.
const LEEWAY_SECS: i64 = 60;

/// The kind of the bodies: nobody stores it.
fn kind() -> &'static Served {
    static KIND: OnceLock<Served> = OnceLock::new();
    KIND.get_or_init(|| {
        Served::described(&json!({
            "group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest",
            "resource": "tokenrequests", "scope": "Namespaced", "verbs": ["create"],
            "type": "io.k8s.api.authentication.v1.TokenRequest",
        }))
    })
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn invalid(name: &str, causes: &[Cause]) -> Box<Status> {
    Box::new(Status::invalid("authentication.k8s.io", "TokenRequest", name, causes))
}

/// Name and UID, as a token holds them.
fn reference(object: &Object) -> Value {
    json!({"name": object.name(), "uid": object.uid()})
}

/// What a token is bound to.
#[derive(Default)]
struct Bound {
    pod: Option<Value>,
    node: Option<Value>,
    secret: Option<Value>,
}

impl Server {
    /// `POST …/serviceaccounts/NAME/token`.
    pub(super) fn token(&mut self, served: &Arc<Served>, mut request: Request) -> Handled {
        let mut body = std::mem::take(&mut request.body);
        self.decode(kind(), &request, &mut body, None)?;
        let spec = map_at(&mut body, &["spec"]);
        if spec.get("expirationSeconds").is_none_or(Value::is_null) {
            spec.insert("expirationSeconds", 3600.into());
        }
        self.own(kind(), &request, None, &mut body)?;
        let name = request.name.clone();
        let place = text(&body, &["metadata", "namespace"]);
        if !place.is_empty() && place != request.namespace {
            let message = "the namespace of the provided object does not match the namespace \
                           sent on the request";
            return Err(Box::new(Status::bad_request(message)));
        }
        let given = text(&body, &["metadata", "name"]);
        if !given.is_empty() && given != name {
            let detail = "must match the service account name if specified";
            let cause = field::invalid(&"metadata.name", &given.into(), detail);
            return Err(invalid(&name, &[cause]));
        }
        self.restrict_node(served, &request, None, Some(&body))?;
        let account = self.existing(served, &request)?;
        let given = text(&body, &["metadata", "uid"]);
        if !given.is_empty() && given != account.uid() {
            let why = format!(
                "the UID in the token request ({given}) does not match the UID of the service \
                 account ({})",
                account.uid()
            );
            return Err(Box::new(Status::conflict(&REQUEST, &name, &why)));
        }
        let now = self.timestamp();
        let meta = map_at(&mut body, &["metadata"]);
        for (field, value) in [
            ("name", account.name()),
            ("namespace", account.namespace()),
            ("uid", account.uid()),
            ("creationTimestamp", &now),
        ] {
            meta.insert(field, value.into());
        }
        let spec = map_at(&mut body, &["spec"]);
        if spec.get("audiences").and_then(Value::as_array).is_none_or(|list| list.is_empty()) {
            spec.insert("audiences", json!(self.settings.audiences));
        }
        spec.entry("boundObjectRef").or_insert(Value::Null);
        let seconds = spec.get("expirationSeconds").and_then(Value::as_i64).unwrap_or(0);
        check_lifetime(seconds)?;
        let bound = self.bound(&request, &body)?;
        let audiences = texts(at(&body, &["spec", "audiences"]));
        let token = self.issue(&account, &bound, &audiences, seconds);
        let end = self.now + std::time::Duration::from_secs(seconds.unsigned_abs());
        let status = json!({"token": token, "expirationTimestamp": rfc3339(end)});
        set_or_remove(map_at(&mut body, &[]), "status", Some(status));
        Ok(Response::Value { code: 201, value: body })
    }

    /// The object that a request binds its token to.
    fn bound(&self, request: &Request, body: &Value) -> Result<Bound, Box<Status>> {
        let Some(wanted) = at(body, &["spec", "boundObjectRef"]).filter(|r| r.is_object()) else {
            return Ok(Bound::default());
        };
        let (version, kind) = (text(wanted, &["apiVersion"]), text(wanted, &["kind"]));
        let name = text(wanted, &["name"]);
        let find = |resource: &GroupResource, namespace: &str| {
            let found = self.store.named(resource, namespace, name).cloned();
            found.ok_or_else(|| Box::new(Status::not_found(resource, name)))
        };
        let core = !version.contains('/');
        let mut bound = Bound::default();
        let object = match kind {
            "Pod" if core => {
                let pod = find(&PODS, &request.namespace)?;
                if pod.text(&["spec", "serviceAccountName"]) != request.name {
                    let message = format!(
                        "cannot bind token for serviceaccount {:?} to pod running with different \
                         serviceaccount name.",
                        request.name
                    );
                    return Err(Box::new(Status::bad_request(message)));
                }
                let node = pod.text(&["spec", "nodeName"]);
                bound.node = (!node.is_empty()).then(|| match self.peek(&NODES, "", node) {
                    Some(node) => reference(node),
                    None => json!({"name": node}),
                });
                bound.pod = Some(reference(&pod));
                pod
            }
            "Node" if core => {
                let node = find(&NODES, "")?;
                bound.node = Some(reference(&node));
                node
            }
            "Secret" if core => {
                let secret = find(&SECRETS, &request.namespace)?;
                bound.secret = Some(reference(&secret));
                secret
            }
            _ => {
                let slash = if version.contains('/') { "" } else { "/" };
                let message =
                    format!("cannot bind token to object of type {slash}{version}, Kind={kind}");
                return Err(Box::new(Status::bad_request(message)));
            }
        };
        let uid = text(wanted, &["uid"]);
        if !uid.is_empty() && uid != object.uid() {
            let why = format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. \
                 The object might have been deleted and then recreated"
            );
            let kind = GroupResource::owned("", kind);
            return Err(Box::new(Status::conflict(&kind, name, &why)));
        }
        Ok(bound)
    }

    fn issue(
        &mut self,
        account: &Object,
        bound: &Bound,
        audiences: &[String],
        seconds: i64,
    ) -> String {
        let now = unix(self.now);
        let extended = bound.pod.is_some()
            && seconds == PROJECTED_SECS
            && audiences == self.settings.audiences;
        let mut private = Map::new();
        private.insert("namespace", account.namespace().into());
        for (field, value) in
            [("node", &bound.node), ("pod", &bound.pod), ("secret", &bound.secret)]
        {
            if let Some(value) = value {
                private.insert(field, value.clone());
            }
        }
        private.insert("serviceaccount", reference(account));
        if extended {
            private.insert("warnafter", (now + seconds).into());
        }
        let end = now + if extended { YEAR_SECS } else { seconds };
        let claims = json!({
            "aud": audiences, "exp": end, "iat": now, "iss": self.settings.issuer, "jti": self.uids.uuid(),
            "kubernetes.io": private, "nbf": now,
            "sub": format!("system:serviceaccount:{}:{}", account.namespace(), account.name()),
        });
        self.tokens.sign(&claims)
    }

    /// Whose a token is, and for which of the wanted audiences; none wanted are the server's own.
    ///
    /// # Errors
    /// Why it is nobody's, in the server's words; empty for what is no token of this cluster.
    pub(super) fn authenticate(
        &self,
        token: &str,
        wanted: &[String],
    ) -> Result<(Identity, Vec<String>), String> {
        let wanted = if wanted.is_empty() { &self.settings.audiences[..] } else { wanted };
        let claims = self.tokens.verify(token)?;
        if claims.get("iss").is_none_or(|issuer| *issuer != self.settings.issuer) {
            return Err(String::new());
        }
        let audiences = texts(claims.get("aud"));
        let common: Vec<String> =
            audiences.iter().filter(|one| wanted.contains(one)).cloned().collect();
        if common.is_empty() {
            let shown = |list: &[String]| {
                let quoted: Vec<String> = list.iter().map(|text| format!("{text:?}")).collect();
                format!("[{}]", quoted.join(" "))
            };
            return Err(format!(
                "token audiences {} is invalid for the target audiences {}",
                shown(&audiences),
                shown(wanted)
            ));
        }
        let now = unix(self.now);
        let number = |field: &str| claims.get(field).and_then(Value::as_i64).unwrap_or(0);
        if now - LEEWAY_SECS > number("exp") {
            return Err("service account token has expired".into());
        }
        if now + LEEWAY_SECS < number("nbf") {
            return Err("service account token is not valid yet".into());
        }
        self.vouched(&claims).map(|identity| (identity, common))
    }

    /// Whether everything that a token speaks of is still there.
    fn vouched(&self, claims: &Value) -> Result<Identity, String> {
        let of = |path: &[&str]| {
            let whole: Vec<&str> = ["kubernetes.io"].iter().chain(path).copied().collect();
            at(claims, &whole).and_then(Value::as_str).unwrap_or("").to_owned()
        };
        let namespace = of(&["namespace"]);
        let name = of(&["serviceaccount", "name"]);
        let Some(account) = self.peek(&ACCOUNTS, &namespace, &name) else {
            return Err(format!("serviceaccounts {name:?} not found"));
        };
        let uid = of(&["serviceaccount", "uid"]);
        if account.uid() != uid {
            return Err(format!(
                "service account UID ({}) does not match claim ({uid})",
                account.uid()
            ));
        }
        let mut identity = Identity::service_account(&namespace, &name);
        identity.uid = uid;
        let pod = of(&["pod", "name"]);
        for (field, resource, place, word) in [
            ("secret", &SECRETS, namespace.as_str(), "service account secret ref claim"),
            ("pod", &PODS, namespace.as_str(), "service account pod ref claim"),
            ("node", &NODES, "", "service account node ref claim"),
        ] {
            let (bound, claimed) = (of(&[field, "name"]), of(&[field, "uid"]));
            if bound.is_empty() || (field == "node" && !pod.is_empty()) {
                continue;
            }
            let Some(object) = self.peek(resource, place, &bound) else {
                return Err("service account token has been invalidated".into());
            };
            if object.uid() != claimed {
                return Err(format!(
                    "{field} UID ({}) does not match {word} ({claimed})",
                    object.uid()
                ));
            }
        }
        let mut note = |key: &str, value: String| {
            if !value.is_empty() {
                let key = format!("authentication.kubernetes.io/{key}");
                identity.extra.insert(key, vec![value]);
            }
        };
        note("credential-id", format!("JTI={}", text(claims, &["jti"])));
        for field in ["pod", "node"] {
            note(&format!("{field}-name"), of(&[field, "name"]));
            note(&format!("{field}-uid"), of(&[field, "uid"]));
        }
        Ok(identity)
    }

    /// What a review of a token answers.
    pub(super) fn token_status(&self, body: &Value) -> Value {
        let wanted = texts(at(body, &["spec", "audiences"]));
        match self.authenticate(text(body, &["spec", "token"]), &wanted) {
            Ok((user, audiences)) => {
                json!({"authenticated": true, "user": user.info(), "audiences": audiences})
            }
            Err(why) if why.is_empty() => json!({"user": {}, "error": "invalid bearer token"}),
            Err(why) => json!({"user": {}, "error": format!("[invalid bearer token, {why}]")}),
        }
    }
}

fn check_lifetime(seconds: i64) -> Result<(), Box<Status>> {
    let detail = match seconds {
        ..LEAST_SECS => "may not specify a duration less than 10 minutes",
        LEAST_SECS..=MOST_SECS => return Ok(()),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    Err(invalid("", &[field::invalid(&"spec.expirationSeconds", &seconds.into(), detail)]))
}
