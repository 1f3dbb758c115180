//! The programs that `maestro-sim envtest` writes start, answer and end as envtest wants it.
#![cfg(feature = "serve")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder of one test's own, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("envtest {name} {}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The folder that is exported as `KUBEBUILDER_ASSETS`.
fn assets(folder: &Folder) -> PathBuf {
    let output = Command::new(env!("CARGO_BIN_EXE_maestro-sim"))
        .args(["envtest", "--version", "1.36"])
        .arg(&folder.0)
        .output()
        .expect("the program");
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).expect("text");
    assert_eq!(printed.lines().count(), 1);
    PathBuf::from(printed.trim_end())
}

/// Starts a program and waits for the line that says where it is served.
fn start(program: &Path, flags: &[String]) -> (Child, String) {
    let mut child =
        Command::new(program).args(flags).stderr(Stdio::piped()).spawn().expect("a program");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let line = lines.by_ref().map(|line| line.expect("text")).find(|line| line.contains("://"));
    (child, line.expect("it says where it is"))
}

/// Ends it as envtest does.
fn stop(mut child: Child) {
    let ended = Command::new("kill").arg(child.id().to_string()).status().expect("kill");
    assert!(ended.success());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn programs_start_answer_and_end() {
    let folder = Folder::new("programs");
    // Again, as it was there already.
    assert_eq!(assets(&folder), folder.0);
    let assets = assets(&folder);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let flags = [
        format!("--advertise-client-urls=http://{place}"),
        format!("--data-dir={}", folder.0.display()),
        format!("--listen-client-urls=http://{place}"),
        "--listen-peer-urls=http://127.0.0.1:1".to_owned(),
        "--unsafe-no-fsync=true".to_owned(),
    ];
    let (etcd, _) = start(&assets.join("etcd"), &flags);
    let mut stream = TcpStream::connect(&place).expect("it listens");
    let head = format!("GET /health HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with(r#"{"health":"true","reason":""}"#), "{answer}");
    let flags = ["--secure-port=0".to_owned(), format!("--cert-dir={}", folder.0.display())];
    let (server, line) = start(&assets.join("kube-apiserver"), &flags);
    assert!(line.contains("Kubernetes 1.36 on https://127.0.0.1:"), "{line}");
    stop(server);
    stop(etcd);
}

#[test]
fn flags_that_they_have_not_are_refused() {
    let folder = Folder::new("flags");
    let assets = assets(&folder);
    for (program, flag, told) in [
        ("kube-apiserver", "--insecure-port=0", "unknown flag: --insecure-port"),
        ("kube-apiserver", "--client-ca-file=/nowhere", "cannot use /nowhere"),
        ("kube-apiserver", "--authorization-mode=Webhook", "is not simulated"),
        ("etcd", "--listen-client-urls=https://127.0.0.1:1", "only http:// is simulated"),
    ] {
        let output = Command::new(assets.join(program)).arg(flag).output().expect("a program");
        assert!(!output.status.success(), "{flag}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(told), "{flag}: {text}");
    }
}

#[test]
fn help_names_what_suites_look_for() {
    let folder = Folder::new("help");
    let assets = assets(&folder);
    for (program, flag) in [("kube-apiserver", "--client-ca-file"), ("etcd", "--unsafe-no-fsync")] {
        let output = Command::new(assets.join(program)).arg("--help").output().expect("a program");
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.lines().any(|line| line.trim() == flag), "{text}");
    }
}
