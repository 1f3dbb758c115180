//! The simulated cluster does by itself what a real one does.
//!
//! `BEHAVIOUR_ONLY=TEXT` runs the cases whose name contains the text; `BEHAVIOUR_WRITE=1` writes
//! the list of known differences anew. Every difference of a run stands in
//! `target/tmp/behaviour/`.

use std::path::{Path, PathBuf};

use maestro_tests::behaviour::case;
use maestro_tests::behaviour::report::{Allowed, Report, compare};
use maestro_tests::behaviour::side::{self, All, Made};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("behaviour")
}

fn read(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn write_details(report: &Report) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("behaviour");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    std::fs::write(folder.join("differences.txt"), report.details()).expect("differences");
    println!("every difference: {}", folder.display());
}

fn write_known(report: &Report) {
    let known = read("known.txt");
    let remarks = known.lines().filter(|line| line.starts_with('#'));
    let lines = remarks.chain(report.differences.keys().map(String::as_str));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    std::fs::write(folder().join("known.txt"), text).expect("known.txt can be written");
}

#[test]
fn the_simulated_cluster_does_what_a_real_one_does() {
    let made = match Made::find() {
        Ok(made) => made,
        Err(why) => {
            println!("SKIPPED behaviour: {why}");
            return;
        }
    };
    let only = std::env::var("BEHAVIOUR_ONLY").unwrap_or_default();
    let mut cases = case::all(&folder()).expect("the cases can be read");
    cases.retain(|case| case.name.contains(&only));
    let (real, simulated) = std::thread::scope(|scope| {
        let simulated = scope.spawn(|| side::simulated(&cases));
        (side::real(&made, &cases), simulated.join().expect("the thread ends"))
    });
    let mut real: All = real.expect("the real clusters run");
    let simulated = simulated.expect("the simulated clusters run");
    let allowed: Allowed = serde_yaml::from_str(&read("deliberate.yaml")).expect("deliberate");
    let known = read("known.txt");
    let judged = |real: &All| compare(&cases, real, &simulated, &allowed).expect("compared");
    let all = only.is_empty();
    let mut report = judged(&real);
    if all && report.against(&known, all).is_err() {
        // A real cluster runs by the wall's clock on a machine that has other work: what it does
        // otherwise the second time says nothing about the simulated one.
        let surprising = report.surprises(&known);
        println!("run a second time: {surprising:?}\n{}", report.details());
        let mut again = cases.clone();
        again.retain(|case| surprising.contains(&case.name));
        real.extend(side::real(&made, &again).expect("the real clusters run"));
        report = judged(&real);
    }
    println!("{}", report.headline());
    if let Some((name, told)) = real.iter().max_by_key(|(_, told)| told.took) {
        println!("  the longest: {name}, {:.0?}", told.took);
    }
    if !all {
        real.iter().for_each(|(name, told)| println!("  {name}: {:.0?}", told.took));
    }
    for (reason, count) in &report.deliberate {
        println!("  {count} differ deliberately: {reason}");
    }
    write_details(&report);
    if std::env::var_os("BEHAVIOUR_WRITE").is_some() {
        write_known(&report);
    } else if let Err(against) = report.against(&known, all) {
        panic!("{}\n{against}", report.headline());
    }
}
