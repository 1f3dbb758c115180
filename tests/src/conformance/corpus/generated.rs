//! Generated sequences: objects of valid parts, bodies with one wrong field, every kind of patch
//! by several managers, reads in between.
//!
//! Seeds are fixed, so that a request keeps its name from run to run.

use std::ops::Range;

use maestro_sim::json::{Value, json};
use serde::Deserialize;

use maestro_sim::facts::facts;
use maestro_sim::rng::Stream;
use maestro_sim::schema::{Kind as Type, Schema};

use crate::conformance::case::{Sequence, Step};

const VALUES: &str = include_str!("../../../conformance/values.yaml");
/// The seeds whose sequences every run asks, for each kind.
pub(super) const SEEDS: Range<u64> = 0..38;
/// Requests between the first object and its deletion.
const CHANGES: u64 = 19;
pub(super) const MANAGERS: [&str; 3] = ["ann", "bob", "conformance"];

/// A kind and what its objects are made of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    /// Path of the collection, as in [`Step::ask`].
    at: String,
    /// Valid as it is.
    base: Value,
    /// A dotted path, then values for it.
    fields: Vec<Vec<Value>>,
}

/// The sequences of these seeds, for every kind.
pub(super) fn sequences(seeds: Range<u64>) -> Result<Vec<Sequence>, String> {
    let parts: Vec<Parts> =
        serde_yaml::from_str(VALUES).map_err(|e| format!("tests/conformance/values.yaml: {e}"))?;
    let mut all = Vec::new();
    for kind in &parts {
        let generator = Generator { parts: kind, made: Made::find(&kind.at)? };
        all.extend(seeds.clone().map(|seed| generator.sequence(seed)));
    }
    Ok(all)
}

/// A kind with what its objects are made of.
struct Generator<'a> {
    parts: &'a Parts,
    made: Made<'a>,
}

/// What the server's documents say of a kind.
pub(super) struct Made<'a> {
    pub(super) resource: &'a str,
    api_version: String,
    kind: String,
    pub(super) schema: std::sync::Arc<Schema>,
}

impl<'a> Made<'a> {
    /// Looks a collection up by its path, such as `apps/v1/deployments`.
    pub(super) fn find(at: &'a str) -> Result<Self, String> {
        let (api_version, resource) = at.rsplit_once('/').unwrap_or(("v1", at));
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let is = |entry: &Value, field: &str, text: &str| entry[field] == text;
        let found = facts().resources.iter().find(|e| {
            is(e, "group", group) && is(e, "version", version) && is(e, "resource", resource)
        });
        let entry = found.ok_or_else(|| format!("tests/conformance: no kind at {at}"))?;
        let text = |field: &str| entry[field].as_str().unwrap_or("").to_owned();
        Ok(Self {
            resource,
            api_version: api_version.to_owned(),
            kind: text("kind"),
            schema: facts().schema(&text("type")),
        })
    }
}

impl Generator<'_> {
    fn sequence(&self, seed: u64) -> Sequence {
        let mut rng = Stream::new(seed, &self.parts.at);
        let at = &self.parts.at;
        let mut first = self.parts.base.clone();
        for _ in 0..rng.below(5) {
            self.add_field(&mut rng, &mut first);
        }
        first["metadata"]["name"] = "one".into();
        add_metadata(&mut rng, &mut first);
        let mut requests = vec![
            Step::new(format!("POST {at}"), self.wrong(&mut rng)),
            Step::new(format!("POST {at}?fieldManager=ann"), first).keep("one"),
        ];
        for _ in 0..CHANGES {
            let step = self.change(&mut rng);
            requests.push(step);
        }
        requests.push(Step::new(
            format!("GET {at}?watch=1&resourceVersion=${{one/metadata/resourceVersion}}"),
            Value::Null,
        ));
        requests.push(Step::new(format!("DELETE {at}/one"), delete_options(&mut rng)));
        requests.push(Step::new(format!("GET {at}/one"), Value::Null));
        Sequence { name: format!("gen-{}-{seed}", self.made.resource), requests }
    }

    /// One request to the object that the sequence is about.
    fn change(&self, rng: &mut Stream) -> Step {
        let at = &self.parts.at;
        let one = format!("{at}/one");
        let manager = pick(rng, &MANAGERS);
        let asks = format!("{one}?fieldManager={manager}");
        match rng.below(16) {
            0 => Step::new(format!("GET {one}"), Value::Null),
            1 => Step::new(format!("GET {at}?labelSelector={}", selector(rng)), Value::Null),
            2 | 3 => Step::patch(asks, "merge", self.patch(rng)),
            4 | 5 => Step::patch(asks, "strategic", self.patch(rng)),
            6 => Step::patch(asks, "json", self.json_patch(rng)),
            7..=9 => {
                let force = if rng.chance(0.5) { "&force=true" } else { "" };
                Step::patch(format!("{asks}{force}"), "apply", self.configuration(rng))
            }
            10 => Step::new(format!("PUT {asks}"), self.whole(rng)),
            11 => {
                let mut stale = self.whole(rng);
                stale["metadata"]["resourceVersion"] = "${one/metadata/resourceVersion}".into();
                Step::new(format!("PUT {one}"), stale)
            }
            12 => Step::new(format!("POST {at}"), self.wrong(rng)),
            13 => Step::new(format!("POST {at}?fieldValidation=Strict"), self.surplus(rng)),
            14 => Step::patch(format!("{one}?dryRun=All"), "merge", self.patch(rng)),
            _ => Step::new(format!("POST {at}?dryRun=All"), self.named(rng, "two")),
        }
    }

    fn named(&self, rng: &mut Stream, name: &str) -> Value {
        let mut object = self.parts.base.clone();
        self.add_field(rng, &mut object);
        object["metadata"]["name"] = name.into();
        object
    }

    /// The base with other fields, to be put in the place of the live object.
    fn whole(&self, rng: &mut Stream) -> Value {
        let mut object = self.named(rng, "one");
        add_metadata(rng, &mut object);
        object
    }

    /// A part of an object.
    fn patch(&self, rng: &mut Stream) -> Value {
        let mut patch = json!({});
        if rng.chance(0.4) {
            add_metadata(rng, &mut patch);
        } else {
            self.add_field(rng, &mut patch);
        }
        patch
    }

    fn json_patch(&self, rng: &mut Stream) -> Value {
        let (path, value) = self.field(rng);
        let top = path.first().cloned().unwrap_or_default();
        match rng.below(4) {
            0 => json!([{"op": "add", "path": "/metadata/labels", "value": {"j": "1"}}]),
            1 => json!([{"op": "test", "path": "/metadata/name", "value": "one"},
                        {"op": "add", "path": "/metadata/annotations", "value": {"j": "2"}}]),
            2 => json!([{"op": "test", "path": "/metadata/name", "value": "two"}]),
            _ if path.len() == 2 => {
                json!([{"op": "add", "path": format!("/{top}/{}", path[1]), "value": value}])
            }
            _ => json!([{"op": "remove", "path": format!("/{top}/no/such")}]),
        }
    }

    /// What a manager applies.
    fn configuration(&self, rng: &mut Stream) -> Value {
        let mut object = if rng.chance(0.5) { self.parts.base.clone() } else { json!({}) };
        for _ in 0..=rng.below(2) {
            self.add_field(rng, &mut object);
        }
        add_metadata(rng, &mut object);
        object["apiVersion"] = self.made.api_version.as_str().into();
        object["kind"] = self.made.kind.as_str().into();
        object["metadata"]["name"] = "one".into();
        object
    }

    /// A body that has one value of a type that its field has not.
    fn wrong(&self, rng: &mut Stream) -> Value {
        let mut object = self.named(rng, "wrong");
        break_type(rng, &self.made.schema, &mut object);
        object
    }

    /// A body with a field that nothing knows.
    fn surplus(&self, rng: &mut Stream) -> Value {
        let mut object = self.named(rng, "surplus");
        let name = pick(rng, &["odd", "nmae", "extra"]);
        let mut here = &mut object;
        while rng.chance(0.6) {
            let open = here.as_object().into_iter().flatten();
            let open = open.filter(|(name, v)| v.is_object() && *name != "matchLabels");
            let names: Vec<String> = open.map(|(name, _)| name.to_string()).collect();
            if names.is_empty() {
                break;
            }
            here = &mut here[pick(rng, &names).as_str()];
        }
        here[*name] = 1.into();
        object
    }

    fn field(&self, rng: &mut Stream) -> (Vec<String>, Value) {
        let field = pick(rng, &self.parts.fields);
        let path = field.first().and_then(Value::as_str).unwrap_or("");
        let value = field.get(1..).filter(|v| !v.is_empty()).map(|values| pick(rng, values));
        (path.split('.').map(str::to_owned).collect(), value.cloned().unwrap_or_default())
    }

    fn add_field(&self, rng: &mut Stream, object: &mut Value) {
        let (path, value) = self.field(rng);
        let mut here = object;
        for step in &path {
            here = &mut here[step.as_str()];
        }
        *here = value;
    }
}

pub(super) fn pick<'v, T>(rng: &mut Stream, from: &'v [T]) -> &'v T {
    let index = usize::try_from(rng.below(from.len() as u64)).unwrap_or(0);
    &from[index]
}

pub(super) fn add_metadata(rng: &mut Stream, object: &mut Value) {
    let value = *pick(rng, &["1", "2", "3"]);
    match rng.below(6) {
        0 => object["metadata"]["labels"] = json!({"app": value}),
        1 => object["metadata"]["labels"] = json!({"app": value, "tier": "t"}),
        2 => object["metadata"]["annotations"] = json!({"example.com/note": value}),
        3 => object["metadata"]["finalizers"] = json!(["example.com/hold"]),
        4 => {
            object["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": format!("u{value}")}]);
        }
        _ => {}
    }
}

fn selector(rng: &mut Stream) -> &'static str {
    let all: [&str; 6] = ["app%3D1", "app!%3D1", "app%20in%20(1,2)", "app", "!app", "tier%3Dt,app"];
    pick::<&str>(rng, &all)
}

pub(super) fn delete_options(rng: &mut Stream) -> Value {
    match rng.below(5) {
        0 => json!({"propagationPolicy": "Foreground"}),
        1 => json!({"propagationPolicy": "Background"}),
        2 => json!({"propagationPolicy": "Orphan"}),
        3 => json!({"gracePeriodSeconds": 0, "propagationPolicy": "Background"}),
        _ => Value::Null,
    }
}

/// Walks down the schema and puts a value of a wrong type somewhere.
fn break_type(rng: &mut Stream, schema: &Schema, object: &mut Value) {
    let names: Vec<_> = schema
        .properties
        .iter()
        .filter(|(name, field)| !matches!(&***name, "apiVersion" | "kind") && is_typed(field))
        .collect();
    if names.is_empty() {
        return;
    }
    let (name, field) = *pick(rng, &names);
    let deeper = field.kind == Type::Object && !field.properties.is_empty() && rng.chance(0.8);
    let here = &mut object[&**name];
    if deeper && (here.is_object() || here.is_null()) {
        break_type(rng, field, here);
        return;
    }
    *here = match field.kind {
        Type::Object => pick(rng, &[json!("text"), json!([1]), json!(7)]).clone(),
        Type::Array => pick(rng, &[json!("text"), json!({"a": 1}), json!(true)]).clone(),
        Type::String => {
            pick(rng, &[json!(3), json!(true), json!({"a": "b"}), json!(["x"])]).clone()
        }
        Type::Boolean => pick(rng, &[json!("true"), json!(1)]).clone(),
        _ => pick(rng, &[json!("1"), json!(1.5), json!([1]), json!(99_999_999_999_i64)]).clone(),
    };
}

/// Fields of which only one type is right.
fn is_typed(field: &Schema) -> bool {
    match field.kind {
        Type::Any | Type::IntOrString => false,
        Type::Object => !field.properties.is_empty() || field.additional.is_some(),
        Type::Integer => {
            field.constraints.as_ref().and_then(|c| c.format.as_deref()) == Some("int32")
        }
        _ => field.constraints.as_ref().is_none_or(|c| c.format.is_none()),
    }
}
