//! `apply`: server-side applies objects in their order; done when all of them are healthy.

use serde_json::Value;

use super::{Collected, Context, ObjectKey, Progress};
use crate::health::{Health, health};
use crate::machine::{Action, Outcome, Seen};

/// Objects to apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Apply {
    /// The rendered objects, in the order of their templates and documents.
    pub objects: Vec<Value>,
}

impl Apply {
    pub(super) fn progress(&self, context: &Context<'_>) -> Progress {
        let mut collected = Collected::default();
        apply_all(&self.objects, context, &mut collected);
        collected.end()
    }
}

/// Asks for every object to be applied, and for its health.
pub(super) fn apply_all(objects: &[Value], context: &Context<'_>, collected: &mut Collected) {
    for (index, object) in objects.iter().enumerate() {
        let Some(key) = ObjectKey::of(object) else {
            collected.fail("an object has no apiVersion, kind or name".to_owned());
            continue;
        };
        let action = || Action::Apply { object: object.clone() };
        settle_write(context, collected, index, &key, action);
    }
}

/// Sends a write unless it was sent in this attempt, then waits for the object's health.
pub(super) fn settle_write(
    context: &Context<'_>,
    collected: &mut Collected,
    index: usize,
    key: &ObjectKey,
    action: impl Fn() -> Action,
) {
    match context.outcome(index) {
        None => collected.send(context, index, action(), format!("{key}: is being written")),
        Some(Outcome::Refused(why)) => collected.fail(format!("{key}: {why}")),
        Some(Outcome::Hindered(why)) => {
            collected.send(context, index, action(), format!("{key}: {why}"));
        }
        Some(Outcome::Done(seen)) => match context.observed.objects.get(key) {
            // Somebody deleted it, or put another in its place, since it was written.
            None => collected.send(context, index, action(), format!("{key}: is gone")),
            Some(live) if Seen::of(live).uid != seen.uid => {
                collected.send(context, index, action(), format!("{key}: was replaced"));
            }
            Some(live) => await_health(collected, key, live, seen),
        },
    }
}

fn await_health(collected: &mut Collected, key: &ObjectKey, live: &Value, written: &Seen) {
    if Seen::of(live).generation < written.generation {
        return collected.wait(format!("{key}: its present spec is not seen yet"));
    }
    match health(live) {
        Health::Healthy => {}
        Health::Progressing(why) => collected.wait(format!("{key}: {why}")),
        Health::Failed(why) => collected.fail(format!("{key}: {why}")),
    }
}
