//! A watch's answer on its way over a link: late, held back or broken off as the link says.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use kube::client::Body;
use maestro_sim::link::LinkId;
use maestro_sim::links::Links;
use tokio::time::{Instant, Sleep};

/// kube's default read timeout: after so long a silence a client gives its watch up.
const READ_TIMEOUT: Duration = Duration::from_secs(295);

/// A watch over a link.
pub struct Stream {
    inner: Option<Body>,
    links: Arc<Mutex<Links>>,
    link: LinkId,
    epoch: u64,
    lag_epoch: u64,
    lag: Duration,
    waiting: VecDeque<(Instant, Bytes)>,
    silent_since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Stream {
    /// A watch that begins now.
    pub fn new(inner: Body, links: Arc<Mutex<Links>>, link: LinkId) -> Self {
        let (epoch, lag_epoch, lag) = {
            let mut links = links.lock().unwrap_or_else(PoisonError::into_inner);
            let link = links.get_mut(link);
            (link.watch_epoch, link.lag_epoch(), link.watch_lag())
        };
        let now = Instant::now();
        Self {
            inner: Some(inner),
            links,
            link,
            epoch,
            lag_epoch,
            lag,
            waiting: VecDeque::new(),
            silent_since: now,
            timer: Box::pin(tokio::time::sleep(READ_TIMEOUT)),
        }
    }

    /// Takes in what has come from the server. What broke off has ended, as for any client.
    fn fill(&mut self, cx: &mut Context<'_>) {
        while let Some(inner) = &mut self.inner {
            match Pin::new(inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.waiting.push_back((Instant::now() + self.lag, data));
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => self.inner = None,
                Poll::Pending => return,
            }
        }
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            let (fenced, hears, epoch) = {
                let links = Arc::clone(&self.links);
                let mut links = links.lock().unwrap_or_else(PoisonError::into_inner);
                links.wake_on(self.link, cx.waker());
                let link = links.get(self.link);
                let lag_epoch = link.lag_epoch();
                if std::mem::replace(&mut self.lag_epoch, lag_epoch) != lag_epoch {
                    self.lag = links.draw_lag(self.link);
                }
                let link = links.get(self.link);
                (link.fenced, link.hears(), link.watch_epoch)
            };
            if fenced {
                return Poll::Pending;
            }
            if epoch != self.epoch {
                return Poll::Ready(None);
            }
            self.fill(cx);
            let now = Instant::now();
            let until = if !hears {
                let patience = self.silent_since + READ_TIMEOUT;
                if now >= patience {
                    return Poll::Ready(None);
                }
                patience
            } else if let Some((at, _)) = self.waiting.front() {
                if *at <= now {
                    self.silent_since = now;
                    let chunk = self.waiting.pop_front().map(|(_, chunk)| chunk);
                    return Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))));
                }
                *at
            } else if self.inner.is_none() {
                return Poll::Ready(None);
            } else {
                now + READ_TIMEOUT
            };
            self.timer.as_mut().reset(until);
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
