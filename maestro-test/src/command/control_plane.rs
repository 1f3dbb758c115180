//! `control-plane`: a real control plane for as long as the command runs.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use maestro_sim::facts::Version;
use tokio::signal::unix::{SignalKind, signal};

use crate::cluster::control_plane::ControlPlane;
use crate::cluster::control_plane::programs::{Managers, Programs};
use crate::exit::Exit;

/// Starts etcd, kube-apiserver, kube-controller-manager and kube-scheduler, prints the path of a
/// kubeconfig, and ends them with itself.
#[derive(Debug, Args)]
pub struct Plane {
    /// Write the kubeconfig here instead of beside the data.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The API server and its etcd alone, as controller-runtime's envtest starts them.
    #[arg(long)]
    pub api_server_only: bool,
    /// Act as Kubernetes of this version.
    #[arg(long, value_name = "VERSION", default_value = Version::default().name(),
          value_parser = versions())]
    pub version: Version,
}

/// A version by its name; the usage lists all.
fn versions() -> impl TypedValueParser<Value = Version> {
    PossibleValuesParser::new(Version::names()).try_map(|name| name.parse::<Version>())
}

/// Runs it until it is interrupted.
pub fn run(plane: &Plane) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(serve(plane)),
        Err(error) => Err(error.to_string()),
    };
    match ended {
        Ok(()) => Exit::Passed,
        Err(why) => {
            eprintln!("maestro-test: {why}");
            Exit::Harness
        }
    }
}

async fn serve(plane: &Plane) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut interrupted = signal(SignalKind::interrupt()).map_err(|e| text(&e))?;
    let mut terminated = signal(SignalKind::terminate()).map_err(|e| text(&e))?;
    let running = start(plane);
    let (running, path) = tokio::select! {
        started = running => started?,
        _ = interrupted.recv() => return Ok(()),
        _ = terminated.recv() => return Ok(()),
    };
    // Whoever reads may be gone: the control plane is not for the reader alone.
    let _ = writeln!(std::io::stdout(), "{}", path.display());
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    drop(running);
    Ok(())
}

async fn start(plane: &Plane) -> Result<(ControlPlane, PathBuf), String> {
    let programs = Programs::find()?;
    let managers = if plane.api_server_only { None } else { Some(Managers::find()?) };
    let mut running = ControlPlane::start_as(&programs, plane.version)
        .await
        .map_err(|error| error.to_string())?;
    if let Some(managers) = &managers {
        running.manage(managers).map_err(|error| error.to_string())?;
    }
    let path = plane.kubeconfig.clone().unwrap_or_else(|| running.kubeconfig_file());
    std::fs::write(&path, running.kubeconfig())
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((running, path))
}
