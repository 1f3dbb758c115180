//! The style of the tree: what clippy cannot see.

use std::path::{Path, PathBuf};

const MOST_LINES: usize = 400;
const WIDEST: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, out);
        } else if name.ends_with(".rs") {
            out.push(path);
        }
    }
}

/// What is wrong with one file, as lines for a person.
fn problems(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
    let is_test = name.ends_with("tests.rs") || name.contains("/tests/");
    if code > MOST_LINES && !is_test {
        found.push(format!("{name}: {code} lines before its tests, at most {MOST_LINES}"));
    }
    if !text.starts_with("//!") {
        found.push(format!("{name}: no //! that says what room this is"));
    }
    if name.ends_with("mod.rs") {
        found.push(format!("{name}: use {} beside a folder", "NAME.rs"));
    }
    for (index, line) in text.lines().enumerate() {
        let at = index + 1;
        let is_comment = line.trim_start().starts_with("//");
        if is_comment && line.chars().count() > WIDEST && !line.contains("://") {
            found.push(format!("{name}:{at}: wider than {WIDEST} columns"));
        }
        for word in [concat!("to", "do!("), concat!("FIX", "ME"), concat!("#[ig", "nore")] {
            if line.contains(word) {
                found.push(format!("{name}:{at}: {word}"));
            }
        }
    }
    let unsafe_allowed = name.ends_with("maestro-sim/src/entropy.rs");
    if text.contains(concat!("allow(unsafe", "_code)")) && !unsafe_allowed {
        found.push(format!("{name}: unsafe code outside the one interposition file"));
    }
    found
}

#[test]
fn the_tree_is_tidy() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    assert!(files.len() > 50, "the walk found only {} files", files.len());
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        found.extend(problems(&name, &text));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_check_itself_finds_things() {
    let long = format!("//! x\n{}", "let a = 1;\n".repeat(MOST_LINES + 1));
    assert_eq!(problems("a.rs", &long).len(), 1);
    assert_eq!(problems("a.rs", "fn main() {}\n").len(), 1);
    assert_eq!(problems("b/mod.rs", "//! x\n").len(), 1);
    assert_eq!(problems("a.rs", &format!("//! x\n// {}\n", "a".repeat(101))).len(), 1);
}

/// The arrows of ARCHITECTURE.md: the simulator knows Kubernetes, not Maestro; what ships holds
/// no word of simulation.
#[test]
fn the_arrows_hold() {
    let manifest = |krate: &str| {
        std::fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap_or_default()
    };
    assert!(manifest("maestro-sim").contains("maestro-sim"));
    for other in ["maestro-core.", "maestro-test.", "kube."] {
        assert!(!manifest("maestro-sim").contains(&format!("\n{other}")), "maestro-sim → {other}");
    }
    for other in ["maestro-sim.", "maestro-test."] {
        assert!(
            !manifest("maestro-core").contains(&format!("\n{other}")),
            "maestro-core → {other}"
        );
    }
    assert!(!manifest("maestro-test").contains("\nmaestro-tests"));
}
