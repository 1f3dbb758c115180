//! The operator's way to a real API server: every message meets its link's verdict first.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body::Frame;
use http_body_util::BodyExt as _;
use kube::client::Body;
use maestro_sim::api::{self, Request, Status, Verb, watch};
use maestro_sim::json::{Value, json};
use maestro_sim::link::{LinkId, Verdict};
use maestro_sim::links::Links;
use maestro_sim::observe::RequestSummary;
use maestro_sim::protobuf;

use super::clock::Clock;
use super::stream::Stream;
use super::writers::Writers;
use crate::cluster::Sink;

/// kube's default connect timeout: how long a request into a partition hangs.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a message did not come through, as a client's connection reports it.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No answer in time: lost on the link.
    #[error("connection timed out after {0:?}")]
    TimedOut(Duration),
    /// The request's or the answer's body could not be read.
    #[error("cannot read a body: {0}")]
    Body(String),
    /// The API server could not be asked.
    #[error(transparent)]
    Client(#[from] kube::Error),
}

/// What all links of a run share.
#[derive(Clone)]
pub struct Wires {
    pub client: kube::Client,
    pub clock: Clock,
    pub links: Arc<Mutex<Links>>,
    pub sink: Arc<dyn Sink>,
    pub writers: Writers,
    /// Watches from before this version meet 410 Gone.
    pub compacted: Arc<AtomicU64>,
}

impl Wires {
    /// The links.
    pub fn lock(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One client's way, as a tower service.
#[derive(Clone)]
pub struct Linked {
    wires: Wires,
    link: LinkId,
}

impl Linked {
    /// A way over a link.
    pub const fn new(wires: Wires, link: LinkId) -> Self {
        Self { wires, link }
    }

    /// Passes one request, and its answer.
    ///
    /// # Errors
    /// When the link loses the answer, or the API server cannot be asked.
    pub async fn serve(
        self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Answer>, LinkError> {
        let (parts, body) = request.into_parts();
        let asked = api::http::asked(&parts);
        let Some(asked) = asked else {
            // Discovery and the like: no verb and no object, but the same wire.
            return self.plain(http::Request::from_parts(parts, body)).await;
        };
        let verdict = self.wires.lock().get_mut(self.link).verdict(&asked);
        if self.wires.lock().get(self.link).fenced {
            return std::future::pending().await;
        }
        let request = http::Request::from_parts(parts, body);
        let answer = match verdict {
            Verdict::Drop => None,
            Verdict::Error(status) => Some(refusal(&status)?),
            Verdict::LostReply => {
                // It is carried out, and nobody hears how it ended.
                let _ = self.made(&asked, request).await;
                None
            }
            Verdict::Pass => Some(self.made(&asked, request).await?),
        };
        self.tell(&asked, answer.as_ref().map_or((0, ""), |(code, _, why)| (*code, why)));
        if asked.verb.writes() && self.wires.lock().count_write(self.link) {
            self.wires.crash(self.link);
        }
        if self.wires.lock().get(self.link).fenced {
            return std::future::pending().await;
        }
        let Some((_, response, _)) = answer else {
            tokio::time::sleep(CONNECT_TIMEOUT).await;
            return Err(LinkError::TimedOut(CONNECT_TIMEOUT));
        };
        Ok(response)
    }

    /// Makes a request: the code, the answer, and the message of a refusal.
    async fn made(&self, asked: &Request, request: http::Request<Body>) -> Made {
        if asked.verb == Verb::Watch
            && let Some(status) = self.too_old(asked)
        {
            let line = json!({"type": "ERROR", "object": status.to_value()});
            return Ok((200, json_response(200, format!("{line}\n"))?, String::new()));
        }
        let answer = self.wires.client.send(request).await?;
        let code = answer.status().as_u16();
        let (parts, body) = answer.into_parts();
        if asked.verb == Verb::Watch && code < 400 {
            let stream = Stream::new(body, Arc::clone(&self.wires.links), self.link);
            let body = Answer::Watch(Box::new(stream));
            return Ok((code, http::Response::from_parts(parts, body), String::new()));
        }
        let bytes = body.collect().await.map_err(|error| LinkError::Body(error.to_string()))?;
        let bytes = bytes.to_bytes();
        let mut why = String::new();
        if asked.verb.writes() || code >= 400 {
            let value = read(&parts.headers, &bytes);
            if code < 400 {
                let name = self.wires.lock().get(self.link).name.as_str().into();
                self.wires.writers.wrote(&name, code, &value);
            } else {
                why = Status::from_value(code, &value).message;
            }
        }
        Ok((code, http::Response::from_parts(parts, Answer::whole(bytes)), why))
    }

    /// What a watch from before the last compaction is answered.
    fn too_old(&self, asked: &Request) -> Option<Status> {
        let version: u64 = asked.options.resource_version.as_ref()?.parse().ok()?;
        let compacted = self.wires.compacted.load(Ordering::Relaxed);
        (version > 0 && version < compacted).then(|| watch::too_old(version, compacted))
    }

    fn tell(&self, asked: &Request, (code, message): (u16, &str)) {
        let client = self.wires.lock().get(self.link).name.clone();
        let told = RequestSummary { client: &client, request: asked, code, message };
        self.wires.sink.requested(self.wires.clock.elapsed(), &told);
    }

    async fn plain(
        &self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Answer>, LinkError> {
        let (fenced, cut) = {
            let links = self.wires.lock();
            let link = links.get(self.link);
            (link.fenced, !link.hears())
        };
        if fenced {
            return std::future::pending().await;
        }
        if cut {
            tokio::time::sleep(CONNECT_TIMEOUT).await;
            return Err(LinkError::TimedOut(CONNECT_TIMEOUT));
        }
        Ok(self.wires.client.send(request).await?.map(|body| Answer::Whole(Box::new(body))))
    }
}

impl Wires {
    /// Kills the process behind a link, and tells of it.
    pub fn crash(&self, link: LinkId) {
        let client = self.lock().crash(link).map(str::to_owned);
        if let Some(client) = client {
            let details = json!({"client": client});
            self.sink.noted(self.clock.elapsed(), "crash", &details);
        }
    }
}

/// The body of an answer.
pub enum Answer {
    /// One that comes as it is.
    Whole(Box<Body>),
    /// A watch, which meets the state of the link at each event.
    Watch(Box<Stream>),
}

impl Answer {
    fn whole(bytes: Bytes) -> Self {
        Self::Whole(Box::new(Body::from(bytes)))
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body.as_mut()).poll_frame(cx),
            Self::Watch(stream) => match Pin::new(stream.as_mut()).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
                Poll::Ready(Some(Err(never))) => match never {},
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

/// An answer's object, in JSON or protobuf; `Null` when it is neither.
fn read(headers: &http::HeaderMap, bytes: &[u8]) -> Value {
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or("");
    let read = match media.starts_with(protobuf::MEDIA_TYPE) {
        true => protobuf::decode(bytes, ("", "")).ok(),
        false => serde_json::from_slice(bytes).ok(),
    };
    read.unwrap_or(Value::Null)
}

type Made = Result<(u16, http::Response<Answer>, String), LinkError>;

fn refusal(status: &Status) -> Made {
    let response = json_response(status.code, status.to_value().to_string())?;
    Ok((status.code, response, status.message.clone()))
}

fn json_response(code: u16, body: String) -> Result<http::Response<Answer>, LinkError> {
    let response = http::Response::builder().status(code);
    let response = response.header(CONTENT_TYPE, "application/json");
    let response = response.body(Answer::whole(body.into()));
    response.map_err(|error| LinkError::Body(error.to_string()))
}

impl tower_service::Service<http::Request<Body>> for Linked {
    type Response = http::Response<Answer>;
    type Error = LinkError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, LinkError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.clone().serve(request))
    }
}
