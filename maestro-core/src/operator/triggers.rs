//! Triggers: which of a Framework's triggers ask for their plan now, and when to ask again.

use std::time::Duration;

use super::instance::{Work, earlier};
use super::render::{self, Subject};
use super::{Error, clock};
use crate::execution::choose::{Desired, Fired, baseline};
use crate::execution::{Moment, PlanExecution, Schedule};
use crate::framework::FrameworkVersionSpec;

/// How long a condition's plan rests after a run before the condition can start it again.
const COOLING: Duration = Duration::from_secs(300);

/// What triggers ask for.
#[derive(Default)]
pub(super) struct Asked {
    /// Those that ask now.
    pub(super) fired: Vec<Fired>,
    /// When one may ask next although nothing happens.
    pub(super) wake: Option<Moment>,
}

/// Asks every trigger, once something runs that they could start a plan for.
pub(super) async fn ask(
    work: &Work<'_>,
    version: &FrameworkVersionSpec,
    desired: &Desired,
    history: &[PlanExecution],
) -> Result<Asked, Error> {
    let mut asked = Asked::default();
    if version.spec.triggers.is_empty() || baseline(history).is_none() || desired.deleting {
        return Ok(asked);
    }
    let now = clock::now();
    schedules(version, history, now, &mut asked);
    conditions(work, version, desired, history, now, &mut asked).await?;
    asked.fired.sort_unstable();
    Ok(asked)
}

fn schedules(
    version: &FrameworkVersionSpec,
    history: &[PlanExecution],
    now: Moment,
    asked: &mut Asked,
) {
    for (trigger, spec) in version.spec.triggers.iter().enumerate() {
        let Some(text) = &spec.schedule else { continue };
        let schedule = match Schedule::parse(text) {
            Ok(schedule) => schedule,
            Err(why) => {
                tracing::warn!(why, "a schedule is not heeded");
                continue;
            }
        };
        if let Some(instant) = schedule.due(&spec.plan, history, now) {
            asked.fired.push(Fired { trigger, instant: Some(instant) });
        }
        asked.wake = earlier(asked.wake, schedule.next(now));
    }
}

async fn conditions(
    work: &Work<'_>,
    version: &FrameworkVersionSpec,
    desired: &Desired,
    history: &[PlanExecution],
    now: Moment,
    asked: &mut Asked,
) -> Result<(), Error> {
    let triggers = &version.spec.triggers;
    let expressions: Vec<String> = triggers.iter().filter_map(|one| one.when.clone()).collect();
    if render::speaks_of_pods(&expressions) {
        work.core.world.ensure("v1", "Pod").await?;
    }
    let subject =
        Subject::new(version, &work.instance, &desired.parameters).recalling(&work.memory.recall);
    let objects = work.core.world.owned(work.owner.namespace, work.owner.uid);
    let values = subject.values(&expressions, &objects, now);
    asked.wake = earlier(asked.wake, subject.change(&expressions, &objects, now));
    for (trigger, spec) in triggers.iter().enumerate() {
        let Some(text) = &spec.when else { continue };
        match values.get(text) {
            Some(Ok(value)) if *value == true => {}
            Some(Err(why)) => {
                tracing::debug!(why, "a trigger's condition has no value");
                continue;
            }
            _ => continue,
        }
        let runs = history.iter().filter(|one| one.spec.plan == spec.plan);
        let last = runs.filter_map(|one| one.status.as_ref()?.finished_at).max();
        match last.map(|last| last.after(COOLING)).filter(|again| now < *again) {
            Some(again) => asked.wake = earlier(asked.wake, Some(again)),
            None => asked.fired.push(Fired { trigger, instant: None }),
        }
    }
    Ok(())
}
