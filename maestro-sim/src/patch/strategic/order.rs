//! The order of a merged list: as the patch says for what it names, as it was for the rest.

use crate::json::Value;
use crate::patch::PatchError;

/// What tells two items apart: a field, or for scalars the whole value.
fn identity<'v>(key: Option<&str>, item: &'v Value) -> &'v Value {
    key.and_then(|key| item.get(key)).unwrap_or(item)
}

fn position(key: Option<&str>, list: &[Value], item: &Value) -> Option<usize> {
    let wanted = identity(key, item);
    list.iter().position(|candidate| identity(key, candidate) == wanted)
}

/// Arranges `merged`: items that `wanted` names come in its order, the others in the order of
/// `server`, and the two are woven together so that items the server knew keep their place.
pub(super) fn arrange(
    key: Option<&str>,
    merged: Vec<Value>,
    wanted: &[Value],
    server: &[Value],
) -> Vec<Value> {
    let size = merged.len();
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| position(key, wanted, item).is_some());
    named.sort_by_key(|item| position(key, wanted, item));
    others.sort_by_key(|item| position(key, server, item).unwrap_or(usize::MAX));
    let mut out = Vec::with_capacity(size);
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let other_first = match (others.peek(), named.peek()) {
            (None, None) => return out,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(named)) => {
                let places = position(key, server, other).zip(position(key, server, named));
                places.is_some_and(|(other, named)| other < named)
            }
        };
        out.extend(if other_first { others.next() } else { named.next() });
    }
}

/// Refuses a patch whose items come in another order than its own `$setElementOrder` says.
pub(super) fn require_same_order(
    key: Option<&str>,
    items: &[Value],
    wanted: &[Value],
) -> Result<(), PatchError> {
    let mut last = None;
    for item in items.iter().filter(|item| item.get(super::DIRECTIVE).is_none()) {
        let at = position(key, wanted, item);
        if at.is_none() {
            let message = "The items in the patch list are not all in the setElementOrder list";
            return Err(PatchError::Internal(message.to_owned()));
        }
        if at < last {
            let (items, wanted) = (Value::from(items.to_vec()), Value::from(wanted.to_vec()));
            return Err(PatchError::Internal(format!(
                "The order in patch list:\n{items}\n doesn't match {}list:\n{wanted}\n",
                super::SET_ORDER.trim_end_matches('/').to_owned() + " "
            )));
        }
        last = at;
    }
    Ok(())
}
