//! Which programs make up the control plane: those the environment names, else those that
//! `ci/control-plane/build` has built.

use std::env;
use std::path::{Path, PathBuf};

/// The Go module that says which Kubernetes is wanted.
const MODULE: &str = include_str!("../../../../ci/control-plane/kubernetes/go.mod");

/// The programs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Programs {
    /// `etcd`.
    pub etcd: PathBuf,
    /// `kube-apiserver`.
    pub api_server: PathBuf,
}

/// What makes of an API server a cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Managers {
    /// `kube-controller-manager`.
    pub controllers: PathBuf,
    /// `kube-scheduler`.
    pub scheduler: PathBuf,
}

impl Programs {
    /// Finds the programs, as the envtest tools of controller-runtime do: `TEST_ASSET_*` first,
    /// then `KUBEBUILDER_ASSETS`, then the cache of `ci/control-plane/build`.
    ///
    /// # Errors
    /// With what is missing, and how to come by it.
    pub fn find() -> Result<Self, String> {
        let set = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = set("HOME").map(|home| home.join(".cache"));
        let cache = set("XDG_CACHE_HOME").or(home);
        find(&set, cache.as_deref(), &|path| path.is_file())
    }
}

impl Managers {
    /// Finds the programs as [`Programs::find`] does.
    ///
    /// # Errors
    /// With what is missing, and how to come by it.
    pub fn find() -> Result<Self, String> {
        Ok(Self {
            controllers: found("kube-controller-manager", "TEST_ASSET_KUBE_CONTROLLER_MANAGER")?,
            scheduler: found("kube-scheduler", "TEST_ASSET_KUBE_SCHEDULER")?,
        })
    }
}

/// Finds `kubectl` as [`Programs::find`] finds the others.
///
/// # Errors
/// With how to come by it.
pub fn kubectl() -> Result<PathBuf, String> {
    found("kubectl", "TEST_ASSET_KUBECTL")
}

/// Finds `helm` as [`Programs::find`] finds the others.
///
/// # Errors
/// With how to come by it.
pub fn helm() -> Result<PathBuf, String> {
    found("helm", "TEST_ASSET_HELM")
}

fn found(name: &str, variable: &str) -> Result<PathBuf, String> {
    let set = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = set("HOME").map(|home| home.join(".cache"));
    let cache = set("XDG_CACHE_HOME").or(home);
    program(&set, cache.as_deref(), &|path| path.is_file(), name, variable)
}

fn find(
    set: &dyn Fn(&str) -> Option<PathBuf>,
    cache: Option<&Path>,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<Programs, String> {
    let program = |name: &str, variable: &str| program(set, cache, exists, name, variable);
    Ok(Programs {
        etcd: program("etcd", "TEST_ASSET_ETCD")?,
        api_server: program("kube-apiserver", "TEST_ASSET_KUBE_APISERVER")?,
    })
}

fn program(
    set: &dyn Fn(&str) -> Option<PathBuf>,
    cache: Option<&Path>,
    exists: &dyn Fn(&Path) -> bool,
    name: &str,
    variable: &str,
) -> Result<PathBuf, String> {
    if let Some(path) = set(variable) {
        return match exists(&path) {
            true => Ok(path),
            false => Err(format!("{variable} names {}, which is no file", path.display())),
        };
    }
    let assets = set("KUBEBUILDER_ASSETS").map(|folder| folder.join(name));
    if let Some(path) = assets.filter(|path| exists(path)) {
        return Ok(path);
    }
    let built = cache.map(|c| c.join("maestro/control-plane").join(version()).join(name));
    built.filter(|path| exists(path)).ok_or_else(|| {
        format!(
            "no {name} for Kubernetes {}: run ci/control-plane/build, or set {variable}",
            version()
        )
    })
}

/// The version of Kubernetes that the build makes, such as `v1.37.2`.
pub fn version() -> &'static str {
    let lines = MODULE.lines().map(|line| line.trim().trim_start_matches("require "));
    let mut required = lines.filter_map(|line| line.strip_prefix("k8s.io/kubernetes "));
    required.next().and_then(|rest| rest.split_whitespace().next()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(set: &[(&str, &str)], files: &[&str], expected: Result<(&str, &str), &str>) {
        let value =
            |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, path)| PathBuf::from(path));
        let exists = |path: &Path| files.iter().any(|file| Path::new(file) == path);
        let found = find(&value, Some(Path::new("/c")), &exists);
        let expected = expected.map(|(etcd, api_server)| Programs {
            etcd: etcd.into(),
            api_server: api_server.into(),
        });
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn the_environment_comes_first() {
        let built = format!("/c/maestro/control-plane/{}", version());
        assert!(built.ends_with("/v1.37.2"), "{built}");
        let (etcd, server) = (format!("{built}/etcd"), format!("{built}/kube-apiserver"));
        let files = [etcd.as_str(), &server, "/k/etcd", "/a/kube-apiserver"];
        check(&[], &files, Ok((&etcd, &server)));
        check(&[("KUBEBUILDER_ASSETS", "/k")], &files, Ok(("/k/etcd", &server)));
        check(
            &[("KUBEBUILDER_ASSETS", "/k"), ("TEST_ASSET_KUBE_APISERVER", "/a/kube-apiserver")],
            &files,
            Ok(("/k/etcd", "/a/kube-apiserver")),
        );
        check(
            &[("TEST_ASSET_ETCD", "/no")],
            &files,
            Err("TEST_ASSET_ETCD names /no, which is no file"),
        );
        check(
            &[],
            &files[..1],
            Err("no kube-apiserver for Kubernetes v1.37.2: run ci/control-plane/build, or set \
                 TEST_ASSET_KUBE_APISERVER"),
        );
    }
}
