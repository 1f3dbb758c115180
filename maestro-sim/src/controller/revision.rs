//! ControllerRevisions: the history of a pod template, shared by StatefulSet and DaemonSet.
//!
//! Source: `pkg/controller/history`.

use std::sync::Arc;

use crate::api::Status;
use crate::controller::kinds::{CONTROLLER_REVISIONS, DAEMON_SETS};
use crate::controller::labels::Labels;
use crate::controller::own::{Claim, absent_is_fine, controller_ref};
use crate::controller::{Context, hash, shape};
use crate::json::{Map, Value, json};
use crate::object::{GroupResource, Object, at};

const HASH_LABEL: &str = "controller.kubernetes.io/hash";

/// The revisions an owner has, oldest first, and the one its template asks for.
#[derive(Debug)]
pub struct History {
    /// All of them, ordered by `revision`, then age, then name.
    pub all: Vec<Arc<Object>>,
    /// The one that holds the template of now.
    pub update: Arc<Object>,
    /// `status.collisionCount` after this pass.
    pub collisions: i64,
}

/// Finds or makes the revision of the owner's template.
pub fn sync(
    cx: &mut dyn Context,
    resource: &GroupResource,
    owner: &Object,
    selector: &Labels,
) -> Result<History, Box<Status>> {
    let claim = Claim { resource, owner, selector };
    let mut all = claim.run(cx, &CONTROLLER_REVISIONS, |_| true)?;
    order(&mut all);
    let mut collisions = owner.int(&["status", "collisionCount"]).unwrap_or(0);
    let next = all.last().map_or(1, |r| number(r) + 1);
    let same = all.iter().rposition(|r| holds(r, owner));
    let update = match same {
        Some(index) if index + 1 == all.len() => Arc::clone(&all[index]),
        Some(index) => {
            let mut body = all[index].value().clone();
            body["revision"] = next.into();
            let moved = cx.update(&CONTROLLER_REVISIONS, body)?;
            all[index] = Arc::clone(&moved);
            moved
        }
        None => {
            let data = data_of(owner);
            let made = create(cx, resource, owner, &data, next, &mut collisions)?;
            all.push(Arc::clone(&made));
            made
        }
    };
    order(&mut all);
    Ok(History { all, update, collisions })
}

/// `revision` of a ControllerRevision.
pub fn number(revision: &Object) -> i64 {
    revision.int(&["revision"]).unwrap_or(0)
}

/// The template a revision holds.
pub fn template(revision: &Object) -> Value {
    let mut template = revision.at(&["data", "spec", "template"]).cloned().unwrap_or_default();
    if let Some(map) = template.as_object_mut() {
        map.remove("$patch");
    }
    template
}

/// Deletes the oldest revisions that nothing uses, down to `spec.revisionHistoryLimit`.
pub fn truncate(
    cx: &mut dyn Context,
    owner: &Object,
    history: &[Arc<Object>],
    in_use: impl Fn(&Object) -> bool,
) -> Result<(), Box<Status>> {
    let limit = owner.int(&["spec", "revisionHistoryLimit"]).unwrap_or(10).max(0);
    let unused: Vec<_> = history.iter().filter(|r| !in_use(r)).collect();
    let keep = usize::try_from(limit).unwrap_or(usize::MAX);
    for revision in unused.iter().take(unused.len().saturating_sub(keep)) {
        let options = shape::only_uid(revision.uid());
        absent_is_fine(cx.delete(&CONTROLLER_REVISIONS, revision.key(), options))?;
    }
    Ok(())
}

fn order(revisions: &mut [Arc<Object>]) {
    let age = |r: &Object| r.text(&["metadata", "creationTimestamp"]).to_owned();
    revisions.sort_by(|a, b| (number(a), age(a), a.name()).cmp(&(number(b), age(b), b.name())));
}

fn data_of(owner: &Object) -> Value {
    let mut template = owner.at(&["spec", "template"]).cloned().unwrap_or_else(|| json!({}));
    if let Some(map) = template.as_object_mut() {
        map.insert("$patch", "replace".into());
    }
    json!({"spec": {"template": template}})
}

/// Whether a revision's data is what [`data_of`] makes of the owner, without making it.
fn holds(revision: &Object, owner: &Object) -> bool {
    let Some(data) = revision.value().get("data").and_then(Value::as_object) else { return false };
    let spec = data.get("spec").and_then(Value::as_object);
    let stored = spec.and_then(|spec| spec.get("template")).and_then(Value::as_object);
    let alone = data.len() == 1 && spec.is_some_and(|spec| spec.len() == 1);
    let (Some(stored), true) = (stored, alone) else { return false };
    let none = Map::new();
    let template = match owner.at(&["spec", "template"]) {
        Some(Value::Object(template)) => template,
        Some(_) => return revision.value().get("data") == Some(&data_of(owner)),
        None => &none,
    };
    let others = stored.iter().filter(|(field, _)| *field != "$patch");
    stored.get("$patch").is_some_and(|patch| patch == "replace")
        && others.eq(template.iter().filter(|(field, _)| *field != "$patch"))
}

/// Creates the revision; a name that another template holds makes `collisions` grow.
fn create(
    cx: &mut dyn Context,
    resource: &GroupResource,
    owner: &Object,
    data: &Value,
    number: i64,
    collisions: &mut i64,
) -> Result<Arc<Object>, Box<Status>> {
    loop {
        let hash = hash::of(data, Some(*collisions));
        let base = owner.name().get(..223).unwrap_or(owner.name());
        let name = format!("{base}-{hash}");
        let labels = at(owner.value(), &["spec", "template", "metadata", "labels"]);
        let mut labels = labels.cloned().unwrap_or_else(|| json!({}));
        // Each of the two sorts of owners has a label of its own for the hash.
        labels[if *resource == DAEMON_SETS { "controller-revision-hash" } else { HASH_LABEL }] =
            hash.into();
        let body = json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision",
            "metadata": {
                "name": name, "namespace": owner.namespace(), "labels": labels,
                "annotations": owner.at(&["metadata", "annotations"]),
                "ownerReferences": [controller_ref(resource, owner)],
            },
            "data": data, "revision": number,
        });
        match cx.create(&CONTROLLER_REVISIONS, without_nulls(body)) {
            Err(status) if status.reason == "AlreadyExists" => {
                let key = crate::object::Key::new(owner.namespace(), &name);
                let existing = cx.get(&CONTROLLER_REVISIONS, &key)?;
                if existing.value().get("data") == Some(data) {
                    return Ok(existing);
                }
                *collisions += 1;
            }
            answer => return answer,
        }
    }
}

fn without_nulls(mut body: Value) -> Value {
    if let Some(metadata) = body["metadata"].as_object_mut() {
        metadata.retain(|_, v| !v.is_null());
    }
    body
}
