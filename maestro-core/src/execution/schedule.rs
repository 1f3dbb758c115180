//! Schedules: which instant of a cron expression is due, given which were run.
//!
//! Five fields, in UTC. An instant that was missed, because nobody led or the instance was held,
//! is made up for once, however many were missed; none is ever run twice.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;

use super::{Moment, PlanExecution, State};

/// A cron expression.
#[derive(Clone, Debug)]
pub struct Schedule(Cron);

impl Schedule {
    /// Reads a cron expression of five fields.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parser = CronParser::builder();
        let parser = parser.seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let failed =
            |why: String| format!("{text:?} is not a cron expression such as \"0 3 * * *\": {why}");
        let fields = text.split_whitespace().count();
        if fields != 5 {
            return Err(failed(format!("it has {fields} fields, not five")));
        }
        let schedule = Self(parser.parse(text).map_err(|error| failed(error.to_string()))?);
        let epoch = Moment::new(jiff::Timestamp::UNIX_EPOCH);
        match schedule.next(epoch) {
            Some(_) => Ok(schedule),
            None => Err(failed("there is no such day".to_owned())),
        }
    }

    /// The first instant after a moment.
    #[must_use]
    pub fn next(&self, after: Moment) -> Option<Moment> {
        let after = after.timestamp().to_zoned(TimeZone::UTC);
        let next = self.0.find_next_occurrence(&after, false).ok()?;
        Some(Moment::new(next.timestamp()))
    }

    /// The last instant at or before a moment.
    #[must_use]
    pub fn last(&self, before: Moment) -> Option<Moment> {
        let before = before.timestamp().to_zoned(TimeZone::UTC);
        let last = self.0.find_previous_occurrence(&before, true).ok()?;
        Some(Moment::new(last.timestamp()))
    }

    /// The instant that a plan is to be run at present, if any: the last one, unless a run of the
    /// plan covered it, or it lies before the instance came to the version that it runs.
    #[must_use]
    pub fn due(&self, plan: &str, history: &[PlanExecution], now: Moment) -> Option<Moment> {
        let last = self.last(now)?;
        let covered = history.iter().filter(|one| one.spec.plan == plan);
        let covered = covered.filter_map(|one| one.spec.scheduled_for).max();
        let since = covered.max(since(history));
        since.is_some_and(|since| since < last).then_some(last)
    }
}

/// When the instance first was at the version that it runs now; none before it runs any.
fn since(history: &[PlanExecution]) -> Option<Moment> {
    let version = &super::choose::baseline(history)?.spec.framework_version;
    let arrived = history.iter().filter(|one| {
        one.state() == State::Complete && !one.is_manual() && one.spec.framework_version == *version
    });
    arrived.filter_map(|one| one.status.as_ref()?.finished_at).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::{Cause, PlanExecutionSpec, PlanExecutionStatus};

    fn at(text: &str) -> Moment {
        Moment::new(format!("2026-01-{text}:00Z").parse().expect("a time"))
    }

    fn run(plan: &str, cause: Cause, finished: &str, scheduled: Option<&str>) -> PlanExecution {
        let spec = PlanExecutionSpec {
            plan: plan.to_owned(),
            cause: Some(cause),
            framework_version: Some("1.0.0".to_owned()),
            scheduled_for: scheduled.map(at),
            ..PlanExecutionSpec::default()
        };
        let mut run = PlanExecution::new("a", spec);
        run.status = Some(PlanExecutionStatus {
            state: State::Complete,
            finished_at: Some(at(finished)),
            ..PlanExecutionStatus::default()
        });
        run
    }

    #[test]
    fn an_instant_is_due_once_and_missed_ones_once_together() {
        let schedule = Schedule::parse("0 3 * * *").expect("a schedule");
        let deploy = run("deploy", Cause::Created, "01T12:00", None);
        let backup = |finished, instant| run("backup", Cause::Triggered, finished, Some(instant));
        let check = |history: &[PlanExecution], now: &str, expected: Option<&str>| {
            assert_eq!(schedule.due("backup", history, at(now)), expected.map(at), "{now}");
        };
        check(&[], "05T03:00", None);
        let deployed = [deploy.clone()];
        check(&deployed, "01T23:00", None);
        check(&deployed, "02T02:59", None);
        check(&deployed, "02T03:00", Some("02T03:00"));
        check(&deployed, "05T17:00", Some("05T03:00"));
        let ran = [deploy, backup("05T17:05", "05T03:00")];
        check(&ran, "05T18:00", None);
        check(&ran, "06T03:00", Some("06T03:00"));
        assert_eq!(schedule.next(at("05T03:00")), Some(at("06T03:00")));
    }

    #[test]
    fn wrong_expressions_are_named() {
        let check = |text: &str, part: &str| {
            let error = Schedule::parse(text).expect_err(text);
            assert!(error.contains(part), "{error}");
        };
        check("daily", "it has 1 fields, not five");
        check("0 0 3 * * *", "it has 6 fields");
        check("61 3 * * *", "is not a cron expression such as");
        check("0 3 30 2 *", "");
        Schedule::parse("*/15 8-17 * * MON-FRI").expect("it is one");
    }
}
