//! `kubectl` says the same of the simulated API server and of a real one.
//!
//! Each file `tests/kubectl/*.sh` is a script of one command a line. It runs against both, and what
//! is printed is compared after what differs between any two clusters has been replaced: UIDs,
//! times, ages, versions and addresses.

use std::path::{Path, PathBuf};
use std::process::Command;

use maestro_sim::facts::Version;
use maestro_sim::serve::{Limits, Options, Parts, Server, Users};
use maestro_test::cluster::control_plane::ControlPlane;
use maestro_test::cluster::control_plane::programs::{Programs, kubectl};
use regex::Regex;
use similar::TextDiff;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kubectl")
}

/// What differs between two clusters that behave alike, and what stands for it.
fn plain(text: &str) -> String {
    let rules = [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000)", "TIME"),
        (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000", "TIME"),
        (r#"(resourceVersion\\?"?: ?)\\?"\d+\\?""#, "${1}VERSION"),
        (r"\b10\.\d+\.\d+\.\d+\b", "ADDRESS"),
        (r"/tmp/(LIVE|MERGED)-\d+", "/tmp/$1"),
        (r"https://127\.0\.0\.1:\d+", "SERVER"),
        // What logs begin with.
        (r"(?m)^([IWE])\d{4} [\d:.]+ +\d+ ", "$1 "),
        // Columns of a table, and the spaces that their widths bring.
        (r" {2,}", "  "),
        (r"(?m) +$", ""),
        (r"(?m)\b(\d+[smh])+(  |$)", "AGE$2"),
    ];
    rules.iter().fold(text.to_owned(), |text, (pattern, by)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, *by).into_owned()
    })
}

/// What a script prints, command by command.
fn transcript(program: &Path, kubeconfig: &Path, script: &str) -> Vec<(String, String)> {
    let home = tempfile::tempdir().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let bin = program.parent().expect("a program lies somewhere").display();
    let lines = script.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            // Whoever waits for what never comes is told so.
            let output = Command::new("timeout")
                .args(["30", "sh", "-c", &format!("{{ {line}\n}} 2>&1")])
                .current_dir(folder())
                .env("PATH", format!("{bin}:{path}"))
                .env("KUBECONFIG", kubeconfig)
                .env("HOME", home.path())
                .env("TZ", "UTC")
                .output()
                .expect("a shell");
            let code = output.status.code().unwrap_or(-1);
            let text = String::from_utf8_lossy(&output.stdout);
            (line.to_owned(), plain(&format!("{text}\nends with {code}\n")))
        })
        .collect()
}

/// A script against a fresh simulated API server.
fn simulated(program: &Path, script: &str) -> Vec<(String, String)> {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let kubeconfig = folder.path().join("kubeconfig");
    let listen = "127.0.0.1:0".parse().expect("an address");
    let options = Options {
        listen,
        parts: Parts::ApiServer,
        version: Version::default(),
        seed: 1,
        speed: 1.0,
        users: Users::default(),
        limits: Limits::default(),
    };
    let server = runtime.block_on(Server::bind(options)).expect("a free port");
    server.write_kubeconfig(&kubeconfig).expect("a folder of our own");
    runtime.spawn(server.run(std::future::pending()));
    transcript(program, &kubeconfig, script)
}

/// The same against a fresh real one.
fn real(programs: &Programs, program: &Path, script: &str) -> Vec<(String, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let plane = runtime.expect("a runtime").block_on(ControlPlane::start(programs));
    let plane = plane.expect("a real API server starts");
    let folder = tempfile::tempdir().expect("a folder");
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, plane.kubeconfig()).expect("a folder of our own");
    transcript(program, &kubeconfig, script)
}

/// Runs one script on both, and shows where they differ.
fn check(name: &str) {
    let (programs, program) = match (Programs::find(), kubectl()) {
        (Ok(programs), Ok(program)) => (programs, program),
        (Err(why), _) | (_, Err(why)) => {
            println!("SKIPPED kubectl {name}: {why}");
            return;
        }
    };
    let script = std::fs::read_to_string(folder().join(name)).expect("a script");
    let wanted = real(&programs, &program, &script);
    let found = simulated(&program, &script);
    let mut different = String::new();
    for ((line, wanted), (_, found)) in wanted.iter().zip(&found) {
        if wanted != found {
            let diff = TextDiff::from_lines(wanted, found);
            let diff =
                diff.unified_diff().context_radius(2).header("real", "simulated").to_string();
            different.push_str(&format!("\n$ {line}\n{diff}"));
        }
    }
    println!("kubectl {name}: {} commands", wanted.len());
    assert!(different.is_empty(), "{different}");
}

#[test]
fn objects_are_applied_read_changed_and_deleted() {
    check("objects.sh");
}

#[test]
fn what_is_applied_is_merged_and_mistakes_are_told() {
    check("apply.sh");
}

#[test]
fn custom_resources_are_served_as_their_definition_says() {
    check("custom.sh");
}

#[test]
fn who_may_do_what_is_told_and_kept() {
    check("access.sh");
}
