//! `watch-drop`: the operator's watches end, as when a load balancer closes their connections.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Kind, Lasting, Strike};
use crate::cluster::Need;

/// Ends the operator's watches.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchDrop {}

impl Kind for WatchDrop {
    fn needs(&self) -> Vec<Need> {
        vec![Need::Links]
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        strike.tell("operator");
        let links = strike.operators();
        strike.field.cluster.with_links(|all| {
            links.iter().for_each(|link| all.get_mut(*link).watch_epoch += 1);
        });
        None
    }
}
