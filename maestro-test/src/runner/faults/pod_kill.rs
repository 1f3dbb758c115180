//! `pod-kill`: pods are deleted, without grace unless the scenario gives them some.

use schemars::JsonSchema;
use serde::Deserialize;

use super::pods::{self, PodFault};
use super::{Checking, Kind, Lasting, Strike};

/// Kills pods without grace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PodKill(PodFault);

impl Kind for PodKill {
    fn check(&self, check: &mut Checking<'_>) {
        check.pods(&self.0);
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        let field = strike.field;
        pods::kill(&*field.cluster, &self.0, strike.word, strike.stream, &field.recorder);
        None
    }
}
