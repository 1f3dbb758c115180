//! `lost-reply`: requests of the operator are carried out, and it never hears of it.

use maestro_sim::link::Trouble;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checking, Kind, Lasting, Strike};
use crate::cluster::Need;
use crate::scenario::At;

/// Carries requests of the operator out and loses the answers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LostReply {
    /// The share of requests whose answers are lost, in percent.
    #[serde(default = "super::check::ten")]
    percent: At<u8>,
}

impl Kind for LostReply {
    fn lasts(&self) -> bool {
        true
    }

    fn check(&self, check: &mut Checking<'_>) {
        check.percent(&self.percent);
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Links]
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        let lost = Trouble::LostReply(f64::from(self.percent.value) / 100.0);
        Some(strike.trouble("operator", &strike.operators(), &lost))
    }
}
