//! `job`: runs a Job to completion, once an attempt; a failed Job fails the attempt.
//!
//! Each attempt has a Job of its own name, so that a Job's immutable fields are never patched and
//! a finished one is never run again. The Job is deleted only after the journal says that it
//! succeeded: whoever finds it missing before that cannot tell success from loss.

use serde_json::Value;

use super::{Collected, Context, ObjectKey, Progress};
use crate::execution::name::job_name;
use crate::health::{Health, health};
use crate::machine::{Action, Outcome, Seen};

/// A Job to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The rendered Job.
    pub object: Value,
    /// Whether it stays once it is complete.
    pub keep: bool,
}

impl Job {
    pub(super) fn progress(&self, context: &Context<'_>) -> Progress {
        let mut collected = Collected::default();
        let Some((key, object)) = self.of_attempt(context) else {
            collected.fail("the Job has no apiVersion, kind or name".to_owned());
            return collected.end();
        };
        let create = || Action::Create { object: object.clone() };
        match (context.observed.objects.get(&key), context.outcome(0)) {
            (Some(live), _) => match health(live) {
                Health::Healthy => {}
                Health::Progressing(why) => collected.wait(format!("{key}: {why}")),
                Health::Failed(why) => collected.fail(format!("{key}: {why}")),
            },
            (None, None) => {
                collected.send(context, 0, create(), format!("{key}: is being created"));
            }
            (None, Some(Outcome::Hindered(why))) => {
                collected.send(context, 0, create(), format!("{key}: {why}"));
            }
            (None, Some(Outcome::Refused(why))) => collected.fail(format!("{key}: {why}")),
            (None, Some(Outcome::Done(_))) => {
                collected.fail(format!("{key}: is gone before its end was seen"));
            }
        }
        collected.end()
    }

    pub(super) fn settle(&self, context: &Context<'_>) -> Progress {
        let mut collected = Collected::default();
        let live = self
            .of_attempt(context)
            .and_then(|(key, _)| Some((context.observed.objects.get(&key)?, key)));
        let Some((live, key)) = live.filter(|_| !self.keep) else { return collected.end() };
        let gone = live["metadata"]["deletionTimestamp"].is_string();
        // A refusal to delete leaves a finished Job behind, which the instance's own deletion
        // collects: no reason to fail a step that succeeded.
        let sent = matches!(context.outcome(1), Some(Outcome::Done(_) | Outcome::Refused(_)));
        if !gone && !sent {
            let action = Action::Delete { key: key.clone(), uid: Seen::of(live).uid };
            collected.send(context, 1, action, format!("{key}: is complete and being deleted"));
        }
        collected.end()
    }

    /// The Job of this attempt under its own name.
    fn of_attempt(&self, context: &Context<'_>) -> Option<(ObjectKey, Value)> {
        let key = ObjectKey::of(&self.object)?;
        let place = format!("{}/{}", context.step, context.task);
        let name = job_name(&key.name, context.execution, &place, context.attempt);
        let mut object = self.object.clone();
        object["metadata"]["name"] = Value::from(name.as_str());
        if !self.keep
            && let Some(spec) = object["spec"].as_object_mut()
        {
            // It must not vanish before its end is in the journal.
            spec.remove("ttlSecondsAfterFinished");
        }
        Some((key.named(&name), object))
    }
}
