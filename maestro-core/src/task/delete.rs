//! `delete`: deletes objects by name and UID; done when all of them are gone.

use super::{Collected, Context, ObjectKey, Progress};
use crate::machine::{Action, Outcome, Seen};

/// Objects to delete.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// What names them, in the order of their templates and documents.
    pub objects: Vec<ObjectKey>,
}

impl Delete {
    pub(super) fn progress(&self, context: &Context<'_>) -> Progress {
        let mut collected = Collected::default();
        delete_all(&self.objects, context, &mut collected);
        collected.end()
    }
}

/// Asks for every object to be deleted, and waits until none is left.
pub(super) fn delete_all(objects: &[ObjectKey], context: &Context<'_>, collected: &mut Collected) {
    for (index, key) in objects.iter().enumerate() {
        let Some(live) = context.observed.objects.get(key) else { continue };
        let seen = Seen::of(live);
        if live["metadata"]["deletionTimestamp"].is_string() {
            collected.wait(format!("{key}: is being deleted"));
            continue;
        }
        let action = Action::Delete { key: key.clone(), uid: seen.uid.clone() };
        match context.outcome(index) {
            Some(Outcome::Done(deleted)) if deleted.uid == seen.uid => {
                collected.wait(format!("{key}: is being deleted"));
            }
            Some(Outcome::Refused(why)) => collected.fail(format!("{key}: {why}")),
            Some(Outcome::Hindered(why)) => {
                let why = format!("{key}: {why}");
                collected.send(context, index, action, why);
            }
            _ => collected.send(context, index, action, format!("{key}: is being deleted")),
        }
    }
}
