//! A real control plane in containers: one unprivileged image `FROM scratch` that holds the
//! programs, and a container of it for each of them, on a network of their own.
//!
//! The image is made of the programs that [`Programs`] and [`Managers`] find, so nothing is
//! pulled. It needs a Docker engine, found as testcontainers finds it (`DOCKER_HOST`).

pub mod operator;

use std::path::Path;
use std::time::Duration;

use maestro_sim::facts::Version;
use tempfile::TempDir;
use testcontainers::core::{BuildImageOptions, IntoContainerPort as _};
use testcontainers::runners::{AsyncBuilder as _, AsyncRunner as _};
use testcontainers::{ContainerAsync, GenericBuildableImage, GenericImage, ImageExt as _};

use super::control_plane::credentials::{self, Credentials};
use super::control_plane::programs::{self, Managers, Programs};
use super::control_plane::{self, KUBECONFIG, TOKEN, USER};
use super::keeper::Keeper;

/// How long a container may take to start.
const START: Duration = Duration::from_secs(300);
/// Where the credentials stand in a container.
const FOLDER: &str = "/etc/maestro";
const SECURE: u16 = 6443;
const CLIENTS: u16 = 2379;
const PEERS: u16 = 2380;

/// A running control plane. Dropping it removes its containers.
pub struct Containers {
    kubeconfig: String,
    network: String,
    // In the order of their end.
    all: Vec<ContainerAsync<GenericImage>>,
    // Holds the certificate that the kubeconfig names.
    folder: TempDir,
    _keeper: Keeper,
}

/// What all containers of a control plane share.
struct Starter<'a> {
    image: GenericImage,
    network: &'a str,
    folder: &'a Path,
}

impl Starter<'_> {
    async fn start(
        &self,
        program: &str,
        port: Option<u16>,
        arguments: Vec<String>,
    ) -> Result<ContainerAsync<GenericImage>, String> {
        let mut image = self.image.clone().with_entrypoint(&format!("/bin/{program}"));
        if let Some(port) = port {
            image = image.with_exposed_port(port.tcp());
        }
        let mut request = image
            .with_cmd(arguments)
            .with_container_name(format!("{}-{program}", self.network))
            .with_network(self.network)
            .with_startup_timeout(START);
        for file in credentials::FILES.into_iter().chain([KUBECONFIG]) {
            let content = std::fs::read(self.folder.join(file)).map_err(text)?;
            request = request.with_copy_to(format!("{FOLDER}/{file}"), content);
        }
        request.start().await.map_err(|error| format!("{program}: {error}"))
    }
}

/// The image of these programs. One that stands already, of programs of the same sizes, is kept.
async fn image(programs: &Programs, managers: &Managers) -> Result<GenericImage, String> {
    let all = [&programs.etcd, &programs.api_server, &managers.controllers, &managers.scheduler];
    let mut bytes = 0;
    let mut image = String::from("FROM scratch\n");
    for path in all {
        bytes += std::fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        image.push_str(&format!("COPY {name} /bin/{name}\n"));
    }
    let tag = format!("{}-{bytes}", programs::version());
    let build = GenericBuildableImage::new("maestro-control-plane", tag);
    let build = all.into_iter().fold(build.with_dockerfile_string(image), |build, path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        build.with_file(path, format!("./{name}"))
    });
    let options = BuildImageOptions::new().with_skip_if_exists(true);
    build.build_image_with(options).await.map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Containers {
    /// Builds the image where it is missing, starts a container for each program and waits until
    /// the API server says that it is ready.
    ///
    /// # Errors
    /// With the engine's own words when there is none, or it refuses.
    pub async fn start(
        programs: &Programs,
        managers: &Managers,
        version: Version,
    ) -> Result<Self, String> {
        let image = image(programs, managers).await?;
        let folder = TempDir::with_prefix("maestro-").map_err(text)?;
        let name = folder.path().file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let _keeper = Keeper::of_containers(folder.path(), &name).map_err(text)?;
        let (server, store) = (format!("{name}-kube-apiserver"), format!("{name}-etcd"));
        let names = ["127.0.0.1", "localhost", &server];
        let known = Credentials::write(folder.path(), &names, USER, TOKEN)?;
        let inside = control_plane::kubeconfig(&format!("{server}:{SECURE}"), Path::new(FOLDER));
        std::fs::write(folder.path().join(KUBECONFIG), inside).map_err(text)?;
        let starter = Starter { image, network: &name, folder: folder.path() };
        let arguments = control_plane::etcd_arguments(
            Path::new("/var/lib/etcd"),
            &format!("http://0.0.0.0:{CLIENTS}"),
            &format!("http://127.0.0.1:{PEERS}"),
        );
        let etcd = starter.start("etcd", None, arguments).await?;
        let etcd_url = format!("http://{store}:{CLIENTS}");
        let mut arguments =
            control_plane::server_arguments(Path::new(FOLDER), &etcd_url, "0.0.0.0", SECURE);
        arguments.extend(control_plane::emulation(version));
        let api = starter.start("kube-apiserver", Some(SECURE), arguments).await?;
        let port = api.get_host_port_ipv4(SECURE).await.map_err(text)?;
        let ready = control_plane::ready(port, &known, || None);
        match tokio::time::timeout(START, ready).await {
            Ok(ready) => ready?,
            Err(_) => return Err(format!("kube-apiserver does not answer in {START:?}")),
        }
        let [controllers, scheduler] =
            control_plane::manager_arguments(Path::new(FOLDER)).map(|mut arguments| {
                arguments.extend(control_plane::emulation(version));
                arguments
            });
        let controllers = starter.start("kube-controller-manager", None, controllers).await?;
        let scheduler = starter.start("kube-scheduler", None, scheduler).await?;
        let kubeconfig = control_plane::kubeconfig(&format!("127.0.0.1:{port}"), folder.path());
        let all = vec![scheduler, controllers, api, etcd];
        Ok(Self { kubeconfig, network: name, all, folder, _keeper })
    }

    /// A kubeconfig (v1 Config, as YAML) of a member of `system:masters`.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// Starts a replica of the operator of its image beside the control plane. It finds its cluster
    /// and its account as in a pod: by the environment and by the account's files.
    ///
    /// # Errors
    /// With the engine's own words when it refuses.
    pub async fn operator(
        &self,
        image: &operator::Built,
        namespace: &str,
        token: &str,
        replica: u16,
    ) -> Result<operator::Replica, String> {
        let certificate = self.folder.path().join(credentials::CERTIFICATE);
        let server = format!("{}-kube-apiserver", self.network);
        let place = operator::Place {
            network: self.network.clone(),
            server: (server, SECURE),
            certificate: std::fs::read(certificate).map_err(text)?,
            namespace: namespace.to_owned(),
            token: token.to_owned(),
        };
        operator::Replica::start(image, place, replica).await
    }

    /// The program that has ended though nobody asked it to, if one has.
    pub async fn failure(&self) -> Option<String> {
        for container in &self.all {
            if matches!(container.is_running().await, Ok(false)) {
                let output = container.stderr_to_vec().await.unwrap_or_default();
                let output = String::from_utf8_lossy(&output).into_owned();
                return Some(control_plane::process::last_lines(&output));
            }
        }
        None
    }
}

/// Why no container can be started here, if none can: asked of the engine itself.
pub fn lacking() -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Some(error.to_string()),
    };
    let asked = async {
        let client = testcontainers::core::client::docker_client_instance().await;
        let client = client.map_err(text)?;
        client.ping().await.map(drop).map_err(text)
    };
    runtime.block_on(asked).err().map(|why| format!("no Docker engine answers: {why}"))
}
