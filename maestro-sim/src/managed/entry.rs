//! One entry of `managedFields`: reading, writing, ordering, and the cap on their number.

use super::Write;
use crate::fields::FieldSet;
use crate::json::{Map, Text, Value};

/// The most entries of updates an object keeps; the oldest are merged into one.
const MAX_UPDATE_ENTRIES: usize = 10;

/// The manager the oldest updates are merged under.
const ANCIENT: &str = "ancient-changes";

/// How a manager came to own its fields. Appliers sort first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// One manager's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) manager: Text,
    pub(super) operation: Operation,
    pub(super) api_version: Text,
    pub(super) subresource: Text,
    pub(super) time: Option<Text>,
    pub(super) fields: FieldSet,
}

impl Entry {
    /// A new entry of the writer, dated now.
    pub(super) fn new(write: &Write<'_>, operation: Operation, fields: FieldSet) -> Self {
        Self {
            manager: write.manager.into(),
            operation,
            api_version: write.api_version.into(),
            subresource: write.subresource.into(),
            time: write.time(),
            fields,
        }
    }

    /// Whether this is the writer's entry. An applier is one manager whatever version it
    /// applies; updates through different versions are different managers.
    pub(super) fn is(&self, write: &Write<'_>, operation: Operation) -> bool {
        self.operation == operation
            && self.manager == write.manager
            && self.subresource == write.subresource
            && (operation == Operation::Apply || self.api_version == write.api_version)
    }

    /// The manager as a conflict names it.
    pub(super) fn shown(&self) -> String {
        let with = match self.subresource.as_str() {
            "" => String::new(),
            subresource => format!(" with subresource {subresource:?}"),
        };
        let using = match self.operation {
            Operation::Update => format!(" using {}", self.api_version),
            Operation::Apply => String::new(),
        };
        format!("{:?}{with}{using}", self.manager)
    }

    /// The order of updates by age.
    fn age(&self) -> (Option<&str>, &str, &str, &str) {
        (self.time.as_deref(), &self.manager, &self.api_version, &self.subresource)
    }
}

/// Reads `managedFields`; none if an entry cannot be read. Trusted entries are known to be
/// canonical.
pub(super) fn decode(value: Value, trusted: bool) -> Option<Vec<Entry>> {
    let Value::Array(list) = value else { return None };
    list.into_iter().map(|entry| decode_one(entry, trusted)).collect()
}

fn decode_one(value: Value, trusted: bool) -> Option<Entry> {
    let Value::Object(mut map) = value else { return None };
    let mut text = |name: &str| match map.remove(name) {
        Some(Value::String(text)) => text,
        _ => Text::new(),
    };
    let operation = match text("operation").as_str() {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return None,
    };
    let (manager, api_version) = (text("manager"), text("apiVersion"));
    let (subresource, fields_type) = (text("subresource"), text("fieldsType"));
    let time = Some(text("time")).filter(|time| !time.is_empty());
    if fields_type != "FieldsV1" {
        return None;
    }
    let fields = match map.remove("fieldsV1") {
        Some(Value::Object(root)) if trusted => FieldSet::trusted(root),
        Some(value) => FieldSet::parse(value).ok()?,
        None => FieldSet::new(),
    };
    Some(Entry { manager, operation, api_version, subresource, time, fields })
}

/// Writes `managedFields` in their order: appliers first, then by age. Null if there are none.
pub(super) fn encode(mut entries: Vec<Entry>) -> Value {
    if entries.is_empty() {
        return Value::Null;
    }
    entries.sort_by(|a, b| a.operation.cmp(&b.operation).then_with(|| a.age().cmp(&b.age())));
    Value::Array(entries.into_iter().map(encode_one).collect())
}

fn encode_one(entry: Entry) -> Value {
    let operation = match entry.operation {
        Operation::Apply => "Apply",
        Operation::Update => "Update",
    };
    let mut map = Map::with_capacity(7);
    let mut put = |name: &'static str, value: Value| map.insert(name, value);
    put("apiVersion", Value::from(entry.api_version));
    put("fieldsType", Value::from("FieldsV1"));
    put("fieldsV1", entry.fields.into_value());
    put("manager", Value::from(entry.manager));
    put("operation", Value::from(operation));
    if !entry.subresource.is_empty() {
        put("subresource", Value::from(entry.subresource));
    }
    if let Some(time) = entry.time {
        put("time", Value::from(time));
    }
    Value::Object(map)
}

/// Merges the oldest updates, those of one version together, until few enough are left. A
/// version's first entry keeps its name until a second one joins it.
pub(super) fn cap(entries: &mut Vec<Entry>) {
    let is_update = |entry: &Entry| entry.operation == Operation::Update;
    let updates = entries.iter().filter(|entry| is_update(entry)).count();
    let mut surplus = updates.saturating_sub(MAX_UPDATE_ENTRIES);
    if surplus == 0 {
        return;
    }
    let (mut updates, kept): (Vec<_>, Vec<_>) = entries.drain(..).partition(is_update);
    updates.sort_by(|a, b| a.age().cmp(&b.age()));
    *entries = kept;
    let appliers = entries.len();
    for entry in updates {
        let buckets = entries.iter_mut().skip(appliers);
        let bucket = buckets.into_iter().find(|e| e.api_version == entry.api_version);
        match bucket {
            Some(bucket) if surplus > 0 => {
                bucket.manager = ANCIENT.into();
                bucket.subresource.clear();
                bucket.fields.union(entry.fields);
                bucket.time = entry.time;
                surplus -= 1;
            }
            _ => entries.push(entry),
        }
    }
}
