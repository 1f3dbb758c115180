//! The same scenario on a real control plane and in the simulation, in one run: how many times
//! faster the simulation is.
//!
//! `cargo bench -p maestro-tests --bench real [-- SCENARIO [SHARE]]`. The real run takes a share of
//! the time that the scenario declares, and the simulation all of it, so the ratio says too little
//! rather than too much.

use std::path::PathBuf;

use maestro_test::Scenario;
use maestro_test::cluster::target::{Place, Target};
use maestro_test::outcome::Verdict;
use maestro_test::runner::run_at;

/// Runs of the simulation, of which the median counts.
const RUNS: u64 = 21;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let name = arguments.first().map_or("zookeeper-deploy", String::as_str);
    let share = arguments.get(1).map_or(Ok(0.2), |text| text.parse()).expect("a share");
    let file: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../scenarios", &format!("{name}.yaml")].iter().collect();
    let scenario = Scenario::load(&file).expect("a scenario");
    let run = |place: &Place, seed| {
        let outcome = run_at(place, &scenario, seed);
        assert_eq!(outcome.verdict(&scenario), Verdict::Passed, "{outcome:#?}");
        outcome.wall.as_secs_f64()
    };
    let mut simulated: Vec<f64> = (0..RUNS).map(|seed| run(&Place::default(), seed)).collect();
    simulated.sort_by(f64::total_cmp);
    let simulated = simulated[simulated.len() / 2];
    let real =
        run(&Place { target: Target::ControlPlane, time_scale: share, ..Place::default() }, 0);
    println!(
        "{name}: {real:.1} s on a real control plane at {share} of its declared time, {:.1} ms in \
         the simulation: {:.0} times faster",
        simulated * 1e3,
        real / simulated
    );
}
