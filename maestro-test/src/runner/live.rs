//! One run in the wall's time, on an API server over TCP: the same steps, faults and properties.

use std::sync::Arc;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use maestro_sim::facts::Version;
use tokio::runtime::Runtime;

use super::{Recorder, Run, setup};
#[cfg(feature = "containers")]
use crate::cluster::container::Containers;
use crate::cluster::control_plane::ControlPlane;
use crate::cluster::control_plane::programs::{Managers, Programs};
#[cfg(feature = "containers")]
use crate::cluster::kind::Kind;
use crate::cluster::live::{After, Live, Spec};
use crate::cluster::served::Served;
use crate::cluster::target::{Place, Target};
use crate::cluster::{NO_OTHER, Shared};
use crate::outcome::Outcome;
use crate::scenario::Scenario;

/// How long what still runs at the end of a run may take to end.
const END: Duration = Duration::from_secs(5);

/// Runs a scenario on a real cluster. What cannot be started is the kit's own failure.
pub fn run(place: &Place, scenario: &Scenario, seed: u64) -> Outcome {
    let began = std::time::Instant::now();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime: std::io::Result<Runtime> = runtime.worker_threads(2).enable_all().build();
    let result = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let result = runtime.block_on(once(place, scenario, seed));
        runtime.shutdown_timeout(END);
        result
    });
    let failed = |error| Outcome { seed, harness: Some(error), ..Outcome::default() };
    Outcome { wall: began.elapsed(), ..result.unwrap_or_else(failed) }
}

async fn once(place: &Place, scenario: &Scenario, seed: u64) -> Result<Outcome, String> {
    let hosted = place.target == Target::Kind;
    if hosted && scenario.program().is_some() {
        return Err(NO_OTHER.to_owned());
    }
    let mut base = Base::start(&place.target, scenario.version(), seed).await?;
    let recorder = Recorder::new(scenario, seed);
    let after = if place.keep { After::Kept } else { After::Restored };
    let spec = Spec {
        nodes: if hosted { 0 } else { scenario.spec.cluster.nodes.value },
        hosted,
        provisions: place.target == Target::Served,
        after: place.target.outlives().then_some(after),
        workloads: scenario.spec.workloads.iter().map(setup::rule).collect(),
        version: scenario.version(),
        seed,
        time_scale: place.time_scale,
    };
    let client = kube::Client::try_from(base.config.clone()).map_err(|e| e.to_string())?;
    let live = Live::start(client, &spec, Arc::new(recorder.clone())).await;
    let live = match (live, base.failure().await) {
        (Ok(live), _) => live,
        (Err(why), None) => return Err(why),
        (Err(why), Some(failure)) => return Err(format!("{why}\n{failure}")),
    };
    let control = live.control.clone();
    let cluster: Shared = Arc::new(live);
    let run = Run::new(scenario, cluster, control, recorder, place.as_installed);
    let outcome = run.through(seed).await;
    match base.failure().await {
        Some(why) => Err(why),
        None => Ok(outcome),
    }
}

/// The API server that a run stands on, and what ends with the run.
struct Base {
    config: kube::Config,
    runs: Runs,
}

/// What was started for the run.
enum Runs {
    Nothing,
    Served(Served),
    Processes(ControlPlane),
    #[cfg(feature = "containers")]
    Containers(Containers),
    #[cfg(feature = "containers")]
    Kind(Kind),
}

impl Base {
    async fn start(target: &Target, version: Version, seed: u64) -> Result<Self, String> {
        let (kubeconfig, runs) = match target {
            Target::Sim => return Err("the simulation has no API server to connect to".to_owned()),
            Target::Served => {
                let served = Served::start(version, seed).await?;
                (Kubeconfig::from_yaml(served.kubeconfig()), Runs::Served(served))
            }
            Target::ControlPlane => {
                let (programs, managers) = (Programs::find()?, Managers::find()?);
                let plane = ControlPlane::start_as(&programs, version).await;
                let mut plane = plane.map_err(|error| error.to_string())?;
                plane.manage(&managers).map_err(|error| error.to_string())?;
                (Kubeconfig::from_yaml(&plane.kubeconfig()), Runs::Processes(plane))
            }
            #[cfg(feature = "containers")]
            Target::Container => {
                let (programs, managers) = (Programs::find()?, Managers::find()?);
                let containers = Containers::start(&programs, &managers, version).await?;
                (Kubeconfig::from_yaml(containers.kubeconfig()), Runs::Containers(containers))
            }
            #[cfg(feature = "containers")]
            Target::Kind => {
                let kind = Kind::start().await?;
                (Kubeconfig::from_yaml(kind.kubeconfig()), Runs::Kind(kind))
            }
            #[cfg(not(feature = "containers"))]
            Target::Container | Target::Kind => {
                return Err("containers are not built in (feature containers)".to_owned());
            }
            Target::Kubeconfig(Some(file)) => (Kubeconfig::read_from(file), Runs::Nothing),
            Target::Kubeconfig(None) => (Kubeconfig::read(), Runs::Nothing),
        };
        let kubeconfig = kubeconfig.map_err(|error| error.to_string())?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.map_err(|error| error.to_string())?;
        // A refusal (429) is told to whoever asked; the client does not ask again by itself.
        config.default_retry = false;
        Ok(Self { config, runs })
    }

    /// What a program of the control plane said that has ended though nobody asked it to.
    async fn failure(&mut self) -> Option<String> {
        match &mut self.runs {
            Runs::Nothing => None,
            Runs::Served(served) => served.failure(),
            Runs::Processes(plane) => plane.failure(),
            #[cfg(feature = "containers")]
            Runs::Containers(containers) => containers.failure().await,
            #[cfg(feature = "containers")]
            Runs::Kind(kind) => kind.failure().await,
        }
    }
}
