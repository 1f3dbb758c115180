//! The way from a connection to the API server: who asks, how much, and what is answered to those
//! who are not let in.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, header};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tower_service::Service as _;

use super::outside::Https;
use super::{Limits, User, Users, certificate, gzip};
use crate::api::Status;
use crate::api::identity::Identity;
use crate::api::review::Tokens;
use crate::body::Body;
use crate::link::LinkId;
use crate::protobuf::{answer, media};
use crate::service::Service;
use crate::sim::Cluster;

/// What all connections share.
#[derive(Clone)]
pub(super) struct Door {
    cluster: Cluster,
    link: LinkId,
    service: Service,
    users: Arc<Users>,
    limits: Limits,
    watches: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(
        cluster: &Cluster,
        link: LinkId,
        users: &Arc<Users>,
        limits: &Limits,
    ) -> Self {
        Self {
            cluster: cluster.clone(),
            link,
            service: cluster.service(link).asking(Arc::new(Https)),
            users: users.clone(),
            limits: limits.clone(),
            watches: Arc::new(Semaphore::new(limits.watches)),
        }
    }

    /// Ends every open watch, as a server does that goes.
    pub(super) fn close(&self) {
        self.cluster.with(|world| world.links.get_mut(self.link).watch_epoch += 1);
    }

    /// Whoever is on a connection with this chain of certificates, empty for none, for which the
    /// authority of clients vouches or not.
    pub(super) fn caller(&self, chain: &[CertificateDer<'_>], vouched: bool) -> Caller {
        let own = chain.first().filter(|_| vouched);
        let known = own.and_then(|own| {
            let admitted = self.users.of_certificate(own).map(User::identity);
            admitted.or_else(|| certificate::identity(own))
        });
        Caller { door: self.clone(), known, shows: !chain.is_empty() }
    }
}

/// The other side of one connection.
#[derive(Clone)]
pub(super) struct Caller {
    door: Door,
    /// Whom its certificate names.
    known: Option<Arc<Identity>>,
    /// Whether it showed one at all.
    shows: bool,
}

impl Caller {
    /// Answers a request. Every error is an answer.
    pub(super) async fn answer(self, request: Request<Incoming>) -> Response<Answer> {
        let wire = media::wanted_of_errors(request.headers());
        match self.ask(request).await {
            Ok(answer) => answer,
            Err(status) => answer::answer(wire, Err(status)).map(Answer::plain),
        }
    }

    async fn ask(self, request: Request<Incoming>) -> Result<Response<Answer>, Box<Status>> {
        let Self { mut door, known, shows } = self;
        let (mut parts, body) = request.into_parts();
        let says = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let named = || says.and_then(|header| door.users.of_header(header)).map(User::identity);
        match known.or_else(named) {
            Some(user) => {
                parts.extensions.insert(user);
            }
            // It may be the token of a service account, which the API server knows.
            None if says.is_some() => {}
            None if door.users.anonymous && !shows => {
                parts.extensions.insert(Arc::new(Identity::anonymous()));
            }
            None => return Err(Box::new(Status::new(401, "Unauthorized", "Unauthorized"))),
        }
        let users = door.users.clone();
        let of_token = move |token: &str| users.of_token(token).map(User::identity);
        parts.extensions.insert(Tokens(Arc::new(of_token)));
        let limit = door.limits.body;
        let collected = Limited::new(body, limit).collect();
        let body = match tokio::time::timeout(door.limits.sending, collected).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large(limit)),
            Ok(Err(error)) => {
                let message = format!("the request's body could not be read: {error}");
                return Err(Box::new(Status::bad_request(message)));
            }
            Err(_) => {
                let message = "the request's body did not come in time";
                return Err(Box::new(Status::new(408, "Timeout", message)));
            }
        };
        let packed = gzip::wanted(&parts);
        let request = Request::from_parts(parts, Full::new(body));
        let answer = door
            .service
            .call(request)
            .await
            .map_err(|error| Box::new(Status::new(504, "Timeout", error.to_string())))?;
        if !matches!(answer.body(), Body::Watch(_)) {
            return Ok(packed.answer(answer).map(Answer::plain));
        }
        let Ok(permit) = door.watches.try_acquire_owned() else {
            let message = "too many requests, please try again later.";
            return Err(Box::new(Status::new(429, "TooManyRequests", message).retry_after(1)));
        };
        Ok(answer.map(|body| Answer { body, _watch: Some(permit) }))
    }
}

fn too_large(limit: usize) -> Box<Status> {
    let message = format!("Request entity too large: limit is {limit}");
    Box::new(Status::new(413, "RequestEntityTooLarge", message))
}

/// The body of an answer, and the room that it takes while it lasts.
pub(super) struct Answer {
    body: Body,
    _watch: Option<OwnedSemaphorePermit>,
}

impl Answer {
    fn plain(body: Body) -> Self {
        Self { body, _watch: None }
    }
}

/// The next chunks as one, up to a size: a list has several for each of its objects, and each
/// frame costs more than the copy of what it holds.
fn joined(chunks: &mut VecDeque<Bytes>) -> Option<Bytes> {
    const FRAME: usize = 64 << 10;
    let first = chunks.pop_front()?;
    if first.len() >= FRAME || chunks.is_empty() {
        return Some(first);
    }
    let mut out = BytesMut::with_capacity(FRAME + first.len());
    out.extend_from_slice(&first);
    while out.len() < FRAME
        && let Some(next) = chunks.pop_front()
    {
        out.extend_from_slice(&next);
    }
    Some(out.freeze())
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.get_mut().body {
            Body::Chunks(chunks) => Poll::Ready(joined(chunks).map(|data| Ok(Frame::data(data)))),
            watch @ Body::Watch(_) => Pin::new(watch).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
