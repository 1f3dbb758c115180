//! `wait`: until a condition holds over what is observed, and at least for a time.

use std::time::Duration;

use super::{Collected, Context, Progress};

/// What to wait for; both, where both are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// CEL that becomes true.
    pub until: Option<String>,
    /// The least time, from the beginning of the attempt.
    pub duration: Option<Duration>,
}

impl Wait {
    pub(super) fn progress(&self, context: &Context<'_>) -> Progress {
        let mut collected = Collected::default();
        if let Some(end) = self.duration.map(|duration| context.started_at.after(duration))
            && context.now < end
        {
            collected.wake = Some(end);
            collected.wait(format!("until {}", end.timestamp()));
        }
        match self.until.as_deref().map(|until| (until, context.observed.truth(until))) {
            None | Some((_, Ok(true))) => {}
            Some((until, Ok(false))) => collected.wait(format!("until {until}")),
            // What is missing now may be there later: an error is no reason to give up.
            Some((until, Err(why))) => collected.wait(format!("until {until}: {why}")),
        }
        collected.end()
    }
}
