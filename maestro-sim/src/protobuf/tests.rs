//! Both ways and back: what the server stores of every kind, what is random, what is broken.

use proptest::prelude::*;

use super::table::table;
use super::{DecodeError, decode, encode, watch};
use crate::facts::facts;
use crate::json::{Map, Value, json};
use crate::rng::Stream;
use crate::schema::{Kind, Schema};
use crate::typed;

/// Objects made of each kind.
const SEEDS: u64 = 40;
/// Levels below which nothing more is filled in.
const LEVELS: usize = 14;

/// Go types that hold any JSON.
const OPEN: [&str; 3] = ["RawExtension", "FieldsV1", "JSON"];

/// A value that a schema allows, as a client could send it.
struct Maker {
    draw: Stream,
}

impl Maker {
    fn object(&mut self, schema: &Schema, level: usize) -> Value {
        let mut map = Map::new();
        for (name, field) in &schema.properties {
            // What is deep is rare, or else there would be no end.
            let often = if level < 3 { 3 } else { 2 };
            if level < LEVELS && self.draw.below(6) < often {
                map.insert(name.to_string(), self.value(name, field, level + 1));
            }
        }
        Value::Object(map)
    }

    fn value(&mut self, name: &str, schema: &Schema, level: usize) -> Value {
        let format = schema.format();
        match (schema.kind, format) {
            (_, Some("date-time")) => self.pick(&["2026-01-02T03:04:05Z", "1969-12-31T23:59:58Z"]),
            (_, Some("micro-time")) => {
                self.pick(&["2026-01-02T03:04:05.000006Z", "1969-12-31T23:59:58.999999Z"])
            }
            (_, Some("quantity")) => self.pick(&["1", "100m", "64Mi", "0", "1k"]),
            (_, Some("byte")) => self.pick(&["", "AAEC/w==", "aGk="]),
            (Kind::IntOrString, _) => match self.draw.below(3) {
                0 => 0.into(),
                1 => 8080.into(),
                _ => "http".into(),
            },
            (Kind::String, _) => self.pick(&["", "a", "zażółć", "x: {y}\n"]),
            (Kind::Boolean, _) => (self.draw.below(2) == 0).into(),
            (Kind::Integer, Some("int32")) => self.number(&[0, 1, -1, 2_147_483_647]),
            (Kind::Integer, _) => self.number(&[0, 7, -7, i64::MAX, i64::MIN]),
            (Kind::Number, _) => json!(1.5),
            (Kind::Array, _) => {
                let items = schema.items.as_deref();
                let many = self.draw.below(3);
                (0..many).filter_map(|_| Some(self.value(name, items?, level + 1))).collect()
            }
            (Kind::Object, _) if schema.properties.is_empty() && schema.additional.is_some() => {
                let values = schema.additional.as_deref();
                let many = self.draw.below(3);
                let entry = |maker: &mut Self, index| {
                    Some((format!("k{index}"), maker.value(name, values?, level + 1)))
                };
                Value::Object((0..many).filter_map(|index| entry(self, index)).collect())
            }
            (Kind::Object, _) if !schema.properties.is_empty() => self.object(schema, level),
            // Left open: JSON inside, or the recursive schema of a CRD.
            _ if name == "openAPIV3Schema" => self.crd_schema(level),
            // A struct without fields.
            (Kind::Object, _) if !OPEN.iter().any(|of| schema.go_type.ends_with(of)) => json!({}),
            _ => json!({"free": [1, "x", null, {"y": 0.5}]}),
        }
    }

    fn crd_schema(&mut self, level: usize) -> Value {
        if level >= LEVELS {
            return json!({"type": "string", "enum": ["a", 1, null], "minLength": 0});
        }
        let inner = self.crd_schema(level + 2);
        match self.draw.below(4) {
            0 => json!({"type": "object", "properties": {"a": inner, "b": {"$ref": "#/x"}}}),
            1 => json!({"type": "array", "items": inner, "x-kubernetes-list-type": "atomic"}),
            2 => json!({"type": "object", "additionalProperties": inner, "default": {}}),
            _ => json!({"items": [inner, {}], "additionalItems": false, "maximum": 10.5,
                        "dependencies": {"a": ["b"], "c": {"not": {}}},
                        "additionalProperties": true, "minimum": 0, "example": [1],
                        "x-kubernetes-validations": [{"rule": "true"}]}),
        }
    }

    fn pick(&mut self, texts: &[&str]) -> Value {
        texts[usize::try_from(self.draw.below(texts.len() as u64)).unwrap_or(0)].into()
    }

    fn number(&mut self, numbers: &[i64]) -> Value {
        numbers[usize::try_from(self.draw.below(numbers.len() as u64)).unwrap_or(0)].into()
    }
}

/// What a typed server keeps of a body: what is read from its store.
fn stored(schema: &Schema, kind: &str, mut value: Value) -> Value {
    typed::decode(schema, kind, &mut value, None)
        .unwrap_or_else(|e| panic!("{kind}: {e}\n{value}"));
    typed::forget_empty(schema, &mut value);
    value
}

/// Whether nested objects lost their type: messages have none, and nothing else may differ.
fn without_nested_type(mut value: Value) -> Value {
    fn strip(value: &mut Value, top: bool) {
        match value {
            Value::Object(map) => {
                if !top && map.contains_key("metadata") && map.contains_key("spec") {
                    map.remove("apiVersion");
                    map.remove("kind");
                }
                map.values_mut().for_each(|value| strip(value, false));
            }
            Value::Array(list) => list.iter_mut().for_each(|value| strip(value, false)),
            _ => {}
        }
    }
    strip(&mut value, true);
    value
}

#[track_caller]
fn check(value: &Value) -> Vec<u8> {
    let bytes = encode(value).expect("a message").unwrap_or_else(|e| panic!("{e}\n{value:#}"));
    let back = decode(&bytes, ("", "")).unwrap_or_else(|e| panic!("{e}\n{value:#}"));
    let (expected, back) = (without_nested_type(value.clone()), without_nested_type(back));
    if expected != back {
        panic!("{}\n{}", serde_json::to_string(&expected).unwrap_or_default(), back);
    }
    bytes.to_vec()
}

#[test]
fn what_is_stored_of_every_kind_comes_back() {
    for resource in &facts().resources {
        let text = |field: &str| resource[field].as_str().unwrap_or("");
        let schema = facts().schema(text("type"));
        let api_version = match text("group") {
            "" => text("version").to_owned(),
            group => format!("{group}/{}", text("version")),
        };
        for seed in 0..SEEDS {
            let mut maker = Maker { draw: Stream::new(seed, text("resource")) };
            let mut object = maker.object(&schema, 0);
            object["apiVersion"] = api_version.as_str().into();
            object["kind"] = text("kind").into();
            check(&stored(&schema, text("kind"), object));
        }
    }
}

#[test]
fn a_message_is_written_as_go_writes_it() {
    // What the serializer of k8s.io/apimachinery v0.37.2 writes of this ConfigMap.
    let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
                       "data": {"b": "c"}, "immutable": true});
    let expected = [
        &b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x1d"[..],
        b"\x0a\x11\x0a\x01a\x12\x00\x1a\x00\x22\x00\x2a\x00\x32\x00\x38\x00\x42\x00",
        b"\x12\x06\x0a\x01b\x12\x01c\x20\x01\x1a\x00\x22\x00",
    ];
    let bytes = encode(&value).expect("a message").expect("encoded");
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
    assert_eq!(shown(&bytes), shown(&expected.concat()));
}

#[test]
fn what_cannot_be_read_is_refused() {
    let body = |raw: &[u8]| super::envelope::wrap("v1", "ConfigMap", raw).to_vec();
    let deep = (0..200).fold(Vec::new(), |inner, _| {
        let mut writer = super::wire::Writer::default();
        writer.bytes(28, &inner);
        writer.finish()
    });
    let mut writer = super::wire::Writer::default();
    writer.bytes(1, &deep);
    // versions[0].schema.openAPIV3Schema, and then `not` in `not`.
    let mut raw = writer.finish();
    for number in [4, 7, 2] {
        let mut writer = super::wire::Writer::default();
        writer.bytes(number, &raw);
        raw = writer.finish();
    }
    let crd = ("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    let deep = super::envelope::wrap(crd.0, crd.1, &raw).to_vec();
    // An envelope's empty items: two bytes a value, and each a whole Pod.
    let pods = super::envelope::wrap("v1", "PodList", &b"\x12\x00".repeat(400_000)).to_vec();
    let cases: [(&[u8], &str); 8] = [
        (b"{}", "does not appear to be a protobuf message"),
        (b"k8s\0", "empty body"),
        (&body(b"\x08\x01"), "proto: wrong wireType = 0 for field ObjectMeta"),
        (&body(b"\x0a\x05\x0a"), "unexpected EOF"),
        (&body(b"\x0c"), "proto: ConfigMap: wiretype end group for non-group"),
        (&body(b"\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "proto: integer overflow"),
        (&deep, "nested too deeply"),
        (&pods, "too many values"),
    ];
    for (body, expected) in cases {
        let error = decode(body, ("", "")).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    let foreign = super::envelope::wrap("example.com/v1", "Widget", b"");
    let error = decode(&foreign, ("", "")).expect_err("no message");
    assert!(matches!(error, DecodeError::NoMessage { .. }), "{error}");
}

#[test]
fn a_value_of_another_type_is_not_encoded() {
    let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": 1}});
    let error = encode(&value).expect("a message").expect_err("a number is no name");
    assert_eq!(error, "metadata: name: a number is no value of its type in protobuf");
}

#[test]
fn events_are_framed() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec":
                     {"containers": null}, "status": {}});
    let mut frames = watch::frame("ADDED", &pod).to_vec();
    frames.extend_from_slice(&watch::frame("DELETED", &pod));
    let whole = watch::events(&frames).expect("events");
    let told: Vec<&str> = whole.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(told, ["ADDED", "DELETED"]);
    assert_eq!(whole[0]["object"]["metadata"]["name"], "a");
    let cut = watch::events(&frames[..frames.len() - 1]).expect("the first");
    assert_eq!(cut.len(), 1, "half a frame is none");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(raw in proptest::collection::vec(any::<u8>(), 0..200), pick: u64) {
        let kinds: Vec<_> = table().kinds().collect();
        let (api_version, kind, _) = kinds[usize::try_from(pick % kinds.len() as u64).unwrap_or(0)];
        let _ = decode(&raw, (api_version, kind));
        let _ = watch::events(&raw);
        if let Ok(value) = decode(&super::envelope::wrap(api_version, kind, &raw), ("", "")) {
            let _ = encode(&value);
        }
    }

    #[test]
    fn no_broken_object_makes_it_panic(
        at in any::<prop::sample::Index>(), byte: u8, seed in 0..64u64, cut: bool,
    ) {
        let schema = facts().schema("io.k8s.api.core.v1.Pod");
        let mut object = Maker { draw: Stream::new(seed, "pods") }.object(&schema, 0);
        object["apiVersion"] = "v1".into();
        object["kind"] = "Pod".into();
        let mut bytes = check(&stored(&schema, "Pod", object));
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        if let Ok(value) = decode(&bytes, ("v1", "Pod")) {
            let _ = encode(&value);
        }
    }
}

#[test]
fn custom_kinds_are_not_in_protobuf() {
    use crate::api::registry::Registry;
    use crate::api::{Form, Meta, Verb};
    use crate::object::{GroupResource, Object};

    let mut registry = Registry::default();
    registry.serve(&Object::new(json!({"spec": {
        "group": "example.com", "names": {"plural": "widgets", "kind": "Widget"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": true, "storage": true}]}})));
    let served = registry.find(&GroupResource::owned("example.com", "widgets"), "v1");
    let served = served.expect("served");
    let code = |verb, body: &[u8]| {
        super::request::body(&served, verb, body).map(|_| 200).unwrap_or_else(|e| e.code)
    };
    let options = super::envelope::wrap("example.com/v1", "DeleteOptions", b"\x08\x00");
    assert_eq!(code(Verb::Create, b"k8s\0"), 415);
    assert_eq!(code(Verb::Update, b"k8s\0"), 415);
    assert_eq!(code(Verb::Delete, b"k8s\0"), 400);
    assert_eq!(code(Verb::Delete, &options), 200);
    assert_eq!(code(Verb::Delete, b""), 200);
    let accepts = |media: &'static str, form| {
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::ACCEPT, http::HeaderValue::from_static(media));
        super::request::check_accept(&headers, form, Verb::Get, &served).is_ok()
    };
    assert!(!accepts(super::MEDIA_TYPE, Form::Whole));
    assert!(accepts(super::MEDIA_TYPE, Form::Metadata(Meta::V1)));
    assert!(accepts("application/vnd.kubernetes.protobuf,application/json", Form::Whole));
}
