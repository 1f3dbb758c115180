//! `quota-exceeded`: a ResourceQuota stands in the way for a time, as on a namespace that is full.
//!
//! Source: <https://kubernetes.io/docs/concepts/policy/resource-quotas/>. It counts what is there
//! already, so that of anything no more can be made; what runs is left alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use maestro_sim::api::Verb;
use maestro_sim::json::json;
use maestro_sim::object::GroupResource;
use maestro_sim::quantity::Quantity;
use schemars::JsonSchema;
use serde::Deserialize;

use super::strike::{request, send};
use super::{Checking, Kind, Lasting, Strike};
use crate::scenario::At;

const QUOTAS: GroupResource = GroupResource::new("", "resourcequotas");
/// How many names there are for quotas that stand at the same time.
const NAMES: u32 = 1_000_000;

/// Puts a ResourceQuota into a namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaExceeded {
    /// The namespace. Default: `default`.
    namespace: Option<At<String>>,
    /// How much there may be of what, as in the `hard` of a ResourceQuota. Default: `pods: "0"`.
    hard: Option<At<BTreeMap<String, String>>>,
}

impl Kind for QuotaExceeded {
    fn lasts(&self) -> bool {
        true
    }

    fn check(&self, check: &mut Checking<'_>) {
        if let Some(namespace) = self.namespace.as_ref().filter(|name| name.value.is_empty()) {
            let help = "write a name, or leave it out to mean `default`";
            check.wrong(namespace.place, "an empty name is no namespace", help);
        }
        let Some(hard) = &self.hard else { return };
        if hard.value.is_empty() {
            let help = "write what it limits, as in hard: {pods: \"0\"}";
            check.wrong(hard.place, "a quota of nothing stands in nobody's way", help);
        }
        for (what, amount) in &hard.value {
            if amount.parse::<Quantity>().is_err() {
                let message = format!("`{amount}` is no amount of `{what}`");
                check.wrong(hard.place, message, "write a quantity, such as \"0\" or \"500m\"");
            }
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        let namespace = self.namespace.as_ref().map_or("default", |name| name.value.as_str());
        let name = format!("quota-exceeded-{:06}", strike.below(NAMES));
        let full = BTreeMap::from([("pods".to_owned(), "0".to_owned())]);
        let hard = self.hard.as_ref().map_or(&full, |hard| &hard.value);
        let mut create = request(QUOTAS, namespace, "", Verb::Create);
        create.body = json!({"apiVersion": "v1", "kind": "ResourceQuota",
                             "metadata": {"name": name, "namespace": namespace},
                             "spec": {"hard": hard}});
        if !strike.send(create) {
            return None;
        }
        let target = format!("{namespace}/{name}");
        strike.tell(target.as_str());
        let cluster = Arc::clone(&strike.field.cluster);
        let delete = request(QUOTAS, namespace, &name, Verb::Delete);
        Some(Lasting::new(target, move || {
            send(&*cluster, delete);
        }))
    }
}
