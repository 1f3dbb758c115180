//! A fresh cluster for a scenario: control plane, nodes, workloads, Maestro's own kinds.

use std::time::Duration;

use maestro_core::manifests;
use maestro_sim::boot::{self, ClusterSpec};
use maestro_sim::json::json;
use maestro_sim::object::Key;
use maestro_sim::sim::Cluster;
use maestro_sim::workload::{self, Crash, Rule, Selector, Span, WorkloadControl};

use super::{Recorder, act};
use crate::cluster;
use crate::scenario::{DurationRange, Scenario, Workload};

/// How long rights may take to be in force.
const IN_FORCE: Duration = Duration::from_secs(60);

/// Boots the simulated control plane and its nodes; the control is how faults reach the kubelets.
pub fn simulation(cluster: &Cluster, scenario: &Scenario, recorder: &Recorder) -> WorkloadControl {
    let spec = ClusterSpec {
        nodes: scenario.spec.cluster.nodes.value,
        workloads: scenario.spec.workloads.iter().map(rule).collect(),
    };
    cluster.with(|world| {
        world.observe(Box::new(recorder.clone()));
        boot::be(world, scenario.version());
        // No program that answers lives in a simulation.
        world.server.webhooks.obliging = true;
        boot::cluster(world, &spec).control
    })
}

/// Installs the operator's account and rights beside Maestro's kinds, and waits until they are in
/// force: until a controller has gathered what templates may hold.
pub async fn account(cluster: &dyn cluster::Cluster) -> Result<(), String> {
    for object in manifests::foundation(manifests::NAMESPACE)? {
        act::apply(cluster, &object.into())?;
    }
    let roles = cluster.served("ClusterRole", Some("rbac.authorization.k8s.io"));
    let roles = roles.ok_or("roles are not served")?;
    let key = Key::new("", manifests::rights::PACKAGES);
    let end = cluster.now() + IN_FORCE;
    while cluster.now() < end {
        // An authorizer sees roles a little later than they are stored.
        tokio::time::sleep(super::LOOK).await;
        let role = cluster.find(&roles, &key);
        if role.is_some_and(|role| !role.items(&["rules"]).is_empty()) {
            return Ok(());
        }
    }
    Err(format!("the rules of {} were not gathered within {IN_FORCE:?}", key.name))
}

/// Installs Maestro's kinds, as its manifests do.
pub fn kinds(cluster: &dyn cluster::Cluster) -> Result<(), String> {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "maestro-system"}});
    act::apply(cluster, &namespace)?;
    for crd in maestro_core::package::framework_crds() {
        let crd = serde_json::to_value(crd).map_err(|error| error.to_string())?;
        act::apply(cluster, &crd.into())?;
    }
    Ok(())
}

/// How a workload behaves, in the simulator's terms.
pub fn rule(workload: &Workload) -> Rule {
    let span = |range: Option<DurationRange>| range.map(|r| Span { from: r.low, to: r.high });
    let patterns = |all: &[crate::scenario::At<String>]| {
        // Checked when the scenario was read.
        all.iter().filter_map(|p| regex::Regex::new(p).ok()).collect()
    };
    let selector = Selector {
        namespace: workload.namespace.clone(),
        labels: workload.selector.clone(),
        image: None,
    };
    Rule {
        selector,
        image_pull: span(workload.image_pull),
        start: span(workload.start),
        ready: span(workload.ready),
        run: span(workload.run),
        exit_code: workload.exit_code,
        shutdown: span(workload.shutdown),
        crash: workload.crash.as_ref().map(|crash| Crash {
            percent: crash.percent.value,
            after: Span { from: crash.after.low, to: crash.after.high },
            exit_code: crash.exit_code,
            times: crash.times,
        }),
        fails_to_pull: patterns(&workload.fails_to_pull),
        never_ready: patterns(&workload.never_ready),
        quorum: workload.quorum.as_ref().map(|quorum| {
            quorum.of.parse().map_or(workload::Quorum::Replicas, workload::Quorum::Of)
        }),
        ..Rule::default()
    }
}
