//! Files that people write: scenarios and Frameworks. What is wrong is said at a place in them.

use std::path::Path;

use maestro_core::load::{self, LoadError};
use maestro_core::{lint, package};
use maestro_test::scenario::Scenario;

/// A scenario file.
pub(super) fn scenario(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let path = Path::new("fuzz/scenario.yaml");
    match Scenario::parse(path, text) {
        Ok(scenario) => {
            assert!(!scenario.name.is_empty(), "a scenario without a name");
            let _ = (scenario.program(), scenario.replicas());
        }
        Err(error) => {
            assert!(!error.problems.is_empty(), "refused without a reason");
            for problem in &error.problems {
                let place = problem.place;
                let marked = text.get(place.offset..place.offset + place.length);
                assert!(place.line >= 1 && marked.is_some(), "{problem:?} is not in the file");
                assert!(!problem.message.is_empty(), "{problem:?}");
            }
            assert!(!error.render(false).is_empty() && !error.render(true).is_empty());
        }
    }
}

/// A Framework in one file: read, checked, and made into what its users get.
pub(super) fn framework(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let package = match load::parse(Path::new("framework.yaml"), text.to_owned()) {
        Ok(package) => package,
        Err(error) => return shown(error),
    };
    let problems = lint::validate(&package.spec);
    for problem in &problems {
        shown(package.locate(problem));
    }
    if problems.is_empty() {
        for problem in lint::advise(&package.spec) {
            shown(package.locate(&problem));
        }
        let first = package::crd::crd_value(&package.spec);
        assert_eq!(first, package::crd::crd_value(&package.spec));
        if let Err(error) = package::crd::crd(&package.spec) {
            panic!("a Framework without a mistake has no CRD: {error}");
        }
    }
}

/// A mistake can be shown, with its lines.
fn shown(error: LoadError) {
    let report = format!("{:?}", miette::Report::new(error));
    assert!(!report.is_empty());
}
