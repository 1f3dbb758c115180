//! The JUnit report, one test case per scenario.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::human::{self, Paint};
use crate::outcome::{Summary, Verdict};

/// The whole report as XML.
pub fn render(summaries: &[Summary]) -> std::io::Result<String> {
    let mut suite = TestSuite::new("maestro-test");
    for summary in summaries {
        suite.add_test_case(case(summary));
    }
    let mut report = Report::new("maestro-test");
    report.add_test_suite(suite);
    report.to_string().map_err(std::io::Error::other)
}

fn case(summary: &Summary) -> TestCase {
    let text = human::scenario(summary, Paint { on: false }, false);
    let status = match summary.first_failure() {
        Some((outcome, verdict)) => {
            let kind = match verdict {
                Verdict::Harness => NonSuccessKind::Error,
                _ => NonSuccessKind::Failure,
            };
            let first = outcome.violations.first();
            let message = first.map_or_else(
                || "see the text".to_owned(),
                |v| format!("{}: {} {}", v.property, v.object, v.detail),
            );
            failed(kind, &message, &text)
        }
        None if !summary.never().is_empty() => {
            failed(NonSuccessKind::Failure, &summary.never().join("; "), &text)
        }
        None => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(summary.scenario.name.as_str(), status);
    case.set_classname("maestro-test");
    case.set_time(summary.outcomes.iter().map(|o| o.wall).sum::<Duration>());
    case
}

fn failed(kind: NonSuccessKind, message: &str, text: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message).set_description(text);
    status
}
