//! `watch-gap`: etcd is compacted, so that a watch that goes on from before meets 410 Gone.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Kind, Lasting, Strike};
use crate::cluster::Need;

/// Compacts the event log, so that ended watches meet 410 Gone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchGap {}

impl Kind for WatchGap {
    fn needs(&self) -> Vec<Need> {
        vec![Need::Links]
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        strike.tell("apiserver");
        strike.field.cluster.compact();
        None
    }
}
