//! Reports of made-up runs, as people and machines read them.

use std::time::Duration;

use crate::exit::Exit;
use crate::outcome::{LastWrite, Outcome, Summary};
use crate::property::Violation;
use crate::property::testing::scenario;
use crate::report::human::{self, Paint};
use crate::report::{json, junit};

fn failing() -> Summary {
    let at = |secs| Duration::from_secs(secs);
    let write = |secs, actor: &str, what: &str| LastWrite {
        at: at(secs),
        actor: actor.into(),
        what: what.into(),
        times: 1,
    };
    let mut outcome = Outcome { seed: 4711, wall: Duration::from_millis(12), ..Outcome::default() };
    outcome.virtual_time = at(640);
    outcome.violations = vec![Violation {
        property: "storage-safe",
        object: "PersistentVolumeClaim default/data-zk-1".into(),
        detail: "deleted by operator/0 while StatefulSet default/zk (5f1c) lives".into(),
        at: Duration::from_millis(371_250),
    }];
    outcome.last_writes = vec![
        write(370, "user", "update ZooKeeper default/main"),
        write(371, "fault", "pod-kill default/zk-1"),
        write(371, "operator/0", "delete PersistentVolumeClaim default/data-zk-1"),
    ];
    let fine = Outcome { seed: 4710, virtual_time: at(900), ..Outcome::default() };
    Summary {
        place: crate::cluster::target::Place::default(),
        scenario: scenario(""),
        outcomes: vec![fine, outcome],
        skipped: 0,
    }
}

#[test]
fn a_failure_names_property_object_time_and_how_to_see_it_again() {
    insta::assert_snapshot!(human::scenario(&failing(), Paint { on: false }, false));
    assert_eq!(failing().exit(), Exit::Property);
}

#[test]
fn machines_read_the_same() {
    let summaries = [failing()];
    insta::assert_snapshot!("json", json::render(&summaries));
    let xml = junit::render(&summaries).unwrap_or_else(|error| panic!("{error}"));
    assert!(xml.contains("failures=\"1\"") && xml.contains("storage-safe"), "{xml}");
    assert_eq!(human::last_line(&summaries, 2), "0 passed, 1 failed, 2 skipped");
}

#[test]
fn a_broken_fixture_passes_when_its_property_is_found_broken() {
    let mut summary = failing();
    summary.outcomes.remove(0);
    let cases = [
        ("property: storage-safe", Exit::Passed, ""),
        ("property: stays", Exit::Property, "and was not: storage-safe was found broken instead"),
        ("property: storage-safe, object: data-zk-1, contains: operator/0", Exit::Passed, ""),
        (
            "property: storage-safe, object: data-zk-2",
            Exit::Property,
            "it is about `PersistentVolumeClaim default/data-zk-1`, not `data-zk-2`",
        ),
        ("property: storage-safe, contains: user", Exit::Property, "its reason lacks `user`"),
    ];
    for (fails, exit, said) in cases {
        summary.scenario = scenario(&format!("expect: {{fails: {{{fails}}}}}"));
        assert_eq!(summary.exit(), exit, "{fails}");
        let text = human::scenario(&summary, Paint { on: false }, false);
        assert!(text.contains(said), "{fails}: {text}");
    }
    if let Some(outcome) = summary.outcomes.last_mut() {
        outcome.violations.clear();
    }
    assert_eq!(summary.exit(), Exit::Property, "nothing found is not enough");
}

#[test]
fn a_differing_second_run_outranks_what_it_found() {
    let mut summary = failing();
    if let Some(last) = summary.outcomes.last_mut() {
        last.other_digest = Some(1);
    }
    assert_eq!(summary.exit(), Exit::Nondeterminism);
}
