//! Owners that wrote in another version of a kind: what changed is looked for in theirs.
//!
//! Source: `update` of `sigs.k8s.io/structured-merge-diff/merge`.

use std::collections::BTreeMap;

use super::entry::Entry;
use super::{View, Write};
use crate::fields::diff::{Diff, diff};
use crate::fields::of;
use crate::fields::shape::Ty;
use crate::json::{Text, Value};
use crate::schema::Schema;

/// What a write changes, as each other version shows it.
#[derive(Debug, Default)]
pub(super) struct Foreign(BTreeMap<Text, Diff>);

impl Foreign {
    /// Compares in every version that an entry is of; entries of versions that are gone go.
    ///
    /// # Errors
    /// In the real server's words, when a tree does not fit one of the schemas.
    pub(super) fn new(
        write: &Write<'_>,
        entries: &mut Vec<Entry>,
        old: &Value,
        new: &Value,
    ) -> Result<Self, String> {
        let mut found = BTreeMap::new();
        let Some(views) = write.views else { return Ok(Self(found)) };
        let mut gone = Vec::new();
        for version in entries.iter().map(|entry| &entry.api_version) {
            if version == write.api_version || found.contains_key(version) {
                continue;
            }
            let (schema, old, new) = match (views.view(version, old), views.view(version, new)) {
                (View::Tree(schema, old), View::Tree(_, new)) => (schema, old, new),
                (View::Failed(why), _) => return Err(why),
                (_, View::Failed(why)) => return Err(unconverted(&why)),
                (View::Gone, _) | (_, View::Gone) => {
                    gone.push(version.clone());
                    continue;
                }
            };
            fits(&schema, &old)?;
            fits(&schema, &new).map_err(|why| unconverted(&why))?;
            let compared = diff(Ty::root(&schema), &old, &new, write.reset);
            found.insert(version.clone(), compared);
        }
        entries.retain(|entry| !gone.contains(&entry.api_version));
        Ok(Self(found))
    }

    /// What changed for an entry of another version.
    pub(super) fn diff(&self, entry: &Entry) -> Option<&Diff> {
        self.0.get(&entry.api_version)
    }
}

fn unconverted(why: &str) -> String {
    format!("failed to convert new object: {why}")
}

/// Whether a tree fits the schema of its version.
fn fits(schema: &Schema, tree: &Value) -> Result<(), String> {
    match of::problems(schema, tree).as_slice() {
        [] => Ok(()),
        [only] => Err(only.clone()),
        many => Err(format!("errors:\n  {}", many.join("\n  "))),
    }
}
