//! `scale`: sets the replicas of workloads through `/scale`; done when they are healthy.

use super::{Collected, Context, ObjectKey, Progress, apply::settle_write};
use crate::machine::Action;

/// Workloads to scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// What names them.
    pub targets: Vec<ObjectKey>,
    /// CEL: the number of replicas.
    pub replicas: String,
}

impl Scale {
    pub(super) fn progress(&self, context: &Context<'_>) -> Progress {
        let mut collected = Collected::default();
        match context.observed.number(&self.replicas) {
            Err(why) => collected.fail(format!("replicas: {why}")),
            Ok(replicas) => {
                for (index, key) in self.targets.iter().enumerate() {
                    if !context.observed.objects.contains_key(key) {
                        collected.wait(format!("{key}: does not exist"));
                        continue;
                    }
                    let action = || Action::Scale { key: key.clone(), replicas };
                    settle_write(context, &mut collected, index, key, action);
                }
            }
        }
        collected.end()
    }
}
