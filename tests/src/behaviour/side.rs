//! The two clusters: a real control plane a group of cases, a simulation a case.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use maestro_sim::boot::{self, ClusterSpec};
use maestro_sim::facts::Version;
use maestro_sim::sim;
use maestro_sim::trace::TraceLevel;
use maestro_test::cluster::Shared;
use maestro_test::cluster::control_plane::ControlPlane;
use maestro_test::cluster::control_plane::programs::{Managers, Programs};
use maestro_test::cluster::live::{Live, Spec};
use maestro_test::cluster::sim::Sim;

use crate::behaviour::case::Case;
use crate::behaviour::drive::Driver;
use crate::behaviour::log::{Change, Log, belongs};

/// How many nodes every cluster has.
pub const NODES: u32 = 3;
/// How many cases run on a control plane at once.
const AT_ONCE: usize = 12;

/// How long a fresh simulation takes until its nodes are ready.
const SETTLED: Duration = Duration::from_secs(30);

/// What became of a case.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What was answered to each step.
    pub answers: Vec<String>,
    /// How long it took.
    pub took: Duration,
    /// Every write that belongs to it.
    pub changes: Vec<Change>,
}

/// What became of all cases, by their names.
pub type All = BTreeMap<String, Told>;

/// Which programs a real control plane is made of.
#[derive(Clone, Debug)]
pub struct Made {
    /// etcd and kube-apiserver.
    pub programs: Programs,
    /// kube-controller-manager and kube-scheduler.
    pub managers: Managers,
}

impl Made {
    /// Finds them.
    ///
    /// # Errors
    /// With what is missing, and how to come by it.
    pub fn find() -> Result<Self, String> {
        Ok(Self { programs: Programs::find()?, managers: Managers::find()? })
    }
}

async fn one(case: &Case, cluster: Shared, log: Log) -> Result<(String, Told), String> {
    let began = cluster.now();
    let driver = Driver { case, cluster: Arc::clone(&cluster), log: log.clone() };
    let answers = driver.run().await?;
    let mut changes = log.changes();
    // Nodes were there before: what they were like is the last that was written of them.
    let is_before = |change: &Change| change.at < began && &*change.resource.resource == "nodes";
    let nodes = changes.iter().filter(|change| case.alone && is_before(change));
    let nodes: BTreeMap<String, Change> =
        nodes.map(|change| (change.object.name().to_owned(), change.clone())).collect();
    changes.retain(|change| {
        let is_node = &*change.resource.resource == "nodes" && change.resource.group.is_empty();
        belongs(change, &case.name) || (case.alone && is_node && change.at >= began)
    });
    changes.splice(0..0, nodes.into_values());
    if case.alone {
        driver.leave().await;
    }
    Ok((case.name.clone(), Told { answers, took: cluster.now() - began, changes }))
}

/// What real control planes do.
///
/// # Errors
/// When one cannot be started, or ends.
pub fn real(made: &Made, cases: &[Case]) -> Result<All, String> {
    let mut groups: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        groups.entry(&case.group).or_default().push(case);
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let all = groups.values().map(|cases| group(made, cases));
        let mut found = All::new();
        for told in futures::future::join_all(all).await {
            found.extend(told?);
        }
        Ok(found)
    })
}

async fn group(made: &Made, cases: &[&Case]) -> Result<All, String> {
    let plain = |error: &dyn std::fmt::Display| error.to_string();
    let mut plane = ControlPlane::start(&made.programs).await.map_err(|e| plain(&e))?;
    plane.manage(&made.managers).map_err(|e| plain(&e))?;
    let kubeconfig = Kubeconfig::from_yaml(&plane.kubeconfig()).map_err(|e| plain(&e))?;
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.map_err(|e| plain(&e))?;
    // A refused eviction is an answer to compare, not to ask again.
    config.default_retry = false;
    let client = kube::Client::try_from(config).map_err(|e| plain(&e))?;
    let mut workloads = Vec::new();
    for case in cases {
        workloads.extend(case.rules()?);
    }
    let spec = Spec {
        nodes: NODES,
        hosted: false,
        provisions: false,
        after: None,
        workloads,
        version: Version::default(),
        seed: 1,
        time_scale: 1.0,
    };
    let log = Log::default();
    let live = Live::start(client, &spec, Arc::new(log.clone())).await;
    let cluster: Shared = Arc::new(live.map_err(|why| match plane.failure() {
        Some(failure) => format!("{why}\n{failure}"),
        None => why,
    })?);
    // What was written until here is told of with a delay.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut all = All::new();
    let (alone, together): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.alone);
    let mut running = futures::stream::iter(together)
        .map(|case| {
            let (case, cluster, log) = (case.clone(), Arc::clone(&cluster), log.clone());
            tokio::spawn(async move { one(&case, cluster, log).await })
        })
        .buffer_unordered(AT_ONCE);
    while let Some(told) = running.next().await {
        all.extend([told.map_err(|e| plain(&e))??]);
    }
    for case in alone {
        all.extend([one(case, Arc::clone(&cluster), log.clone()).await?]);
    }
    match plane.failure() {
        Some(failure) => Err(failure),
        None => Ok(all),
    }
}

/// What simulations do.
///
/// # Errors
/// When one ends with a panic.
pub fn simulated(cases: &[Case]) -> Result<All, String> {
    let known = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let authority = known.map_err(|e| e.to_string())?.cert.pem();
    cases.iter().map(|case| simulate(case, &authority)).collect()
}

fn simulate(case: &Case, authority: &str) -> Result<(String, Told), String> {
    let options = sim::Options { seed: 1, trace: TraceLevel::Digest };
    let workloads = case.rules()?;
    sim::run(&options, |cluster| async move {
        let log = Log::default();
        let spec = ClusterSpec { nodes: NODES, workloads };
        cluster.with(|world| {
            world.observe(Box::new(log.clone()));
            world.server.authority = authority.to_owned();
            boot::cluster(world, &spec);
        });
        // As on the real side, everything stands before the case begins.
        tokio::time::sleep(SETTLED).await;
        one(case, Arc::new(Sim(cluster)), log).await
    })?
}
