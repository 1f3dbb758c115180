//! What was written last: enough to tell, at the end, which of it matters.

use std::collections::VecDeque;

use super::LastWrite;
use crate::event::{Event, Happening, Write, describe};
use crate::property::{Class, Violation};

/// How many lines a failure shows.
const SHOWN: usize = 12;
/// How many happenings are kept to choose from.
const KEPT: usize = 1_000;

/// One happening that may be shown.
#[derive(Clone, Debug)]
struct Line {
    write: LastWrite,
    /// What the cluster's own parts did to follow others' writes: shown only of the object that
    /// the failure is about.
    is_noise: bool,
}

/// The last happenings, oldest first.
#[derive(Debug, Default)]
pub struct History(VecDeque<Line>);

impl History {
    /// Keeps what may have to be shown.
    pub fn remember(&mut self, event: &Event) {
        let (actor, what, is_noise) = match &event.what {
            Happening::Write(write) => {
                let class = Class::of(&write.resource);
                let Some(object) = write.object().filter(|_| class != Class::Background) else {
                    return;
                };
                let what = format!("{} {}", write.verb.as_str(), describe(&write.resource, object));
                (write.actor.to_string(), what, is_noise(write))
            }
            Happening::Fault { kind, target } => {
                ("fault".to_owned(), format!("{kind} {target}"), false)
            }
            Happening::Healed { kind, target } => {
                ("fault".to_owned(), format!("{kind} {target} ends"), false)
            }
            _ => return,
        };
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        let write = LastWrite { at: event.at, actor, what, times: 1 };
        self.0.push_back(Line { write, is_noise });
    }

    /// The last happenings that matter to a failure, oldest first; what was repeated stands once,
    /// where it happened last.
    pub fn telling(&self, violations: &[Violation]) -> Vec<LastWrite> {
        let concerned = |line: &Line| {
            violations.iter().any(|v| !v.object.is_empty() && line.write.what.ends_with(&v.object))
        };
        let mut chosen: Vec<LastWrite> = Vec::new();
        for line in self.0.iter().rev().filter(|line| !line.is_noise || concerned(line)) {
            let is_same =
                |w: &&mut LastWrite| w.actor == line.write.actor && w.what == line.write.what;
            if let Some(known) = chosen.iter_mut().find(is_same) {
                known.times += 1;
            } else if chosen.len() < SHOWN {
                chosen.push(line.write.clone());
            }
        }
        chosen.reverse();
        chosen
    }
}

/// Whether a write only follows what others did: a status, or what is derived from other objects.
fn is_noise(write: &Write) -> bool {
    let is_own = write.by_operator() || write.from_outside();
    let derived = ["endpointslices", "endpoints", "controllerrevisions"];
    let changes = write.old.is_some() && write.new.as_ref().is_some_and(|new| !new.is_deleting());
    !is_own && (changes || derived.contains(&&*write.resource.resource))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use maestro_sim::api::Verb;
    use maestro_sim::json::json;
    use maestro_sim::object::{GroupResource, Object};

    use super::History;
    use crate::event::{Event, Happening, Write};
    use crate::property::Violation;

    fn update(actor: &str, kind: &str, name: &str) -> Happening {
        let object = json!({"kind": kind, "metadata": {"name": name, "namespace": "default"}});
        let object = Arc::new(Object::new(object));
        let resource = GroupResource::owned("", &format!("{}s", kind.to_lowercase()));
        let (old, new) = (Some(Arc::clone(&object)), Some(object));
        Happening::Write(Write { actor: actor.into(), verb: Verb::Update, resource, old, new })
    }

    #[test]
    fn the_noise_is_left_out_and_repetitions_are_counted() {
        let mut history = History::default();
        let fault = || Happening::Fault { kind: "watch-drop", target: "operator".into() };
        let happenings = [
            update("user", "Zk", "main"),
            update("kubelet-node-1", "Pod", "main-1"),
            fault(),
            update("kubelet-node-1", "Pod", "main-2"),
            fault(),
        ];
        for (second, what) in happenings.into_iter().enumerate() {
            let at = Duration::from_secs(second as u64);
            history.remember(&Event { at, what });
        }
        let violation = Violation {
            property: "budgeted",
            object: "Pod default/main-2".into(),
            detail: String::new(),
            at: Duration::ZERO,
        };
        let told = history.telling(&[violation]);
        let lines: Vec<String> = told
            .iter()
            .map(|w| format!("{} {} {} x{}", w.at.as_secs(), w.actor, w.what, w.times))
            .collect();
        assert_eq!(
            lines,
            [
                "0 user update Zk default/main x1",
                "3 kubelet-node-1 update Pod default/main-2 x1",
                "4 fault watch-drop operator x2",
            ]
        );
    }
}
