//! `helm` says the same of a simulated cluster and of a real one.
//!
//! Each file `tests/helm/*.sh` is a script of one command a line: see `script`. The charts beside
//! them are our own.

use std::path::Path;

use maestro_test::cluster::control_plane::programs::{helm, kubectl};
use maestro_tests::script::{self, Place, Whole};

fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("helm");
    let place = Place { folder: &folder, results: Path::new(env!("CARGO_TARGET_TMPDIR")) };
    let programs = helm().and_then(|helm| Ok(vec![helm, kubectl()?]));
    script::check(place, name, Whole::Cluster, programs);
}

#[test]
fn a_release_lives_from_install_to_uninstall() {
    check("release.sh");
}

#[test]
fn what_goes_wrong_is_told_and_taken_back() {
    check("mistakes.sh");
}
