//! `toggle`: applies objects while a condition holds, and deletes them while it does not.

use serde_json::Value;

use super::{Collected, Context, Progress, apply::apply_all, delete::delete_all, keys};

/// Objects that exist only while a condition holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Toggle {
    /// The rendered objects.
    pub objects: Vec<Value>,
    /// CEL: true keeps the objects, false deletes them.
    pub when: String,
}

impl Toggle {
    pub(super) fn progress(&self, context: &Context<'_>) -> Progress {
        let mut collected = Collected::default();
        match context.observed.truth(&self.when) {
            Ok(true) => apply_all(&self.objects, context, &mut collected),
            Ok(false) => delete_all(&keys(&self.objects), context, &mut collected),
            Err(why) => collected.fail(format!("when: {why}")),
        }
        collected.end()
    }
}
