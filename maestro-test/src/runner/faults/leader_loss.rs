//! `leader-loss`: the leader of the operator's replicas loses its lease to a rival.

use maestro_sim::api::{PatchType, Verb};
use maestro_sim::json::json;
use maestro_sim::object::GroupResource;
use schemars::JsonSchema;
use serde::Deserialize;

use super::strike::request;
use super::{Checking, Kind, Lasting, Strike};

const LEASES: GroupResource = GroupResource::new("coordination.k8s.io", "leases");

/// Takes the leader's lease away.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaderLoss {}

impl Kind for LeaderLoss {
    fn check(&self, check: &mut Checking<'_>) {
        if check.replicas() < 2 {
            let message = "a single replica holds no lease to lose";
            check.wrong(check.place, message, "write operator: {maestro: {replicas: 2}}");
        }
    }

    /// Writes another holder into the operator's lease, as a rival would.
    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        let mut request = request(LEASES, "maestro-system", "maestro-operator", Verb::Patch);
        request.patch = Some(PatchType::Merge);
        request.body = json!({"spec": {"holderIdentity": "rival", "leaseDurationSeconds": 15}});
        if strike.send(request) {
            strike.tell("maestro-operator");
        }
        None
    }
}
