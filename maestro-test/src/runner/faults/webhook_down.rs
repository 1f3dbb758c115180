//! `webhook-down`: admission webhooks cannot be asked, whatever their `failurePolicy` makes of it.
//!
//! A simulation has no program that answers webhooks: each allows everything while somebody is
//! there, which behind a Service takes a ready pod. See "Failure policy" and "Timeouts" of
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>.

use std::sync::Arc;

use maestro_sim::api::webhook::Trouble;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checking, Kind, Lasting, Strike};
use crate::cluster::Need;
use crate::scenario::At;

/// Cuts the API server off from webhooks.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookDown {
    /// The name of their ValidatingWebhookConfiguration or MutatingWebhookConfiguration; absent,
    /// the webhooks of all.
    configuration: Option<At<String>>,
    /// What the API server meets; absent, what the seed draws at each strike.
    mode: Option<Mode>,
}

/// What the API server meets when it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A refused connection, at once.
    Refused,
    /// Silence, for the webhook's own `timeoutSeconds`.
    Timeout,
    /// 500 Internal Server Error.
    Error,
}

const MODES: [Mode; 3] = [Mode::Refused, Mode::Timeout, Mode::Error];

impl Mode {
    const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Error => "error",
        }
    }

    const fn trouble(self) -> Trouble {
        match self {
            Self::Refused => Trouble::Refused,
            Self::Timeout => Trouble::Silent,
            Self::Error => Trouble::Erring,
        }
    }
}

impl Kind for WebhookDown {
    fn lasts(&self) -> bool {
        true
    }

    fn check(&self, check: &mut Checking<'_>) {
        if let Some(name) = self.configuration.as_ref().filter(|name| name.value.is_empty()) {
            check.wrong(name.place, "an empty name selects nothing", "leave it out to mean all");
        }
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Webhooks]
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        let drawn = strike.pick(&MODES)?;
        let mode = self.mode.unwrap_or(drawn);
        let configuration = self.configuration.as_ref().map(|name| name.value.as_str());
        let cluster = Arc::clone(&strike.field.cluster);
        let number = cluster.trouble_webhooks(configuration, mode.trouble())?;
        let target = format!("{} ({})", configuration.unwrap_or("all"), mode.word());
        strike.tell(target.as_str());
        Some(Lasting::new(target, move || cluster.heal_webhooks(number)))
    }
}

#[cfg(test)]
mod tests;
