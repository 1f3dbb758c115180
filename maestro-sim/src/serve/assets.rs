//! The folder that envtest is pointed at, `KUBEBUILDER_ASSETS`: programs by the names that it looks
//! for, which are this one.
//!
//! Source: <https://book.kubebuilder.io/reference/envtest>.

use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::flags::Program;
use crate::facts::Version;

/// The program that some suites call besides, and that is not stood in for.
const KUBECTL: &str = "kubectl";

/// Where the folder is unless somebody says: in the user's cache, by version.
pub fn usual_folder(version: Version) -> Option<PathBuf> {
    let path = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = path("XDG_CACHE_HOME").or_else(|| Some(path("HOME")?.join(".cache")))?;
    Some(cache.join("maestro").join("envtest").join(version.name()))
}

/// The first kubectl on the way that shells look for programs.
pub fn kubectl() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&folders).map(|folder| folder.join(KUBECTL));
    { found }.find(|path| path.is_file())
}

/// Writes the folder: programs that start `own`, and kubectl where there is one.
///
/// # Errors
/// When something cannot be written.
pub fn write(
    folder: &Path,
    own: &Path,
    version: Version,
    kubectl: Option<&Path>,
) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for program in [Program::ApiServer, Program::Etcd] {
        replace(folder, program.name(), |path| {
            std::fs::write(path, script(own, program, version))?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        })?;
    }
    match kubectl {
        Some(found) => replace(folder, KUBECTL, |path| symlink(found, path)),
        None => Ok(()),
    }
}

/// Makes a file and puts it in its place at once: suites may be starting it.
fn replace(
    folder: &Path,
    name: &str,
    make: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let new = folder.join(format!(".{name}.{}", std::process::id()));
    let _ = std::fs::remove_file(&new);
    make(&new)?;
    std::fs::rename(new, folder.join(name))
}

fn script(own: &Path, program: Program, version: Version) -> String {
    let quoted = own.display().to_string().replace('\'', r"'\''");
    let name = program.name();
    let version = match program {
        Program::ApiServer => format!(" --emulated-version=kube={version}"),
        Program::Etcd => String::new(),
    };
    format!("#!/bin/sh\n# Made by `maestro-sim envtest`.\nexec '{quoted}' {name}{version} \"$@\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_start_this_one() {
        let own = Path::new("/a folder/it's");
        let text = script(own, Program::ApiServer, Version::V1_36);
        assert!(text.starts_with("#!/bin/sh\n"), "{text}");
        let line = r"exec '/a folder/it'\''s' kube-apiserver --emulated-version=kube=1.36 ";
        assert!(text.contains(line), "{text}");
        assert!(script(own, Program::Etcd, Version::V1_36).contains(" etcd \"$@\"\n"));
    }
}
