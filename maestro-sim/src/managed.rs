//! Who owns which field: the `managedFields` of every write, and server-side apply.
//!
//! Sources: KEP-555 and <https://kubernetes.io/docs/reference/using-api/server-side-apply/>.
//! Ownership is compared in the schema of the version written; entries of other versions of the
//! kind are taken to name the same fields.

mod apply;
mod entry;
mod foreign;
mod renew;

use std::sync::Arc;

pub use apply::{ApplyError, Conflict, apply};

use crate::fields::diff::{Diff, diff};
use crate::fields::shape::Ty;
use crate::fields::{self, FieldSet};
use crate::json::{Array, Map, Text, Value};
use crate::schema::Schema;
use crate::typed::zero;
use entry::{Entry, Operation};
use foreign::Foreign;

/// Who writes, what and when.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// The kind's schema, in the version written.
    pub schema: &'a Schema,
    /// Whether the kind is built in: its typed zero value then exists before it is created.
    pub typed: bool,
    /// The field manager's name.
    pub manager: &'a str,
    /// `apiVersion` of the version written.
    pub api_version: &'a str,
    /// The subresource written, empty for the object itself.
    pub subresource: &'a str,
    /// Top-level fields this endpoint resets, and so nobody comes to own by writing to it: see
    /// [`reset_fields`].
    pub reset: &'a [&'a str],
    /// How its trees look in other versions, for a kind that has some.
    pub views: Option<&'a dyn Views>,
    /// RFC 3339, whole seconds, UTC; empty for an entry without a time.
    pub now: &'a str,
}

/// A tree in another version of its kind.
#[derive(Debug)]
pub enum View {
    /// The version is not served, or the tree cannot become one of it: who wrote in it owns
    /// nothing any more.
    Gone,
    /// It cannot be converted, and why.
    Failed(String),
    /// The tree, and its schema.
    Tree(Arc<Schema>, Value),
}

/// Trees in the other versions of a kind.
pub trait Views: std::fmt::Debug {
    /// A tree of the version written as one of `api_version`.
    fn view(&self, api_version: &str, tree: &Value) -> View;
}

/// The top-level fields an endpoint resets: the status for the object itself if it has a status
/// subresource, everything but the status for that subresource.
pub fn reset_fields(typed: bool, has_status: bool, subresource: &str) -> &'static [&'static str] {
    match subresource {
        "" if has_status => &["status"],
        // A typed status endpoint takes labels and annotations; a custom kind's does not.
        "status" | "approval" if typed => &["spec"],
        "status" => &["metadata", "spec"],
        _ => &[],
    }
}

impl<'a> Write<'a> {
    fn ty(&self) -> Ty<'a> {
        Ty::root(self.schema)
    }

    fn time(&self) -> Option<Text> {
        (!self.now.is_empty()).then(|| self.now.into())
    }

    fn diff(&self, old: &Value, new: &Value) -> Diff {
        diff(self.ty(), old, new, self.reset)
    }

    /// What a create is compared with.
    fn nothing(&self) -> Value {
        if self.typed { zero(self.schema) } else { Value::Object(Map::new()) }
    }
}

/// Brings `new`'s `managedFields` up to date after a create (`old` is none), an update or a
/// patch: fields that are new or changed go to this manager, and from everyone else; fields that
/// are gone leave every set.
///
/// The client's `managedFields` count if they can be read, except on a subresource; `[]` and
/// `[{}]` reset them, and an object whose fields are not tracked stays so.
pub fn update(write: &Write<'_>, old: Option<&Value>, new: &mut Value) {
    let mut found = None;
    if let Some(old) = old
        && renew::same_owners(write, old, new, &mut found)
    {
        return;
    }
    let mut entries = client_entries(write, old, new);
    set_managed_fields(new, Value::Null);
    if entries.is_empty() && old.is_some() {
        return;
    }
    let zero;
    let before = match old {
        Some(old) => old,
        None => {
            zero = write.nothing();
            &zero
        }
    };
    let Ok(foreign) = Foreign::new(write, &mut entries, before, new) else {
        // As the real server does, which takes that for its own fault.
        set_managed_fields(new, old.and_then(managed_fields).cloned().unwrap_or_default());
        return;
    };
    let Diff { changed, removed } = found.unwrap_or_else(|| write.diff(before, new));
    take(&mut entries, write, Operation::Update, &foreign, &changed, &removed);
    if !changed.is_empty() {
        own(&mut entries, write, changed);
    }
    entry::cap(&mut entries);
    set_managed_fields(new, entry::encode(entries));
}

/// The entries to start from: the client's own if they can be read, else the live ones.
fn client_entries(write: &Write<'_>, old: Option<&Value>, new: &mut Value) -> Vec<Entry> {
    let live = old.and_then(managed_fields);
    let live_entries = || live.and_then(|v| entry::decode(v.clone(), true)).unwrap_or_default();
    let sent = new.get_mut("metadata").and_then(|m| m.get_mut("managedFields"));
    let sent = match sent {
        Some(sent) if write.subresource.is_empty() => sent.take(),
        _ => return live_entries(),
    };
    let resets = |list: &Array| match list.as_slice() {
        [] => true,
        [Value::Object(only)] => only.is_empty(),
        _ => false,
    };
    if sent.as_array().is_some_and(resets) {
        return Vec::new();
    }
    // What comes back as it was stored needs no second look.
    let trusted = live == Some(&sent);
    match entry::decode(sent, trusted) {
        Some(entries) if !entries.is_empty() => entries,
        _ => live_entries(),
    }
}

/// Takes changed and removed fields from every entry but the writer's own.
fn take(
    entries: &mut Vec<Entry>,
    write: &Write<'_>,
    operation: Operation,
    foreign: &Foreign,
    changed: &FieldSet,
    removed: &FieldSet,
) {
    for entry in entries.iter_mut() {
        let own = entry.is(write, operation);
        let (changed, removed) = match foreign.diff(entry) {
            Some(diff) => (&diff.changed, &diff.removed),
            None => (changed, removed),
        };
        if !own && !changed.is_empty() {
            entry.fields.subtract(changed);
        }
        // An applier's own set is what it applied, whatever became of the object.
        let keeps = own && operation == Operation::Apply;
        if !keeps && !removed.is_empty() {
            entry.fields.subtract(removed);
        }
    }
    entries.retain(|entry| !entry.fields.is_empty());
}

/// Gives fields to the writer's update entry, dating it.
fn own(entries: &mut Vec<Entry>, write: &Write<'_>, fields: FieldSet) {
    if let Some(entry) = entries.iter_mut().find(|e| e.is(write, Operation::Update)) {
        entry.fields.union(fields);
        entry.time = write.time();
    } else {
        entries.push(Entry::new(write, Operation::Update, fields));
    }
}

fn managed_fields(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields").filter(|v| !v.is_null())
}

/// Whether two trees are the same but for the times at which managers wrote: such a write is none.
///
/// Source: `IgnoreManagedFieldsTimestampsTransformer` of
/// `k8s.io/apiserver/pkg/endpoints/handlers/fieldmanager`.
pub fn is_same_but_times(old: &Value, new: &Value) -> bool {
    let entry = |a: &Value, b: &Value| is_same_beside("time", a, b, |_, _| true);
    let entries = |a: &Value, b: &Value| match (a.as_array(), b.as_array()) {
        (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(&**b).all(|(a, b)| entry(a, b)),
        _ => false,
    };
    is_same_beside("metadata", old, new, |a, b| is_same_beside("managedFields", a, b, entries))
}

/// Whether two objects have the same fields, of which one is compared in a way of its own: after
/// the others, one of which mostly differs.
fn is_same_beside(
    name: &str,
    a: &Value,
    b: &Value,
    within: impl Fn(&Value, &Value) -> bool,
) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return a == b };
    let others = a.iter().filter(|(field, _)| **field != *name);
    a.len() == b.len()
        && others.into_iter().all(|(field, value)| b.get(field) == Some(value))
        && match (a.get(name), b.get(name)) {
            (Some(a), Some(b)) => a == b || within(a, b),
            (a, b) => a == b,
        }
}

/// Whether anyone owns a field.
pub(crate) fn is_owned(object: &Value, path: &[&str]) -> bool {
    let stored = managed_fields(object).cloned();
    let entries = stored.and_then(|stored| entry::decode(stored, true)).unwrap_or_default();
    entries.iter().any(|entry| {
        let mut node = Some(entry.fields.root());
        for name in path {
            node = node.and_then(|node| fields::child(node, &format!("f:{name}")));
        }
        node.is_some_and(fields::is_member)
    })
}

/// Leaves every field to whoever owned it before.
pub(crate) fn keep(old: &Value, new: &mut Value) {
    set_managed_fields(new, managed_fields(old).cloned().unwrap_or_default());
}

/// Takes a field from everyone who owns it.
pub(crate) fn disown(object: &mut Value, path: &[&str]) {
    let mut field = FieldSet::new();
    let elements: Vec<String> = path.iter().map(|name| format!("f:{name}")).collect();
    field.insert(&elements.iter().map(String::as_str).collect::<Vec<_>>());
    let stored = managed_fields(object).cloned();
    let Some(mut entries) = stored.and_then(|stored| entry::decode(stored, true)) else { return };
    entries.iter_mut().for_each(|entry| entry.fields.subtract(&field));
    entries.retain(|entry| !entry.fields.is_empty());
    set_managed_fields(object, entry::encode(entries));
}

/// Writes `managedFields`; null removes them.
fn set_managed_fields(object: &mut Value, value: Value) {
    let Some(object) = object.as_object_mut() else { return };
    if value.is_null() {
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.remove("managedFields");
        }
        return;
    }
    let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(metadata) = metadata {
        metadata.insert("managedFields", value);
    }
}

#[cfg(test)]
mod tests;
