//! The objects a cluster stores: immutable trees, shared, encoded at most once.
//!
//! Reading never copies: a GET, a LIST and every WATCH share one [`Object`] and its bytes.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use serde::Serialize;

use crate::json::{Array, Map, Text, Value, head, order, rest, tail};

/// A served collection: API group (empty for core) and plural resource name.
///
/// Tables of collections are asked many times a request: as [`Name`](crate::json::Name)s do, it
/// holds the first bytes of both texts as integers, by which most collections differ.
#[derive(Clone)]
pub struct GroupResource {
    /// API group, empty for the core group. Never set after it was made.
    pub group: Cow<'static, str>,
    /// Plural, lower-case resource name, as in URLs. Never set after it was made.
    pub resource: Cow<'static, str>,
    heads: [u64; 2],
}

impl GroupResource {
    /// A collection known at compile time.
    pub const fn new(group: &'static str, resource: &'static str) -> Self {
        let heads = [head(group), head(resource)];
        Self { group: Cow::Borrowed(group), resource: Cow::Borrowed(resource), heads }
    }

    /// A collection named at run time.
    pub fn owned(group: &str, resource: &str) -> Self {
        let heads = [head(group), head(resource)];
        Self {
            group: Cow::Owned(group.to_owned()),
            resource: Cow::Owned(resource.to_owned()),
            heads,
        }
    }
}

impl PartialEq for GroupResource {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.heads == other.heads
            && rest(&self.resource, &other.resource).is_eq()
            && rest(&self.group, &other.group).is_eq()
    }
}

impl Eq for GroupResource {}

impl PartialOrd for GroupResource {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for GroupResource {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let [group, resource] = self.heads;
        let [its_group, its_resource] = other.heads;
        let group = group.cmp(&its_group).then_with(|| rest(&self.group, &other.group));
        let resources = || rest(&self.resource, &other.resource);
        group.then(resource.cmp(&its_resource)).then_with(resources)
    }
}

impl Hash for GroupResource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.heads.hash(state);
        tail(&self.group).hash(state);
        tail(&self.resource).hash(state);
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

impl fmt::Debug for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where an object lives inside its collection. Cluster-scoped objects have an empty namespace.
#[derive(Clone, Debug)]
pub struct Key {
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: Text,
    /// `metadata.name`.
    pub name: Text,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.namespace.hash(state);
        self.name.hash(state);
    }
}

/// By namespace, then by name.
impl Ord for Key {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        order(&self.namespace, &other.namespace).then_with(|| order(&self.name, &other.name))
    }
}

impl Key {
    /// The key of `name` in `namespace` (empty for cluster scope).
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// One version of one stored object.
#[derive(Debug)]
pub struct Object {
    value: Value,
    /// What the tree has as `metadata`, in which most look-ups begin.
    metadata: Map,
    key: Key,
    resource_version: u64,
    encoded: OnceLock<Encoded>,
}

/// An encoding, and where its type stands.
#[derive(Debug)]
struct Encoded {
    bytes: Bytes,
    /// The entries `"apiVersion":…` and `"kind":…`, each up to the comma before the next.
    types: [Range<usize>; 2],
}

impl Encoded {
    fn of(value: &Value) -> Self {
        let mut types = [0..0, 0..0];
        let mut out = Vec::with_capacity(1024);
        let Value::Object(fields) = value else {
            write(&mut out, value);
            return Self { bytes: Bytes::from(out), types };
        };
        out.push(b'{');
        for (index, (name, field)) in fields.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let start = out.len();
            write(&mut out, name);
            out.push(b':');
            write(&mut out, field);
            match name.as_str() {
                "apiVersion" => types[0] = start..out.len(),
                "kind" => types[1] = start..out.len(),
                _ => {}
            }
        }
        out.push(b'}');
        Self { bytes: Bytes::from(out), types }
    }
}

/// Appends the JSON of a tree or a text, which can always be written.
fn write(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let _ = serde_json::to_writer(out, value);
}

impl Object {
    /// Takes a tree whose metadata is complete.
    pub fn new(value: Value) -> Self {
        let metadata = value.get("metadata").and_then(Value::as_object).cloned();
        let metadata = metadata.unwrap_or_default();
        let text = |field: &str| match metadata.get(field) {
            Some(Value::String(text)) => text.clone(),
            _ => Text::new(),
        };
        let key = Key { namespace: text("namespace"), name: text("name") };
        let resource_version = text("resourceVersion").parse().unwrap_or_default();
        Self { value, metadata, key, resource_version, encoded: OnceLock::new() }
    }

    /// The whole tree.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Namespace and name.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        &self.key.name
    }

    /// `metadata.namespace`, empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        &self.key.namespace
    }

    /// `metadata.resourceVersion` as a number.
    pub fn resource_version(&self) -> u64 {
        self.resource_version
    }

    /// `metadata.uid`, empty when absent.
    pub fn uid(&self) -> &str {
        self.meta_str("uid")
    }

    /// `metadata.generation`, 0 for kinds that have none.
    pub fn generation(&self) -> i64 {
        self.int(&["metadata", "generation"]).unwrap_or(0)
    }

    /// Whether `metadata.deletionTimestamp` is set.
    pub fn is_deleting(&self) -> bool {
        self.at(&["metadata", "deletionTimestamp"]).is_some()
    }

    /// `metadata.labels`.
    pub fn labels(&self) -> Option<&Map> {
        self.at(&["metadata", "labels"])?.as_object()
    }

    /// One label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels()?.get(name)?.as_str()
    }

    /// One annotation's value.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.at(&["metadata", "annotations"])?.get(name)?.as_str()
    }

    /// `metadata.finalizers`.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.items(&["metadata", "finalizers"]).iter().filter_map(Value::as_str)
    }

    /// `metadata.ownerReferences`.
    pub fn owners(&self) -> &[Value] {
        self.items(&["metadata", "ownerReferences"])
    }

    /// The one owner reference with `controller: true`.
    pub fn controller(&self) -> Option<&Value> {
        self.owners().iter().find(|o| o.get("controller").and_then(Value::as_bool) == Some(true))
    }

    /// The value at a path of field names; absent and null are both `None`.
    #[inline]
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        match path {
            ["metadata", field, rest @ ..] => at(self.metadata.get(field)?, rest),
            _ => at(&self.value, path),
        }
    }

    /// The string at a path, empty when absent.
    #[inline]
    pub fn text(&self, path: &[&str]) -> &str {
        self.at(path).and_then(Value::as_str).unwrap_or("")
    }

    /// The integer at a path.
    pub fn int(&self, path: &[&str]) -> Option<i64> {
        self.at(path)?.as_i64()
    }

    /// The elements of the array at a path, none when absent.
    #[inline]
    pub fn items(&self, path: &[&str]) -> &[Value] {
        self.at(path).and_then(Value::as_array).map_or(&[], Array::as_slice)
    }

    /// The array at a path, shared; an empty one when absent.
    pub fn list(&self, path: &[&str]) -> Array {
        self.at(path).and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// The JSON encoding, made on first use and shared from then on.
    pub fn bytes(&self) -> &Bytes {
        &self.encoded().bytes
    }

    /// The same without `apiVersion` and `kind`, in pieces of the one encoding.
    pub fn bytes_untyped(&self) -> [Bytes; 3] {
        let Encoded { bytes, types: [version, kind] } = self.encoded();
        // Metadata follows both, and so a comma does.
        let after = |entry: &Range<usize>| if entry.is_empty() { entry.end } else { entry.end + 1 };
        let middle = after(version)..kind.start.max(after(version));
        let rest = after(kind).max(middle.end)..bytes.len();
        [bytes.slice(..version.start), bytes.slice(middle), bytes.slice(rest)]
    }

    fn encoded(&self) -> &Encoded {
        self.encoded.get_or_init(|| Encoded::of(&self.value))
    }

    fn meta_str(&self, field: &str) -> &str {
        self.text(&["metadata", field])
    }
}

/// The value at a path of field names inside any tree; absent and null are both `None`.
#[inline]
pub fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    let found = path.iter().try_fold(value, |v, field| v.get(field))?;
    (!found.is_null()).then_some(found)
}

/// The text at a path inside a tree, empty when absent.
#[inline]
pub fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or("")
}

/// The elements of the array at a path inside a tree, none when absent.
#[inline]
pub fn items<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path).and_then(Value::as_array).map_or(&[], Array::as_slice)
}

/// The map at a path inside a tree, created (with every map on the way) where absent.
///
/// A non-map found on the way is replaced: callers hold trees that were validated before.
pub fn map_at<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut Map {
    let mut here = value;
    for field in path {
        here = as_map(here).entry(*field).or_insert(Value::Null);
    }
    as_map(here)
}

fn as_map(value: &mut Value) -> &mut Map {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("the line above made it a map"),
    }
}
