//! The world's links: finding them, changing them, and telling whoever waits on them.

use std::task::Waker;
use std::time::Duration;

use super::World;
use crate::link::{Link, LinkId, Trouble};

impl World {
    /// Adds a link.
    pub fn add_link(&mut self, name: &str) -> LinkId {
        self.links.push(Link::new(name, self.seed));
        LinkId(self.links.len() - 1)
    }

    /// The link of a client's next life: the old one passes nothing any more, and what is wrong
    /// with it is wrong with the new one, until that is healed.
    pub fn replace_link(&mut self, old: LinkId) -> LinkId {
        let old = &mut self.links[old.0];
        old.fenced = true;
        let next = old.next_life();
        self.links.push(next);
        LinkId(self.links.len() - 1)
    }

    /// Something goes wrong with links; the number heals it.
    pub fn trouble(&mut self, links: &[LinkId], trouble: &Trouble) -> u64 {
        self.troubles += 1;
        let number = self.troubles;
        links.iter().for_each(|link| self.link_mut(*link).befall(number, trouble.clone()));
        self.links_changed();
        number
    }

    /// One trouble is over, on every link that has it.
    pub fn heal(&mut self, number: u64) {
        for link in &mut self.links {
            if link.heal(number) {
                link.wake();
            }
        }
        self.links_changed();
    }

    /// Adds a link on which nothing takes time: whoever is on it has a network of its own.
    pub fn add_direct_link(&mut self, name: &str) -> LinkId {
        let id = self.add_link(name);
        let none = std::time::Duration::ZERO;
        let link = &mut self.links[id.0];
        (link.latency, link.lag) = (none..=none, none..=none);
        id
    }

    /// A link by index.
    pub fn link(&self, id: LinkId) -> &Link {
        &self.links[id.0]
    }

    /// A link by index, to set faults on. Whatever waits on a link looks again at the end of the
    /// present call.
    pub fn link_mut(&mut self, id: LinkId) -> &mut Link {
        self.links_touched = true;
        let link = &mut self.links[id.0];
        link.wake();
        link
    }

    /// Draws the time that a request on a link travels.
    pub(crate) fn travel(&mut self, id: LinkId) -> Duration {
        self.links[id.0].travel()
    }

    /// Draws the lag of a watch on a link.
    pub(crate) fn watch_lag(&mut self, id: LinkId) -> Duration {
        self.links[id.0].watch_lag()
    }

    /// Wakes a task at the next change of a link.
    pub(crate) fn wake_on_link(&mut self, id: LinkId, waker: &Waker) {
        self.links[id.0].wake_on_change(waker);
    }

    /// Lets every actor look again if a link was touched.
    pub(crate) fn heed_links(&mut self) {
        if std::mem::take(&mut self.links_touched) {
            self.links_changed();
        }
    }

    /// Every link, in order of creation.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.links.iter().enumerate().map(|(index, link)| (LinkId(index), link))
    }

    /// The link with this name.
    pub fn find_link(&self, name: &str) -> Option<LinkId> {
        self.links.iter().position(|l| l.name == name).map(LinkId)
    }

    /// Lets every actor look again: a link healed or broke.
    pub fn links_changed(&mut self) {
        for index in 0..self.actors.len() {
            self.wake(index, self.now);
        }
    }

    /// Kills the process behind a link: nothing it sends or waits for passes any more. Observers
    /// are told with the note `crash`, once.
    pub fn crash(&mut self, link: LinkId) {
        let link = &mut self.links[link.0];
        if std::mem::replace(&mut link.fenced, true) {
            return;
        }
        link.wake();
        let details = serde_json::json!({"client": link.name});
        self.note("crash", &details);
    }

    /// Counts a write on a link; whether its client dies of it.
    pub(super) fn count_write(&mut self, link: LinkId) -> bool {
        let left = &mut self.links[link.0].crash_after_writes;
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
