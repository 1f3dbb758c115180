//! The simulated API server answers as the real one does.
//!
//! `CONFORMANCE_ONLY=TEXT` runs the sequences whose name contains the text;
//! `CONFORMANCE_WRITE=1` writes the list of known differences anew; `CONFORMANCE_REUSE=1` asks the
//! real server only what it was not asked in a former run with that setting. Every difference of a
//! run stands in `target/conformance/`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use maestro_test::cluster::control_plane::programs::Programs;
use maestro_tests::conformance::case::Sequence;
use maestro_tests::conformance::report::{self, Deliberate, Report};
use maestro_tests::conformance::{corpus, recorded, side};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn read(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Where every difference of a run stands, and the answers kept for another.
fn details() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance")
}

fn write_details(report: &Report) {
    let folder = details();
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    std::fs::write(folder.join("differences.txt"), report.details()).expect("differences");
    std::fs::write(folder.join("frequent.txt"), report.frequent()).expect("frequencies");
    println!("every difference: {}", folder.display());
}

fn write_known(report: &Report) {
    let mut text = read("known.txt")
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    for difference in &report.differences {
        text.push_str(&format!("{} {}\n", difference.id, difference.ask));
    }
    std::fs::write(folder().join("known.txt"), text).expect("known.txt can be written");
}

/// Asks a second real server what surprised. The real one draws, too, and reads from a cache that
/// lags: what it answers otherwise the second time says nothing about the simulated one, whose
/// answers are the same each time.
fn ask_again(
    programs: &Programs,
    sequences: &[Sequence],
    surprising: &BTreeSet<String>,
    real: &mut [side::Answers],
) {
    let again = |sequence: &&Sequence| surprising.contains(&sequence.name);
    let second: Vec<Sequence> = sequences.iter().filter(again).cloned().collect();
    let names: Vec<&str> = second.iter().map(|sequence| sequence.name.as_str()).collect();
    println!("asked a second time: {}", names.join(", "));
    let answers = side::real(programs, &second).expect("the real server answers");
    let places = sequences.iter().zip(real).filter(|(sequence, _)| again(sequence));
    for ((_, place), answers) in places.zip(answers) {
        *place = answers;
    }
}

#[test]
fn the_simulated_server_answers_as_the_real_one() {
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(why) => {
            println!("SKIPPED conformance: {why}");
            return;
        }
    };
    let only = std::env::var("CONFORMANCE_ONLY").unwrap_or_default();
    let mut sequences = corpus::all().expect("the corpus can be read");
    sequences.retain(|sequence| sequence.name.contains(&only));
    let reuse = std::env::var_os("CONFORMANCE_REUSE").is_some();
    let (real, simulated) = std::thread::scope(|scope| {
        let simulated = scope.spawn(|| side::simulated(&sequences));
        let real = match reuse {
            true => recorded::real(&details().join("real.txt"), &programs, &sequences),
            false => side::real(&programs, &sequences),
        };
        (real, simulated.join().expect("the thread ends"))
    });
    let mut real = real.expect("the real server answers");
    let simulated = simulated.expect("the simulated server answers");
    let deliberate: Vec<Deliberate> =
        serde_yaml::from_str(&read("deliberate.yaml")).expect("deliberate.yaml");
    let known = read("known.txt");
    let compare = |real: &[side::Answers]| {
        report::compare(&sequences, real, &simulated, &deliberate).expect("compared")
    };
    let mut report = compare(&real);
    if only.is_empty() && !reuse && report.against(&known).is_err() {
        ask_again(&programs, &sequences, &report.surprises(&known), &mut real);
        report = compare(&real);
    }
    println!("{}", report.headline());
    for (reason, count) in &report.deliberate {
        println!("  {count} differ deliberately: {reason}");
    }
    write_details(&report);
    if std::env::var_os("CONFORMANCE_WRITE").is_some() {
        write_known(&report);
    }
    if only.is_empty()
        && let Err(against) = report.against(&known)
    {
        panic!("{}\n{against}", report.headline());
    }
}
