//! Scripts of one command a line, run against a real cluster and a simulated one, and what they
//! print compared after what differs between any two clusters has been replaced: UIDs, times, ages,
//! versions and addresses.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use maestro_sim::facts::Version;
use maestro_sim::serve::{Options, Parts, Server};
use maestro_sim::workload::{Rule, Selector, Span};
use maestro_test::cluster::control_plane::ControlPlane;
use maestro_test::cluster::control_plane::programs::{Managers, Programs};
use maestro_test::cluster::live::{Live, Spec};
use regex::Regex;
use similar::TextDiff;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::behaviour::log::Log;

/// How many nodes a cluster has.
const NODES: u32 = 2;
/// Seconds that a command may take: whoever waits for what never comes is told so.
const PATIENCE: &str = "90";

/// What runs besides the API server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whole {
    /// Nothing.
    ApiServer,
    /// Controllers, the scheduler and nodes with Maestro's kubelets.
    Cluster,
}

/// A cluster that answers while it is held.
pub struct Running {
    kubeconfig: PathBuf,
    // In the order of their end.
    _live: Option<Live>,
    _plane: Option<ControlPlane>,
    _runtime: Runtime,
    _folder: TempDir,
}

impl Running {
    /// The kubeconfig of its administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Starts a simulated cluster whose time is the wall's.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn simulated(whole: Whole) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = folder.path().join("kubeconfig");
        let parts = match whole {
            Whole::ApiServer => Parts::ApiServer,
            Whole::Cluster => Parts::Cluster { nodes: NODES, workloads: workloads() },
        };
        let usual = Options::new("127.0.0.1:0".parse().expect("an address"), parts);
        let options = Options { seed: 1, ..usual };
        let server = runtime.block_on(Server::bind(options)).expect("a free port");
        server.write_kubeconfig(&kubeconfig).expect("a folder of our own");
        runtime.spawn(server.run(std::future::pending()));
        Self { kubeconfig, _live: None, _plane: None, _runtime: runtime, _folder: folder }
    }

    /// A real one and a simulated one; none where there is no real one, which is then said by name.
    ///
    /// # Panics
    /// When one cannot be started.
    pub fn both(whole: Whole, name: &str) -> Option<[Self; 2]> {
        match Self::real(whole) {
            Ok(real) => Some([real, Self::simulated(whole)]),
            Err(why) => {
                println!("SKIPPED {name}: {why}");
                None
            }
        }
    }

    /// Starts a real one.
    ///
    /// # Errors
    /// When a program is missing, with how to come by it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn real(whole: Whole) -> Result<Self, String> {
        let programs = Programs::find()?;
        let managers = if whole == Whole::Cluster { Some(Managers::find()?) } else { None };
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().expect("a runtime");
        let plane = runtime.block_on(ControlPlane::start(&programs));
        let mut plane = plane.expect("a real API server starts");
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, plane.kubeconfig()).expect("a folder of our own");
        let live = managers.map(|managers| {
            plane.manage(&managers).expect("programs that can be run");
            let spec = Spec {
                nodes: NODES,
                hosted: false,
                provisions: false,
                after: None,
                workloads: workloads(),
                version: Version::default(),
                seed: 1,
                time_scale: 1.0,
            };
            let start = async {
                Live::start(client(&kubeconfig).await, &spec, Arc::new(Log::default())).await
            };
            runtime.block_on(start).expect("nodes for the real cluster")
        });
        let (_live, _plane) = (live, Some(plane));
        Ok(Self { kubeconfig, _live, _plane, _runtime: runtime, _folder: folder })
    }
}

/// How containers behave, by the tags of their images: those with `once` end well after a second,
/// those with `broken` with a failure; those with `slow` never become ready, and those with
/// `missing` cannot be pulled. What other containers do takes little time.
fn workloads() -> Vec<Rule> {
    let pattern = |tag: &str| Regex::new(tag).expect("a pattern");
    let short = || Some(Span::exactly(Duration::from_millis(200)));
    let usual = Rule {
        image_pull: short(),
        start: short(),
        shutdown: short(),
        never_ready: vec![pattern(":slow")],
        fails_to_pull: vec![pattern(":missing")],
        ..Rule::default()
    };
    let ends = |tag: &str, exit_code| Rule {
        selector: Selector { image: Some(pattern(tag)), ..Selector::default() },
        run: Some(Span::exactly(Duration::from_secs(1))),
        exit_code,
        ..usual.clone()
    };
    vec![ends(":once", 0), ends(":broken", 1), usual.clone()]
}

/// A client of whom a kubeconfig names.
///
/// # Panics
/// When it is none.
pub async fn client(kubeconfig: &Path) -> kube::Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    kube::Client::try_from(config.expect("a kubeconfig")).expect("a client")
}

/// What differs between two clusters that behave alike, and what stands for it.
fn plain(text: &str) -> String {
    let rules = [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000( UTC)?)", "TIME"),
        (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000", "TIME"),
        (r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}", "TIME"),
        (r#"(resourceVersion\\?"?: ?)\\?"\d+\\?""#, "${1}VERSION"),
        (r"\b10\.\d+\.\d+\.\d+\b", "ADDRESS"),
        (r"/tmp/(LIVE|MERGED|kubectl-edit)-\d+", "/tmp/$1"),
        (r"https://127\.0\.0\.1:\d+", "SERVER"),
        (r":3\d{4}/(TCP|UDP)", ":PORT/$1"),
        // Seconds since 1970, and what is drawn or hashed in the names of pods.
        (r"\b1[78]\d{8}\b", "SECONDS"),
        (r"-[0-9bcdf-hj-np-tv-z]{6,10}-[0-9bcdf-hj-np-tv-z]{5}\b", "-HASH-NAME"),
        (r"-[0-9a-f]{8,10}\b", "-HASH"),
        (r"pod-template-hash=\w+", "pod-template-hash=HASH"),
        (r"\b(log)-[0-9bcdf-hj-np-tv-z]{5}\b", "$1-NAME"),
        // What logs begin with.
        (r"(?m)^([IWE])\d{4} [\d:.]+ +\d+ ", "$1 "),
        (r"time=\S+ level", "time=TIME level"),
        // A client that has seen enough may say so of its own watch.
        (r"(?m)^[IWE] (reflector|request)\.go.*context canceled.*\n", ""),
        // Columns of a table, and the spaces that their widths bring.
        (r" +\t", "\t"),
        (r" {2,}", "  "),
        (r"(?m) +$", ""),
        (r"(?m)\b(\d+[smh])+(  |$)", "AGE$2"),
    ];
    rules.iter().fold(text.to_owned(), |text, (pattern, by)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, *by).into_owned()
    })
}

/// What a script prints, command by command.
fn transcript(
    programs: &[PathBuf],
    at: &Path,
    cluster: &Running,
    script: &str,
) -> Vec<[String; 2]> {
    let home = tempfile::tempdir().expect("a folder");
    let mut path: Vec<String> =
        programs.iter().filter_map(|p| Some(p.parent()?.display().to_string())).collect();
    path.extend(std::env::var("PATH"));
    let lines = script.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let output = Command::new("timeout")
                .args([PATIENCE, "sh", "-c", &format!("{{ {line}\n}} 2>&1")])
                .current_dir(at)
                .env("PATH", path.join(":"))
                .env("KUBECONFIG", cluster.kubeconfig())
                .env("HOME", home.path())
                .env("TZ", "UTC")
                .output()
                .expect("a shell");
            let code = output.status.code().unwrap_or(-1);
            let text = String::from_utf8_lossy(&output.stdout);
            [line.to_owned(), plain(&format!("{text}\nends with {code}\n"))]
        })
        .collect()
}

/// Where scripts stand, and where what they print is left, as `NAME.real` and `NAME.simulated`.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The folder of the scripts, in which they run.
    pub folder: &'a Path,
    /// The other folder.
    pub results: &'a Path,
}

/// Runs a script on both, with the folders of some programs before all others, and shows where they
/// differ.
///
/// # Panics
/// When they differ, or a cluster cannot be started.
pub fn check(place: Place<'_>, name: &str, whole: Whole, programs: Result<Vec<PathBuf>, String>) {
    let folder = place.folder;
    let topic = folder.file_name().unwrap_or_default().display();
    let started = programs.and_then(|programs| Ok((programs, Running::real(whole)?)));
    let (programs, real) = match started {
        Ok(started) => started,
        Err(why) => {
            println!("SKIPPED {topic} {name}: {why}");
            return;
        }
    };
    let script = std::fs::read_to_string(folder.join(name)).expect("a script");
    let simulated = Running::simulated(whole);
    let run = |cluster| transcript(&programs, folder, cluster, &script);
    let [wanted, found] = std::thread::scope(|scope| {
        let found = scope.spawn(|| run(&simulated));
        [run(&real), found.join().expect("the script ends")]
    });
    for (side, told) in [("real", &wanted), ("simulated", &found)] {
        let text: String = told.iter().map(|[line, text]| format!("$ {line}\n{text}\n")).collect();
        let file = place.results.join(format!("{topic}-{name}.{side}"));
        let _ = std::fs::write(file, text);
    }
    let mut different = String::new();
    for ([line, wanted], [_, found]) in wanted.iter().zip(&found) {
        if wanted != found {
            let diff = TextDiff::from_lines(wanted, found);
            let diff =
                diff.unified_diff().context_radius(2).header("real", "simulated").to_string();
            different.push_str(&format!("\n$ {line}\n{diff}"));
        }
    }
    println!("{topic} {name}: {} commands", wanted.len());
    assert!(different.is_empty(), "{different}");
}
