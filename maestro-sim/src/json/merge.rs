//! JSON merge patches (RFC 7386).

use super::{Map, Value};

/// Applies a merge patch: null deletes, objects merge, all else replaces. What a patch sets to
/// what it is already stays shared.
pub fn merge(live: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *live = patch.clone();
        return;
    };
    if !live.is_object() {
        *live = Value::Object(Map::new());
    }
    let Value::Object(fields) = live else { return };
    for (name, change) in patch {
        match (fields.get(name), change) {
            (None, Value::Null) => {}
            (Some(_), Value::Null) => {
                fields.remove(name);
            }
            (Some(field), change) if field == change && !change.is_object() => {}
            _ => merge(fields.entry(name).or_insert(Value::Null), change),
        }
    }
}
