//! The `maestro operator` program itself: what it says of wrong flags, how it waits for a server
//! that is not there, its probes, and its graceful end. Whatever is waited for is a line of its
//! log or a write to the fake API server, never a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use crate::fake::{FRAMEWORK, Fake, MAIN, condition, framework, instance};

/// The longest that anything may take; a machine under load is slow, a program that hangs is
/// slower.
const PATIENCE: Duration = Duration::from_secs(60);

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/there/leases/maestro-operator";

/// The program with a clean environment.
fn maestro(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maestro"));
    command.arg("operator").args(arguments).env_clear().env("HOME", "/nonexistent");
    command
}

/// A running program, killed if its test fails.
struct Running {
    child: Child,
    log: mpsc::Receiver<Value>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

impl Running {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = maestro(arguments);
        command.envs(environment.iter().copied()).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let stderr = child.stderr.take().expect("a pipe");
        let (send, log) = mpsc::channel();
        std::thread::spawn(move || read(stderr, &send));
        Self { child, log }
    }

    /// The first line of the log from here on that has this message.
    fn says(&self, message: &str) -> Value {
        let mut seen = Vec::new();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            if line["message"].as_str().is_some_and(|text| text.contains(message)) {
                return line;
            }
            seen.push(line.to_string());
        }
        panic!("it never says {message:?}, but\n{}", seen.join("\n"));
    }

    fn address(&self) -> SocketAddr {
        let address = self.says("listening")["address"].clone();
        address.as_str().and_then(|text| text.parse().ok()).expect("an address")
    }

    /// Asks it to end, and takes its exit code.
    fn end(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status().expect("kill runs");
        assert!(sent.success());
        self.code()
    }

    /// Its exit code, once its log has ended.
    fn code(&mut self) -> Option<i32> {
        while self.log.recv_timeout(PATIENCE).is_ok() {}
        self.child.wait().expect("it can be waited for").code()
    }
}

fn read(stderr: ChildStderr, send: &mpsc::Sender<Value>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        // What is not JSON is said to people, before the log began or after it ended.
        let value = serde_json::from_str(&line).unwrap_or_else(|_| json!({"message": line}));
        if send.send(value).is_err() {
            return;
        }
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// A kubeconfig for a server without TLS.
fn kubeconfig(folder: &std::path::Path, server: SocketAddr) -> PathBuf {
    let path = folder.join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": format!("http://{server}")}}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it",
                      "context": {"cluster": "it", "user": "it", "namespace": "there"}}],
    });
    std::fs::write(&path, config.to_string()).expect("written");
    path
}

#[test]
fn wrong_flags_are_answered_with_what_would_be_right() {
    let check = |arguments: &[&str], environment: &[(&str, &str)], code: i32, part: &str| {
        let mut command = maestro(arguments);
        let output = command.envs(environment.iter().copied()).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        assert!(text.contains(part), "{arguments:?}: {text}");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    };
    check(&["--concurrency", "0"], &[], 2, "0 is not in 1..=65535");
    check(&["--listen", "here"], &[], 2, "write an address and a port, as in 0.0.0.0:8080");
    check(&[], &[("MAESTRO_LISTEN", "8080")], 2, "write an address and a port");
    check(&["--lease", "perhaps"], &[], 2, "[possible values: true, false]");
    check(&["--lease-duration", "15"], &[], 2, "has no unit");
    check(&["--lease-duration", "900ms"], &[], 2, "not a number of whole seconds");
    check(&["--renew-deadline", "15s"], &[], 2, "15s is not shorter than the lease duration 15s");
    check(&["--retry-period", "9s"], &[], 2, "does not fit into the renew deadline 10s");
    check(&["--log", "maestro=loud"], &[], 2, "invalid value 'maestro=loud' for '--log");
    check(&["--log-format", "xml"], &[], 2, "[possible values: json, text]");
    check(&["--kubeconfig", "/no/such"], &[], 3, "cannot use the kubeconfig /no/such");
    check(&["--context", "prod"], &[], 3, "cannot use the context \"prod\"");
    check(&[], &[], 3, "there is no kubeconfig and this is no pod");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let config = kubeconfig(folder.path(), address).display().to_string();
    let address = address.to_string();
    check(&["--kubeconfig", &config, "--listen", &address], &[], 3, "cannot listen");
}

#[test]
fn a_server_that_is_not_there_is_waited_for() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let config = kubeconfig(folder.path(), gone).display().to_string();
    let listen = ("MAESTRO_LISTEN", "127.0.0.1:0");
    let program = Running::start(&[], &[("KUBECONFIG", &config), listen]);
    let address = program.address();
    program.says("could not try for the lease");
    // It lives, and says so: whoever restarts it does not bring the server back.
    assert!(get(address, "/healthz").starts_with("HTTP/1.1 200 OK"));
    assert!(get(address, "/metrics").contains("maestro_leading 0\n"));
    assert!(get(address, "/secrets").starts_with("HTTP/1.1 404"));
    assert_eq!(program.end("INT"), Some(0));
    let program = Running::start(&["--lease", "false"], &[("KUBECONFIG", &config), listen]);
    program.says("the watch of Frameworks was interrupted");
    assert_eq!(program.end("TERM"), Some(0));
}

/// Serves the fake on a port, on a thread of its own, until the test's process ends.
fn serve(fake: Fake) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    socket.set_nonblocking(true).expect("a socket");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let socket = tokio::net::TcpListener::from_std(socket).expect("a socket");
            while let Ok((stream, _)) = socket.accept().await {
                let fake = fake.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let fake = fake.clone();
                        async move { Ok::<_, std::convert::Infallible>(fake.serve(request).await) }
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    });
    address
}

#[test]
fn it_deploys_and_ends_gracefully() {
    let fake = Fake::new();
    fake.apply(FRAMEWORK, framework());
    fake.apply(MAIN, instance(3));
    let folder = tempfile::tempdir().expect("a folder");
    let config = kubeconfig(folder.path(), serve(fake.clone())).display().to_string();
    let program = Running::start(
        &["--kubeconfig", &config, "--listen", "127.0.0.1:0", "--identity", "one"],
        &[],
    );
    let address = program.address();
    program.says("leading");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let ready = || condition(&fake.get(MAIN), "Ready") == "True Healthy";
    runtime.expect("a runtime").block_on(fake.until(PATIENCE, ready));
    let held = fake.get(LEASE);
    assert_eq!(held["spec"]["holderIdentity"], "one");
    assert!(get(address, "/readyz").starts_with("HTTP/1.1 200 OK"));
    let metrics = get(address, "/metrics");
    assert!(metrics.contains("maestro_leading 1\n"), "{metrics}");
    assert!(metrics.contains("maestro_plans_finished_total{state=\"Complete\"} 1\n"), "{metrics}");
    assert_eq!(program.end("TERM"), Some(0));
    assert_eq!(fake.get(LEASE)["spec"]["holderIdentity"], "", "the lease is given away");
}
