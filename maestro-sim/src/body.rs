//! Answer bodies: shared bytes, lists as a chain of shared bytes, watches as they happen.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::api::conversion::Unconverted;
use crate::api::form::Shape;
use crate::api::read::List;
use crate::api::watch::WatchStart;
use crate::json::{Value, json};
use crate::link::LinkId;
use crate::object::Object;
use crate::sim::Cluster;
use crate::store::EventType;
use crate::time::unix;

/// The body of an answer.
pub enum Body {
    /// Chunks already there.
    Chunks(VecDeque<Bytes>),
    /// A watch.
    Watch(Box<WatchBody>),
}

impl Body {
    /// One chunk.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Chunks(VecDeque::from([bytes.into()]))
    }

    /// A list: the encoded objects with commas between, none of them copied.
    pub fn list(list: &List) -> Self {
        let meta = list.metadata();
        let head = format!(
            "{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{meta},\"items\":[",
            list.kind, list.api_version
        );
        let mut chunks = VecDeque::with_capacity(2 * list.items.len() + 2);
        chunks.push_back(Bytes::from(head));
        for (index, item) in list.items.iter().enumerate() {
            if index > 0 {
                chunks.push_back(Bytes::from_static(b","));
            }
            if list.typed_items {
                chunks.push_back(item.bytes().clone());
            } else {
                chunks.extend(item.bytes_untyped().into_iter().filter(|piece| !piece.is_empty()));
            }
        }
        chunks.push_back(Bytes::from_static(b"]}\n"));
        Self::Chunks(chunks)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Chunks(chunks) => Poll::Ready(chunks.pop_front().map(|c| Ok(Frame::data(c)))),
            Self::Watch(watch) => watch.poll(cx).map(|chunk| chunk.map(|c| Ok(Frame::data(c)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Chunks(chunks) if chunks.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Chunks(chunks) => {
                SizeHint::with_exact(chunks.iter().map(|c| c.len() as u64).sum())
            }
            Self::Watch(_) => SizeHint::default(),
        }
    }
}

/// Silence after which kube's default client gives a connection up (its read timeout).
const READ_TIMEOUT: Duration = Duration::from_secs(295);
/// When a watch looks again whether a webhook outside of the simulation has answered.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// A watch as a stream of newline-delimited JSON events.
pub struct WatchBody {
    cluster: Cluster,
    link: LinkId,
    start: WatchStart,
    initial: VecDeque<Arc<Object>>,
    initial_end: bool,
    epoch: u64,
    lag_epoch: u64,
    lag: Duration,
    ends: Instant,
    bookmark: Instant,
    silent_since: Instant,
    sent: u64,
    /// Whether an object was sent before in another form than its own.
    headed: bool,
    timer: Pin<Box<Sleep>>,
    over: bool,
    /// Writes an event: its type and its object.
    write: fn(&str, &Written<'_>) -> Bytes,
}

/// What an event tells of.
enum Written<'a> {
    Object(&'a Object),
    Value(&'a Value),
}

enum Found {
    Chunk(Bytes),
    End,
    Wait(Instant),
}

impl WatchBody {
    /// Follows an accepted watch over a link.
    pub fn new(cluster: Cluster, link: LinkId, mut start: WatchStart) -> Self {
        let (epoch, lag_epoch, lag) = cluster.with(|world| {
            let lag = world.links.used(link).watch_lag();
            let state = world.links.get(link);
            (state.watch_epoch, state.lag_epoch, lag)
        });
        let now = Instant::now();
        let ends = now + Duration::from_secs(start.timeout_seconds);
        Self {
            initial: std::mem::take(&mut start.initial).into(),
            initial_end: start.initial_end,
            sent: start.resource_version,
            cluster,
            link,
            start,
            epoch,
            lag_epoch,
            lag,
            ends,
            bookmark: now + BOOKMARK_EVERY,
            silent_since: now,
            headed: false,
            timer: Box::pin(tokio::time::sleep_until(ends)),
            over: false,
            write: line,
        }
    }

    /// The same in protobuf, if the watched kind has a message.
    #[must_use]
    pub fn in_protobuf(mut self) -> Self {
        self.write = frame;
        self
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.over {
            return Poll::Ready(None);
        }
        loop {
            match self.find(cx) {
                Found::Chunk(chunk) => {
                    self.silent_since = Instant::now();
                    return Poll::Ready(Some(chunk));
                }
                Found::End => {
                    self.over = true;
                    return Poll::Ready(None);
                }
                Found::Wait(until) => {
                    self.timer.as_mut().reset(until);
                    if self.timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn find(&mut self, cx: &Context<'_>) -> Found {
        if let Some(status) = self.start.expired.take() {
            self.over = true;
            return Found::Chunk((self.write)("ERROR", &Written::Value(&status.to_value())));
        }
        let now = Instant::now();
        let (hears, fenced, epoch) = self.cluster.with(|world| {
            world.links.wake_on(self.link, cx.waker());
            let lag_epoch = world.links.get(self.link).lag_epoch;
            if std::mem::replace(&mut self.lag_epoch, lag_epoch) != lag_epoch {
                self.lag = world.links.used(self.link).watch_lag();
            }
            let link = world.links.get(self.link);
            (link.hears(), link.fenced, link.watch_epoch)
        });
        if fenced {
            return Found::Wait(now + Duration::from_secs(86_400 * 365));
        }
        if epoch != self.epoch || now >= self.ends {
            return Found::End;
        }
        if !hears {
            // Nothing arrives, and the client gives up after its read timeout. A link that heals
            // before wakes this watch and delivers what was held back.
            let patience = self.silent_since + READ_TIMEOUT;
            return if now >= patience { Found::End } else { Found::Wait(patience) };
        }
        if let Some(object) = self.initial.pop_front() {
            return Found::Chunk(self.event("ADDED", &object));
        }
        if std::mem::take(&mut self.initial_end) {
            return Found::Chunk(self.bookmark(true));
        }
        self.next_event(cx, now)
    }

    fn next_event(&mut self, cx: &Context<'_>, now: Instant) -> Found {
        let (id, filter) = (self.start.table, &self.start.filter);
        let version = self.start.version.as_deref();
        let (mut position, mut sent, lag) = (self.start.position, self.sent, self.lag);
        let write = self.write;
        let found = self.cluster.with(|world| {
            let elapsed = world.now;
            let table = world.server.store.table(id);
            if table.is_lost(position) {
                let status = crate::api::watch::too_old(sent, table.compacted());
                return Err(Some(write("ERROR", &Written::Value(&status.to_value()))));
            }
            while let Some(event) = world.server.store.table(id).event(position) {
                if event.at + lag > elapsed {
                    let wait = self.cluster.wait(event.at + lag - elapsed);
                    return Ok(Some(Err(now + wait)));
                }
                let event = event.clone();
                world.server.now = elapsed;
                let found = match world.server.seen_in(version, &event, filter) {
                    Ok(found) => found,
                    Err(Unconverted::Later) => return Ok(Some(Err(now + LOOK_AGAIN))),
                    // Who watches finds out why when it begins anew.
                    Err(Unconverted::Failed(_)) => return Err(None),
                };
                position += 1;
                sent = event.object.resource_version();
                if let Some((kind, object)) = found {
                    return Ok(Some(Ok((kind, object))));
                }
            }
            world.server.store.table_mut(id).wake_on_event(cx.waker());
            Ok(None)
        });
        self.start.position = position;
        self.sent = sent;
        match found {
            Err(error) => {
                self.over = true;
                error.map_or(Found::End, Found::Chunk)
            }
            Ok(Some(Ok((kind, object)))) => Found::Chunk(self.event(name(kind), &object)),
            Ok(Some(Err(until))) => Found::Wait(until),
            Ok(None) if self.start.bookmarks && now >= self.bookmark => {
                self.bookmark = now + BOOKMARK_EVERY;
                Found::Chunk(self.bookmark(false))
            }
            Ok(None) if self.start.bookmarks => Found::Wait(self.bookmark.min(self.ends)),
            Ok(None) => Found::Wait(self.ends),
        }
    }

    /// One event, its object in the form that was asked for.
    fn event(&mut self, kind: &str, object: &Object) -> Bytes {
        if matches!(self.start.shape, Shape::Whole) {
            return (self.write)(kind, &Written::Object(object));
        }
        let now = self.cluster.with(|world| unix(world.now));
        let shaped = self.start.shape.watched(object, !self.headed, now);
        self.headed = true;
        shaped.map_or_else(Bytes::new, |value| (self.write)(kind, &Written::Value(&value)))
    }

    fn bookmark(&mut self, initial_end: bool) -> Bytes {
        let (api_version, kind) = &self.start.type_meta;
        let mut meta = json!({"resourceVersion": self.sent.to_string()});
        if initial_end {
            meta["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = json!({"kind": kind, "apiVersion": api_version, "metadata": meta});
        self.event("BOOKMARK", &Object::new(object))
    }
}

const fn name(kind: EventType) -> &'static str {
    match kind {
        EventType::Added => "ADDED",
        EventType::Modified => "MODIFIED",
        EventType::Deleted => "DELETED",
    }
}

/// An event as a line of JSON.
fn line(kind: &str, written: &Written<'_>) -> Bytes {
    let object = match written {
        Written::Object(object) => object.bytes().clone(),
        Written::Value(value) => Bytes::from(value.to_string()),
    };
    let mut out = BytesMut::with_capacity(object.len() + 40);
    out.put_slice(b"{\"type\":\"");
    out.put_slice(kind.as_bytes());
    out.put_slice(b"\",\"object\":");
    out.put_slice(&object);
    out.put_slice(b"}\n");
    out.freeze()
}

/// An event as a frame of protobuf.
fn frame(kind: &str, written: &Written<'_>) -> Bytes {
    crate::protobuf::watch::frame(
        kind,
        match written {
            Written::Object(object) => object.value(),
            Written::Value(value) => value,
        },
    )
}

#[cfg(test)]
mod tests;
