//! The operator with no more rights than it is installed with: a client that acts as its service
//! account, and what that account was forbidden.
//!
//! It impersonates (<https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/>),
//! so the API server decides by the same roles as for the account's own token.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::header::{HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use maestro_core::manifests::{self, NAMESPACE};
use tower_service::Service;

/// What the account was forbidden, each refusal once.
#[derive(Clone, Debug, Default)]
pub struct Forbidden(Arc<Mutex<BTreeSet<String>>>);

impl Forbidden {
    /// In order of the text; none when the rights were enough.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn heed(&self, body: &[u8]) {
        let status = serde_json::from_slice::<maestro_sim::json::Value>(body).unwrap_or_default();
        let message = status["message"].as_str().unwrap_or_default();
        // Quotas, webhooks and a namespace at its end refuse with 403 as well, but no right would
        // help there.
        if message.contains(&format!("User \"{}\" cannot ", manifests::user(NAMESPACE))) {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(message.to_owned());
        }
    }
}

/// A client that acts as the operator's account.
pub fn client(inner: Client, forbidden: &Forbidden) -> Client {
    Client::new(Acting { inner, forbidden: forbidden.clone() }, "default")
}

#[derive(Clone)]
struct Acting {
    inner: Client,
    forbidden: Forbidden,
}

type Answered = Result<http::Response<Body>, Box<dyn std::error::Error + Send + Sync>>;

impl Acting {
    async fn serve(self, mut request: http::Request<Body>) -> Answered {
        let user = ("impersonate-user", manifests::user(NAMESPACE));
        let groups = manifests::groups(NAMESPACE).map(|group| ("impersonate-group", group));
        for (name, value) in std::iter::once(user).chain(groups) {
            let value = HeaderValue::from_str(&value)?;
            request.headers_mut().append(HeaderName::from_static(name), value);
        }
        let answer = self.inner.send(request).await?;
        if answer.status() != http::StatusCode::FORBIDDEN {
            return Ok(answer);
        }
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await?.to_bytes();
        self.forbidden.heed(&bytes);
        Ok(http::Response::from_parts(parts, Body::from(bytes)))
    }
}

impl Service<http::Request<Body>> for Acting {
    type Response = http::Response<Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Answered> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.clone().serve(request))
    }
}
