//! The parts of a pod's spec that the kubelet acts on, read once per step.

use std::time::Duration;

use crate::json::Value;
use crate::object::at;

/// How a container takes part in its pod.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Runs to its end before the next one.
    Init,
    /// An init container with `restartPolicy: Always`: started, then left running.
    Sidecar,
    /// One of `spec.containers`.
    Main,
    /// Added to a pod that runs, to look into it: started once, whatever else the pod waits for,
    /// and counted in neither its phase nor its readiness (KEP-277).
    Ephemeral,
}

impl Role {
    /// Whether it is one of `spec.initContainers`.
    pub const fn is_init(self) -> bool {
        matches!(self, Self::Init | Self::Sidecar)
    }

    /// Whether its resources can be resized while its pod runs (KEP-1287).
    pub const fn is_resizable(self) -> bool {
        matches!(self, Self::Sidecar | Self::Main)
    }
}

/// When an exited container is started again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// Whatever it exited with.
    Always,
    /// After a code other than 0.
    OnFailure,
    /// Not at all.
    Never,
}

impl Policy {
    fn read(text: Option<&str>) -> Option<Self> {
        match text? {
            "OnFailure" => Some(Self::OnFailure),
            "Never" => Some(Self::Never),
            _ => Some(Self::Always),
        }
    }

    /// Whether a container that exited so is started again.
    pub const fn restarts(self, exit_code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => exit_code != 0,
            Self::Never => false,
        }
    }
}

/// One container of a pod.
#[derive(Clone, Debug)]
pub struct ContainerSpec<'a> {
    /// Its whole spec.
    pub value: &'a Value,
    /// Its name.
    pub name: &'a str,
    /// Its image.
    pub image: &'a str,
    /// Its role.
    pub role: Role,
    /// Its own policy, else the pod's as it applies to the role.
    pub policy: Policy,
}

impl ContainerSpec<'_> {
    /// Whether the image is asked for at every start, only if absent, or never.
    pub fn pull_policy(&self) -> &str {
        let declared = self.value.get("imagePullPolicy").and_then(Value::as_str);
        let tag = self.image.rsplit('/').next().and_then(|last| last.split_once(':'));
        let latest = tag.is_none_or(|(_, tag)| tag == "latest") && !self.image.contains('@');
        declared.unwrap_or(if latest { "Always" } else { "IfNotPresent" })
    }

    /// What a `preStop` sleep adds to the shutdown.
    pub fn pre_stop(&self) -> Duration {
        let sleep = at(self.value, &["lifecycle", "preStop", "sleep", "seconds"]);
        Duration::from_secs(sleep.and_then(Value::as_u64).unwrap_or(0))
    }
}

/// All containers: init containers and sidecars in order, then the main ones, then ephemeral ones.
pub fn containers(pod: &Value) -> Vec<ContainerSpec<'_>> {
    let of_pod = at(pod, &["spec", "restartPolicy"]).and_then(Value::as_str);
    let of_pod = Policy::read(of_pod).unwrap_or(Policy::Always);
    let list = |name| at(pod, &["spec", name]).and_then(Value::as_array).into_iter().flatten();
    let read = move |value, role| {
        let text = |field| at(value, &[field]).and_then(Value::as_str);
        let own = Policy::read(text("restartPolicy"));
        let (role, policy) = match (role, own) {
            (Role::Init, Some(Policy::Always)) => (Role::Sidecar, Policy::Always),
            (Role::Init, own) => (Role::Init, init_policy(own.unwrap_or(of_pod))),
            (Role::Ephemeral, _) => (Role::Ephemeral, Policy::Never),
            (role, own) => (role, own.unwrap_or(of_pod)),
        };
        let (name, image) = (text("name").unwrap_or(""), text("image").unwrap_or(""));
        ContainerSpec { value, name, image, role, policy }
    };
    let lists = [
        ("initContainers", Role::Init),
        ("containers", Role::Main),
        ("ephemeralContainers", Role::Ephemeral),
    ];
    lists
        .into_iter()
        .flat_map(|(name, role)| list(name).map(move |value| read(value, role)))
        .collect()
}

/// An init container that exited 0 is done, whatever the pod's policy.
const fn init_policy(policy: Policy) -> Policy {
    match policy {
        Policy::Always => Policy::OnFailure,
        other => other,
    }
}

/// A number of seconds at a path of the pod.
pub fn seconds(pod: &Value, path: &[&str]) -> Option<Duration> {
    at(pod, path).and_then(Value::as_u64).map(Duration::from_secs)
}
