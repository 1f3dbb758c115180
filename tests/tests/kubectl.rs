//! `kubectl` says the same of the simulated API server and of a real one.
//!
//! Each file `tests/kubectl/*.sh` is a script of one command a line: see `script`.

use std::path::Path;

use maestro_test::cluster::control_plane::programs::kubectl;
use maestro_tests::script::{self, Place, Whole};

fn check(name: &str) {
    check_on(name, Whole::ApiServer);
}

fn check_on(name: &str, whole: Whole) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kubectl");
    let place = Place { folder: &folder, results: Path::new(env!("CARGO_TARGET_TMPDIR")) };
    script::check(place, name, whole, kubectl().map(|program| vec![program]));
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

#[test]
fn kinds_are_explained() {
    check("explain.sh");
}

#[test]
fn workloads_are_rolled_out_moved_and_taken_away() {
    check_on("workloads.sh", Whole::Cluster);
}

#[test]
fn objects_are_made_and_changed_by_every_command() {
    check("changes.sh");
}
