//! One scenario file on every kind of cluster: the same steps, faults and properties on the
//! simulation served over TCP, on a real control plane and on one in containers.
//!
//! Where programs or a Docker engine are missing, it says so by name and with the reason.

use std::path::Path;
use std::time::Duration;

use maestro_test::Scenario;
use maestro_test::cluster::container::operator;
use maestro_test::cluster::control_plane::programs::{Managers, Programs, kubectl};
use maestro_test::cluster::kind::refusal;
use maestro_test::cluster::target::{Place, Target};
use maestro_test::outcome::Summary;
use maestro_test::pool::{self, Plan};
use maestro_test::report::human::{self, Paint};

/// The share of its declared time that everything takes: what is proved is that it converges.
const PACE: f64 = 0.05;
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
    let place = Place { target, time_scale: PACE, as_installed: true };
    let plan = Plan {
        place: place.clone(),
        scenarios: scenarios.clone(),
        first: 0,
        seeds: 1,
        jobs: AT_ONCE,
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
