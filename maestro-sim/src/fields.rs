//! Sets of field paths in the `fieldsV1` form, the currency of managed fields.
//!
//! A set is kept as the very JSON tree it is stored and sent as: `{"f:spec": {"f:replicas": {}}}`.
//! That tree is already a trie with sorted keys, so bookkeeping touches only the branches that
//! change, nothing is decoded to be looked at, and nothing is encoded to be stored.
//!
//! A node is a *member* when it is empty or holds `"."`; its other keys are its children: `f:` a
//! field by name, `k:` a list item by its keys, `v:` a set item by its value, `i:` one by index
//! (structured-merge-diff's serialisation, KEP-555).

pub(crate) mod diff;
pub(crate) mod merge;
pub(crate) mod of;
pub(crate) mod path;
pub(crate) mod remove;
pub(crate) mod shape;

use crate::json::{Map, Value};
use crate::schema::Schema;

pub(crate) type Node = Map;

/// Why a `fieldsV1` tree is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldSetError {
    /// A node is not a JSON object.
    #[error("expected an object at {0:?}")]
    NotAnObject(String),
    /// A key has none of the known prefixes, or what follows is not JSON where it should be.
    #[error("unknown path element {0:?}")]
    UnknownElement(String),
}

/// Merges a configuration into an object as server-side apply does, without bookkeeping.
pub(crate) fn apply(schema: &Schema, object: &mut Value, config: &Value) {
    merge::merge(shape::Ty::root(schema), merge::Nulls::Absent, object, config);
}

/// A set of field paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSet {
    root: Node,
}

impl FieldSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a `fieldsV1` tree, checking every element and bringing keys into canonical form.
    ///
    /// # Errors
    /// A node that is no object, or an element of an unknown form.
    pub fn parse(value: Value) -> Result<Self, FieldSetError> {
        let Value::Object(root) = value else {
            return Err(FieldSetError::NotAnObject(String::new()));
        };
        Ok(Self { root: path::canonical(root)? })
    }

    /// Takes a tree that is known to be canonical: one this module made.
    pub(crate) fn trusted(root: Node) -> Self {
        Self { root }
    }

    /// The set in its `fieldsV1` form.
    pub fn into_value(self) -> Value {
        Value::Object(self.root)
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// Whether no path is in the set.
    pub fn is_empty(&self) -> bool {
        self.root.is_empty()
    }

    /// Adds every path of `other`.
    pub fn union(&mut self, other: FieldSet) {
        union(&mut self.root, other.root, true);
    }

    /// Takes away every path of `other`; the paths below those stay.
    pub fn subtract(&mut self, other: &FieldSet) {
        subtract(&mut self.root, &other.root, false);
    }

    /// Takes away every path of `other` and everything below those.
    pub fn subtract_subtrees(&mut self, other: &FieldSet) {
        subtract(&mut self.root, &other.root, true);
    }

    /// The paths that are in both sets.
    pub fn intersection(&self, other: &FieldSet) -> FieldSet {
        Self { root: intersection(&self.root, &other.root) }
    }

    /// Whether every path of this set is in `other`.
    pub fn is_subset(&self, other: &FieldSet) -> bool {
        is_subset(&self.root, &other.root)
    }

    /// Whether every path of this set is in a trusted `fieldsV1` tree.
    pub(crate) fn is_within(&self, tree: &Node) -> bool {
        is_subset(&self.root, tree)
    }

    /// Whether a trusted `fieldsV1` tree and this set have a path in common.
    pub(crate) fn meets(&self, tree: &Node) -> bool {
        meets(&self.root, tree)
    }

    /// Every path as people read it, such as `.spec.containers[name="a"].image`, in tree order.
    pub fn paths(&self) -> Vec<String> {
        let mut out = Vec::new();
        path::print(&self.root, &mut String::new(), &mut out);
        out
    }

    /// The paths in the order in which the server lists conflicts.
    pub(crate) fn paths_by_level(&self) -> Vec<String> {
        let mut out = Vec::new();
        path::print_by_level(&self.root, &mut String::new(), &mut out);
        out
    }

    /// Adds one path, given as `fieldsV1` elements such as `["f:spec", "f:replicas"]`.
    pub fn insert(&mut self, elements: &[&str]) {
        insert(&mut self.root, elements, true);
    }
}

/// Whether the node itself is in the set, rather than only something below it.
pub(crate) fn is_member(node: &Node) -> bool {
    node.is_empty() || node.contains_key(".")
}

/// The node under `element`, when there is one.
pub(crate) fn child<'a>(node: &'a Node, element: &str) -> Option<&'a Node> {
    node.get(element).and_then(Value::as_object)
}

fn has_children(node: &Node) -> bool {
    node.len() > usize::from(node.contains_key("."))
}

pub(crate) fn dot() -> Value {
    Value::Object(Node::new())
}

fn insert(node: &mut Node, elements: &[&str], root: bool) {
    let Some((first, rest)) = elements.split_first() else {
        if !root && !node.is_empty() {
            node.insert(".", dot());
        }
        return;
    };
    // A node that was a bare member must say so once it gets children, and a new node on the
    // way must not become a member by being empty.
    let fresh = !node.contains_key(first);
    let child = node.entry((*first).to_owned()).or_insert_with(dot);
    let Value::Object(child) = child else { return };
    if !fresh && child.is_empty() && !rest.is_empty() {
        child.insert(".", dot());
    }
    if fresh && rest.is_empty() {
        return;
    }
    insert(child, rest, false);
}

fn union(into: &mut Node, other: Node, root: bool) {
    if !root {
        let member = is_member(into) || is_member(&other);
        let children = has_children(into) || has_children(&other);
        if member && children && !into.contains_key(".") {
            into.insert(".", dot());
        }
    }
    for (element, theirs) in other {
        if element == "." {
            continue;
        }
        match (into.get_mut(&element), theirs) {
            (Some(Value::Object(ours)), Value::Object(theirs)) => union(ours, theirs, false),
            (_, theirs) => {
                into.insert(element, theirs);
            }
        }
    }
}

fn subtract(from: &mut Node, other: &Node, subtrees: bool) {
    for (element, theirs) in other {
        if element == "." {
            continue;
        }
        let (Some(Value::Object(ours)), Value::Object(theirs)) = (from.get_mut(element), theirs)
        else {
            continue;
        };
        if subtrees && is_member(theirs) {
            from.remove(element);
            continue;
        }
        let member = is_member(ours) && !is_member(theirs);
        subtract(ours, theirs, subtrees);
        if has_children(ours) {
            if !member {
                ours.remove(".");
            }
        } else if member {
            ours.clear();
        } else {
            from.remove(element);
        }
    }
}

fn intersection(a: &Node, b: &Node) -> Node {
    let mut out = Node::new();
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    for (element, left) in few {
        if element == "." {
            continue;
        }
        let (Some(right), Value::Object(left)) = (child(many, element), left) else { continue };
        let member = is_member(left) && is_member(right);
        let mut both = intersection(left, right);
        if both.is_empty() && !member {
            continue;
        }
        if member && !both.is_empty() {
            both.insert(".", dot());
        }
        out.insert(element.clone(), Value::Object(both));
    }
    out
}

fn meets(a: &Node, b: &Node) -> bool {
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    few.iter().filter(|(element, _)| *element != ".").any(|(element, left)| {
        let (Value::Object(left), Some(right)) = (left, child(many, element)) else { return false };
        (is_member(left) && is_member(right)) || meets(left, right)
    })
}

fn is_subset(a: &Node, b: &Node) -> bool {
    a.iter().filter(|(element, _)| *element != ".").all(|(element, left)| {
        let (Value::Object(left), Some(right)) = (left, child(b, element)) else { return false };
        (!is_member(left) || is_member(right)) && is_subset(left, right)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(yaml: &str) -> FieldSet {
        FieldSet::parse(serde_yaml::from_str(yaml).unwrap()).unwrap()
    }

    /// Union, difference, recursive difference and intersection of two sets.
    #[track_caller]
    fn check(a: &str, b: &str, union: &str, minus: &str, minus_below: &str, both: &str) {
        let (a, b) = (set(a), set(b));
        let after = |change: &dyn Fn(&mut FieldSet)| {
            let mut result = a.clone();
            change(&mut result);
            result
        };
        assert_eq!(after(&|s| s.union(b.clone())), set(union), "union");
        assert_eq!(after(&|s| s.subtract(&b)), set(minus), "difference");
        assert_eq!(after(&|s| s.subtract_subtrees(&b)), set(minus_below), "recursive difference");
        assert_eq!(a.intersection(&b), set(both), "intersection");
        assert_eq!(b.intersection(&a), set(both), "intersection, turned");
        assert!(a.intersection(&b).is_subset(&a) && a.is_subset(&after(&|s| s.union(b.clone()))));
        assert_eq!(a.meets(b.root()), !a.intersection(&b).is_empty(), "meeting");
        assert_eq!(a.is_within(b.root()), a.is_subset(&b), "being within");
    }

    #[test]
    fn algebra() {
        check("{}", "{f:a: {}}", "{f:a: {}}", "{}", "{}", "{}");
        check("{f:a: {}}", "{f:a: {}}", "{f:a: {}}", "{}", "{}", "{f:a: {}}");
        check(
            "{f:a: {f:b: {}, f:c: {}}}",
            "{f:a: {}}",
            "{f:a: {.: {}, f:b: {}, f:c: {}}}",
            "{f:a: {f:b: {}, f:c: {}}}",
            "{}",
            "{}",
        );
        check(
            "{f:a: {.: {}, f:b: {}}}",
            "{f:a: {}}",
            "{f:a: {.: {}, f:b: {}}}",
            "{f:a: {f:b: {}}}",
            "{}",
            "{f:a: {}}",
        );
        check(
            "{f:a: {.: {}, f:b: {}}}",
            "{f:a: {f:b: {}, f:d: {}}}",
            "{f:a: {.: {}, f:b: {}, f:d: {}}}",
            "{f:a: {}}",
            "{f:a: {}}",
            "{f:a: {f:b: {}}}",
        );
        check(
            "{f:l: {'k:{\"name\":\"x\"}': {.: {}, f:v: {}}, 'v:1': {}}}",
            "{f:l: {'k:{\"name\":\"x\"}': {.: {}, f:w: {}}}}",
            "{f:l: {'k:{\"name\":\"x\"}': {.: {}, f:v: {}, f:w: {}}, 'v:1': {}}}",
            "{f:l: {'k:{\"name\":\"x\"}': {f:v: {}}, 'v:1': {}}}",
            "{f:l: {'v:1': {}}}",
            "{f:l: {'k:{\"name\":\"x\"}': {}}}",
        );
    }

    #[test]
    fn parsing() {
        let odd = set(r#"{'k:{ "protocol":"TCP", "port":80 }': {.: {}}}"#);
        assert_eq!(odd, set(r#"{'k:{"port":80,"protocol":"TCP"}': {}}"#));
        assert_eq!(odd.paths(), [r#"[port=80,protocol="TCP"]"#]);
        for wrong in ["[]", "{f:a: 1}", "{x:a: {}}", "{'k:1': {}}", "{'v:{': {}}", "{'i:x': {}}"] {
            let value = serde_yaml::from_str(wrong).unwrap();
            assert!(FieldSet::parse(value).is_err(), "{wrong}");
        }
    }

    #[test]
    fn inserting_and_printing() {
        let mut fields = FieldSet::new();
        fields.insert(&["f:a", "f:b"]);
        assert_eq!(fields, set("{f:a: {f:b: {}}}"));
        fields.insert(&["f:a", "f:b", "v:\"x\""]);
        fields.insert(&["f:a"]);
        fields.insert(&["f:a"]);
        assert_eq!(fields, set("{f:a: {.: {}, f:b: {.: {}, 'v:\"x\"': {}}}}"));
        assert_eq!(fields.paths(), [".a", ".a.b", ".a.b[=\"x\"]"]);
    }
}
