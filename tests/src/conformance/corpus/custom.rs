//! Custom kinds with generated structural schemas, and what is done with their objects: defaults,
//! pruning, validation, CEL rules, lists and maps that are merged, status and scale.

mod schema;

use std::ops::Range;

use maestro_sim::json::{Value, json};
use maestro_sim::rng::Stream;

use self::schema::{made, object, value};
use super::generated::{MANAGERS, add_metadata, delete_options, pick};
use crate::conformance::case::{Sequence, Step};

/// The seeds whose sequences every run asks.
pub(super) const SEEDS: Range<u64> = 0..60;
/// Requests between the first object and its deletion.
const CHANGES: u64 = 16;
/// How many levels of objects a schema has below `spec`.
const DEEPEST: u32 = 2;
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// The sequences of these seeds.
pub(super) fn sequences(seeds: Range<u64>) -> Vec<Sequence> {
    seeds.map(sequence).collect()
}

fn sequence(seed: u64) -> Sequence {
    let mut rng = Stream::new(seed, "custom kinds");
    let group = format!("gen{seed}.example.com");
    let kind = Kind::new(&mut rng, &group);
    let at = format!("{group}/v1/things");
    let mut requests = vec![
        Step::new(format!("POST {DEFINITIONS}"), kind.definition(&group)),
        Step::new(format!("GET {DEFINITIONS}/things.{group}"), Value::Null),
    ];
    for _ in 0..3 {
        // The first that is valid is the one.
        let body = kind.object(&mut rng, "one");
        requests.push(Step::new(format!("POST {at}?fieldManager=ann"), body).keep("one"));
    }
    requests.extend((0..CHANGES).map(|_| kind.change(&mut rng, &at)));
    requests.push(Step::new(format!("GET {at}/one"), Value::Null));
    requests.push(Step::new(format!("DELETE {at}/one"), delete_options(&mut rng)));
    requests.push(Step::new(format!("DELETE {DEFINITIONS}/things.{group}"), Value::Null));
    Sequence { name: format!("custom-{seed}"), requests }
}

/// A kind with its schemas.
struct Kind {
    api_version: String,
    spec: Value,
    status: Value,
    has_status: bool,
    scale: Option<Value>,
}

impl Kind {
    fn new(rng: &mut Stream, group: &str) -> Self {
        let mut spec = object(rng, DEEPEST);
        let scales = rng.chance(0.4);
        if scales {
            spec["properties"]["replicas"] = json!({"type": "integer", "default": 1});
        }
        let mut status = object(rng, 1);
        status["properties"]["replicas"] = json!({"type": "integer"});
        status["properties"]["selector"] = json!({"type": "string"});
        let scale = json!({
            "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector"});
        Self {
            api_version: format!("{group}/v1"),
            spec,
            status,
            has_status: rng.chance(0.7),
            scale: scales.then_some(scale),
        }
    }

    fn definition(&self, group: &str) -> Value {
        let mut version = json!({
            "name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": self.spec.clone(), "status": self.status.clone()}}}});
        if self.has_status {
            version["subresources"]["status"] = json!({});
        }
        if let Some(scale) = &self.scale {
            version["subresources"]["scale"] = scale.clone();
        }
        json!({
            "metadata": {"name": format!("things.{group}")},
            "spec": {
                "group": group, "scope": "Namespaced", "versions": [version],
                "names": {"kind": "Thing", "plural": "things"}}})
    }

    /// A whole object, mostly valid.
    fn object(&self, rng: &mut Stream, name: &str) -> Value {
        let mut object = json!({
            "apiVersion": self.api_version.clone(), "kind": "Thing", "metadata": {"name": name},
            "spec": value(rng, &self.spec)});
        if rng.chance(0.3) {
            object["status"] = value(rng, &self.status);
        }
        if rng.chance(0.3) {
            add_metadata(rng, &mut object);
        }
        object
    }

    fn part(&self, rng: &mut Stream) -> Value {
        match rng.below(4) {
            0 => {
                let mut part = json!({});
                add_metadata(rng, &mut part);
                part
            }
            _ => json!({"spec": value(rng, &self.spec)}),
        }
    }

    fn change(&self, rng: &mut Stream, at: &str) -> Step {
        let one = format!("{at}/one");
        let manager = pick(rng, &MANAGERS);
        let asks = format!("{one}?fieldManager={manager}");
        match rng.below(16) {
            0 => Step::new(format!("GET {one}"), Value::Null),
            1 => Step::new(format!("POST {at}?dryRun=All"), self.object(rng, "two")),
            2 | 3 => Step::patch(asks, "merge", self.part(rng)),
            4 => Step::patch(asks, "json", self.json_patch(rng)),
            5..=7 => {
                let force = if rng.chance(0.5) { "&force=true" } else { "" };
                Step::patch(format!("{asks}{force}"), "apply", self.configuration(rng))
            }
            8 | 9 => Step::new(format!("PUT {asks}"), self.replacement(rng)),
            10 => {
                let strictness = pick(rng, &["Strict", "Warn", "Ignore"]);
                let mut object = self.object(rng, "surplus");
                if object["spec"].is_object() {
                    object["spec"]["surplus"] = 1.into();
                }
                Step::new(format!("POST {at}?dryRun=All&fieldValidation={strictness}"), object)
            }
            11 => {
                let status = json!({"status": value(rng, &self.status)});
                Step::patch(format!("{one}/status?fieldManager={manager}"), "merge", status)
            }
            12 => {
                let mut object = self.replacement(rng);
                object["status"] = value(rng, &self.status);
                Step::new(format!("PUT {one}/status?fieldManager={manager}"), object)
            }
            13 => Step::new(format!("GET {one}/scale"), Value::Null),
            14 => {
                let replicas = pick(rng, &[json!(0), json!(3), json!(-1), json!("2")]).clone();
                let scale = json!({"spec": {"replicas": replicas}});
                Step::patch(format!("{one}/scale?fieldManager={manager}"), "merge", scale)
            }
            _ => Step::new(format!("GET {at}?limit=1"), Value::Null)
                .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io"),
        }
    }

    /// What a manager applies, with one mistake at most: which of several are found depends on the
    /// order in which Go walks through a map.
    fn configuration(&self, rng: &mut Stream) -> Value {
        let mut object = json!({
            "apiVersion": self.api_version.clone(), "kind": "Thing", "metadata": {"name": "one"},
            "spec": made(rng, &self.spec, 0.0)});
        if rng.chance(0.3) {
            object["status"] = made(rng, &self.status, 0.0);
        }
        if rng.chance(0.3) {
            add_metadata(rng, &mut object);
        }
        let mistake = match rng.below(8) {
            0 => json!({"unknown": 1}),
            1 => json!({"a": made(rng, &json!({"type": "string"}), 1.0)}),
            _ => return object,
        };
        object["spec"] = mistake;
        if let Some(map) = object.as_object_mut() {
            map.remove("status");
        }
        object
    }

    fn replacement(&self, rng: &mut Stream) -> Value {
        let mut object = self.object(rng, "one");
        object["metadata"]["resourceVersion"] = "${one/metadata/resourceVersion}".into();
        if rng.chance(0.8) {
            // Not the version that it was made with: whatever there is.
            object["metadata"]["resourceVersion"] = "".into();
        }
        object
    }

    fn json_patch(&self, rng: &mut Stream) -> Value {
        let names: Vec<&str> = self.spec["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let name = *pick(rng, &names);
        let path = format!("/spec/{name}");
        match rng.below(3) {
            0 => json!([{"op": "remove", "path": path}]),
            1 => {
                let value = value(rng, &self.spec["properties"][name]);
                json!([{"op": "add", "path": path, "value": value}])
            }
            _ => json!([{"op": "replace", "path": path, "value": Value::Null}]),
        }
    }
}
