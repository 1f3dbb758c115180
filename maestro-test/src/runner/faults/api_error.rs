//! `api-error`: requests of the operator are answered with an error, and not carried out.

use maestro_sim::api::{Status, Verb};
use maestro_sim::link::{ErrorRule, Trouble};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checking, Kind, Lasting, Strike};
use crate::cluster::Need;
use crate::scenario::{At, Problem};

/// Answers requests of the operator with an error.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiError {
    /// The status code: 409, 410, 429, 500, 503 or 504.
    code: At<u16>,
    /// The share of requests that meet it, in percent.
    #[serde(default = "super::check::ten")]
    percent: At<u8>,
    /// Only these verbs (`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`).
    #[serde(default)]
    verbs: Vec<At<String>>,
}

/// The codes with the reasons that a real API server gives with them
/// (`k8s.io/apimachinery/pkg/apis/meta/v1`, `StatusReason`).
const REASONS: [(u16, &str); 6] = [
    (409, "Conflict"),
    (410, "Expired"),
    (429, "TooManyRequests"),
    (500, "InternalError"),
    (503, "ServiceUnavailable"),
    (504, "Timeout"),
];

const VERBS: [Verb; 7] =
    [Verb::Get, Verb::List, Verb::Watch, Verb::Create, Verb::Update, Verb::Patch, Verb::Delete];

impl Kind for ApiError {
    fn lasts(&self) -> bool {
        true
    }

    fn check(&self, check: &mut Checking<'_>) {
        check.percent(&self.percent);
        if !REASONS.iter().any(|(code, _)| *code == self.code.value) {
            let message = format!("{} is no error that can be injected", self.code.value);
            check.wrong(self.code.place, message, "write 409, 410, 429, 500, 503 or 504");
        }
        let known = VERBS.map(|verb| verb.as_str());
        for verb in self.verbs.iter().filter(|verb| !known.contains(&verb.as_str())) {
            check.problem(Problem::unknown(verb.place, "verb", verb, &known));
        }
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Links]
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Lasting> {
        let code = self.code.value;
        let (_, reason) = REASONS.into_iter().find(|(known, _)| *known == code)?;
        let is_meant = |verb: &Verb| self.verbs.iter().any(|word| word.as_str() == verb.as_str());
        let rule = ErrorRule {
            probability: f64::from(self.percent.value) / 100.0,
            status: Status::new(code, reason, "injected by the scenario"),
            verbs: VERBS.into_iter().filter(is_meant).collect(),
        };
        let target = code.to_string();
        Some(strike.trouble(&target, &strike.operators(), &Trouble::Errors(rule)))
    }
}
