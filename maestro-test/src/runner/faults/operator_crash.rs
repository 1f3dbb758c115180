//! `operator-crash`: a replica of the operator dies, at once or at one of its next writes.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checking, Kind, Lasting, Strike};
use crate::cluster::Need;
use crate::scenario::{At, NumberRange};

/// Kills an operator replica at a write, and starts it again.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperatorCrash {
    /// After how many further writes; absent, at once.
    after_writes: Option<NumberRange>,
    /// Which replica; absent, one that the seed draws.
    replica: Option<At<u32>>,
}

impl Kind for OperatorCrash {
    fn check(&self, check: &mut Checking<'_>) {
        let all = check.replicas();
        if let Some(replica) = self.replica.as_ref().filter(|replica| replica.value >= all) {
            let message = format!("the operator has no replica {}", replica.value);
            let help = format!("its replicas are 0 to {}", all.saturating_sub(1));
            check.wrong(replica.place, message, help);
        }
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Links]
    }

    /// Nothing is told here: the recorder hears of the crash when it comes, which for one at a
    /// write is later, or never.
    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        let links = strike.operators();
        let drawn = strike.pick(&links)?;
        let fixed = self.replica.as_ref().and_then(|n| links.get(usize::try_from(n.value).ok()?));
        let link = fixed.copied().unwrap_or(drawn);
        let writes = self.after_writes.map_or(0, |range| strike.between(range));
        let cluster = &strike.field.cluster;
        match writes {
            0 => cluster.crash(link),
            count => cluster.with_links(|links| {
                links.get_mut(link).crash_after_writes = Some(u64::from(count));
            }),
        }
        None
    }
}
