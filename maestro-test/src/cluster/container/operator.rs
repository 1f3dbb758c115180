//! The operator in an image of its own, `FROM scratch`: the `maestro` program and the libraries
//! that it is linked with, so nothing is pulled.

use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use maestro_core::manifests::USER;
use testcontainers::core::BuildImageOptions;
use testcontainers::runners::{AsyncBuilder as _, AsyncRunner as _};
use testcontainers::{ContainerAsync, GenericBuildableImage, GenericImage, ImageExt as _};

/// The variable that names the program.
pub const PROGRAM: &str = "MAESTRO_PROGRAM";
/// The image's name, to which a tag belongs.
const IMAGE: &str = "maestro-operator";

/// The image's name and tag, and the image.
pub struct Built {
    /// As a manifest names it.
    pub name: String,
    /// As containers are started of it.
    pub image: GenericImage,
}

/// Where the files of a pod's account stand
/// (<https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>).
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where a replica lives, and as whom.
pub struct Place {
    /// The engine's network.
    pub network: String,
    /// The API server's name there, and its port.
    pub server: (String, u16),
    /// The certificate of whoever signed the server's, in PEM.
    pub certificate: Vec<u8>,
    /// The account's namespace.
    pub namespace: String,
    /// The account's token.
    pub token: String,
}

/// A running replica. Dropping it removes its container.
pub struct Replica(ContainerAsync<GenericImage>);

impl Replica {
    /// Starts one.
    ///
    /// # Errors
    /// With the engine's own words when it refuses.
    pub async fn start(image: &Built, place: Place, number: u16) -> Result<Self, String> {
        let (server, port) = place.server;
        let account = [
            ("ca.crt", place.certificate),
            ("namespace", place.namespace.into_bytes()),
            ("token", place.token.into_bytes()),
        ];
        let request = image.image.clone().with_cmd(["operator"]);
        let request = account.into_iter().fold(request, |request, (file, content)| {
            request.with_copy_to(format!("{ACCOUNT}/{file}"), content)
        });
        let request = request
            .with_container_name(format!("{}-operator-{number}", place.network))
            .with_network(place.network)
            .with_env_var("KUBERNETES_SERVICE_HOST", server)
            .with_env_var("KUBERNETES_SERVICE_PORT", port.to_string())
            .with_cap_drop("ALL");
        request.start().await.map(Self).map_err(|error| error.to_string())
    }

    /// What it has printed.
    ///
    /// # Errors
    /// With the engine's own words when it does not say.
    pub async fn log(&self) -> Result<String, String> {
        let printed = self.0.stderr_to_vec().await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }
}

/// The `maestro` program: the one that `$MAESTRO_PROGRAM` names, else the one that was built
/// beside this program.
///
/// # Errors
/// With what to do when there is none.
pub fn program() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(PROGRAM).map(PathBuf::from) {
        let there = named.is_file();
        return there.then_some(named.clone()).ok_or(format!("{} is no file", named.display()));
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    // A test stands in a folder below.
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join("maestro"));
    { found }.find(|path| path.is_file()).ok_or(format!(
        "there is no maestro program beside {}; build it with cargo build -p maestro-core, or \
         name one with {PROGRAM}",
        own.display()
    ))
}

/// Builds the image, unless one of the same content stands.
///
/// # Errors
/// When the program cannot be read, or with the engine's own words.
pub async fn build(program: &Path) -> Result<Built, String> {
    let mut files = vec![(program.to_owned(), "/bin/maestro".to_owned())];
    for library in libraries(program)? {
        let inside = library.display().to_string();
        files.push((library, inside));
    }
    let mut hasher = DefaultHasher::new();
    let mut image = String::from("FROM scratch\n");
    for (index, (path, inside)) in files.iter().enumerate() {
        let content = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        hasher.write(&content);
        image.push_str(&format!("COPY {index} {inside}\n"));
    }
    image.push_str(&format!("USER {USER}:{USER}\nENTRYPOINT [\"/bin/maestro\"]\n"));
    let tag = format!("{:016x}", hasher.finish());
    let build = GenericBuildableImage::new(IMAGE, &tag).with_dockerfile_string(image);
    let build = files
        .into_iter()
        .enumerate()
        .fold(build, |build, (index, (path, _))| build.with_file(path, format!("./{index}")));
    let options = BuildImageOptions::new().with_skip_if_exists(true);
    let image = build.build_image_with(options).await.map_err(|error| error.to_string())?;
    Ok(Built { name: format!("{IMAGE}:{tag}"), image })
}

/// The libraries and the loader of a program, as the loader finds them; none of a static one.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, String> {
    let listed = Command::new("ldd").arg(program).output();
    let listed = listed.map_err(|error| format!("ldd: {error}"))?;
    let said = String::from_utf8_lossy(&listed.stderr);
    if !listed.status.success() && !said.contains("not a dynamic executable") {
        return Err(format!("ldd {}: {}", program.display(), said.trim()));
    }
    paths(&String::from_utf8_lossy(&listed.stdout))
}

/// The files that ldd speaks of.
fn paths(listed: &str) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for line in listed.lines() {
        if line.contains("not found") {
            return Err(format!("a library is missing: {}", line.trim()));
        }
        let path = line.split_once("=> ").map_or(line, |(_, path)| path).trim();
        let path = path.split_once(" (").map_or(path, |(path, _)| path);
        if path.starts_with('/') {
            found.push(PathBuf::from(path));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::paths;

    #[test]
    fn libraries_are_those_that_the_loader_names() {
        let check = |listed: &str, expected: Option<&[&str]>| {
            let found = paths(listed).ok();
            let found = found.map(|all| all.iter().map(|p| p.display().to_string()).collect());
            let expected = expected.map(|all| all.iter().map(|p| (*p).to_owned()).collect());
            assert_eq!(found, expected as Option<Vec<String>>, "{listed}");
        };
        check("\tstatically linked\n", Some(&[]));
        check(
            "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld.so.2 (0x3)\n",
            Some(&["/lib/libc.so.6", "/lib64/ld.so.2"]),
        );
        check("\tlibc.so.6 => not found\n", None);
    }
}
