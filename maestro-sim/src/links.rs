//! Every client's link, by number: what a world has of them, and what stands before the API server
//! of a real cluster.

use std::task::Waker;
use std::time::Duration;

use crate::link::{Link, LinkId, Trouble};

/// The links of one run.
#[derive(Debug)]
pub struct Links {
    seed: u64,
    all: Vec<Link>,
    touched: bool,
    troubles: u64,
}

impl Links {
    /// None yet. What links draw is drawn from the seed and their names.
    pub const fn new(seed: u64) -> Self {
        Self { seed, all: Vec::new(), touched: false, troubles: 0 }
    }

    /// Adds a link.
    pub fn add(&mut self, name: &str) -> LinkId {
        self.push(Link::new(name, self.seed))
    }

    /// Adds a link on which nothing takes time: whoever is on it has a network of its own.
    pub fn add_direct(&mut self, name: &str) -> LinkId {
        let none = Duration::ZERO;
        let mut link = Link::new(name, self.seed);
        (link.latency, link.lag, link.late) = (none..=none, none..=none, none);
        self.push(link)
    }

    fn push(&mut self, link: Link) -> LinkId {
        self.all.push(link);
        LinkId(self.all.len() - 1)
    }

    /// The link of a client's next life: the old one passes nothing any more, and what is wrong
    /// with it is wrong with the new one, until that is healed.
    pub fn replace(&mut self, old: LinkId) -> LinkId {
        let old = &mut self.all[old.0];
        old.fenced = true;
        let next = old.next_life();
        self.push(next)
    }

    /// Something goes wrong with links; the number heals it.
    pub fn trouble(&mut self, links: &[LinkId], trouble: &Trouble) -> u64 {
        self.troubles += 1;
        let number = self.troubles;
        links.iter().for_each(|link| self.get_mut(*link).befall(number, trouble.clone()));
        self.touched = true;
        number
    }

    /// One trouble is over, on every link that has it.
    pub fn heal(&mut self, number: u64) {
        for link in &mut self.all {
            if link.heal(number) {
                link.wake();
            }
        }
        self.touched = true;
    }

    /// A link.
    pub fn get(&self, id: LinkId) -> &Link {
        &self.all[id.0]
    }

    /// A link, to set faults on. Whatever waits on it looks again.
    pub fn get_mut(&mut self, id: LinkId) -> &mut Link {
        self.touched = true;
        let link = &mut self.all[id.0];
        link.wake();
        link
    }

    /// A link, for what happens on it by itself: nobody has to look again.
    pub(crate) fn used(&mut self, id: LinkId) -> &mut Link {
        &mut self.all[id.0]
    }

    /// Draws the lag of an open watch.
    pub fn draw_lag(&mut self, id: LinkId) -> Duration {
        self.used(id).watch_lag()
    }

    /// Every link, in order of creation.
    pub fn all(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.all.iter().enumerate().map(|(index, link)| (LinkId(index), link))
    }

    /// The link with this name.
    pub fn find(&self, name: &str) -> Option<LinkId> {
        self.all.iter().position(|l| l.name == name).map(LinkId)
    }

    /// Kills the process behind a link: nothing it sends or waits for passes any more. Its name,
    /// or `None` when it was dead before.
    pub fn crash(&mut self, id: LinkId) -> Option<&str> {
        let link = &mut self.all[id.0];
        let before = std::mem::replace(&mut link.fenced, true);
        link.wake();
        (!before).then_some(link.name.as_str())
    }

    /// Wakes a task at the next change of a link.
    pub fn wake_on(&mut self, id: LinkId, waker: &Waker) {
        self.all[id.0].wake_on_change(waker);
    }

    /// Whether a link was touched since this was last asked.
    pub(crate) fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    /// Counts a write on a link; whether its client dies of it.
    pub fn count_write(&mut self, id: LinkId) -> bool {
        let left = &mut self.all[id.0].crash_after_writes;
        match left {
            Some(0 | 1) => {
                *left = None;
                true
            }
            Some(count) => {
                *count -= 1;
                false
            }
            None => false,
        }
    }
}
