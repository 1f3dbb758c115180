//! Pods against policies. All that is told is compared with a real server by the conformance test.

use super::*;
use crate::json::json;

#[test]
fn labels_say_what_is_refused_and_warned_of() {
    let check = |labels: Value, enforce: &str, warn: &str, errors: usize| {
        let policies = Policies::of(Version::default(), labels.as_object());
        let shown = (policies.enforce.to_string(), policies.warn.to_string());
        assert_eq!((shown.0.as_str(), shown.1.as_str()), (enforce, warn), "{labels}");
        assert_eq!(policies.errors.len(), errors, "{labels}");
    };
    let open = "privileged:latest";
    check(json!({}), open, open, 0);
    check(json!({(ENFORCE): "baseline"}), "baseline:latest", "baseline:latest", 0);
    check(
        json!({(ENFORCE): "baseline", "pod-security.kubernetes.io/enforce-version": "v1.20"}),
        "baseline:v1.20",
        "baseline:v1.20",
        0,
    );
    check(json!({"pod-security.kubernetes.io/warn": "restricted"}), open, "restricted:latest", 0);
    check(json!({(ENFORCE): "odd"}), "restricted:latest", open, 1);
    check(
        json!({"pod-security.kubernetes.io/audit": "x", "pod-security.kubernetes.io/warn": "y"}),
        open,
        open,
        2,
    );
}

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

#[test]
fn pods_are_told_why_they_do_not_fit() {
    let check = |level: Level, spec: Value, expected: &str| {
        let policy = Policy { level, version: None, newest: 37 };
        assert_eq!(told(&findings(policy, &Value::Null, &spec)), expected, "{spec}");
    };
    let plain = json!({"containers": [{"name": "a"}]});
    check(Level::Privileged, json!({"hostPID": true}), "");
    check(Level::Baseline, plain.clone(), "");
    check(
        Level::Baseline,
        json!({"hostPID": true, "hostIPC": true, "containers": [{"name": "a"}]}),
        "host namespaces (hostPID=true, hostIPC=true)",
    );
    check(
        Level::Restricted,
        plain,
        "allowPrivilegeEscalation != false (container \"a\" must set \
         securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \
         \"a\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or \
         container \"a\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or \
         container \"a\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \
         \"Localhost\")",
    );
    check(
        Level::Restricted,
        json!({
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "Localhost"}},
            "containers": [{"name": "a", "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
        }),
        "",
    );
}
