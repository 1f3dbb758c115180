//! Health: `/healthz`, `/livez` and `/readyz`, whole or a check at a time.
//!
//! Everything that a real server waits for at its start is there from the beginning, so no check
//! fails; clients read their names.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/health-checks/>,
//! `k8s.io/apiserver/pkg/server/healthz`; the names are those of kube-apiserver 1.37.2 without API
//! Priority and Fairness.

use std::fmt::Write as _;

use crate::api::http::percent_decode;
use crate::facts::Version;

/// The checks of all three, in their order.
const CHECKS: [&str; 32] = [
    "ping",
    "log",
    "etcd",
    "poststarthook/start-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/max-in-flight-filter",
    "poststarthook/storage-object-count-tracker-hook",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/peer-endpoint-reconciler-controller",
    "poststarthook/start-cluster-authentication-info-controller",
    "poststarthook/start-kube-apiserver-identity-lease-controller",
    "poststarthook/start-kube-apiserver-identity-lease-garbage-collector",
    "poststarthook/storage-readiness",
    "poststarthook/start-legacy-token-tracking-controller",
    "poststarthook/start-service-ip-repair-controllers",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/priority-and-fairness-config-producer",
    "poststarthook/bootstrap-controller",
    "poststarthook/start-kubernetes-service-cidr-controller",
    "poststarthook/start-kube-aggregator-informers",
    "poststarthook/apiservice-status-local-available-controller",
    "poststarthook/apiservice-status-remote-available-controller",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/apiservice-discovery-controller",
    "poststarthook/kube-apiserver-autoregistration",
    "autoregister-completion",
    "poststarthook/apiservice-openapi-controller",
    "poststarthook/apiservice-openapiv3-controller",
];

/// Those that older versions lack.
const NEWEST: [&str; 2] =
    ["poststarthook/peer-endpoint-reconciler-controller", "poststarthook/storage-readiness"];

/// What one of the three checks: the common ones, and its own.
fn checks(version: Version, endpoint: &str) -> Vec<&'static str> {
    let mut checks = CHECKS.to_vec();
    if version.minor() < 36 {
        checks.retain(|check| !NEWEST.contains(check));
    }
    match endpoint {
        "readyz" => {
            checks.splice(3..3, ["etcd-readiness", "informer-sync"]);
            checks.push("shutdown");
        }
        _ => checks.insert(2, "loopback-serving-certificate"),
    }
    checks
}

/// The text of an answer; `None` for what is no check.
pub(super) fn answer(
    version: Version,
    endpoint: &str,
    check: &[&str],
    query: &str,
) -> Option<String> {
    let checks = checks(version, endpoint);
    if !check.is_empty() {
        return checks.contains(&&*check.join("/")).then(|| "ok".to_owned());
    }
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    if !pairs.clone().any(|(name, _)| name == "verbose") {
        return Some("ok".to_owned());
    }
    let excluded: Vec<_> = pairs
        .filter(|(name, _)| *name == "exclude")
        .map(|(_, value)| percent_decode(value, true))
        .collect();
    let mut text = String::new();
    for check in &checks {
        let passed = if excluded.iter().any(|e| e == check) { "excluded: ok" } else { "ok" };
        let _ = writeln!(text, "[+]{check} {passed}");
    }
    let odd: Vec<String> = excluded
        .iter()
        .filter(|name| !checks.contains(&&***name))
        .map(|name| format!("{name:?}"))
        .collect();
    if !odd.is_empty() {
        let odd = odd.join(",");
        let _ = writeln!(text, "warn: some health checks cannot be excluded: no matches for {odd}");
    }
    let _ = writeln!(text, "{endpoint} check passed");
    Some(text)
}
