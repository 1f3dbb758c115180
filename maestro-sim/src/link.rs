//! Links: what lies between a client and the API server.
//!
//! Every client sits on a named link that gives a verdict per message. Faults set the state of
//! links; they never touch server code, and the same verdicts can stand in a proxy before a real
//! API server.

use std::ops::RangeInclusive;
use std::task::Waker;
use std::time::Duration;

use crate::api::{Request, Status};
use crate::rng::Stream;

/// One link's index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LinkId(pub usize);

/// Which messages a partition cuts (Chaos Mesh's `direction`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the client to the server: requests are lost.
    To,
    /// From the server to the client: answers and watch events are lost.
    From,
    /// Both.
    Both,
}

/// What becomes of one request.
#[derive(Debug)]
pub enum Verdict {
    /// It arrives, and its answer comes back.
    Pass,
    /// It never arrives.
    Drop,
    /// It is carried out, and the answer is lost.
    LostReply,
    /// The server answers with this instead of handling it.
    Error(Box<Status>),
}

/// Errors injected on a link.
#[derive(Clone, Debug)]
pub struct ErrorRule {
    /// Probability per request, 0 to 1.
    pub probability: f64,
    /// The answer.
    pub status: Status,
    /// Verbs it applies to; empty for all.
    pub verbs: Vec<crate::api::Verb>,
}

/// One client's connection.
#[derive(Debug)]
pub struct Link {
    /// The client's name, for example `operator/0`, `kubelet/node-1`.
    pub name: String,
    /// The cut messages, if partitioned.
    pub partition: Option<Direction>,
    /// Time a request travels.
    pub latency: RangeInclusive<Duration>,
    /// Time by which a watch lags behind the store.
    pub lag: RangeInclusive<Duration>,
    /// Injected errors.
    pub errors: Vec<ErrorRule>,
    /// Share of answers that are lost after the request was carried out, 0 to 1.
    pub lost_reply: f64,
    /// Set when the client is dead: nothing passes any more, for ever.
    pub fenced: bool,
    /// Counts up each time the link's open watches are to end (`watch-drop`).
    pub watch_epoch: u64,
    /// The write after which the client's process dies: counts down; `None` for never.
    pub crash_after_writes: Option<u64>,
    /// Requests that passed or not.
    pub requests: u64,
    stream: Stream,
    wakers: Vec<Waker>,
}

impl Link {
    /// A healthy link: requests take 1 ms, watches lag 1 to 5 ms.
    pub fn new(name: &str, seed: u64) -> Self {
        let ms = Duration::from_millis;
        Self {
            name: name.to_owned(),
            partition: None,
            latency: ms(1)..=ms(1),
            lag: ms(1)..=ms(5),
            errors: Vec::new(),
            lost_reply: 0.0,
            fenced: false,
            watch_epoch: 0,
            crash_after_writes: None,
            requests: 0,
            stream: Stream::new(seed, name),
            wakers: Vec::new(),
        }
    }

    /// What becomes of a request made now.
    pub fn verdict(&mut self, request: &Request) -> Verdict {
        self.requests += 1;
        if self.fenced {
            return Verdict::Drop;
        }
        match self.partition {
            Some(Direction::To | Direction::Both) => return Verdict::Drop,
            Some(Direction::From) => return Verdict::LostReply,
            None => {}
        }
        for rule in &self.errors {
            let applies = rule.verbs.is_empty() || rule.verbs.contains(&request.verb);
            if applies && self.stream.chance(rule.probability) {
                return Verdict::Error(Box::new(rule.status.clone()));
            }
        }
        if self.lost_reply > 0.0 && self.stream.chance(self.lost_reply) {
            return Verdict::LostReply;
        }
        Verdict::Pass
    }

    /// Wakes this waker at the next change.
    pub(crate) fn wake_on_change(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|w| w.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }

    /// Wakes whoever waits for a change.
    pub(crate) fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }

    /// Time this request travels.
    pub fn travel(&mut self) -> Duration {
        draw(&mut self.stream, &self.latency)
    }

    /// Lag of the next watch event.
    pub fn watch_lag(&mut self) -> Duration {
        draw(&mut self.stream, &self.lag)
    }

    /// Whether watch events get through.
    pub fn hears(&self) -> bool {
        !self.fenced && !matches!(self.partition, Some(Direction::From | Direction::Both))
    }
}

fn draw(stream: &mut Stream, range: &RangeInclusive<Duration>) -> Duration {
    if range.start() == range.end() { *range.start() } else { stream.duration(range) }
}
