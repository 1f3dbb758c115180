//! The simulated API server answers as the real one does.
//!
//! `CONFORMANCE_VERSION=1.34` compares that version with a real server that acts as one of it;
//! `CONFORMANCE_ONLY=TEXT` runs the sequences whose name contains the text;
//! `CONFORMANCE_SEEDS=A..B` asks generated sequences of other seeds than those of every run;
//! `CONFORMANCE_WRITE=1` writes the list of known differences anew; `CONFORMANCE_REUSE=1` asks the
//! real server only what it was not asked in a former run with that setting. Every difference of a
//! run stands in `target/tmp/conformance/`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use maestro_sim::facts::Version;
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
fn details(version: Version) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    if version == Version::default() { folder } else { folder.join(version.name()) }
}

fn write_details(version: Version, report: &Report) {
    let folder = details(version);
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    std::fs::write(folder.join("differences.txt"), report.details()).expect("differences");
    std::fs::write(folder.join("frequent.txt"), report.frequent()).expect("frequencies");
    println!("every difference: {}", folder.display());
}

fn write_known(version: Version, report: &Report) {
    let file = known_file(version);
    let newest = if version == Version::default() { String::new() } else { read("known.txt") };
    let mut text = read(&file)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    for difference in &report.differences {
        let line = format!("{} {}\n", difference.id, difference.ask);
        if !newest.contains(&line) {
            text.push_str(&line);
        }
    }
    std::fs::write(folder().join(&file), text).expect("the list can be written");
}

/// Asks a second real server what surprised. The real one draws, too, and reads from a cache that
/// lags: what it answers otherwise the second time says nothing about the simulated one, whose
/// answers are the same each time.
fn ask_again(
    programs: &Programs,
    Compared { version, sequences, .. }: &Compared,
    surprising: &BTreeSet<String>,
    real: &mut [side::Answers],
) {
    let again = |sequence: &&Sequence| surprising.contains(&sequence.name);
    let second: Vec<Sequence> = sequences.iter().filter(again).cloned().collect();
    let names: Vec<&str> = second.iter().map(|sequence| sequence.name.as_str()).collect();
    println!("asked a second time: {}", names.join(", "));
    let answers = side::real(programs, *version, &second).expect("the real server answers");
    let places = sequences.iter().zip(real).filter(|(sequence, _)| again(sequence));
    for ((_, place), answers) in places.zip(answers) {
        *place = answers;
    }
}

/// What is compared: with which version, and which sequences.
struct Compared {
    version: Version,
    sequences: Vec<Sequence>,
    /// Whether these are all, so that the list of known differences is to hold.
    whole: bool,
}

impl Compared {
    /// The list of known differences: an older version has those of the newest, and its own.
    fn known(&self) -> String {
        let names: BTreeSet<&str> = self.sequences.iter().map(|s| s.name.as_str()).collect();
        let all = read("known.txt") + &read_own(self.version);
        let mut lines: Vec<&str> = all.lines().filter(|line| !line.starts_with('#')).collect();
        lines.retain(|line| names.contains(line.split('#').next().unwrap_or("")));
        lines.join("\n")
    }
}

/// The differences known of an older version alone.
fn read_own(version: Version) -> String {
    if version == Version::default() { String::new() } else { read(&known_file(version)) }
}

fn known_file(version: Version) -> String {
    if version == Version::default() { "known.txt".into() } else { format!("known-{version}.txt") }
}

fn check(programs: &Programs, compared: &Compared) {
    let Compared { version, sequences, whole } = compared;
    let reuse = std::env::var_os("CONFORMANCE_REUSE").is_some();
    let (real, simulated) = std::thread::scope(|scope| {
        let simulated = scope.spawn(|| side::simulated(*version, sequences));
        let file = details(*version).join("real.txt");
        let real = match reuse {
            true => recorded::real(&file, programs, *version, sequences),
            false => side::real(programs, *version, sequences),
        };
        (real, simulated.join().expect("the thread ends"))
    });
    let mut real = real.expect("the real server answers");
    let simulated = simulated.expect("the simulated server answers");
    let mut deliberate: Vec<Deliberate> =
        serde_yaml::from_str(&read("deliberate.yaml")).expect("deliberate.yaml");
    deliberate.retain(|rule| !rule.older || *version != Version::default());
    let known = compared.known();
    let compare = |real: &[side::Answers]| {
        report::compare(sequences, real, &simulated, &deliberate).expect("compared")
    };
    let mut report = compare(&real);
    if *whole && !reuse && report.against(&known).is_err() {
        ask_again(programs, compared, &report.surprises(&known), &mut real);
        report = compare(&real);
    }
    println!("{} with {version}", report.headline());
    for (reason, count) in &report.deliberate {
        println!("  {count} differ deliberately: {reason}");
    }
    write_details(*version, &report);
    if std::env::var_os("CONFORMANCE_WRITE").is_some() {
        write_known(*version, &report);
    }
    if *whole && let Err(against) = report.against(&known) {
        panic!("{} with {version}\n{against}", report.headline());
    }
}

/// The programs, or the word that they are missing.
fn programs() -> Option<Programs> {
    Programs::find().map_err(|why| println!("SKIPPED conformance: {why}")).ok()
}

#[test]
fn the_simulated_server_answers_as_the_real_one() {
    let Some(programs) = programs() else { return };
    let only = std::env::var("CONFORMANCE_ONLY").unwrap_or_default();
    let version = std::env::var("CONFORMANCE_VERSION").ok();
    let version = version.map(|text| text.parse().expect("CONFORMANCE_VERSION"));
    let further = std::env::var("CONFORMANCE_SEEDS").ok().map(|text| {
        let ends = text
            .split_once("..")
            .and_then(|(first, end)| Some(first.parse::<u64>().ok()?..end.parse::<u64>().ok()?));
        ends.expect("CONFORMANCE_SEEDS is A..B")
    });
    let whole = only.is_empty() && further.is_none();
    let sequences = further.map_or_else(corpus::all, corpus::further);
    let mut sequences = sequences.expect("the corpus can be read");
    sequences.retain(|sequence| sequence.name.contains(&only));
    check(&programs, &Compared { version: version.unwrap_or_default(), sequences, whole });
}

/// The oldest version, with all that was written by hand, every kind, and a part of the rest.
#[test]
fn the_oldest_version_answers_as_a_real_one() {
    let asked = |name: &str| std::env::var_os(name).is_some();
    if ["CONFORMANCE_ONLY", "CONFORMANCE_VERSION", "CONFORMANCE_SEEDS"].into_iter().any(asked) {
        return;
    }
    let Some(programs) = programs() else { return };
    let sequences = corpus::some().expect("the corpus can be read");
    check(&programs, &Compared { version: Version::ALL[0], sequences, whole: true });
}
