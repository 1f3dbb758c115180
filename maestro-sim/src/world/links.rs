//! What the world does when one of its links changes.

use super::World;
use crate::link::LinkId;

impl World {
    /// Lets every actor look again if a link was touched.
    pub(crate) fn heed_links(&mut self) {
        if self.links.take_touched() {
            self.links_changed();
        }
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
        if let Some(client) = self.links.crash(link) {
            let details = crate::json!({"client": client});
            self.note("crash", &details);
        }
    }
}
