//! What was found once, and a sample of what is tried, goes through every fuzz target.
//!
//! `tests/fuzz` searches for more with cargo-fuzz. `FUZZ_SEEDS=DIR` writes first inputs into
//! `DIR/TARGET`, made from the conformance sequences, the fixtures and the scenarios;
//! `FUZZ_CORPUS=DIR` tries the inputs of `DIR/TARGET` in place of the corpus.

use std::path::{Path, PathBuf};

use maestro_tests::fuzz::{TARGETS, Target, quieten, seeds};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The inputs of a target, in the order of their names.
fn corpus(target: &Target) -> Vec<PathBuf> {
    let given = std::env::var_os("FUZZ_CORPUS").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| root().join("corpus")).join(target.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder:?}: {e}"));
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
    files.sort();
    files
}

/// The inputs that a target's body does not hold for, and how many there are.
fn broken(target: Target) -> (Vec<String>, usize) {
    let files = corpus(&target);
    assert!(!files.is_empty(), "{}: no corpus", target.name);
    let mut found = Vec::new();
    for file in &files {
        let input = std::fs::read(file).expect("a file of the corpus");
        if std::panic::catch_unwind(|| (target.body)(&input)).is_err() {
            found.push(format!("{} does not hold for {}", target.name, file.display()));
        }
    }
    (found, files.len())
}

#[test]
fn every_input_of_the_corpus_holds() {
    quieten();
    let threads = TARGETS.map(|target| std::thread::spawn(move || broken(target)));
    let (mut found, mut count) = (Vec::new(), 0);
    for thread in threads {
        let (broken, inputs) = thread.join().expect("a corpus");
        found.extend(broken);
        count += inputs;
    }
    println!("fuzz: {count} inputs of {} targets", TARGETS.len());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Each target has a program, and each program a target.
#[test]
fn every_target_has_a_program() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    for Target { name, .. } in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}: no [[bin]]");
        let program = root().join("targets").join(format!("{name}.rs"));
        let text = std::fs::read_to_string(&program).expect("a program");
        assert!(text.contains(&format!("run(\"{name}\"")), "{name}: another target's program");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}

#[test]
fn seeds_can_be_made() {
    let folder = std::env::var_os("FUZZ_SEEDS");
    // Each sequence takes a server of its own: a few of them tell whether it goes.
    let every = if folder.is_some() { 1 } else { 20 };
    let all = seeds::all(&root().join("../.."), every).expect("what seeds are made of");
    for Target { name, .. } in TARGETS {
        assert!(all.iter().any(|(target, _, _)| *target == name), "{name}: no seeds");
    }
    let Some(folder) = folder else { return };
    for (target, name, input) in all {
        let folder = Path::new(&folder).join(target);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), input).expect("a file");
    }
}
