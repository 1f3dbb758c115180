//! A node of kind (<https://kind.sigs.k8s.io>) in a privileged container: a whole cluster with
//! real kubelets, in which the operator is installed from its own manifests and image.
//!
//! What runs in pods are the images that templates name; how workloads behave is theirs to say,
//! so what a scenario declares of them is not heeded, and faults of kubelets and of the operator's
//! link are skipped by name. Pods are killed as anywhere.

pub mod steps;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::TryStreamExt as _;
use maestro_core::manifests::{self, Choices, NAMESPACE};
use testcontainers::core::client::docker_client_instance;
use testcontainers::core::{CgroupnsMode, ExecCommand, IntoContainerPort as _, Mount};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _};

use super::container::operator;
use super::keeper::Keeper;
use steps::Node;

/// The variable that names the node's image.
pub const IMAGE: &str = "MAESTRO_KIND_IMAGE";
/// The node's image unless one is named.
const DEFAULT: &str = "kindest/node:v1.34.0";
/// How long the container may take to start.
const START: Duration = Duration::from_secs(300);
const SECURE: u16 = 6443;
/// Tells the containers of a process apart.
static STARTED: AtomicU32 = AtomicU32::new(0);
/// Replicas of the operator: one leads, one waits.
const REPLICAS: u16 = 2;

/// A running cluster of kind. Dropping it removes its container.
pub struct Kind {
    kubeconfig: String,
    node: ContainerAsync<GenericImage>,
    _keeper: Keeper,
}

struct Container<'a>(&'a ContainerAsync<GenericImage>);

impl Node for Container<'_> {
    async fn exec(&self, command: &[&str]) -> Result<String, String> {
        let asked = ExecCommand::new(command.iter().copied());
        let mut done = self.0.exec(asked).await.map_err(text)?;
        let output = done.stdout_to_vec().await.map_err(text)?;
        let errors = done.stderr_to_vec().await.map_err(text)?;
        let (output, errors) = (String::from_utf8_lossy(&output), String::from_utf8_lossy(&errors));
        match done.exit_code().await.map_err(text)? {
            Some(0) => Ok(output.into_owned()),
            code => {
                let code = code.map_or("no code".to_owned(), |code| format!("code {code}"));
                Err(format!("it ended with {code}: {output}{errors}"))
            }
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The node's image.
fn image() -> String {
    let named = std::env::var(IMAGE).ok().filter(|named| !named.is_empty());
    named.unwrap_or_else(|| DEFAULT.to_owned())
}

/// The name and the tag of an image.
fn parts(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        // A colon before a slash belongs to a registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

/// A name that no other container has.
fn container_name() -> String {
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    format!("maestro-kind-{}-{number}", std::process::id())
}

/// A container of the node's image, with what systemd and containerd need in it.
fn request(image: &str, program: &str, arguments: &[&str]) -> ContainerRequest<GenericImage> {
    let (name, tag) = parts(image);
    GenericImage::new(name, tag)
        .with_entrypoint(program)
        .with_exposed_port(SECURE.tcp())
        .with_cmd(arguments.iter().copied())
        .with_user("0:0")
        .with_privileged(true)
        .with_cgroupns_mode(CgroupnsMode::Private)
        .with_security_opt("seccomp=unconfined")
        .with_security_opt("apparmor=unconfined")
        .with_mount(Mount::tmpfs_mount("/run"))
        .with_mount(Mount::tmpfs_mount("/tmp"))
        .with_startup_timeout(START)
}

impl Kind {
    /// Starts a node, makes a cluster of it and installs the operator there.
    ///
    /// # Errors
    /// With the engine's own words, or with what the step printed that failed.
    pub async fn start() -> Result<Self, String> {
        let built = operator::build(&operator::program()?).await?;
        let choices = Choices {
            image: built.name.clone(),
            namespace: NAMESPACE.to_owned(),
            replicas: REPLICAS,
        };
        let list = maestro_sim::json!({
            "apiVersion": "v1", "kind": "List", "items": manifests::all(&choices)?});
        let name = container_name();
        let _keeper = Keeper::of_container(&name).map_err(text)?;
        let modules = Mount::bind_mount("/lib/modules", "/lib/modules");
        let read_only = testcontainers::core::AccessMode::ReadOnly;
        let request = request(&image(), "/usr/local/bin/entrypoint", &["/sbin/init"])
            .with_container_name(&name)
            .with_hostname(steps::NAME)
            .with_mount(modules.with_access_mode(read_only))
            .with_host_config_modifier(|host| {
                // A volume of no name: the node's own filesystem is an overlay, and holds no other.
                host.mounts.get_or_insert_default().push(testcontainers::bollard::models::Mount {
                    target: Some("/var/lib/containerd".to_owned()),
                    typ: Some(testcontainers::bollard::models::MountType::VOLUME),
                    ..Default::default()
                });
            })
            .with_copy_to(steps::CONFIG, steps::config().into_bytes())
            .with_copy_to(steps::MANIFESTS, list.to_string().into_bytes())
            .with_copy_to(steps::ARCHIVE, archive(&built.name).await?);
        let node = request.start().await.map_err(text)?;
        steps::run(&Container(&node)).await?;
        let port = node.get_host_port_ipv4(SECURE).await.map_err(text)?;
        let known = Container(&node).exec(&["cat", "/etc/kubernetes/admin.conf"]).await?;
        let kubeconfig = steps::kubeconfig(&known, port)?;
        Ok(Self { kubeconfig, node, _keeper })
    }

    /// A kubeconfig (v1 Config, as YAML) of an administrator.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// That the node has ended though nobody asked it to, if it has.
    pub async fn failure(&self) -> Option<String> {
        match self.node.is_running().await {
            Ok(false) => Some("the node of kind has ended".to_owned()),
            _ => None,
        }
    }
}

/// An image as `docker save` writes it.
async fn archive(image: &str) -> Result<Vec<u8>, String> {
    let client = docker_client_instance().await.map_err(text)?;
    let parts: Vec<_> = client.export_image(image).try_collect().await.map_err(text)?;
    Ok(parts.concat())
}

/// Why no node of kind can be started here, if none can.
pub fn lacking() -> Option<String> {
    if let Some(why) = super::container::lacking().or(operator::program().err()) {
        return Some(why);
    }
    refusal(&image(), "/bin/sleep", &["300"])
}

/// Why no privileged container of an image can be had, if none can: one is tried, and what the
/// engine says to that is the reason.
pub fn refusal(image: &str, program: &str, arguments: &[&str]) -> Option<String> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Some(error.to_string()),
    };
    let name = container_name();
    let tried = runtime.block_on(async {
        let request = request(image, program, arguments).with_container_name(&name);
        let tried = request.start().await.map(drop);
        // One that was made and could not be started is nobody's.
        if tried.is_err()
            && let Ok(client) = docker_client_instance().await
        {
            let _ = client.remove_container(&name, None).await;
        }
        tried
    });
    tried.err().map(|why| format!("no privileged container of {image} can be had: {why}"))
}
