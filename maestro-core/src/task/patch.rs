//! `patch`: patches objects that exist; done when they are healthy again.
//!
//! A merge patch may be sent twice. A JSON patch may not, so it marks the object it changed, in
//! the same write, and is bound to the version of the object that did not bear the mark.

use serde_json::{Value, json};

use super::{Collected, Context, ObjectKey, Progress, apply::settle_write};
use crate::machine::{Action, Outcome};

/// The annotation that says which JSON patch changed an object last.
const MARK: &str = "maestro.dev/patched-by";

/// Patches of objects that exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// How the bodies are read.
    pub kind: PatchKind,
    /// The object and the body of each.
    pub patches: Vec<(ObjectKey, Value)>,
}

/// How the body of a patch is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 7386.
    Merge,
    /// Strategic merge.
    Strategic,
    /// RFC 6902.
    Json,
}

impl Patch {
    pub(super) fn progress(&self, context: &Context<'_>) -> Progress {
        let mut collected = Collected::default();
        for (index, (key, body)) in self.patches.iter().enumerate() {
            let Some(live) = context.observed.objects.get(key) else {
                collected.wait(format!("{key}: does not exist"));
                continue;
            };
            let mark = format!("{}/{}/{index}", context.execution, place(context));
            let marked = live["metadata"]["annotations"][MARK] == mark.as_str();
            let unsent = !matches!(context.outcome(index), Some(Outcome::Done(_)));
            if self.kind == PatchKind::Json && marked && unsent {
                // It was sent before this process began.
                continue;
            }
            settle_write(context, &mut collected, index, key, || Action::Patch {
                key: key.clone(),
                kind: self.kind,
                body: match self.kind {
                    PatchKind::Json => once(body, live, &mark),
                    PatchKind::Merge | PatchKind::Strategic => body.clone(),
                },
            });
        }
        collected.end()
    }
}

fn place(context: &Context<'_>) -> String {
    format!("{}/{}/{}", context.step, context.task, context.attempt)
}

/// The operations, bound to the object's present version and leaving the mark.
fn once(operations: &Value, live: &Value, mark: &str) -> Value {
    let mut all = vec![json!({"op": "test", "path": "/metadata/resourceVersion",
                              "value": live["metadata"]["resourceVersion"]})];
    all.extend(operations.as_array().into_iter().flatten().cloned());
    if !live["metadata"]["annotations"].is_object() {
        all.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
    }
    let path = format!("/metadata/annotations/{}", MARK.replace('/', "~1"));
    all.push(json!({"op": "add", "path": path, "value": mark}));
    Value::Array(all)
}
