//! `node-down`: a node is cut off, as one whose machine or network fails, and comes back.

use maestro_sim::link::{Direction, Trouble};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checking, Kind, Lasting, Strike};
use crate::cluster::Need;
use crate::scenario::{At, Problem};

/// Takes a node away.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeDown {
    /// Its name; absent, one that the seed draws.
    node: Option<At<String>>,
}

impl Kind for NodeDown {
    fn lasts(&self) -> bool {
        true
    }

    fn check(&self, check: &mut Checking<'_>) {
        let Some(node) = &self.node else { return };
        let known = check.nodes();
        if !known.contains(node) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            check.problem(Problem::unknown(node.place, "node", node, &known));
        }
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Kubelets]
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        let drawn = strike.pick(&strike.links_of("nodes"))?;
        let links = self.node.as_ref().map_or(vec![drawn], |name| strike.links_of(name));
        let first = *links.first()?;
        let name = strike.field.cluster.with_links(|links| links.get(first).name.clone());
        Some(strike.trouble(&name, &links, &Trouble::Cut(Direction::Both)))
    }
}
