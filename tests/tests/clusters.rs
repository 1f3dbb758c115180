//! One scenario file on every kind of cluster: the same steps, faults and properties on the
//! simulation served over TCP, on a real control plane and on one in containers.
//!
//! Where programs or a Docker engine are missing, it says so by name and with the reason.

use std::any::Any;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use kube::api::{Api, DynamicObject, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery::{Discovery, verbs};
use maestro_sim::facts::Version;
use maestro_test::Scenario;
use maestro_test::cluster::container::operator;
use maestro_test::cluster::control_plane::ControlPlane;
use maestro_test::cluster::control_plane::programs::{Managers, Programs, kubectl};
use maestro_test::cluster::kind::refusal;
use maestro_test::cluster::served::Served;
use maestro_test::cluster::target::{Place, Target};
use maestro_test::outcome::{Summary, Verdict};
use maestro_test::pool::{self, Plan};
use maestro_test::report::human::{self, Paint};
use maestro_test::runner::run_at;

/// The share of its declared time that everything takes: what is proved is that it converges.
const PACE: f64 = 0.05;
/// The same where it is not looked at what holds during the run, but after it.
const QUICK: f64 = 0.01;
/// Real runs wait more than they work.
const AT_ONCE: usize = 3;

fn scenarios(names: &[&str]) -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let load = |name: &&str| Scenario::load(&folder.join(format!("{name}.yaml"))).expect(name);
    names.iter().map(load).collect()
}

/// Why a kind of cluster cannot be had here, if it cannot.
fn lacking(target: &Target) -> Option<String> {
    if *target == Target::Kind {
        return target.lacking();
    }
    if *target == Target::Served {
        return None;
    }
    Programs::find().err().or(Managers::find().err()).or_else(|| match target {
        Target::Container => maestro_test::cluster::container::lacking(),
        _ => None,
    })
}

fn check(target: Target, scenarios: Vec<Scenario>) {
    if let Some(why) = lacking(&target) {
        println!("SKIPPED scenarios on {target}: {why}");
        return;
    }
    let (jobs, time_scale) = if target.outlives() { (1, QUICK) } else { (AT_ONCE, PACE) };
    let place = Place { target, time_scale, as_installed: true, ..Place::default() };
    let plan = Plan {
        place: place.clone(),
        scenarios: scenarios.clone(),
        first: 0,
        seeds: 1,
        jobs,
        max_fail: usize::MAX,
        patience: Duration::from_secs(1800),
    };
    let mut failed = String::new();
    let outcomes = pool::run(plan, |_, _| {});
    for (scenario, outcomes) in scenarios.into_iter().zip(outcomes) {
        let outcomes = outcomes.into_values().collect();
        let summary = Summary { place: place.clone(), scenario, outcomes, skipped: 0 };
        let text = human::scenario(&summary, Paint { on: false }, true);
        print!("{} {text}", place.target);
        if summary.passed() == 0 || !summary.never().is_empty() {
            failed.push_str(&text);
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

#[test]
fn scenarios_hold_on_a_served_simulation() {
    check(Target::Served, scenarios(&["zookeeper-deploy", "etcd-deploy", "zookeeper-delete"]));
}

#[test]
fn scenarios_hold_on_a_real_control_plane() {
    check(
        Target::ControlPlane,
        scenarios(&["zookeeper-deploy", "etcd-deploy", "zookeeper-delete"]),
    );
}

#[test]
fn scenarios_hold_on_a_control_plane_in_containers() {
    check(Target::Container, scenarios(&["zookeeper-deploy", "etcd-deploy"]));
}

/// Where no node can be had, the reason is what the engine itself says.
#[test]
fn scenarios_hold_on_kind() {
    check(Target::Kind, scenarios(&["zookeeper-deploy"]));
}

/// What an engine says that has no such image, or that refuses privilege, is the reason.
#[test]
fn what_the_engine_says_is_why_kind_is_skipped() {
    if let Some(why) = maestro_test::cluster::container::lacking() {
        println!("SKIPPED the engine's words: {why}");
        return;
    }
    let nowhere = "maestro-nowhere.invalid/none:0";
    let why = refusal(nowhere, "/none", &[]).expect("an image that is nowhere");
    assert!(why.contains(nowhere) && why.contains("failed to pull the image"), "{why}");
    let Ok(program) = operator::program() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let built = runtime.expect("a runtime").block_on(operator::build(&program)).expect("an image");
    match refusal(&built.name, "/bin/maestro", &["crds"]) {
        None => println!("container privilege: granted"),
        Some(why) => {
            assert!(why.contains("Docker responded with status code"), "{why}");
            println!("SKIPPED privileged containers: {why}");
        }
    }
}

#[test]
fn an_operator_may_be_a_program_in_any_language() {
    let kubectl = match kubectl() {
        Ok(kubectl) => kubectl.display().to_string(),
        Err(why) => {
            println!("SKIPPED a program as the operator: {why}");
            return;
        }
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("clusters/copy.yaml");
    let text = std::fs::read_to_string(&file).expect("a scenario");
    let scenario = Scenario::parse(&file, &text.replace("KUBECTL", &kubectl));
    let scenario = scenario.expect("a valid scenario");
    check(Target::Served, vec![scenario.clone()]);
    check(Target::ControlPlane, vec![scenario]);
}

/// An API server that is there before a run and after it: its kubeconfig, and what keeps it up.
type Standing = (String, Box<dyn Any>);

/// Everything that an API server has but events, which go by themselves.
async fn everything(kubeconfig: &str) -> BTreeSet<String> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).expect("a kubeconfig");
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("one");
    let client = kube::Client::try_from(config).expect("a client");
    let discovery = Discovery::new(client.clone()).run().await.expect("discovery");
    let mut all = BTreeSet::new();
    for (resource, can) in discovery.groups().flat_map(|group| group.recommended_resources()) {
        if resource.plural == "events" || !can.supports_operation(verbs::LIST) {
            continue;
        }
        let objects = Api::<DynamicObject>::all_with(client.clone(), &resource);
        let list = objects.list_metadata(&ListParams::default()).await.expect(&resource.plural);
        all.extend(list.into_iter().map(|object| {
            let meta = object.metadata;
            format!("{} {:?} {:?}", resource.plural, meta.namespace, meta.name)
        }));
    }
    all
}

/// Runs something on a cluster that stands, after which it is as it was.
fn leaves_nothing(standing: impl AsyncFnOnce() -> Standing, run: impl FnOnce(Target)) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let (kubeconfig, _runs) = standing().await;
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(kubeconfig.as_bytes()).expect("written");
        // What controllers make by themselves comes a while after they have started.
        let mut before = everything(&kubeconfig).await;
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = everything(&kubeconfig).await;
            if now != before {
                (before, since) = (now, Instant::now());
            }
        }
        let target = Target::Kubeconfig(Some(file.path().to_owned()));
        tokio::task::block_in_place(|| run(target));
        // Controllers follow what was removed.
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let after = everything(&kubeconfig).await;
            if after == before {
                return;
            }
            let more: Vec<&String> = after.symmetric_difference(&before).collect();
            assert!(Instant::now() < end, "{more:#?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
}

#[test]
fn a_served_simulation_is_after_a_run_as_it_was_before() {
    let standing = async || {
        let served = Served::start(Version::default(), 1).await.expect("it is served");
        (served.kubeconfig().to_owned(), Box::new(served) as Box<dyn Any>)
    };
    leaves_nothing(standing, |target| check(target, scenarios(&["zookeeper-delete"])));
}

/// The programs of a real control plane, or why they are missing.
fn programs() -> Option<(Programs, Managers)> {
    match (Programs::find(), Managers::find()) {
        (Ok(programs), Ok(managers)) => Some((programs, managers)),
        (Err(why), _) | (_, Err(why)) => {
            println!("SKIPPED a cluster that stands: {why}");
            None
        }
    }
}

#[test]
fn a_real_control_plane_is_after_a_run_as_it_was_before() {
    let Some((programs, managers)) = programs() else { return };
    let standing = async || {
        let mut plane = ControlPlane::start(&programs).await.expect("it starts");
        plane.manage(&managers).expect("its managers start");
        (plane.kubeconfig(), Box::new(plane) as Box<dyn Any>)
    };
    // Twice the same objects: the second run would find what the first had left.
    let twice = scenarios(&["zookeeper-deploy", "zookeeper-deploy"]);
    leaves_nothing(standing, |target| check(target, twice));
}

/// As envtest's: nobody takes dependents along, and no namespace goes by itself. The run fails, and
/// what it made is taken away all the same.
#[test]
fn an_api_server_alone_is_after_a_run_as_it_was_before() {
    let Some((programs, _)) = programs() else { return };
    let standing = async || {
        let plane = ControlPlane::start(&programs).await.expect("it starts");
        (plane.kubeconfig(), Box::new(plane) as Box<dyn Any>)
    };
    leaves_nothing(standing, |target| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("clusters/alone.yaml");
        let scenario = Scenario::load(&file).expect("a valid scenario");
        let place = Place { target, time_scale: QUICK, ..Place::default() };
        let outcome = run_at(&place, &scenario, 0);
        assert_eq!(outcome.left, None);
        assert_eq!(outcome.verdict(&scenario), Verdict::NotConverged, "{outcome:#?}");
    });
}
