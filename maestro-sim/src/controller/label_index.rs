//! An index by label of one collection, for controllers that look pods up by selector.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::controller::labels::Labels;
use crate::controller::{Change, View};
use crate::object::{GroupResource, Key, Object};

/// Which objects of a namespace carry a label with a value.
#[derive(Debug, Default)]
pub struct LabelIndex {
    by_label: BTreeMap<(String, String, String), BTreeSet<Key>>,
}

impl LabelIndex {
    /// Takes a change of the indexed collection in.
    pub fn apply(&mut self, change: &Change) {
        for entry in change.old.iter().flat_map(|o| entries(o)) {
            if let Some(keys) = self.by_label.get_mut(&entry) {
                if let Some(old) = &change.old {
                    keys.remove(old.key());
                }
                if keys.is_empty() {
                    self.by_label.remove(&entry);
                }
            }
        }
        if let Some(new) = &change.new {
            for entry in entries(new) {
                self.by_label.entry(entry).or_default().insert(new.key().clone());
            }
        }
    }

    /// The objects of a namespace that a selector matches, in key order. A selector without an
    /// equality has to walk the namespace.
    pub fn select(
        &self,
        view: &View,
        resource: &GroupResource,
        namespace: &str,
        selector: &Labels,
    ) -> Vec<Arc<Object>> {
        let Some((label, value)) = selector.certain() else {
            return view.matching(resource, namespace, |labels| selector.matches(labels));
        };
        let entry = (namespace.to_owned(), label.to_owned(), value.to_owned());
        let keys = self.by_label.get(&entry).into_iter().flatten();
        let found = keys.filter_map(|key| view.get(resource, key));
        found.filter(|o| selector.matches(o.labels())).cloned().collect()
    }
}

fn entries(object: &Object) -> impl Iterator<Item = (String, String, String)> {
    object.labels().into_iter().flatten().filter_map(|(label, value)| {
        Some((object.namespace().to_owned(), label.to_string(), value.as_str()?.to_owned()))
    })
}
