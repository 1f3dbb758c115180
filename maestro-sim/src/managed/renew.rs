//! The common write: somebody changes the values of fields that are theirs and nobody else's.
//!
//! Leases and statuses are written again and again by one manager. Then nothing of `managedFields`
//! changes but one date, and no set of fields has to be taken apart and put together.

use super::{Write, managed_fields, set_managed_fields};
use crate::fields::diff::Diff;
use crate::json::Value;

/// Does the bookkeeping of such a write; false, and nothing done, when it is another one. What
/// differs is left in `found` where it was looked at.
pub(super) fn same_owners(
    write: &Write<'_>,
    old: &Value,
    new: &mut Value,
    found: &mut Option<Diff>,
) -> bool {
    let Some(live @ Value::Array(entries)) = managed_fields(old) else { return false };
    let sent = managed_fields(new);
    let is_kept = sent == Some(live);
    // Without the client's own, and on a subresource in any case, the live ones count.
    if !is_kept && sent.is_some() && write.subresource.is_empty() {
        return false;
    }
    let Diff { changed, removed } = found.insert(write.diff(old, new));
    if !removed.is_empty() {
        return false;
    }
    let mut own = None;
    for (index, entry) in entries.iter().enumerate() {
        // Who wrote in another version is compared in that one.
        if write.views.is_some() && text(entry, "apiVersion") != write.api_version {
            return false;
        }
        let Some(fields) = entry.get("fieldsV1").and_then(Value::as_object) else { return false };
        if is_writers(entry, write) {
            if !changed.is_within(fields) {
                return false;
            }
            own = Some(index);
        } else if changed.meets(fields) {
            return false;
        }
    }
    if own.is_none() && !changed.is_empty() {
        return false;
    }
    if !is_kept {
        set_managed_fields(new, live.clone());
    }
    if let Some(own) = own.filter(|_| !changed.is_empty()) {
        date(new, own, write.now);
    }
    true
}

/// Whether this is the writer's entry of updates.
fn is_writers(entry: &Value, write: &Write<'_>) -> bool {
    text(entry, "operation") == "Update"
        && text(entry, "manager") == write.manager
        && text(entry, "subresource") == write.subresource
        && text(entry, "apiVersion") == write.api_version
}

/// Dates an entry, and puts it where entries of its age stand.
fn date(object: &mut Value, own: usize, now: &str) {
    let list = object.get_mut("metadata").and_then(|m| m.get_mut("managedFields"));
    let Some(Value::Array(entries)) = list else { return };
    let Some(Value::Object(entry)) = entries.get_mut(own) else { return };
    match entry.get_mut("time") {
        // What a Scale brings has no date.
        None if now.is_empty() => return,
        Some(_) if now.is_empty() => drop(entry.remove("time")),
        Some(Value::String(time)) if time == now => return,
        Some(time) => *time = now.into(),
        None => {
            entry.insert("time", now.into());
        }
    }
    entries.sort_by(|a, b| age(a).cmp(&age(b)));
}

/// The order of `managedFields`: appliers first, then by age.
fn age(entry: &Value) -> (&str, &str, &str, &str, &str) {
    let of = |name| text(entry, name);
    (of("operation"), of("time"), of("manager"), of("apiVersion"), of("subresource"))
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry.get(name).and_then(Value::as_str).unwrap_or_default()
}
