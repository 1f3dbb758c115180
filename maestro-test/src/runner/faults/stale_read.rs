//! `stale-read`: what the operator's watches tell lies further behind the store than usual.

use maestro_sim::link::Trouble;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Kind, Lasting, Strike};
use crate::cluster::Need;
use crate::scenario::DurationRange;

/// Makes the operator's watches lag.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaleRead {
    /// The lag of each watch.
    lag: DurationRange,
}

impl Kind for StaleRead {
    fn lasts(&self) -> bool {
        true
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Links]
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        let lag = Trouble::Lag(self.lag.bounds());
        Some(strike.trouble("operator", &strike.operators(), &lag))
    }
}
