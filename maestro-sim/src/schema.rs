//! Structural schemas: what the server knows of a kind's fields.
//!
//! One shape serves built-in kinds (from the facts table) and custom ones (from their CRD):
//! defaulting, pruning, validation, strategic merge and server-side apply all read it.
//! Source: <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>.

pub mod parse;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::json::{Array, Value};
use crate::structural::cel::cost::Slot;

/// The JSON type of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kind {
    /// Fields, or a map when [`Schema::additional`] is set.
    Object,
    /// A list.
    Array,
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// An integer or a string (`x-kubernetes-int-or-string`).
    IntOrString,
    /// Anything: unknown below this point.
    #[default]
    Any,
}

/// How a list merges (`x-kubernetes-list-type`); unmarked lists are atomic.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ListType {
    /// Replaced as a whole.
    #[default]
    Atomic,
    /// A set of scalars.
    Set,
    /// Items found by these keys.
    Map(Vec<Arc<str>>),
}

/// How strategic merge treats a list or a map (`x-kubernetes-patch-strategy`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PatchStrategy {
    /// Merge rather than replace.
    pub merge: bool,
    /// Replace a map, too, which merges otherwise.
    pub replace: bool,
    /// Keep only the keys named in `$retainKeys`.
    pub retain_keys: bool,
}

/// How the Go server encodes a field of a built-in kind when it holds nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Encoding {
    /// A value that is left out when it is empty.
    #[default]
    OmitEmpty,
    /// A value that always appears.
    Always,
    /// A pointer, list, map or time that always appears, as null when it is unset.
    Null,
    /// A pointer, left out when it is unset: an empty value stays.
    Pointer,
    /// A struct that always appears.
    Struct,
    /// A struct that is left out when it is zero.
    OmitZero,
}

/// One CEL rule (`x-kubernetes-validations`).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rule {
    /// The expression, over `self` and for transitions `oldSelf`.
    pub rule: String,
    /// What to say when it is false.
    pub message: String,
    /// An expression that makes the message.
    pub message_expression: String,
    /// `FieldValueInvalid` unless stated.
    pub reason: String,
    /// Path of the field at fault, relative to the node.
    pub field_path: String,
    /// Whether `oldSelf` is optional.
    pub optional_old_self: bool,
    /// What the expression costs, once it was asked.
    pub(crate) cost: Slot,
    /// What the expression of the message costs, once it was asked.
    pub(crate) message_cost: Slot,
}

/// What a value must satisfy besides its type.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Constraints {
    /// The only values allowed; empty for all.
    pub one_of: Array,
    /// Lower bound.
    pub minimum: Option<f64>,
    /// Upper bound.
    pub maximum: Option<f64>,
    /// Whether the lower bound itself is refused.
    pub exclusive_minimum: bool,
    /// Whether the upper bound itself is refused.
    pub exclusive_maximum: bool,
    /// Whether an object has no field at all (`additionalProperties: false`).
    pub closed: bool,
    /// Divisor.
    pub multiple_of: Option<f64>,
    /// In characters.
    pub min_length: Option<u64>,
    /// In characters.
    pub max_length: Option<u64>,
    /// A regular expression, unanchored.
    pub pattern: Option<String>,
    /// For example `date-time`, `int32`, `duration`.
    pub format: Option<String>,
    /// Fewest items.
    pub min_items: Option<u64>,
    /// Most items.
    pub max_items: Option<u64>,
    /// Whether items must differ.
    pub unique_items: bool,
    /// Fewest fields.
    pub min_properties: Option<u64>,
    /// Most fields.
    pub max_properties: Option<u64>,
    /// Each must hold.
    pub all_of: Vec<Schema>,
    /// At least one must hold.
    pub any_of: Vec<Schema>,
    /// Exactly one must hold.
    pub exactly_one_of: Vec<Schema>,
    /// Must not hold.
    pub not: Option<Box<Schema>>,
}

/// One node of a schema. Immutable once built, shared behind `Arc`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Schema {
    /// JSON type.
    pub kind: Kind,
    /// Known fields.
    pub properties: BTreeMap<Arc<str>, Arc<Schema>>,
    /// Schema of a map's values.
    pub additional: Option<Arc<Schema>>,
    /// Schema of a list's items.
    pub items: Option<Arc<Schema>>,
    /// Fields that must be there.
    pub required: Vec<Arc<str>>,
    /// Value of an absent field.
    pub default: Option<Value>,
    /// How an empty value appears, for built-in kinds.
    pub encoding: Encoding,
    /// The Go type, as the server's messages name it; empty for plain types.
    pub go_type: Arc<str>,
    /// How a list merges.
    pub list_type: ListType,
    /// Whether a map or struct is replaced as a whole (`x-kubernetes-map-type: atomic`).
    pub atomic_map: bool,
    /// Key by which strategic merge finds items.
    pub patch_merge_key: Option<Arc<str>>,
    /// How strategic merge treats this node.
    pub patch_strategy: PatchStrategy,
    /// Whether null is a value.
    pub nullable: bool,
    /// Whether unknown fields stay (`x-kubernetes-preserve-unknown-fields`).
    pub preserve_unknown: bool,
    /// Whether this is a whole object with type and metadata.
    pub embedded_resource: bool,
    /// Whether it, or anything below it, is a whole object.
    pub holds_resources: bool,
    /// Whether these are values of a map of which nothing is said (`additionalProperties: true`),
    /// not even that they may be anything.
    pub undeclared: bool,
    /// Constraints, absent for most nodes.
    pub constraints: Option<Box<Constraints>>,
    /// CEL rules.
    pub rules: Vec<Rule>,
}

impl Schema {
    /// A node about which nothing is known.
    pub fn any() -> Self {
        Self { preserve_unknown: true, ..Self::default() }
    }

    /// The schema of a field: a known one, a map's value, or `None` when it is unknown.
    pub fn field(&self, name: &str) -> Option<&Arc<Schema>> {
        self.properties.get(name).or(self.additional.as_ref())
    }

    /// The format of a text or a number, if one is wanted.
    pub fn format(&self) -> Option<&str> {
        let format = self.constraints.as_ref()?.format.as_deref();
        format.filter(|format| !format.is_empty())
    }

    /// Whether a JSON object here merges field by field.
    pub fn is_granular_map(&self) -> bool {
        !self.atomic_map
    }
}
