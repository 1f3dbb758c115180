//! `replace`: takes pods away, so that their controller makes new ones; done when those that
//! were chosen are gone.
//!
//! Pods are evicted, so that disruption budgets are heeded. `force` deletes them without the word
//! of their kubelet: for pods whose node is lost, which nobody else will ever take away.

use super::{Collected, Context, Progress};
use crate::execution::name::fingerprint;
use crate::machine::{Action, Outcome, Seen};

/// Pods to replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replace {
    /// CEL: the list of the pods' names.
    pub pods: String,
    /// Whether they are deleted at once, without the word of their kubelet.
    pub force: bool,
}

impl Replace {
    pub(super) fn progress(&self, context: &Context<'_>) -> Progress {
        let mut collected = Collected::default();
        match context.observed.texts(&self.pods) {
            Err(why) => collected.fail(format!("pods: {why}")),
            Ok(names) => names.iter().for_each(|name| self.take(name, context, &mut collected)),
        }
        collected.end()
    }

    fn take(&self, name: &str, context: &Context<'_>, collected: &mut Collected) {
        let mut objects = context.observed.objects.iter();
        let found = objects.find(|(key, _)| key.kind == "Pod" && key.name == name);
        let Some((key, live)) = found else { return };
        // What came after the attempt began is a replacement already. Creation is known to the
        // second only: what came in the same second counts as old.
        let created = live["metadata"]["creationTimestamp"].as_str();
        let created = created.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        if created.is_some_and(|created| created > context.started_at.timestamp()) {
            return;
        }
        let Seen { uid, .. } = Seen::of(live);
        // The list changes from pass to pass; what was sent for a pod is known by the pod.
        let index = usize::try_from(fingerprint(&live["metadata"]["uid"])).unwrap_or(usize::MAX);
        let why = match context.outcome(index) {
            Some(Outcome::Refused(why)) => return collected.fail(format!("{key}: {why}")),
            Some(Outcome::Done(_)) => return collected.wait(format!("{key}: is being replaced")),
            Some(Outcome::Hindered(why)) => format!("{key}: {why}"),
            None if live["metadata"]["deletionTimestamp"].is_string() && !self.force => {
                return collected.wait(format!("{key}: is being deleted"));
            }
            None => format!("{key}: is being replaced"),
        };
        collected.send(
            context,
            index,
            Action::Evict { key: key.clone(), uid, force: self.force },
            why,
        );
    }
}
