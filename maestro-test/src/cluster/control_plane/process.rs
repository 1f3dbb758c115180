//! One program of the control plane, which never outlives the test.
//!
//! A small shell stands between: it holds the reading end of a pipe whose writing end is ours. When
//! we drop it, or are killed and the kernel drops it for us, the shell ends the program.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

/// Runs "$@" until it ends by itself or standard input closes.
const SHELL: &str = r#"
exec 3<&0
"$@" 3<&- &
program=$!
{ cat >/dev/null; kill -9 "$program"; } <&3 2>/dev/null &
wait "$program"
"#;

/// Lines of output that an error shows.
const SHOWN: usize = 20;

/// A running program with its output in a file.
pub struct Process {
    shell: Child,
    lifeline: Option<ChildStdin>,
    log: PathBuf,
}

impl Process {
    /// Starts a program in a process group of its own.
    ///
    /// # Errors
    /// When the file of its output cannot be made, or no shell started.
    pub fn start(program: &Path, arguments: &[String], log: &Path) -> io::Result<Self> {
        Self::start_with(program, arguments, &[], log)
    }

    /// Starts a program with these variables in its environment.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_with(
        program: &Path,
        arguments: &[String],
        variables: &[(&str, &Path)],
        log: &Path,
    ) -> io::Result<Self> {
        let out = File::create(log)?;
        let mut shell = Command::new("sh")
            .args(["-c", SHELL, "sh"])
            .arg(program)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0)
            .spawn()?;
        let lifeline = shell.stdin.take();
        Ok(Self { shell, lifeline, log: log.to_owned() })
    }

    /// How the program ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.shell.try_wait().ok().flatten()
    }

    /// Bytes of memory that the program holds, without the shell around it.
    pub fn resident(&self) -> u64 {
        let shell = self.shell.id();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        let children = children.unwrap_or_default();
        children.split_whitespace().map(resident).sum()
    }

    /// The end of what it printed.
    pub fn output(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&text))
    }
}

/// The end of an output: as much as an error shows.
pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}

/// Bytes of memory that a process holds (`VmRSS`), 0 when there is none of this number.
pub fn resident(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // The shell ends once it has killed the program; an error means that it is gone already.
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_alive(pid: &str) -> bool {
        // A zombie is dead, though it still has a folder.
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z "))
    }

    #[test]
    fn the_program_ends_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let script = format!("echo $$ > {}; exec sleep 1000", pid_file.display());
        let arguments = ["-c".to_owned(), script];
        let mut process =
            Process::start(Path::new("sh"), &arguments, &folder.path().join("log")).unwrap();
        let pid = loop {
            let text = std::fs::read_to_string(&pid_file).unwrap_or_default();
            if text.ends_with('\n') {
                break text.trim().to_owned();
            }
        };
        assert!(is_alive(&pid));
        assert_eq!(process.ended(), None);
        drop(process);
        assert!(!is_alive(&pid), "{pid} lives on");
    }

    #[test]
    fn an_early_end_is_seen_with_its_output() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["-c".to_owned(), "echo gone; exit 3".to_owned()];
        let mut process =
            Process::start(Path::new("sh"), &arguments, &folder.path().join("log")).unwrap();
        let status = loop {
            if let Some(status) = process.ended() {
                break status;
            }
        };
        assert_eq!(status.code(), Some(3));
        assert_eq!(process.output(), "gone");
    }
}
