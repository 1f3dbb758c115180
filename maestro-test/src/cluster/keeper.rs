//! What is left of a real cluster when its owner is killed, and goes with it all the same.
//!
//! An owner that ends by itself removes what it made. For one that is killed a small shell does,
//! which learns of it as those of [`super::control_plane::process`] do: the pipe whose writing end
//! the owner held is closed by the kernel.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Removes the folder "$1". Whatever writes to it is being killed at the same time.
const FOLDER: &str = r#"
cat >/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" && [ ! -e "$1" ] && break
    sleep 0.5
done
"#;

/// Removes the folder "$1", the containers on the network "$2", and the network.
#[cfg(feature = "containers")]
const CONTAINERS: &str = r#"
cat >/dev/null
rm -rf -- "$1"
docker ps --all --quiet --filter "network=$2" | xargs -r docker rm --force --volumes
docker network rm "$2"
"#;

/// Removes the container "$1".
#[cfg(feature = "containers")]
const CONTAINER: &str = r#"
cat >/dev/null
docker rm --force --volumes "$1"
"#;

/// Waits for the end of its owner. Dropping it calls that off: the owner has cleaned up.
#[derive(Debug)]
pub struct Keeper {
    shell: Child,
    lifeline: Option<ChildStdin>,
}

impl Keeper {
    /// Sees to it that a folder goes with its owner.
    ///
    /// # Errors
    /// When no shell can be started.
    pub fn of_folder(folder: &Path) -> io::Result<Self> {
        Self::start(Command::new("sh").args(["-c", FOLDER, "sh"]).arg(folder))
    }

    /// Sees to it that a folder, and the containers on a network of Docker's, go with their owner,
    /// where there is a `docker` command.
    ///
    /// # Errors
    /// When no shell can be started.
    #[cfg(feature = "containers")]
    pub fn of_containers(folder: &Path, network: &str) -> io::Result<Self> {
        Self::start(Command::new("sh").args(["-c", CONTAINERS, "sh"]).arg(folder).arg(network))
    }

    /// Sees to it that one container of Docker's goes with its owner, where there is a `docker`
    /// command.
    ///
    /// # Errors
    /// When no shell can be started.
    #[cfg(feature = "containers")]
    pub fn of_container(name: &str) -> io::Result<Self> {
        Self::start(Command::new("sh").args(["-c", CONTAINER, "sh", name]))
    }

    fn start(command: &mut Command) -> io::Result<Self> {
        // A group of its own: what a terminal sends to the owner's does not reach it.
        let shell = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let mut shell = shell?;
        let lifeline = shell.stdin.take();
        Ok(Self { shell, lifeline })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to kill.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        drop(self.lifeline.take());
    }
}

#[cfg(test)]
mod tests {
    use super::Keeper;

    /// A folder with a file, its keeper, and whether it stands after the keeper has gone this way.
    fn check(end: impl FnOnce(Keeper), stands: bool) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("file"), "").expect("a file");
        end(Keeper::of_folder(folder.path()).expect("a shell"));
        assert_eq!(folder.path().exists(), stands);
    }

    #[test]
    fn a_folder_goes_with_an_owner_that_is_killed() {
        check(drop, true);
        check(
            |mut keeper| {
                // What the kernel does for a process that it ends.
                drop(keeper.lifeline.take());
                let ended = keeper.shell.wait().expect("it ends by itself");
                assert!(ended.success());
            },
            false,
        );
    }
}
