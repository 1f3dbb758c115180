//! The in-process HTTP shell: a tower service for any `kube::Client`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;

use crate::api::authorization::enter::enter;
use crate::api::form::Shape;
use crate::api::http::{self, Routed};
use crate::api::identity::Identity;
use crate::api::registry::Registry;
use crate::api::server::{Handled, Response};
use crate::api::webhook::{Answer, Asked};
use crate::api::{Form, Request, Status, pretty};
use crate::api::{discovery, metrics, openapi};
use crate::body::{Body, WatchBody};
use crate::link::{Direction, LinkId};
use crate::protobuf::answer::{answer, recoded, watch_answer};
use crate::protobuf::media::{self, Wire};
use crate::protobuf::message_of;
use crate::rng::Stream;
use crate::sim::Cluster;
use crate::world::World;

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

/// Who asks webhooks that are outside of the simulation.
pub trait Outside: Send + Sync {
    /// Sends one review.
    fn ask(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Answer> + Send>>;
}

/// One client's way to the API server.
#[derive(Clone)]
pub struct Service {
    cluster: Cluster,
    link: LinkId,
    outside: Option<Arc<dyn Outside>>,
    user: Option<Arc<Identity>>,
}

/// Whether what a request succeeds in is told in JSON alone, as custom objects are.
fn is_json_only(registry: &Registry, request: &Request) -> bool {
    request.options.form == Form::Whole
        && registry
            .find(&request.resource, &request.version)
            .is_some_and(|served| served.is_custom())
}

/// How often at most one request is handled for what webhooks answer.
const MOST_ROUNDS: usize = 100;

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
        Self { cluster, link, outside: None, user: None }
    }

    /// The same way for somebody who may do no more than the roles in the cluster say; without, a
    /// client inside the simulation may do everything.
    #[must_use]
    pub fn as_user(self, user: Identity) -> Self {
        Self { user: Some(Arc::new(user)), ..self }
    }

    /// The same way, past whose webhooks somebody asks others.
    #[must_use]
    pub fn asking(self, outside: Arc<dyn Outside>) -> Self {
        Self { outside: Some(outside), ..self }
    }

    async fn serve<B>(
        self,
        request: ::http::Request<B>,
    ) -> Result<::http::Response<Body>, ServiceError>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: std::fmt::Display,
    {
        let (mut parts, body) = request.into_parts();
        if let Some(user) = &self.user {
            parts.extensions.insert(Arc::clone(user));
        }
        let collected = body.collect().await.map_err(|e| ServiceError::Body(e.to_string()))?;
        let bytes = collected.to_bytes();
        let mut wire = media::wanted(&parts.headers);
        let people = pretty::wanted(&parts);
        let link = self.link;
        let travel = self.cluster.with(|world| world.links.used(link).travel());
        if !travel.is_zero() {
            tokio::time::sleep(self.cluster.wait(travel)).await;
        }
        let (mut answers, mut rounds, mut seed) = (Vec::new(), 0, None);
        let (sent, late) = loop {
            // Whoever writes meanwhile may have it asked anew, but not for ever.
            rounds += 1;
            if rounds > MOST_ROUNDS {
                let message = "Timeout: request did not complete within the allotted timeout";
                let refusal = http::refusal(&Status::new(504, "Timeout", message));
                break (Sent::Plain(refusal), Duration::ZERO);
            }
            let (sent, asked, late) = self.send(&parts, &bytes, &mut wire, &answers, &mut seed);
            let Some(outside) = self.outside.as_ref().filter(|_| !asked.is_empty()) else {
                break (sent, late);
            };
            for asked in asked {
                let answer = outside.ask(asked.clone()).await;
                answers.push((asked, answer));
            }
        };
        let reply = match sent {
            Sent::Reply(reply) => reply,
            Sent::Plain(answer) => {
                if answer.status().is_client_error() {
                    wire = media::wanted_of_errors(&parts.headers);
                }
                let answer = self.plain(recoded(wire, answer)).await?;
                return Ok(if people { pretty::answer(answer) } else { answer });
            }
            // The process is dead: nothing it waits for ever comes.
            Sent::Dead => return std::future::pending().await,
        };
        let Some(reply) = reply else {
            tokio::time::sleep(CONNECT_TIMEOUT).await;
            return Err(ServiceError::TimedOut(CONNECT_TIMEOUT));
        };
        if !late.is_zero() {
            tokio::time::sleep(self.cluster.wait(late)).await;
        }
        let answer = self.reply(wire, reply);
        Ok(if people { pretty::answer(answer) } else { answer })
    }

    /// Has a request handled, with what webhooks outside have answered so far; the reviews that it
    /// was left for, if it was; and how long its answer is on the way.
    fn send(
        &self,
        parts: &::http::request::Parts,
        bytes: &Bytes,
        wire: &mut Wire,
        answers: &[(Asked, Answer)],
        seed: &mut Option<u64>,
    ) -> (Sent, Vec<Asked>, Duration) {
        self.cluster.with(|world| {
            if self.outside.is_some() {
                world.server.webhooks.hand_in(answers.to_vec());
            }
            // Whatever webhooks were shown of it has to be so when their answers are there.
            let again = self.outside.is_some() && parts.method != ::http::Method::GET;
            let mut streams = again.then(|| {
                let seed = *seed.get_or_insert_with(|| world.server.seed_of_request());
                ["uids", "names"].map(|name| Stream::new(seed, name))
            });
            streams.iter_mut().for_each(|streams| world.server.swap_streams(streams));
            let sent = self.handle(world, parts, bytes, wire);
            streams.iter_mut().for_each(|streams| world.server.swap_streams(streams));
            let asked = match &self.outside {
                Some(_) => world.server.webhooks.asked(),
                None => Vec::new(),
            };
            let late = match &sent {
                Sent::Reply(Some(_)) if asked.is_empty() => {
                    world.server.webhooks.waited() + world.links.used(self.link).way_back()
                }
                _ => Duration::ZERO,
            };
            (sent, asked, late)
        })
    }

    fn handle(
        &self,
        world: &mut World,
        parts: &::http::request::Parts,
        bytes: &Bytes,
        wire: &mut Wire,
    ) -> Sent {
        let link = self.link;
        if http::is_malformed(parts.uri.path()) {
            return Sent::Plain(discovery::bad_request());
        }
        let user = match enter(&mut world.server, parts) {
            Ok(user) => user,
            Err(status) => return Sent::Plain(http::refusal(&status)),
        };
        let path = parts.uri.path();
        if let Some(answer) = openapi::answer(&world.server, path, &parts.headers)
            .or_else(|| metrics::answer(&world.server, path))
        {
            return Sent::Plain(answer);
        }
        let request = match http::route(&world.server.registry, parts, bytes) {
            Routed::Request(request) => Request { user, ..*request },
            Routed::Answer(answer) => return Sent::Plain(answer),
        };
        let plain = wire.is_protobuf() && is_json_only(&world.server.registry, &request);
        let (reply, crashed) = world.request(link, request);
        match &reply {
            Some(Ok(_)) if plain => *wire = media::wanted_as_text(&parts.headers),
            Some(Err(_)) => *wire = media::wanted_of_errors(&parts.headers),
            _ => {}
        }
        if crashed {
            world.crash(link);
        }
        if world.links.get(link).fenced { Sent::Dead } else { Sent::Reply(reply) }
    }

    /// The answer to a request: a watch follows the link that it came over.
    fn reply(&self, wire: Wire, reply: Handled) -> ::http::Response<Body> {
        let link = self.link;
        match reply {
            Ok(Response::Warned { warnings, response }) => {
                http::warned(self.reply(wire, Ok(*response)), &warnings)
            }
            Ok(Response::Watch(start)) => {
                let (api_version, kind) = &start.type_meta;
                // Metadata alone has a message, whatever it is of.
                let protobuf = wire.is_protobuf()
                    && (matches!(start.shape, Shape::Metadata(_))
                        || message_of(api_version, kind).is_some());
                let body = WatchBody::new(self.cluster.clone(), link, start);
                match protobuf {
                    true => watch_answer(Body::Watch(Box::new(body.in_protobuf()))),
                    false => http::watch_answer(Body::Watch(Box::new(body))),
                }
            }
            other => answer(wire, other),
        }
    }

    async fn plain(
        &self,
        answer: ::http::Response<Body>,
    ) -> Result<::http::Response<Body>, ServiceError> {
        let link = self.link;
        let (fenced, cut) = self.cluster.with(|world| {
            let link = world.links.get(link);
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
