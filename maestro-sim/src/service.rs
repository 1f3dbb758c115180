//! The in-process HTTP shell: a tower service for any `kube::Client`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;

use crate::api::http::{self, Routed};
use crate::api::openapi;
use crate::api::server::{Handled, Response};
use crate::body::{Body, WatchBody};
use crate::link::{Direction, LinkId};
use crate::sim::Cluster;

/// Why a message did not come through, as a client's connection reports it.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No answer in time: lost on the link.
    #[error("connection timed out after {0:?}")]
    TimedOut(Duration),
    /// The request's body could not be read.
    #[error("cannot read the request body: {0}")]
    Body(String),
}

/// kube's default connect timeout: how long a request into a partition hangs.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// One client's way to the API server.
#[derive(Clone)]
pub struct Service {
    cluster: Cluster,
    link: LinkId,
}

/// What became of a request.
enum Sent {
    /// It was carried out; no answer if that was lost.
    Reply(Option<Handled>),
    /// It needs no link's verdict: discovery, or what is no request at all.
    Plain(::http::Response<Body>),
    /// Its sender died of it, or was dead before.
    Dead,
}

impl Service {
    pub(crate) fn new(cluster: Cluster, link: LinkId) -> Self {
        Self { cluster, link }
    }

    async fn serve<B>(
        self,
        request: ::http::Request<B>,
    ) -> Result<::http::Response<Body>, ServiceError>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: std::fmt::Display,
    {
        let (parts, body) = request.into_parts();
        let collected = body.collect().await.map_err(|e| ServiceError::Body(e.to_string()))?;
        let bytes = collected.to_bytes();
        let link = self.link;
        let travel = self.cluster.with(|world| world.travel(link));
        if !travel.is_zero() {
            tokio::time::sleep(self.cluster.wait(travel)).await;
        }
        let sent = self.cluster.with(|world| {
            if let Some(answer) = openapi::answer(&world.server, parts.uri.path()) {
                return Sent::Plain(answer);
            }
            let request = match http::route(&world.server.registry, &parts, &bytes) {
                Routed::Request(request) => *request,
                Routed::Answer(answer) => return Sent::Plain(answer),
            };
            let (reply, crashed) = world.request(link, request);
            if crashed {
                world.crash(link);
            }
            if world.link(link).fenced { Sent::Dead } else { Sent::Reply(reply) }
        });
        let reply = match sent {
            Sent::Reply(reply) => reply,
            Sent::Plain(answer) => return self.plain(answer).await,
            // The process is dead: nothing it waits for ever comes.
            Sent::Dead => return std::future::pending().await,
        };
        let Some(reply) = reply else {
            tokio::time::sleep(CONNECT_TIMEOUT).await;
            return Err(ServiceError::TimedOut(CONNECT_TIMEOUT));
        };
        let (reply, warnings) = match reply {
            Ok(Response::Warned { warnings, response }) => (Ok(*response), warnings),
            other => (other, Vec::new()),
        };
        let answer = match reply {
            Ok(Response::Watch(start)) => {
                let body = WatchBody::new(self.cluster.clone(), link, start);
                http::watch_answer(Body::Watch(Box::new(body)))
            }
            other => http::answer(other),
        };
        Ok(http::warned(answer, &warnings))
    }

    async fn plain(
        &self,
        answer: ::http::Response<Body>,
    ) -> Result<::http::Response<Body>, ServiceError> {
        let link = self.link;
        let (fenced, cut) = self.cluster.with(|world| {
            let link = world.link(link);
            (link.fenced, link.is_cut(Direction::Both))
        });
        if fenced {
            return std::future::pending().await;
        }
        if cut {
            tokio::time::sleep(CONNECT_TIMEOUT).await;
            return Err(ServiceError::TimedOut(CONNECT_TIMEOUT));
        }
        Ok(answer)
    }
}

impl<B> tower_service::Service<::http::Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    type Response = ::http::Response<Body>;
    type Error = ServiceError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ServiceError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ::http::Request<B>) -> Self::Future {
        Box::pin(self.clone().serve(request))
    }
}
