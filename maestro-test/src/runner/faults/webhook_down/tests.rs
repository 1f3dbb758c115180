//! What a client meets whose write waits on webhooks that are down, and what a run makes of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use maestro_sim::api::webhook::Trouble;
use maestro_sim::boot::{self, ClusterSpec};
use maestro_sim::json::{Value, json};
use maestro_sim::sim::{self, Options};
use maestro_sim::trace::TraceLevel;

use super::{MODES, Mode};
use crate::cluster::Shared;
use crate::cluster::sim::Sim;
use crate::runner::{act, run_scenario};
use crate::scenario::Scenario;

/// A configuration with one webhook that looks at config maps within 5 seconds.
fn configuration(policy: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "gate"},
        "webhooks": [{
            "name": "gate.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "timeoutSeconds": 5, "failurePolicy": policy,
            "clientConfig": {"url": "https://gate.example.com/ask"},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                       "resources": ["configmaps"]}],
        }],
    })
}

/// Creates a config map while a webhook is in trouble; what was answered, after which seconds.
async fn create(cluster: sim::Cluster, policy: &str, trouble: Option<Trouble>) -> (String, u64) {
    cluster.with(|world| {
        boot::cluster(world, &ClusterSpec { nodes: 1, workloads: Vec::new() });
        world.server.webhooks.obliging = true;
    });
    let shared: Shared = Arc::new(Sim(cluster.clone()));
    act::apply(&*shared, &configuration(policy)).expect("a configuration");
    // The namespace comes into being by itself.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let number = trouble.and_then(|trouble| shared.trouble_webhooks(Some("gate"), trouble));
    let link = shared.with_links(|links| links.add("client"));
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"));
    let maps = Api::namespaced_with(shared.client(link), "default", &kind);
    let map = |name: &str| DynamicObject::new(name, &kind);
    let began = shared.now();
    let answer = maps.create(&PostParams::default(), &map("first")).await;
    let told = answer.map_or_else(|why| why.to_string(), |_| "created".to_owned());
    let passed = (shared.now() - began).as_secs();
    number.into_iter().for_each(|number| shared.heal_webhooks(number));
    let healed = maps.create(&PostParams::default(), &map("second")).await;
    assert!(healed.is_ok(), "{healed:?}");
    (told, passed)
}

#[test]
fn both_failure_policies_are_felt() {
    let head = "failed calling webhook \"gate.example.com\": failed to call webhook: ";
    for (policy, mode, expected, seconds) in [
        ("Fail", None, "created", 0),
        ("Fail", Some(Mode::Refused), "dial tcp gate.example.com: connect: connection refused", 0),
        ("Fail", Some(Mode::Timeout), "ask?timeout=5s\": context deadline exceeded", 5),
        ("Fail", Some(Mode::Error), "(\"Internal Server Error\") has prevented the request", 0),
        ("Ignore", None, "created", 0),
        ("Ignore", Some(Mode::Refused), "created", 0),
        ("Ignore", Some(Mode::Timeout), "created", 5),
        ("Ignore", Some(Mode::Error), "created", 0),
    ] {
        let options = Options { seed: 1, trace: TraceLevel::Digest };
        let trouble = mode.map(Mode::trouble);
        let result = sim::run(&options, |cluster| create(cluster, policy, trouble));
        let (told, passed) = result.expect("a simulation");
        assert!(told.contains(expected), "{policy} {mode:?}: {told}");
        assert_eq!(told.contains(head), expected != "created", "{policy} {mode:?}: {told}");
        assert_eq!(passed, seconds, "{policy} {mode:?}");
    }
}

/// How long a run takes whose only write comes while a webhook of this policy is down.
fn run(policy: &str, fault: &str) -> (Duration, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, value: &Value| {
        std::fs::write(folder.path().join(name), value.to_string()).expect("a file");
    };
    write("gate.yaml", &configuration(policy));
    write("map.yaml", &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}));
    let text = format!(
        "apiVersion: test.maestro.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: test}}\n\
         spec:\n  steps: [{{name: gate, apply: [gate.yaml]}}, {{name: rest, sleep: 30s}}, \
         {{name: map, apply: [map.yaml], within: 10m}}]\n  faults: [{fault}]\n  \
         expect: {{properties: {{stays: {{window: 1m}}, quiesces: {{off: true}}}}}}\n"
    );
    let scenario = Scenario::parse(&folder.path().join("test.yaml"), &text).expect("a scenario");
    let outcome = run_scenario(&scenario, 1, TraceLevel::Digest);
    assert!(outcome.violations.is_empty(), "{:?}", outcome.violations);
    let struck = outcome.coverage.faults.get("webhook-down").copied().unwrap_or(0);
    (outcome.virtual_time, struck)
}

#[test]
fn a_run_waits_for_a_webhook_that_it_needs() {
    let fault = |parameters: &str| format!("{{webhook-down: {parameters}, at: 10s, for: 4m}}");
    for mode in MODES {
        let of = |name: &str| fault(&format!("{{configuration: {name}, mode: {}}}", mode.word()));
        let (needed, once) = run("Fail", &of("gate"));
        let (spared, _) = run("Ignore", &of("gate"));
        let (another, _) = run("Fail", &of("other"));
        assert_eq!(once, 1);
        assert_eq!(spared, another, "{mode:?}");
        // It would have been made after 30 seconds, and was after 4 minutes and 10 seconds.
        let longer = (needed - spared).as_secs();
        assert!((215..225).contains(&longer), "{mode:?}: {longer}");
    }
    let (all, once) = run("Fail", &fault("{}"));
    assert!(once == 1 && all > Duration::from_secs(250), "{all:?}");
}

#[test]
fn mistakes_are_told() {
    for (fault, word) in [
        ("{webhook-down: {configuration: \"\"}}", "an empty name selects nothing"),
        ("{webhook-down: {mode: slow}}", "slow"),
        ("{quota-exceeded: {hard: {}}}", "stands in nobody's way"),
        ("{quota-exceeded: {hard: {pods: many}}}", "`many` is no amount of `pods`"),
        ("{quota-exceeded: {namespace: \"\"}}", "is no namespace"),
    ] {
        let text = format!(
            "apiVersion: test.maestro.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: wrong}}\n\
             spec:\n  steps: [{{name: rest, sleep: 1m}}]\n  faults: [{fault}]\n"
        );
        let why = Scenario::parse(Path::new("wrong.yaml"), &text).expect_err(fault).to_string();
        assert!(why.contains(word), "{why}");
    }
}
