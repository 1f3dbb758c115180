//! Where scenarios run: a kind of cluster, as `--cluster` names it, and the pace there.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// How the clusters are named.
const ALL: &str = "sim, served, control-plane, container, kind, kubeconfig or kubeconfig=FILE";

/// A kind of cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// The simulation.
    #[default]
    Sim,
    /// The simulated control plane over TCP, in the wall's time, with Maestro's kubelets.
    Served,
    /// A real control plane of this run's own: etcd, kube-apiserver, kube-controller-manager and
    /// kube-scheduler as processes, with Maestro's kubelets.
    ControlPlane,
    /// The same in containers of a Docker engine, of an image that is built of those programs.
    Container,
    /// A node of kind in a privileged container, with real kubelets and an installed operator.
    Kind,
    /// A cluster that is there: of this kubeconfig, or of `$KUBECONFIG` and `~/.kube/config`.
    Kubeconfig(Option<PathBuf>),
}

impl Target {
    /// Whether the cluster was there before a run, and is after it.
    pub fn outlives(&self) -> bool {
        matches!(self, Self::Kubeconfig(_))
    }

    /// Why such a cluster cannot be had here, as far as that shows only when it is tried.
    pub fn lacking(&self) -> Option<String> {
        match self {
            #[cfg(feature = "containers")]
            Self::Kind => super::kind::lacking(),
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sim => f.write_str("sim"),
            Self::Served => f.write_str("served"),
            Self::ControlPlane => f.write_str("control-plane"),
            Self::Container => f.write_str("container"),
            Self::Kind => f.write_str("kind"),
            Self::Kubeconfig(None) => f.write_str("kubeconfig"),
            Self::Kubeconfig(Some(file)) => write!(f, "kubeconfig={}", file.display()),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let target = match text.split_once('=') {
            Some(("kubeconfig", file)) if !file.is_empty() => Self::Kubeconfig(Some(file.into())),
            None if text == "sim" => Self::Sim,
            None if text == "served" => Self::Served,
            None if text == "control-plane" => Self::ControlPlane,
            None if text == "container" => Self::Container,
            None if text == "kind" => Self::Kind,
            None if text == "kubeconfig" => Self::Kubeconfig(None),
            _ => {
                return Err(format!("write {ALL}"));
            }
        };
        let (built_in, feature) = match target {
            Self::Sim => (true, ""),
            Self::Container | Self::Kind => (cfg!(feature = "containers"), "containers"),
            _ => (cfg!(feature = "clusters"), "clusters"),
        };
        if built_in {
            return Ok(target);
        }
        Err(format!(
            "{target} is not built into this maestro-test; build it with --features {feature}"
        ))
    }
}

/// Where scenarios run, and how fast what they declare goes there.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The cluster.
    pub target: Target,
    /// The share of its declared time that each workload, fault and sleep takes. On a simulation
    /// always 1: there, time costs nothing.
    pub time_scale: f64,
    /// Whether the operator has no more rights than its own manifests give it. Otherwise it may do
    /// everything, which costs a simulation no look at roles.
    pub as_installed: bool,
    /// Whether what a run made stays in a cluster that outlives it.
    pub keep: bool,
}

impl Default for Place {
    fn default() -> Self {
        Self { target: Target::Sim, time_scale: 1.0, as_installed: false, keep: false }
    }
}

/// A share of declared time, as `--time-scale` gives it: above 0, at most 1.
///
/// # Errors
/// With what would be right.
pub fn time_scale(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "write a share above 0 and up to 1, such as 0.1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Target, time_scale};

    #[test]
    fn clusters_are_named() {
        for (text, expected) in
            [("sim", Some(Target::Sim)), ("kind-of", None), ("kubeconfig=", None), ("sim=1", None)]
        {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
        let real = "kubeconfig=a=b".parse::<Target>();
        if cfg!(feature = "clusters") {
            assert_eq!(real, Ok(Target::Kubeconfig(Some("a=b".into()))));
        } else {
            assert!(real.unwrap_err().contains("build it with --features clusters"));
        }
    }

    #[test]
    fn time_is_shortened_and_never_stretched() {
        assert_eq!(time_scale("0.25"), Ok(0.25));
        for wrong in ["0", "-1", "1.1", "NaN", "fast"] {
            assert!(time_scale(wrong).is_err(), "{wrong}");
        }
    }
}
