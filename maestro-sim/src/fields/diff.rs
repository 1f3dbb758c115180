//! Which fields differ between two trees, without making sets for what is equal.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::shape::{Form, Items, Ty, same};
use super::{FieldSet, Node, dot, path};
use crate::json::{Map, Value};

/// The difference between an old and a new tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Diff {
    /// Fields that are new or have another value.
    pub(crate) changed: FieldSet,
    /// Fields that are gone.
    pub(crate) removed: FieldSet,
}

/// What differs at one node: nothing, or a `fieldsV1` node on either side.
#[derive(Default)]
struct Sides {
    changed: Option<Node>,
    removed: Option<Node>,
}

impl Sides {
    fn leaf(old: Option<&Value>, new: Option<&Value>) -> Self {
        match (old, new) {
            (Some(old), Some(new)) if same(old, new) => Self::default(),
            (Some(_), None) => Self { changed: None, removed: Some(Node::new()) },
            (None, None) => Self::default(),
            _ => Self { changed: Some(Node::new()), removed: None },
        }
    }

    /// Files what differs at a child under the child's element, spelled only if needed.
    fn adopt(&mut self, child: Sides, element: impl FnOnce() -> String) {
        match (child.changed, child.removed) {
            (None, None) => {}
            (Some(changed), None) => put(&mut self.changed, element(), changed),
            (None, Some(removed)) => put(&mut self.removed, element(), removed),
            (Some(changed), Some(removed)) => {
                let element = element();
                put(&mut self.changed, element.clone(), changed);
                put(&mut self.removed, element, removed);
            }
        }
    }

    /// Joins what a second look at the same node found.
    fn join(&mut self, other: Sides) {
        for (ours, theirs) in
            [(&mut self.changed, other.changed), (&mut self.removed, other.removed)]
        {
            if let Some(theirs) = theirs {
                match ours {
                    None => *ours = Some(theirs),
                    Some(ours) => super::union(ours, theirs, false),
                }
            }
        }
    }
}

fn put(side: &mut Option<Node>, element: String, node: Node) {
    side.get_or_insert_default().insert(element, Value::Object(node));
}

/// Metadata that no manager ever owns.
pub(crate) const UNOWNED_METADATA: [&str; 9] = [
    "clusterName",
    "creationTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Compares two whole objects. What nobody can own is left out (`apiVersion`, `kind`, and of the
/// metadata the fields that the server keeps), and so are the top-level fields in `skip`.
pub(crate) fn diff(ty: Ty<'_>, old: &Value, new: &Value, skip: &[&str]) -> Diff {
    let empty = Map::new();
    let old = old.as_object().unwrap_or(&empty);
    let new = new.as_object().unwrap_or(&empty);
    let mut sides = Sides::default();
    zip(old, new, |name, old, new| {
        if matches!(name, "apiVersion" | "kind") || skip.contains(&name) {
            return;
        }
        let child = if name == "metadata" {
            metadata(ty.child(name), old, new)
        } else {
            walk(ty.child(name), old, new)
        };
        sides.adopt(child, || path::field(name));
    });
    Diff {
        changed: FieldSet::trusted(sides.changed.unwrap_or_default()),
        removed: FieldSet::trusted(sides.removed.unwrap_or_default()),
    }
}

fn metadata(ty: Ty<'_>, old: Option<&Value>, new: Option<&Value>) -> Sides {
    let empty = Map::new();
    let old = old.and_then(Value::as_object).unwrap_or(&empty);
    let new = new.and_then(Value::as_object).unwrap_or(&empty);
    let mut sides = Sides::default();
    zip(old, new, |name, old, new| {
        if !UNOWNED_METADATA.contains(&name) {
            sides.adopt(walk(ty.child(name), old, new), || path::field(name));
        }
    });
    sides
}

fn walk<'v>(ty: Ty<'_>, old: Option<&'v Value>, new: Option<&'v Value>) -> Sides {
    static NONE: &[Value] = &[];
    if let (Some(old), Some(new)) = (old, new)
        && old.is_same(new)
    {
        return Sides::default();
    }
    let empty = Map::new();
    let mut sides = match (ty.form(old), ty.form(new)) {
        (Form::Wild | Form::Leaf, Form::Wild | Form::Leaf) => return Sides::leaf(old, new),
        // An empty map or list is a leaf against nothing, null or another empty one: the
        // difference between absent, null and empty is then a field like any other.
        (Form::Map(a), Form::Wild) | (Form::Wild, Form::Map(a)) if a.is_empty() => {
            return Sides::leaf(old, new);
        }
        (Form::List(_, a), Form::Wild) | (Form::Wild, Form::List(_, a)) if a.is_empty() => {
            return Sides::leaf(old, new);
        }
        (Form::Map(a), Form::Map(b)) => maps(ty, a, b),
        (Form::Map(a), Form::Wild) => maps(ty, a, &empty),
        (Form::Wild, Form::Map(b)) => maps(ty, &empty, b),
        (Form::List(items, a), Form::List(_, b)) => lists(ty, items, a, b),
        (Form::List(items, a), Form::Wild) => lists(ty, items, a, NONE),
        (Form::Wild, Form::List(items, b)) => lists(ty, items, NONE, b),
        // The form changed: all that was below is gone, and what is there now is new.
        (before, after) => {
            let mut sides = match before {
                Form::Map(a) => maps(ty, a, &empty),
                Form::List(items, a) => lists(ty, items, a, NONE),
                Form::Wild | Form::Leaf => Sides::leaf(old, new),
            };
            sides.join(match after {
                Form::Map(b) => maps(ty, &empty, b),
                Form::List(items, b) => lists(ty, items, NONE, b),
                Form::Wild | Form::Leaf => Sides::leaf(old, new),
            });
            sides
        }
    };
    // A granular node that came or went is itself a field, next to those below it.
    if old.is_none() {
        sides.changed.get_or_insert_default().insert(".", dot());
    }
    if new.is_none() {
        sides.removed.get_or_insert_default().insert(".", dot());
    }
    sides
}

fn maps(ty: Ty<'_>, old: &Map, new: &Map) -> Sides {
    let mut sides = Sides::default();
    zip(old, new, |name, old, new| {
        sides.adopt(walk(ty.child(name), old, new), || path::field(name));
    });
    sides
}

/// Visits the keys of both maps in order, each once. The maps are sorted by key.
fn zip<'v>(
    old: &'v Map,
    new: &'v Map,
    mut visit: impl FnMut(&str, Option<&'v Value>, Option<&'v Value>),
) {
    let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let old = if order.is_le() { left.next() } else { None };
        let new = if order.is_ge() { right.next() } else { None };
        let Some((name, _)) = old.or(new) else { return };
        visit(name, old.map(|(_, v)| v), new.map(|(_, v)| v));
    }
}

fn lists(ty: Ty<'_>, items: Items<'_>, old: &[Value], new: &[Value]) -> Sides {
    let item = ty.item();
    let mut sides = Sides::default();
    let aligned = old.len() == new.len()
        && match items {
            Items::Set => old == new,
            Items::Keyed(keys) => old.iter().zip(new).all(|(a, b)| item.same_item(keys, a, b)),
        };
    if aligned {
        if let Items::Keyed(_) = items {
            for (a, b) in old.iter().zip(new) {
                sides.adopt(walk(item, Some(a), Some(b)), || {
                    item.element(items, b).unwrap_or_default()
                });
            }
        }
        return sides;
    }
    let mut elements: BTreeMap<String, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
    for value in old {
        if let Some(element) = item.element(items, value) {
            elements.entry(element).or_default().0.push(value);
        }
    }
    for value in new {
        if let Some(element) = item.element(items, value) {
            elements.entry(element).or_default().1.push(value);
        }
    }
    for (element, (old, new)) in elements {
        let child = match (old.as_slice(), new.as_slice()) {
            ([], [b]) => walk(item, None, Some(b)),
            ([a], []) => walk(item, Some(a), None),
            ([a], [b]) => walk(item, Some(a), Some(b)),
            // Items with the same identity cannot be told apart: they change together.
            (old, new) if old == new => Sides::default(),
            (_, []) => Sides { changed: None, removed: Some(Node::new()) },
            _ => Sides { changed: Some(Node::new()), removed: None },
        };
        sides.adopt(child, || element);
    }
    sides
}
