//! Links: what lies between a client and the API server.
//!
//! Every client sits on a named link that gives a verdict per message. Faults set the state of
//! links; they never touch server code, and the same verdicts can stand in a proxy before a real
//! API server.

use std::collections::BTreeMap;
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

/// What is wrong with a link for a time. Several may hold at once, also of one sort; each has a
/// number of its own and is healed by it alone.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Messages are cut.
    Cut(Direction),
    /// Requests are answered with errors.
    Errors(ErrorRule),
    /// This share of answers, 0 to 1, is lost after the request was carried out.
    LostReply(f64),
    /// Watches lag by this much. Of several the one that may lag longest counts.
    Lag(RangeInclusive<Duration>),
}

/// One client's connection.
#[derive(Debug)]
pub struct Link {
    /// The client's name, for example `operator/0`, `kubelet/node-1`.
    pub name: String,
    /// Time a request travels.
    pub latency: RangeInclusive<Duration>,
    /// The longest time by which an answer is late, when it is.
    pub late: Duration,
    /// Time by which a watch lags behind the store while nothing is wrong.
    pub lag: RangeInclusive<Duration>,
    /// Set when the client is dead: nothing passes any more, for ever.
    pub fenced: bool,
    /// Counts up each time the link's open watches are to end (`watch-drop`).
    pub watch_epoch: u64,
    /// The write after which the client's process dies: counts down; `None` for never.
    pub crash_after_writes: Option<u64>,
    /// Requests that passed or not.
    pub requests: u64,
    /// Counts up each time the lag of open watches is to be drawn anew.
    pub(crate) lag_epoch: u64,
    troubles: BTreeMap<u64, Trouble>,
    stream: Stream,
    wakers: Vec<Waker>,
}

impl Link {
    /// A healthy link: requests take 1 ms, watches lag 1 to 5 ms, some answers are up to 20 ms
    /// late.
    pub fn new(name: &str, seed: u64) -> Self {
        let ms = Duration::from_millis;
        Self {
            name: name.to_owned(),
            latency: ms(1)..=ms(1),
            lag: ms(1)..=ms(5),
            late: ms(20),
            fenced: false,
            watch_epoch: 0,
            crash_after_writes: None,
            requests: 0,
            lag_epoch: 0,
            troubles: BTreeMap::new(),
            stream: Stream::new(seed, name),
            wakers: Vec::new(),
        }
    }

    /// Something goes wrong, until it is healed by this number.
    pub(crate) fn befall(&mut self, number: u64, trouble: Trouble) {
        self.lag_epoch += u64::from(matches!(trouble, Trouble::Lag(_)));
        self.troubles.insert(number, trouble);
    }

    /// One trouble is over; whether the link had it.
    pub(crate) fn heal(&mut self, number: u64) -> bool {
        let healed = self.troubles.remove(&number);
        self.lag_epoch += u64::from(matches!(healed, Some(Trouble::Lag(_))));
        healed.is_some()
    }

    /// The link of the client's next life: what is wrong with this one is wrong with it too, and
    /// it draws on from the same stream.
    pub(crate) fn next_life(&self) -> Self {
        Self {
            troubles: self.troubles.clone(),
            stream: self.stream.clone(),
            ..Self::new(&self.name, 0)
        }
    }

    /// Whether messages of this direction are cut; for [`Direction::Both`], whether any are.
    pub fn is_cut(&self, direction: Direction) -> bool {
        self.troubles.values().any(|trouble| {
            let Trouble::Cut(cut) = trouble else { return false };
            *cut == direction || *cut == Direction::Both || direction == Direction::Both
        })
    }

    /// What becomes of a request made now.
    pub fn verdict(&mut self, request: &Request) -> Verdict {
        self.requests += 1;
        if self.fenced {
            return Verdict::Drop;
        }
        if self.is_cut(Direction::To) {
            return Verdict::Drop;
        }
        if self.is_cut(Direction::From) {
            return Verdict::LostReply;
        }
        for trouble in self.troubles.values() {
            if let Trouble::Errors(rule) = trouble {
                let applies = rule.verbs.is_empty() || rule.verbs.contains(&request.verb);
                if applies && self.stream.chance(rule.probability) {
                    return Verdict::Error(Box::new(rule.status.clone()));
                }
            }
        }
        for trouble in self.troubles.values() {
            if let Trouble::LostReply(share) = trouble
                && self.stream.chance(*share)
            {
                return Verdict::LostReply;
            }
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

    /// Time its answer travels, beyond the request's own. Most answers are there at once; one in
    /// eight comes late enough for a watch to tell of the write before.
    pub fn way_back(&mut self) -> Duration {
        if self.late.is_zero() || self.stream.below(8) != 0 {
            return Duration::ZERO;
        }
        let most = self.late;
        self.stream.duration(&(Duration::ZERO..=most))
    }

    /// Lag of the next watch event.
    pub fn watch_lag(&mut self) -> Duration {
        let lags = self.troubles.values().filter_map(|trouble| match trouble {
            Trouble::Lag(lag) => Some(lag),
            _ => None,
        });
        let lag = lags.max_by_key(|lag| *lag.end()).unwrap_or(&self.lag);
        draw(&mut self.stream, lag)
    }

    /// Counts up each time the lag of open watches is to be drawn anew.
    pub const fn lag_epoch(&self) -> u64 {
        self.lag_epoch
    }

    /// Whether watch events get through.
    pub fn hears(&self) -> bool {
        !self.fenced && !self.is_cut(Direction::From)
    }
}

fn draw(stream: &mut Stream, range: &RangeInclusive<Duration>) -> Duration {
    if range.start() == range.end() { *range.start() } else { stream.duration(range) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Verb;
    use crate::object::GroupResource;

    fn request() -> Request {
        Request {
            ..Request::new("test", Verb::Get, GroupResource::new("", "pods"), "default", "a")
        }
    }

    fn error(code: u16) -> Trouble {
        let status = Status::new(code, "InternalError", "injected");
        Trouble::Errors(ErrorRule { probability: 1.0, status, verbs: Vec::new() })
    }

    /// What becomes of a request, in a word, and the lag of a watch in seconds.
    fn state(link: &mut Link) -> String {
        let verdict = match link.verdict(&request()) {
            Verdict::Pass => "pass".to_owned(),
            Verdict::Drop => "drop".to_owned(),
            Verdict::LostReply => "lost".to_owned(),
            Verdict::Error(status) => status.code.to_string(),
        };
        format!("{verdict} {}", link.watch_lag().as_secs())
    }

    #[test]
    fn each_trouble_is_healed_by_itself() {
        let lag =
            |seconds| Trouble::Lag(Duration::from_secs(seconds)..=Duration::from_secs(seconds));
        let cases: [(Trouble, Trouble, [&str; 3]); 5] = [
            (Trouble::Cut(Direction::Both), Trouble::Cut(Direction::Both), ["drop 0"; 3]),
            (
                Trouble::Cut(Direction::To),
                Trouble::Cut(Direction::From),
                ["drop 0", "drop 0", "lost 0"],
            ),
            (error(500), error(503), ["500 0", "500 0", "503 0"]),
            (Trouble::LostReply(1.0), Trouble::LostReply(1.0), ["lost 0"; 3]),
            (lag(7), lag(3), ["pass 7", "pass 7", "pass 3"]),
        ];
        for (first, second, [one, both, rest]) in cases {
            let mut link = Link::new("operator/0", 1);
            let what = format!("{first:?} and {second:?}");
            link.befall(1, first);
            assert_eq!(state(&mut link), one, "{what}");
            link.befall(2, second);
            assert_eq!(state(&mut link), both, "{what}");
            assert!(link.heal(1));
            assert_eq!(state(&mut link), rest, "{what}, the first healed");
            assert!(link.heal(2) && !link.heal(2));
            assert_eq!(state(&mut link), "pass 0", "{what}, both healed");
        }
    }
}
