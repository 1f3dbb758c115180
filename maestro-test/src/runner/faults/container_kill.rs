//! `container-kill`: the containers of pods die (exit code 137); the pods stay and restart them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::pods::{self, PodFault};
use super::{Checking, Kind, Lasting, Strike};
use crate::cluster::Need;

/// Kills the containers of pods; the pods stay and restart.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ContainerKill(PodFault);

impl Kind for ContainerKill {
    fn check(&self, check: &mut Checking<'_>) {
        check.pods(&self.0);
        if self.0.grace_period.is_some() {
            let help = "remove `gracePeriod`, or write pod-kill";
            check.wrong(check.place, "a killed container is given no grace", help);
        }
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Kubelets]
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        for key in pods::chosen(&self.0, strike.stream, &strike.field.recorder) {
            strike.tell(key.to_string());
            let wake = strike.field.control.lock().kill(&key, &[]);
            strike.wake(wake.as_slice());
        }
        None
    }
}
