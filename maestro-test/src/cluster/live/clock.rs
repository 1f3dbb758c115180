//! The wall's clock, as a run on a real cluster reads it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maestro_sim::entropy::EPOCH_SECS;

/// When a run began.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Duration,
}

impl Clock {
    /// A run that begins now.
    pub fn start() -> Self {
        Self { began: Self::now() }
    }

    /// Time since the run began.
    pub fn elapsed(self) -> Duration {
        Self::now().saturating_sub(self.began)
    }

    /// Now, since the simulator's epoch: the time that its parts write into objects.
    #[expect(clippy::disallowed_methods, reason = "a real cluster runs by the wall's clock")]
    pub fn now() -> Duration {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        unix.saturating_sub(Duration::from_secs(EPOCH_SECS.unsigned_abs()))
    }
}
