//! What a schema says of the sizes of values: how long, how many, at the least how many bytes.
//!
//! Source: `k8s.io/apiserver/pkg/cel/common/schemas.go`, `k8s.io/apiserver/pkg/cel/types.go` and
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model`.

use std::collections::BTreeMap;

use crate::json::Value;
use crate::structural::cel::convert::escape;
use crate::structural::cel::typed::Kind;

/// The size of the largest request that a server takes.
pub(crate) const REQUEST: i64 = 3 * 1024 * 1024;
/// The most letters of an object's name.
const NAME: i64 = 253;

/// What is declared of a value.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    /// The type; that of an object is an empty name.
    kind: Kind,
    /// The most letters, items or entries.
    pub(crate) most: i64,
    /// The least bytes in JSON.
    pub(crate) least_bytes: i64,
    /// Items of a list, values of a map.
    pub(crate) below: Option<Box<Declared>>,
    /// Fields of an object by the names that expressions have for them.
    pub(crate) fields: BTreeMap<String, Declared>,
}

/// The fields of each type of object, by its name.
pub(crate) type Structs = BTreeMap<String, BTreeMap<String, Kind>>;

impl Declared {
    fn simple(name: &str, most: i64, least_bytes: i64) -> Self {
        let (below, fields) = (None, BTreeMap::new());
        Self { kind: Kind::parse(name), most, least_bytes, below, fields }
    }

    fn holding(name: &str, most: i64, below: Self) -> Self {
        let kind = Kind::parse(name);
        Self { kind, most, least_bytes: 2, below: Some(Box::new(below)), fields: BTreeMap::new() }
    }

    /// What a schema (`JSONSchemaProps` of apiextensions.k8s.io/v1) declares; nothing where
    /// expressions do not see the value. `root` for whole objects, which have names.
    pub(crate) fn of(schema: &Value, root: bool) -> Option<Self> {
        let number = |name: &str| schema.get(name).and_then(Value::as_i64).map(|n| n.max(0));
        if flag(schema, "x-kubernetes-int-or-string") {
            let most = number("maxLength").map_or(REQUEST - 2, |n| n.saturating_mul(4));
            return Some(Self::simple("dyn", most, 1));
        }
        let is_map = schema.get("additionalProperties").is_some_and(Value::is_object);
        match text(schema, "type") {
            "object" if !is_map => Self::object(schema, root),
            "array" => {
                let items = Self::child(schema.get("items")?)?;
                let fitting = (REQUEST - 2) / (items.least_bytes + 1);
                Some(Self::holding("list", number("maxItems").unwrap_or(fitting), items))
            }
            "object" => {
                let values = Self::child(schema.get("additionalProperties")?)?;
                let fitting = (REQUEST - 2) / (values.least_bytes + 6);
                Some(Self::holding("map", number("maxProperties").unwrap_or(fitting), values))
            }
            "string" => Some(Self::string(schema, number("maxLength"))),
            "boolean" => Some(Self::simple("bool", 0, 4)),
            "number" => Some(Self::simple("double", 0, 1)),
            "integer" => Some(Self::simple("int", 0, 1)),
            _ => None,
        }
    }

    /// What the schema of a field, of items or of values declares.
    fn child(schema: &Value) -> Option<Self> {
        Self::of(schema, flag(schema, "x-kubernetes-embedded-resource"))
    }

    fn string(schema: &Value, longest: Option<i64>) -> Self {
        match text(schema, "format") {
            "byte" => Self::simple("bytes", longest.unwrap_or(REQUEST - 2), 2),
            "duration" => Self::simple("google.protobuf.Duration", 32, 3),
            "date" => Self::simple("google.protobuf.Timestamp", 12, 12),
            "date-time" => Self::simple("google.protobuf.Timestamp", 32, 21),
            _ => {
                let allowed = schema.get("enum").and_then(Value::as_array);
                let most = match (longest, allowed.filter(|all| !all.is_empty())) {
                    // A letter is up to four bytes.
                    (Some(longest), _) => longest.saturating_mul(4),
                    (None, Some(all)) => {
                        let lengths = all.iter().filter_map(Value::as_str).map(str::len);
                        lengths.max().and_then(|n| i64::try_from(n).ok()).unwrap_or(0)
                    }
                    (None, None) => REQUEST - 2,
                };
                Self::simple("string", most, 2)
            }
        }
    }

    fn object(schema: &Value, root: bool) -> Option<Self> {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|r| r == name));
        let properties = schema.get("properties").and_then(Value::as_object);
        let (mut fields, mut bytes) = (BTreeMap::new(), 2_i64);
        for (name, child) in properties.into_iter().flatten() {
            let own = root && !has_meta(schema);
            let declared = match (own, name.as_str()) {
                (true, "kind" | "apiVersion") => Some(Self::simple("string", REQUEST - 2, 2)),
                (true, "metadata") => Some(Self::metadata(schema)),
                _ => Self::child(child),
            };
            let Some(declared) = declared else { continue };
            let defaulted = child.get("default").is_some_and(|d| !d.is_null());
            if is_required(name) && (!defaulted || own && is_meta(name)) {
                let length = i64::try_from(name.len()).unwrap_or(0);
                bytes += length + declared.least_bytes + 4;
            }
            fields.insert(escape(name), declared);
        }
        if root {
            for name in ["kind", "apiVersion"] {
                let text = || Self::simple("string", REQUEST - 2, 2);
                fields.entry(name.to_owned()).or_insert_with(text);
            }
            fields.entry("metadata".to_owned()).or_insert_with(|| Self::metadata(schema));
        }
        let kind = Kind::Struct("".into());
        Some(Self { kind, most: 0, least_bytes: bytes, below: None, fields })
    }

    /// The two fields of metadata that expressions see.
    fn metadata(schema: &Value) -> Self {
        let properties = schema.get("properties").and_then(|p| p.get("metadata"));
        let own = |name: &str| {
            let field = properties?.get("properties")?.get(name)?;
            field.get("maxLength")?.as_i64()
        };
        let one = |name: &str, most: i64| {
            let most = own(name).map_or(most, |own| own.min(most)).max(0);
            (name.to_owned(), Self::simple("string", most.saturating_mul(4), 2))
        };
        let fields = BTreeMap::from([one("name", NAME), one("generateName", NAME - 1)]);
        Self { kind: Kind::Struct("".into()), most: 0, least_bytes: 2, below: None, fields }
    }

    /// The type of the value, each type of object named by where it stands, and their fields.
    pub(crate) fn name(&self, name: &str, structs: &mut Structs) -> Kind {
        match (&self.kind, &self.below) {
            (Kind::Struct(_), _) => {
                let fields = self.fields.iter().map(|(field, declared)| {
                    (field.clone(), declared.name(&format!("{name}.{field}"), structs))
                });
                let fields = fields.collect();
                structs.insert(name.to_owned(), fields);
                Kind::Struct(name.into())
            }
            (kind, Some(below)) if kind.name() == "map" => {
                let values = below.name(&format!("{name}.@elem"), structs);
                Kind::map(Kind::scalar("string"), values)
            }
            (_, Some(below)) => Kind::list(below.name(&format!("{name}.@idx"), structs)),
            (kind, None) => kind.clone(),
        }
    }

    /// What is declared of the value at a path below this one, the first name left out.
    pub(crate) fn at(&self, path: &[String]) -> Option<u64> {
        let Some((first, rest)) = path.split_first() else {
            return u64::try_from(self.most).ok();
        };
        match first.as_str() {
            "@items" | "@values" => self.below.as_ref()?.at(rest),
            // Keys are texts of which nothing is declared.
            "@keys" if self.kind.name() == "map" => Some(0).filter(|_| rest.is_empty()),
            name => self.fields.get(name)?.at(rest),
        }
    }
}

fn is_meta(name: &str) -> bool {
    matches!(name, "kind" | "apiVersion" | "metadata")
}

fn text<'v>(schema: &'v Value, name: &str) -> &'v str {
    schema.get(name).and_then(Value::as_str).unwrap_or("")
}

fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool) == Some(true)
}

/// Whether the schema of a whole object declares its own type and names.
fn has_meta(schema: &Value) -> bool {
    let properties = |schema: &Value| schema.get("properties").cloned().unwrap_or_default();
    let (own, is) = (properties(schema), |whole: &Value, name: &str, kind: &str| {
        whole.get(name).is_some_and(|field| text(field, "type") == kind)
    });
    is(&own, "kind", "string")
        && is(&own, "apiVersion", "string")
        && is(&own, "metadata", "object")
        && own
            .get("metadata")
            .map(properties)
            .is_some_and(|meta| is(&meta, "name", "string") && is(&meta, "generateName", "string"))
}
