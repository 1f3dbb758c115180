//! `partition`: clients are cut off the API server.

use maestro_sim::link::{self, Trouble};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checking, Kind, Lasting, Strike};
use crate::cluster::Need;
use crate::scenario::{At, Problem};

/// A cut between two ends, each `operator`, `operator/N`, `apiserver`, `controllers`, `nodes` or
/// a node's name; one of the two is `apiserver`, since everything talks through it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Partition {
    /// The two ends.
    between: Vec<At<String>>,
    /// Which messages are lost, seen from the first end.
    #[serde(default)]
    direction: Direction,
}

/// Which messages a partition cuts (Chaos Mesh's `direction`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Direction {
    /// Those to the second end. Between operator and API server: requests.
    To,
    /// Those from the second end. Between operator and API server: answers and watch events.
    From,
    /// Both.
    #[default]
    Both,
}

impl Kind for Partition {
    fn lasts(&self) -> bool {
        true
    }

    fn check(&self, check: &mut Checking<'_>) {
        let between = &self.between;
        let place = between.first().map_or(check.place, |end| end.place);
        let mut known: Vec<String> =
            ["apiserver", "operator", "controllers", "nodes"].map(str::to_owned).into();
        known.extend((0..check.replicas()).map(|index| format!("operator/{index}")));
        known.extend(check.nodes());
        if let Some(end) = between.iter().find(|end| !known.contains(end)) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            check.problem(Problem::unknown(end.place, "end of a partition", end, &known));
        } else if between.len() != 2 {
            let message = format!("a partition has two ends, not {}", between.len());
            check.wrong(place, message, "write between: [operator, apiserver]");
        } else if between.iter().filter(|end| end.as_str() == "apiserver").count() != 1 {
            let help = "everything talks through it: write between: [operator, apiserver]";
            check.wrong(place, "one end of a partition is the API server", help);
        }
    }

    fn needs(&self) -> Vec<Need> {
        let far = self.between.iter().find(|end| end.as_str() != "apiserver");
        match far.map(|end| end.as_str()) {
            Some("controllers") => vec![Need::Controllers],
            Some(end) if end != "operator" && !end.starts_with("operator/") => vec![Need::Kubelets],
            _ => vec![Need::Links],
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        let far = self.between.iter().find(|end| end.as_str() != "apiserver")?;
        let cut = Trouble::Cut(self.seen_from_the_client());
        Some(strike.trouble(far, &strike.links_of(far), &cut))
    }
}

impl Partition {
    /// Directions of a link are seen from its client, which is the end that is not the API server.
    fn seen_from_the_client(&self) -> link::Direction {
        let by_server = self.between.first().is_some_and(|end| end.as_str() == "apiserver");
        match self.direction {
            Direction::Both => link::Direction::Both,
            Direction::To if by_server => link::Direction::From,
            Direction::From if by_server => link::Direction::To,
            Direction::To => link::Direction::To,
            Direction::From => link::Direction::From,
        }
    }
}
