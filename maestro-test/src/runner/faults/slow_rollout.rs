//! `slow-rollout`: everything that pods do takes longer for a time.

use std::sync::Arc;

use maestro_sim::workload::{Selector, control};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checking, Kind, Lasting, Strike};
use crate::cluster::Need;
use crate::scenario::{At, NumberRange};

/// Makes image pulls, starts and readiness slower.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowRollout {
    /// Times are multiplied by this.
    factor: At<NumberRange>,
}

impl Kind for SlowRollout {
    fn lasts(&self) -> bool {
        true
    }

    fn check(&self, check: &mut Checking<'_>) {
        if self.factor.low == 0 {
            let message = "a factor of 0 would make it instant";
            check.wrong(self.factor.place, message, "write 1 or more");
        }
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Kubelets]
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        let range = self.factor.value;
        let factor = strike.between(range);
        let target = format!("by {factor}");
        strike.tell(target.as_str());
        let fault = control::Fault::SlowRollout { percent: factor.saturating_mul(100) };
        let (number, wakes) = strike.field.control.lock().begin(Selector::default(), fault);
        strike.wake(&wakes);
        let (cluster, control) = (Arc::clone(&strike.field.cluster), strike.field.control.clone());
        Some(Lasting::new(target, move || {
            let wakes = control.lock().end(number);
            cluster.wake(&wakes);
        }))
    }
}
