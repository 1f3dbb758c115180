//! Server-side apply: merging a manager's configuration into an object.

use std::sync::OnceLock;

use super::entry::{self, Entry, Operation};
use super::foreign::Foreign;
use super::{Write, managed_fields, set_managed_fields, take};
use crate::fields::diff::{Diff, UNOWNED_METADATA};
use crate::fields::merge::{Nulls, merge};
use crate::fields::{FieldSet, of, remove};
use crate::json::{Map, Value};

/// The annotation in which `kubectl apply` keeps what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The owner of what an object held before anything tracked its fields.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// One field that another manager owns with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The cause's message, such as `conflict with "x" using apps/v1`.
    pub message: String,
    /// The field's path, such as `.spec.replicas`.
    pub field: String,
    /// The manager as messages show it, such as `"x" using apps/v1`.
    pub manager: String,
}

/// Why an apply was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// 409 Conflict, one cause of type `FieldManagerConflict` for each.
    #[error("{}", conflict_message(.0))]
    Conflicts(Vec<Conflict>),
    /// 400 BadRequest.
    #[error("{0}")]
    BadRequest(String),
    /// The configuration does not fit the schema; a real server answers 500 without a reason.
    #[error("{0}")]
    Invalid(String),
}

impl ApplyError {
    /// The HTTP status code.
    pub fn code(&self) -> u16 {
        match self {
            Self::Conflicts(_) => 409,
            Self::BadRequest(_) => 400,
            Self::Invalid(_) => 500,
        }
    }
}

fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!("Apply failed with 1 conflict: {}: {}", only.message, only.field);
    }
    let mut lines = Vec::new();
    let mut last: Option<&str> = None;
    for conflict in conflicts {
        if last != Some(&conflict.manager) {
            lines.push(format!("conflicts with {}:", conflict.manager));
            last = Some(&conflict.manager);
        }
        lines.push(format!("- {}", conflict.field));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// Applies a configuration and returns the whole new object, `managedFields` included. When
/// nothing changes the object comes back as it was, times and all.
///
/// # Errors
/// Conflicts unless `force`; `managedFields` or a wrong `apiVersion` in the configuration; a
/// configuration that does not fit the schema.
pub fn apply(
    write: &Write<'_>,
    live: Option<&Value>,
    applied: &Value,
    force: bool,
) -> Result<Value, ApplyError> {
    refuse(write, applied)?;
    let mut base = live.cloned().unwrap_or_else(|| Value::Object(Map::new()));
    set_managed_fields(&mut base, Value::Null);
    let stored = live.and_then(managed_fields);
    let mut entries = stored.and_then(|v| entry::decode(v.clone(), true)).unwrap_or_default();
    if live.is_some() && entries.is_empty() {
        before_first_apply(write, &base, &mut entries);
    }

    let mut merged = base.clone();
    let nulls = if write.typed { Nulls::Absent } else { Nulls::Values };
    merge(write.ty(), nulls, &mut merged, applied);
    if let Some(last) = claim(write, applied, &mut entries) {
        merged = prune(write, merged, &last, &entries);
    }
    let foreign = Foreign::new(write, &mut entries, &base, &merged).map_err(ApplyError::Invalid)?;
    let Diff { changed, removed } = write.diff(&base, &merged);
    if !force {
        let conflicts = conflicts(write, &base, &entries, &foreign, &changed);
        if !conflicts.is_empty() {
            return Err(ApplyError::Conflicts(conflicts));
        }
    }
    take(&mut entries, write, Operation::Apply, &foreign, &changed, &removed);
    if let Some(own) = own_entry(write, &mut entries) {
        own.fields.subtract(unowned());
    }
    entries.retain(|entry| !entry.fields.is_empty());
    // A set that changes while no value does leaves the time alone, and a new one without any.
    if merged != base
        && let Some(own) = own_entry(write, &mut entries)
    {
        own.time = write.time();
    }
    sync_last_applied(write, applied, &mut merged);
    set_managed_fields(&mut merged, entry::encode(entries));
    Ok(merged)
}

fn own_entry<'e>(write: &Write<'_>, entries: &'e mut [Entry]) -> Option<&'e mut Entry> {
    entries.iter_mut().find(|entry| entry.is(write, Operation::Apply))
}

/// Makes the configuration's fields this manager's set, and returns the set it had, if any. The
/// set still names what nobody owns, so that pruning takes none of it for dropped.
fn claim(write: &Write<'_>, applied: &Value, entries: &mut Vec<Entry>) -> Option<FieldSet> {
    let fields = applied_fields(write, applied);
    if let Some(own) = own_entry(write, entries) {
        own.api_version = write.api_version.into();
        return Some(std::mem::replace(&mut own.fields, fields));
    }
    entries.push(Entry { time: None, ..Entry::new(write, Operation::Apply, fields) });
    None
}

fn refuse(write: &Write<'_>, applied: &Value) -> Result<(), ApplyError> {
    let managed = managed_fields(applied).and_then(Value::as_array);
    if managed.is_some_and(|list| !list.is_empty()) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let text = |path: &[&str]| {
        let value = path.iter().try_fold(applied, |value, step| value.get(step));
        value.and_then(Value::as_str).unwrap_or_default()
    };
    let version = text(&["apiVersion"]);
    if version != write.api_version {
        return Err(ApplyError::BadRequest(format!(
            "incorrect version specified in apply patch. Specified patch version: {version}, \
             expected: {}",
            write.api_version
        )));
    }
    let problems = of::problems(write.schema, applied);
    let problems = match problems.as_slice() {
        [] => return Ok(()),
        [only] => only.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    };
    Err(ApplyError::Invalid(format!(
        "failed to create typed patch object ({}/{}; {}{version}, Kind={}): {problems}",
        text(&["metadata", "namespace"]),
        text(&["metadata", "name"]),
        // The core group has no name, but its slash is written.
        if version.contains('/') { "" } else { "/" },
        text(&["kind"]),
    )))
}

/// An object whose fields nobody tracked belongs to a manager of its own from now on.
fn before_first_apply(write: &Write<'_>, base: &Value, entries: &mut Vec<Entry>) {
    let fields = write.diff(&write.nothing(), base).changed;
    if !fields.is_empty() {
        let write = Write { manager: BEFORE_FIRST_APPLY, ..*write };
        entries.push(Entry::new(&write, Operation::Update, fields));
    }
}

/// The fields of the configuration, without those this endpoint resets.
fn applied_fields(write: &Write<'_>, applied: &Value) -> FieldSet {
    let mut fields = FieldSet::of(write.schema, applied);
    if !write.reset.is_empty() {
        let mut reset = FieldSet::new();
        for name in write.reset {
            reset.insert(&[&format!("f:{name}")]);
        }
        fields.subtract_subtrees(&reset);
    }
    fields
}

/// What no manager owns.
fn unowned() -> &'static FieldSet {
    static UNOWNED: OnceLock<FieldSet> = OnceLock::new();
    UNOWNED.get_or_init(|| {
        let mut out = FieldSet::new();
        for name in ["apiVersion", "kind", "metadata"] {
            out.insert(&[&format!("f:{name}")]);
        }
        for name in UNOWNED_METADATA {
            out.insert(&["f:metadata", &format!("f:{name}")]);
        }
        out
    })
}

/// Removes what this manager applied last time, no longer applies, and nobody else owns.
fn prune(write: &Write<'_>, merged: Value, last: &FieldSet, entries: &[Entry]) -> Value {
    // Most applies drop nothing, and then nothing can be pruned.
    if entries.iter().any(|entry| last.is_subset(&entry.fields)) {
        return merged;
    }
    let ty = write.ty();
    let mut managed = FieldSet::new();
    for entry in entries {
        managed.union(entry.fields.clone());
    }
    let managed = managed.with_named_parents(ty);
    let last = last.with_named_parents(ty);
    // Or others own what was dropped.
    if last.is_subset(&managed) {
        return merged;
    }
    let fields_of = |tree: &Value| FieldSet::of(write.schema, tree).with_named_parents(ty);
    let all = fields_of(&merged);

    // Without all that was applied last time; then with what somebody owns put back; then with
    // what was never this manager's put back.
    let pruned = remove::remove(ty, &merged, &last);
    let mut kept = fields_of(&pruned);
    kept.union(managed);
    let mut gone = all.clone();
    gone.subtract(&kept);
    let pruned = remove::remove(ty, &merged, &gone);
    let mut gone = all;
    gone.subtract(&fields_of(&pruned));
    remove::remove(ty, &merged, &gone.intersection(&last))
}

/// The changed fields that others own, sorted by manager.
fn conflicts(
    write: &Write<'_>,
    base: &Value,
    entries: &[Entry],
    foreign: &Foreign,
    changed: &FieldSet,
) -> Vec<Conflict> {
    if changed.is_empty() {
        return Vec::new();
    }
    let changed = |entry: &Entry| foreign.diff(entry).map_or(changed, |diff| &diff.changed);
    let others = entries.iter().filter(|entry| !entry.is(write, Operation::Apply));
    let mut found: Vec<(String, FieldSet)> = others
        .map(|entry| (entry.shown(), entry.fields.intersection(changed(entry))))
        .filter(|(_, fields)| !fields.is_empty())
        .collect();
    if found.is_empty() {
        return Vec::new();
    }
    // kubectl may take over from its own client-side self: what it applied last and nobody has
    // changed since is no conflict.
    if let Some(allowed) = last_applied_fields(write, base) {
        for (_, fields) in &mut found {
            fields.subtract(&allowed);
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let of_one = |(manager, fields): (String, FieldSet)| {
        fields.paths_by_level().into_iter().map(move |field| Conflict {
            message: format!("conflict with {manager}"),
            field,
            manager: manager.clone(),
        })
    };
    found.into_iter().flat_map(of_one).collect()
}

fn last_applied(object: &Value) -> Option<&str> {
    let annotations = object.get("metadata")?.get("annotations")?;
    annotations.get(LAST_APPLIED)?.as_str().filter(|text| !text.is_empty())
}

/// The fields of kubectl's last client-side apply that still have the values it gave them.
fn last_applied_fields(write: &Write<'_>, base: &Value) -> Option<FieldSet> {
    if write.manager != "kubectl" {
        return None;
    }
    let config: Value = serde_json::from_str(last_applied(base)?).ok()?;
    if config.get("apiVersion").and_then(Value::as_str) != Some(write.api_version) {
        return None;
    }
    let mut fields = FieldSet::of(write.schema, &config);
    let Diff { changed, removed } = write.diff(&config, base);
    fields.subtract(&changed);
    fields.subtract(&removed);
    Some(fields)
}

/// Keeps the client-side annotation of an object that has one up to date, for kubectl only.
fn sync_last_applied(write: &Write<'_>, applied: &Value, merged: &mut Value) {
    if write.manager != "kubectl" || last_applied(merged).is_none() {
        return;
    }
    let mut config = applied.clone();
    if let Some(Value::Object(metadata)) = config.get_mut("metadata") {
        metadata.remove("managedFields");
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.remove(LAST_APPLIED);
        }
    }
    let annotations = merged.get_mut("metadata").and_then(|m| m.get_mut("annotations"));
    if let Some(Value::Object(annotations)) = annotations {
        annotations.insert(LAST_APPLIED.to_owned(), Value::from(format!("{config}\n")));
    }
}
