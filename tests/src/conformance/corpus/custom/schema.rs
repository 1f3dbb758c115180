//! Generated structural schemas, and values that mostly fit them.

use maestro_sim::json::{Value, json};
use maestro_sim::rng::Stream;

use crate::conformance::corpus::generated::pick;

/// The schema of an object with some fields.
pub(super) fn object(rng: &mut Stream, depth: u32) -> Value {
    let mut schema = json!({"type": "object", "properties": {}});
    let names = ["a", "b", "c", "d", "e", "f"];
    let count = 2 + rng.below(4);
    let names = &names[..usize::try_from(count).unwrap_or(2)];
    for name in names {
        schema["properties"][*name] = node(rng, depth);
    }
    if rng.chance(0.3) {
        schema["required"] = json!([*pick(rng, names)]);
    }
    if rng.chance(0.15) {
        schema["x-kubernetes-preserve-unknown-fields"] = true.into();
    }
    if rng.chance(0.15) {
        schema["x-kubernetes-map-type"] = (*pick(rng, &["atomic", "granular"])).into();
    }
    if rng.chance(0.1) {
        schema["minProperties"] = 1.into();
    }
    if rng.chance(0.1) {
        schema["maxProperties"] = 3.into();
    }
    if rng.chance(0.3) {
        let (one, other) = (*pick(rng, names), *pick(rng, names));
        let rule = match rng.below(3) {
            0 => format!("has(self.{one})"),
            1 => format!("!has(self.{one}) || has(self.{other})"),
            _ => format!("has(self.{one}) == has(oldSelf.{other})"),
        };
        schema["x-kubernetes-validations"] = json!([rule_of(rng, &rule)]);
    }
    schema
}

/// A rule, perhaps with more than its expression.
fn rule_of(rng: &mut Stream, rule: &str) -> Value {
    let mut made = json!({ "rule": rule });
    if rng.chance(0.3) {
        made["message"] = "it must be so".into();
    }
    if rng.chance(0.2) {
        let reasons = ["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"];
        made["reason"] = (*pick(rng, &reasons)).into();
    }
    made
}

/// The schema of a field.
fn node(rng: &mut Stream, depth: u32) -> Value {
    let mut schema = match rng.below(if depth > 0 { 12 } else { 7 }) {
        0..=2 => string(rng),
        3 => integer(rng),
        4 => json!({"type": "number", "maximum": 10}),
        5 => json!({"type": "boolean"}),
        6 => json!({"x-kubernetes-int-or-string": true}),
        7 | 8 => object(rng, depth - 1),
        9 => json!({"type": "object", "additionalProperties": node(rng, 0)}),
        10 => list(rng),
        _ => table(rng, depth - 1),
    };
    if rng.chance(0.15) {
        schema["nullable"] = true.into();
    }
    if rng.chance(0.25) {
        // One that does not fit is refused with its definition: here it mostly does.
        let kept = schema.clone();
        schema["default"] = made(rng, &kept, 0.0);
    }
    schema
}

fn string(rng: &mut Stream) -> Value {
    let mut schema = json!({"type": "string"});
    match rng.below(7) {
        0 => schema["enum"] = json!(["a", "b", "abc"]),
        1 => schema["maxLength"] = 3.into(),
        2 => schema["pattern"] = "^[a-z]*$".into(),
        3 => {
            let formats = [
                "date-time",
                "date",
                "byte",
                "uuid",
                "email",
                "ipv4",
                "ipv6",
                "cidr",
                "hostname",
                "uri",
                "duration",
                "password",
                "mac",
                "k8s-short-name",
                "unheard-of",
            ];
            schema["format"] = (*pick(rng, &formats)).into();
        }
        4 => {
            schema["maxLength"] = 20.into();
            let rules = [
                "self != 'no'",
                "self.size() < 4",
                "self == oldSelf",
                "self.startsWith('a')",
                "self.matches('^[a-c]+$')",
                "size(self) > 0 && self.lowerAscii() == self",
            ];
            let rule = *pick(rng, &rules);
            schema["x-kubernetes-validations"] = json!([rule_of(rng, rule)]);
        }
        5 => schema["minLength"] = 2.into(),
        _ => {}
    }
    schema
}

fn integer(rng: &mut Stream) -> Value {
    let mut schema = json!({"type": "integer"});
    match rng.below(7) {
        0 => schema["format"] = (*pick(rng, &["int32", "int64"])).into(),
        1 => schema["minimum"] = 1.into(),
        2 => {
            schema["maximum"] = 9.into();
            schema["exclusiveMaximum"] = rng.chance(0.5).into();
        }
        3 => schema["multipleOf"] = 2.into(),
        4 => schema["enum"] = json!([1, 2, 5]),
        5 => {
            let rule = *pick(rng, &["self > 0", "self >= oldSelf", "self % 2 == 1", "self < 5"]);
            schema["x-kubernetes-validations"] = json!([rule_of(rng, rule)]);
        }
        _ => {}
    }
    schema
}

/// The schema of a list of scalars.
fn list(rng: &mut Stream) -> Value {
    let mut schema = json!({"type": "array", "items": node(rng, 0)});
    let kind = *pick(rng, &["", "atomic", "set"]);
    if !kind.is_empty() {
        schema["x-kubernetes-list-type"] = kind.into();
    }
    match rng.below(4) {
        0 => schema["maxItems"] = 3.into(),
        1 => schema["minItems"] = 1.into(),
        2 => {
            schema["maxItems"] = 10.into();
            let rules = ["self.size() < 3", "self.all(x, x == x)", "oldSelf.size() <= self.size()"];
            let rule = *pick(rng, &rules);
            schema["x-kubernetes-validations"] = json!([rule_of(rng, rule)]);
        }
        _ => {}
    }
    schema
}

/// The schema of a list of objects that a key tells apart.
fn table(rng: &mut Stream, depth: u32) -> Value {
    let mut item = object(rng, depth);
    item["properties"]["key"] = json!({"type": "string"});
    let mut keys = json!(["key"]);
    if rng.chance(0.5) {
        item["required"] = json!(["key"]);
    } else {
        item["properties"]["key"]["default"] = "k".into();
    }
    if rng.chance(0.2) {
        item["properties"]["port"] = json!({"type": "integer", "default": 80});
        keys = json!(["key", "port"]);
    }
    let mut schema = json!({
        "type": "array", "items": item, "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": keys});
    if rng.chance(0.3) {
        schema["maxItems"] = 4.into();
    }
    schema
}

/// A value for a schema, mostly one that fits.
pub(super) fn value(rng: &mut Stream, schema: &Value) -> Value {
    made(rng, schema, 0.02)
}

/// A value for a schema, each part of which is wrong by such a chance.
pub(super) fn made(rng: &mut Stream, schema: &Value, wrong: f64) -> Value {
    if rng.chance(wrong) {
        let odd = [json!("odd"), json!(7), json!(1.5), json!(true), json!([1]), json!({"a": 1})];
        return if rng.chance(0.3) { Value::Null } else { pick(rng, &odd).clone() };
    }
    if schema.get("nullable").is_some_and(|is| *is == true) && rng.chance(0.2) {
        return Value::Null;
    }
    if let Some(all) = schema.get("enum").and_then(Value::as_array) {
        return pick(rng, all).clone();
    }
    let text = |field: &str| schema.get(field).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "string" => text_of(rng, text("format")).into(),
        "integer" => (*pick(rng, &[1, 2, 3, 4, 5, 8, 9, 0, -1])).into(),
        "number" => pick(rng, &[json!(0.5), json!(1), json!(2.25), json!(10), json!(11)]).clone(),
        "boolean" => rng.chance(0.5).into(),
        "array" => (0..rng.below(4)).map(|_| made(rng, &schema["items"], wrong)).collect(),
        "object" => fields(rng, schema, wrong),
        _ => pick(rng, &[json!(1), json!("x"), json!("50%")]).clone(),
    }
}

fn fields(rng: &mut Stream, schema: &Value, wrong: f64) -> Value {
    let mut object = json!({});
    if schema.get("additionalProperties").is_some() {
        for name in ["x", "y"] {
            if rng.chance(0.6) {
                object[name] = made(rng, &schema["additionalProperties"], wrong);
            }
        }
        return object;
    }
    let required = schema.get("required").and_then(Value::as_array);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let needed = required.is_some_and(|all| all.iter().any(|one| one == name.as_str()));
        if rng.chance(if needed { 1.0 - wrong } else { 0.5 }) {
            object[name.as_str()] = made(rng, field, wrong);
        }
    }
    if rng.chance(2.0 * wrong) {
        object["unknown"] = json!({"a": 1});
    }
    object
}

fn text_of(rng: &mut Stream, format: &str) -> &'static str {
    let all: &[&str] = match format {
        "date-time" => &["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+02:00", "2026-01-01"],
        "date" => &["2026-01-01", "2026-13-01"],
        "byte" => &["YQ==", "YWI=", "a"],
        "uuid" => &["9f86d081-884c-4d63-a67c-0123456789ab", "9f86"],
        "email" => &["a@example.com", "a"],
        "ipv4" | "ipv6" | "cidr" => &["10.0.0.1", "fe80::1", "10.0.0.0/8", "fe80::/10", "10"],
        "hostname" => &["example.com", "-a"],
        "uri" => &["https://example.com/a", "a b", "/a"],
        "duration" => &["1h", "2 days", "1"],
        "mac" => &["00:00:5e:00:53:01", "00"],
        _ => &["a", "ab", "abc", "b", "abcd", "no", "Ab", ""],
    };
    pick::<&str>(rng, all)
}
